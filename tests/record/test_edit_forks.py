"""Edits that do not know of each other merge by field; a field changed by both is a conflict until an edit settles it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Repo
from record.edits import chain, edited, fields, fork, runs, start
from store.plumbing import REF, recorded, workspace

from ledger.model import Author
from ledger.record.edit import Change, edit
from ledger.record.run import stored
from ledger.store.verify import verify


def test_two_edits_of_one_base_merge_field_by_field(repo: Repo) -> None:
    done = recorded(repo, metrics={"f1": 0.9, "loss": 1.0}, tags={"a": "1"})
    fork(repo, done.id, {"metrics": {"f1": 0.8}}, {"metrics": {"loss": 2.0}, "removed": (("tags", "a"),)})
    found = fields(repo)
    assert (found["metrics", "f1"], found["metrics", "loss"]) == (0.8, 2.0)
    assert ("tags", "a") not in found
    assert runs(repo).conflicts == []


def test_two_work_trees_edit_one_run(repo: Repo, tmp_path: Path) -> None:
    done = recorded(repo, metrics={"f1": 0.9})
    repo.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    other = Repo(tmp_path / "other")
    mine, theirs = start(repo, done.id), start(other, done.id)
    assert edit(workspace(repo), mine, Change(metrics={"f1": 0.8}, reason="mine"))
    assert edit(workspace(other), theirs, Change(metrics={"f1": 0.7}, reason="theirs"))
    assert repo.git("rev-list", "--count", REF) == "3"
    (conflict,) = runs(repo).conflicts
    assert (conflict.field, conflict.values) == (("metrics", "f1"), (0.7, 0.8)), "the later one counts"


def test_an_edit_after_a_fork_settles_what_it_names_and_nothing_else(repo: Repo) -> None:
    done = recorded(repo, metrics={"f1": 0.9, "loss": 1.0}, tags={})
    fork(
        repo,
        done.id,
        {"metrics": {"f1": 0.8, "loss": 2.0}, "tags": {"from": "first"}},
        {"metrics": {"f1": 0.7, "loss": 3.0}, "tags": {"more": "second"}},
    )
    assert {one.field for one in runs(repo).conflicts} == {("metrics", "f1"), ("metrics", "loss")}
    edited(repo, done.id, metrics={"f1": 0.75}, reason="agreed")
    found = fields(repo)
    assert found["metrics", "f1"] == 0.75
    assert found["metrics", "loss"] == 3.0, "the later of the two still counts"
    assert [one.field for one in runs(repo).conflicts] == [("metrics", "loss")]
    assert (found["tags", "from"], found["tags", "more"]) == ("first", "second")


def test_after_a_fork_a_value_can_be_set_back_and_a_tag_of_the_other_side_removed(repo: Repo) -> None:
    done = recorded(repo, params={"o": {"lr": 1}}, metrics={"f1": 0.9})
    fork(
        repo,
        done.id,
        {
            "metrics": {"f1": 0.1},
            "tags": {"draft": "yes"},
            "params": {"o.lr": 2, "o.m": 3},
            "run": {"note": "n"},
        },
        {"tags": {"b": "c"}},
    )
    edited(
        repo,
        done.id,
        metrics={"f1": 0.9},
        params={"o.lr": 1},
        run={"note": None},
        removed=(("tags", "draft"), ("params", "o.m")),
        reason="as it was",
    )
    found = fields(repo)
    assert (found["metrics", "f1"], found["params", "o.lr"]) == (0.9, 1)
    assert {key for key in found if key[0] in ("tags", "params")} == {("tags", "b"), ("params", "o.lr")}
    assert ("run", "note") not in found
    assert runs(repo).conflicts == []


@pytest.mark.slow
def test_edits_go_on_after_a_fork(repo: Repo) -> None:
    done = recorded(repo, metrics={"f1": 0.9})
    fork(repo, done.id, {"tags": {"a": "1"}}, {"tags": {"b": "2"}})
    for number in range(3):
        edited(repo, done.id, metrics={"f1": number / 4}, tags={"n": str(number)})
    edited(repo, done.id, removed=(("tags", "n"), ("tags", "a")))
    found = fields(repo)
    assert found["metrics", "f1"] == 0.5
    assert {name for group, name in found if group == "tags"} == {"b"}


@pytest.mark.slow
def test_one_edit_of_a_forked_run_is_one_record_made_from_every_tip(repo: Repo) -> None:
    done = recorded(repo, metrics={"f1": 0.9})
    fork(repo, done.id, {"tags": {"a": "1"}}, {"tags": {"b": "2"}}, {"tags": {"c": "3"}})
    first, second, third = [record for record in chain(repo) if record.run.base]
    edited(repo, done.id, tags={"d": "4"})
    last = chain(repo)[-1].run
    assert (last.base, set(last.merges)) == (third.run.record, {first.run.record, second.run.record})
    assert last.tags == {"a": "1", "b": "2", "c": "3", "d": "4"}, "the record alone says it all"
    edited(repo, done.id, removed=(("tags", "a"),))
    assert chain(repo)[-1].run.merges == ()
    assert {name for group, name in fields(repo) if group == "tags"} == {"b", "c", "d"}
    assert len(chain(repo)) == 6


@pytest.mark.long
def test_rounds_of_edits_at_the_same_moment_leave_a_record_an_edit(repo: Repo) -> None:
    done = recorded(repo, metrics={"f1": 0.9})
    for number in range(6):
        fork(
            repo,
            done.id,
            {"tags": {f"here-{number}": "yes", "both": f"h{number}"}, "metrics": {"f1": number / 10}},
            {"tags": {f"there-{number}": "yes", "both": f"t{number}"}},
        )
        tags = {name: value for (group, name), value in fields(repo).items() if group == "tags"}
        wanted = {f"{place}-{n}": "yes" for place in ("here", "there") for n in range(number + 1)}
        assert tags == {**wanted, "both": f"t{number}"}
        assert fields(repo)["metrics", "f1"] == number / 10
        conflicts = {one.field: one.values for one in runs(repo).conflicts}
        assert conflicts == {("tags", "both"): (f"t{number}", f"h{number}")}
    assert len(chain(repo)) == 1 + 2 * 6
    edited(repo, done.id, tags={"both": "agreed"})
    assert runs(repo).conflicts == []
    assert len(chain(repo)) == 2 + 2 * 6
    assert not verify(workspace(repo).repository).faults


@pytest.mark.slow
def test_a_conflict_stays_open_until_an_edit_names_it(repo: Repo) -> None:
    done = recorded(repo, metrics={"f1": 0.9, "loss": 1.0})
    fork(repo, done.id, {"metrics": {"f1": 0.8, "loss": 2.0}}, {"metrics": {"f1": 0.7, "loss": 3.0}})
    for number in range(3):
        edited(repo, done.id, tags={"n": str(number)})
    assert {one.field: one.values for one in runs(repo).conflicts} == {
        ("metrics", "f1"): (0.7, 0.8),
        ("metrics", "loss"): (3.0, 2.0),
    }
    edited(repo, done.id, metrics={"f1": 0.7}, reason="the later one is right")
    assert [one.field for one in runs(repo).conflicts] == [("metrics", "loss")]
    assert chain(repo)[-1].run.settles == ("metrics.f1",)
    assert edit(workspace(repo), start(repo, done.id), Change(metrics={"f1": 0.7})) is None
    edited(repo, done.id, removed=(("metrics", "loss"),))
    assert runs(repo).conflicts == []
    assert ("metrics", "loss") not in fields(repo)


def test_one_side_settles_a_conflict_while_the_other_edits_something_else(repo: Repo) -> None:
    done = recorded(repo, metrics={"f1": 0.9})
    fork(repo, done.id, {"metrics": {"f1": 0.8}}, {"metrics": {"f1": 0.7}})
    edited(repo, done.id, tags={"a": "1"})
    fork(repo, done.id, {"metrics": {"f1": 0.8}}, {"tags": {"b": "2"}})
    assert fields(repo)["metrics", "f1"] == 0.8
    assert runs(repo).conflicts == []


def test_records_that_were_made_one_a_tip_are_read_as_before(repo: Repo) -> None:
    done = recorded(repo, metrics={"f1": 0.9, "loss": 1.0})
    fork(repo, done.id, {"metrics": {"f1": 0.8}, "tags": {"a": "1"}}, {"metrics": {"f1": 0.7}})
    moments = (f"2099-01-01T00:00:0{number}.000000Z" for number in range(9))
    followers = []
    for tip in chain(repo)[-2:]:
        follower = tip.edited(recorded=next(moments), author=Author(), reason=None)
        tags = {"a": "1", "b": "2"}
        followers.append(replace(follower, run=replace(follower.run, tags=tags)))
    stored(workspace(repo), followers)
    (conflict,) = runs(repo).conflicts
    assert (conflict.field, conflict.values) == (("metrics", "f1"), (0.7, 0.8))
    assert conflict.records == tuple(one.run.record for one in reversed(followers))
    assert {name for group, name in fields(repo) if group == "tags"} == {"a", "b"}
