"""Clones without the chain send to an inbox, and whoever pushes next folds it in."""

from __future__ import annotations

import pytest
from share.clones import REF, Hub, boxes, listed, runs


@pytest.mark.slow
def test_a_shallow_clone_sends_to_its_inbox_and_the_next_push_folds_it_in(hub: Hub) -> None:
    one = hub.clone("one")
    first = hub.record(one)
    hub.push(one)
    job = hub.clone("job", "--depth=1")
    second = hub.record(job)

    done = hub.push(job)["experiments"][0]
    assert (done["sent"], done["inbox"], done["waiting"]) == (1, True, 0)
    (ref,) = boxes(hub.repo)
    assert ref.endswith(".main")
    assert hub.runs(ref) == [second]
    assert hub.runs() == [first]
    assert runs(job) == [second], "the chain was not fetched"
    assert "--whole fetches it" in hub.ledger("-C", str(job.path), "pull")

    hub.fetch(one)
    assert set(listed(hub, one)) == {first, second}, "readers see it at once"
    third = hub.record(one)
    assert hub.push(one)["experiments"][0]["folded"] == 1
    assert sorted(hub.runs()) == sorted([first, second, third])
    assert boxes(hub.repo) == []
    hub.fetch(one)
    assert boxes(one) == []
    assert listed(hub, one) == dict.fromkeys((first, second, third), 1)


@pytest.mark.long
def test_a_job_that_goes_on_sends_what_is_new_only(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    hub.push(one)
    job = hub.clone("job", "--depth=1")
    hub.record(job)
    hub.push(job)
    assert hub.push(job)["pushes"] == 0
    hub.push(one)
    assert hub.push(job)["pushes"] == 0, "it was folded in, not lost"
    hub.record(job)
    assert hub.push(job)["experiments"][0]["sent"] == 1
    hub.push(one)
    assert len(hub.runs()) == len(set(hub.runs())) == 3


@pytest.mark.slow
def test_the_first_runs_of_all_need_no_inbox(hub: Hub) -> None:
    job = hub.clone("job", "--depth=1")
    run = hub.record(job)
    assert not hub.push(job)["experiments"][0]["inbox"]
    assert hub.runs() == [run]
    second = hub.record(job)
    hub.push(job)
    assert hub.runs() == [run, second]
    assert boxes(hub.repo) == []


@pytest.mark.slow
def test_a_full_clone_may_ask_for_its_inbox(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    first, second = hub.record(one), hub.record(other)
    hub.push(one)
    hub.push(other, "--inbox")
    assert hub.runs() == [first]
    hub.push(other)
    assert sorted(hub.runs()) == sorted([first, second])
    hub.pull(one)
    assert boxes(hub.repo) == []
    assert runs(one) == runs(other) == hub.runs(REF)


@pytest.mark.slow
def test_names_that_no_ledger_made_are_left_alone(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    hub.push(one)
    hub.repo.git("update-ref", "refs/ledger/inbox/strange", REF)
    hub.push(one)
    assert boxes(one) == []
    assert boxes(hub.repo) == ["refs/ledger/inbox/strange"]
