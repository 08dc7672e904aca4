"""Chains that others always win, remotes that let nobody write, and copies of a clone that share its name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import Repo
from share.clones import REF, Hub, boxes, listed, runs

import ledger as api
from ledger.store.verify.records import records
from ledger.store.verify.walk import Walk

RIVAL = "refs/heads/rival"
_OVERTAKE = f"""
test "$1" = {REF} || exit 0
next=$(git rev-list --reverse $(git rev-parse {REF})..{RIVAL} | head -n 1)
git update-ref {REF} $next
"""
"""The rival's next run comes in between, each time that anybody pushes to the chain."""


@pytest.fixture
def crowded(hub: Hub) -> Hub:
    """A remote where a rival is first, sixty times."""
    rival = hub.clone("rival")
    api.record_many([{"metrics": {"f1": 0.5}, "experiment": "main"}] * 60, repository=rival.path)
    rival.git("push", "-q", "origin", f"{REF}:{RIVAL}")
    hub.repo.git("update-ref", REF, f"{RIVAL}~59")
    hub.hook("update", _OVERTAKE)
    return hub


@pytest.mark.long
def test_who_always_loses_the_race_publishes_through_the_inbox(crowded: Hub) -> None:
    one, other = crowded.clone("one"), crowded.clone("other")
    mine = [crowded.record(one), crowded.record(one)]
    report = crowded.push(one)

    (done,) = report["experiments"]
    assert (done["inbox"], done["sent"], done["waiting"]) == (True, 2, 0)
    assert done["overtaken"] == 6
    assert report["pushes"] == 7
    assert "others were first 6 times" in crowded.ledger.err
    (ref,) = boxes(crowded.repo)
    assert crowded.runs(ref)[-2:] == mine
    assert set(mine).isdisjoint(crowded.runs())
    crowded.fetch(other)
    assert set(mine) <= set(listed(crowded, other)), "readers see them at once"

    later = crowded.record(one)
    assert crowded.push(one)["experiments"][0]["sent"] == 1, (
        "what is in the inbox already is not counted again"
    )
    assert boxes(crowded.repo) == [ref]
    (crowded.repo.path / "hooks" / "update").unlink()
    assert crowded.push(other)["experiments"][0]["folded"] == 3
    there = crowded.runs()
    assert sorted(there) == sorted({*there, *mine, later})
    assert boxes(crowded.repo) == []
    assert crowded.push(one)["pushes"] == 0
    assert runs(one) == there
    assert listed(crowded, one) == dict.fromkeys(there, 1)
    assert crowded.ledger.json("-C", str(one.path), "verify")["faults"] == []


@pytest.mark.long
@pytest.mark.parametrize("noted", [True, False])
def test_its_own_next_push_takes_the_inbox_to_the_chain(crowded: Hub, *, noted: bool) -> None:
    """Also if it was killed before it had noted that the inbox has it."""
    one = crowded.clone("one")
    run = crowded.record(one)
    crowded.push(one)
    if not noted:
        one.git("update-ref", "-d", *boxes(one))
    (crowded.repo.path / "hooks" / "update").unlink()
    assert crowded.push(one)["experiments"][0]["sent"] == 1
    assert crowded.runs()[-1] == run
    assert boxes(crowded.repo) == boxes(one) == []


@pytest.mark.long
def test_only_the_experiment_that_is_contended_takes_the_inbox(crowded: Hub) -> None:
    one = crowded.clone("one")
    crowded.record(one)
    calm = crowded.record(one, "--experiment", "calm")
    report = crowded.push(one)
    assert {done["experiment"]: done["inbox"] for done in report["experiments"]} == {
        "calm": False,
        "main": True,
    }
    assert crowded.runs("refs/runs/calm") == [calm]


@pytest.mark.long
def test_a_remote_that_moves_at_every_look_is_not_waited_for_without_end(
    crowded: Hub, tmp_path: Path
) -> None:
    """Others are first before anything was sent: each look shows another tip than the one before."""
    one = crowded.clone("one")
    run = crowded.record(one)
    (crowded.repo.path / "hooks" / "update").unlink()
    service = tmp_path / "upload-pack"
    service.write_text(
        f"#!/bin/sh\ncd {crowded.repo.path}\nset -- {REF}\n{_OVERTAKE}\nexec git upload-pack .\n"
    )
    service.chmod(0o755)
    one.git("config", "remote.origin.uploadpack", str(service))
    report = crowded.push(one)
    assert (report["pushes"], report["experiments"][0]["inbox"]) == (1, True)
    (ref,) = boxes(crowded.repo)
    assert crowded.runs(ref)[-1] == run


@pytest.mark.parametrize(
    ("said", "tries"),
    [
        ("Permission denied (publickey).", 1),
        pytest.param("the line is bad", 5, marks=pytest.mark.long),
    ],
)
def test_a_remote_that_may_be_read_only_is_not_a_race(
    hub: Hub, tmp_path: Path, said: str, tries: int
) -> None:
    one = hub.clone("one")
    run = hub.record(one)
    count, service = tmp_path / "count", tmp_path / "receive-pack"
    service.write_text(f'#!/bin/sh\necho x >> {count}\necho "{said}" >&2\nexit 128\n')
    service.chmod(0o755)
    one.git("config", "remote.origin.receivepack", str(service))
    hub.ledger("-C", str(one.path), "push", code=4)
    assert said in hub.ledger.err
    assert len(count.read_text().split()) == tries
    one.git("config", "--unset", "remote.origin.receivepack")
    hub.push(one)
    assert hub.runs() == [run]


@pytest.mark.long
def test_a_guarded_remote_lets_the_inbox_in_and_reads_only_what_is_new(
    crowded: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.git.process import discover
    from ledger.share import server

    one = crowded.clone("one")
    crowded.record(one)
    crowded.push(one)
    (ref,) = boxes(crowded.repo)
    new = crowded.repo.git("rev-parse", ref)
    crowded.repo.git("update-ref", "-d", ref)
    repository = discover(crowded.repo.path, dict(os.environ))
    seen: list[str] = []

    def watched(walk: Walk, placed: Sequence[tuple[str, str]]) -> None:
        seen.extend(commit for _, commit in placed)
        records(walk, placed)

    monkeypatch.setattr(server, "records", watched)
    assert server.check(repository, [server.Command(ref=ref, old=None, new=new)]) == []
    assert seen == [new]


@pytest.mark.long
def test_copies_of_a_clone_do_not_write_to_one_inbox(hub: Hub) -> None:
    """Jobs from one image, or from one cached folder."""
    seed = hub.clone("seed")
    hub.record(seed)
    hub.push(seed)
    image = hub.clone("image", "--depth=1")
    made = [hub.record(image)]
    hub.push(image)
    jobs = [Repo(Path(shutil.copytree(image.path, hub.folder / f"job-{number}"))) for number in range(3)]
    made += [hub.record(job) for job in jobs]
    for job in jobs:
        assert hub.push(job)["experiments"][0]["waiting"] == 0
    assert len(boxes(hub.repo)) == 3, "the first goes on with the inbox that was there"
    hub.push(seed)
    assert sorted(hub.runs()) == sorted([*made, *runs(seed)[:1]])
    assert boxes(hub.repo) == []
