"""Edits: further records, whole, that merge by field and lose nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Repo
from store.plumbing import REF, files_of, recorded, workspace

from ledger.errors import InputError, NotFoundError, RefusedError
from ledger.model import Author, Record
from ledger.record.edit import Change, Tip, edit
from ledger.record.run import Recorded, seal_and_chain
from ledger.schema import starters
from ledger.store import codec, history
from ledger.store import index as store_index
from ledger.store.load import Place, files_at, record_at, samples
from ledger.store.verify import verify
from ledger.trace.runset import RunSet
from ledger.trace.tips import start_of


def runs(repo: Repo) -> RunSet:
    return RunSet(store_index.load(workspace(repo).repository))


def start(repo: Repo, run_id: str) -> Tip:
    found = start_of(runs(repo), run_id)
    return Tip(
        record=record_at(workspace(repo).repository, found.place),
        merged=found.merged,
        gone=found.gone,
        merges=found.merges,
        disputed=found.disputed,
    )


def edited(repo: Repo, run_id: str, **given: Any) -> Recorded:
    written = edit(workspace(repo), start(repo, run_id), Change(**given))
    assert written is not None
    return written[0]


def fields(repo: Repo) -> dict[tuple[str, str], Any]:
    found = runs(repo)
    (row,) = found.rows
    return {
        key: value
        for key, value in found.run_fields(row).items()
        if key[0] != "run" or key[1] in ("note", "name", "status")
    }


def chain(repo: Repo) -> list[Record]:
    """Every record of the chain, oldest first."""
    commits = repo.git("rev-list", "--reverse", REF).split()
    repository = workspace(repo).repository
    return [codec.record(files_at(repository, commit), what=commit) for commit in commits]


def fork(repo: Repo, run_id: str, *changes: dict[str, Any]) -> None:
    """Edits that do not know of each other: made from the same base, sealed one after the other."""
    base = start(repo, run_id)
    for given in changes:
        assert edit(workspace(repo), base, Change(**given)) is not None


# One edit ---------------------------------------------------------------------------------------------------------


def test_an_edit_is_a_whole_record_with_its_base_author_and_reason(repo: Repo) -> None:
    series = history.encode(history.from_values({"loss": [1.0, 0.5]}))
    done = recorded(repo, metrics={"f1": 0.9, "loss": 0.5}, history=series, events=b'{"level":"info"}\n')
    before = files_of(repo)
    first = repo.git("rev-parse", REF)
    repo.git("config", "author.name", "Bea")
    later = edited(repo, done.id, metrics={"f1": 0.87}, reason="wrong split")
    after = files_of(repo)
    run = json.loads(after["run.json"])
    assert (run["id"], run["base"], run["reason"]) == (done.id, done.record, "wrong split")
    assert run["record"] == later.record != done.record
    assert json.loads(after["metrics.json"]) == {"f1": 0.87, "loss": 0.5}
    assert {name: after[name] for name in after if name not in ("run.json", "metrics.json")} == {
        name: before[name] for name in before if name not in ("run.json", "metrics.json")
    }
    assert repo.git("rev-parse", f"{REF}~1") == first, "what was recorded stays as it was"
    assert repo.git("show", "-s", "--format=%s", REF) == "main: wrong split (edited)"


def test_tags_notes_names_and_status(repo: Repo) -> None:
    done = recorded(repo, tags={"old": "1", "kept": "2"})
    edited(repo, done.id, tags={"stage": "final"}, removed=(("tags", "old"),))
    edited(repo, done.id, run={"note": "diverged", "name": "best", "status": "failed"})
    edited(repo, done.id, run={"name": None})
    found = fields(repo)
    assert found["run", "note"] == "diverged"
    assert found["run", "status"] == "failed"
    assert ("run", "name") not in found
    assert {name: value for (group, name), value in found.items() if group == "tags"} == {
        "kept": "2",
        "stage": "final",
    }


def test_params_are_edited_where_they_stand(repo: Repo) -> None:
    done = recorded(repo, params={"opt": {"lr": 0.1, "sched": {"warm": 3}}, "a.b": 1, "lr": 2})
    edited(
        repo,
        done.id,
        params={"opt.lr": 0.2, "opt.momentum": 0.9, "a.b": 5, "new.name": 1},
        removed=(("params", "opt.sched.warm"), ("params", "lr")),
    )
    assert json.loads(files_of(repo)["params.json"]) == {
        "opt": {"lr": 0.2, "momentum": 0.9},
        "a.b": 5,
        "new.name": 1,
    }


def test_a_param_that_is_an_object_is_not_replaced_by_a_value(repo: Repo) -> None:
    done = recorded(repo, params={"opt": {"lr": 0.1}})
    with pytest.raises(InputError, match="opt is an object") as caught:
        edited(repo, done.id, params={"opt": 5})
    assert "opt.lr" in caught.value.hint


@pytest.mark.parametrize(
    ("value", "again"), [(math.nan, math.nan), (0.1, 0.1), (None, None), (math.inf, math.inf), (2**60, 2**60)]
)
def test_an_edit_that_says_nothing_new_writes_nothing(repo: Repo, value: Any, again: Any) -> None:
    done = recorded(repo, metrics={"f1": value}, tags={"a": "b"}, note="n")
    change = Change(metrics={"f1": again}, tags={"a": "b"}, run={"note": "n", "status": "finished"})
    assert edit(workspace(repo), start(repo, done.id), change) is None
    assert repo.git("rev-list", "--count", REF) == "1"


def test_one_is_not_true(repo: Repo) -> None:
    done = recorded(repo, params={"flag": True})
    edited(repo, done.id, params={"flag": 1})
    assert json.loads(files_of(repo)["params.json"]) == {"flag": 1}


def test_removing_what_is_not_there_suggests_the_right_name(repo: Repo) -> None:
    done = recorded(repo, metrics={"accuracy": 0.9})
    with pytest.raises(NotFoundError) as caught:
        edited(repo, done.id, removed=(("metrics", "acuracy"),))
    assert caught.value.hint == "did you mean accuracy?"


def test_setting_and_removing_one_name_is_refused(repo: Repo) -> None:
    done = recorded(repo)
    with pytest.raises(InputError, match="both set and removed"):
        edited(repo, done.id, metrics={"f1": 0.1}, removed=(("metrics", "f1"),))


@pytest.mark.parametrize(
    "given", [{"tags": {"a": "x" * 1001}}, {"run": {"note": "x" * 65_537}}, {"tags": {" ": "x"}}]
)
def test_texts_beyond_their_limits_are_refused(repo: Repo, given: dict[str, Any]) -> None:
    done = recorded(repo)
    with pytest.raises(InputError):
        edited(repo, done.id, **given)


def test_secrets_are_masked_in_what_an_edit_brings(repo: Repo) -> None:
    done = recorded(repo)
    token = "ghp_" + "a1B2" * 9
    later = edited(repo, done.id, tags={"ci": token}, run={"note": f"used {token}"}, reason=token)
    assert token not in repo.git("show", f"{REF}:run.json")
    assert token not in repo.git("log", REF)
    assert len(later.warnings) == 3


# The schema -------------------------------------------------------------------------------------------------------


def test_an_edit_is_held_against_the_schema_that_the_run_was_recorded_with(repo: Repo) -> None:
    repo.write(".ledger/schemas/main.json", starters.load("classification").decode())
    done = recorded(repo, metrics={"accuracy": 0.9})
    repo.write(
        ".ledger/schemas/main.json",
        json.dumps({"properties": {"metrics": {"properties": {"accuracy": {"maximum": 0.1}}}}}),
    )
    edited(repo, done.id, metrics={"accuracy": 0.8})
    with pytest.raises(RefusedError) as caught:
        edited(repo, done.id, metrics={"accuracy": 8.0})
    assert "this edit: $.metrics.accuracy = 8.0" in caught.value.message
    assert repo.git("rev-list", "--count", REF) == "2"


def test_a_required_metric_can_not_be_removed(repo: Repo) -> None:
    schema = {
        "type": "object",
        "properties": {"metrics": {"properties": {"f1": {"type": "number"}}, "required": ["f1"]}},
    }
    repo.write(".ledger/schemas/main.json", json.dumps(schema))
    done = recorded(repo, metrics={"f1": 0.9})
    with pytest.raises(RefusedError, match="required"):
        edited(repo, done.id, removed=(("metrics", "f1"),))


def test_a_run_without_a_schema_takes_any_value(repo: Repo) -> None:
    done = recorded(repo, metrics={"f1": 0.9})
    repo.write(".ledger/schemas/main.json", starters.load("classification").decode())
    edited(repo, done.id, metrics={"f1": 900.0})
    assert fields(repo)["metrics", "f1"] == 900.0


# Runs that are not on their chain ---------------------------------------------------------------------------------


def test_a_run_that_is_only_in_the_spool_is_edited_too(repo: Repo) -> None:
    repo.git("update-ref", REF, "HEAD")
    done = recorded(repo, metrics={"f1": 0.9})
    assert not done.chained
    repo.git("update-ref", "-d", REF)
    found = start(repo, done.id)
    later = edit(workspace(repo), found, Change(metrics={"f1": 0.8}, reason="r"))
    assert later is not None
    assert later[0].chained
    assert repo.git("rev-list", "--count", REF) == "2"
    assert fields(repo)["metrics", "f1"] == 0.8


def test_a_record_that_was_chained_since_the_index_was_read_is_found(repo: Repo) -> None:
    done = recorded(repo)
    repository = workspace(repo).repository
    found = record_at(repository, Place(record=done.record, ref=REF))
    assert found.run.record == done.record
    with pytest.raises(NotFoundError):
        record_at(repository, Place(record="0" * 32, ref=REF))
    with pytest.raises(NotFoundError):
        record_at(repository, Place(record="0" * 32, ref="refs/runs/none"))


def test_samples_read_params_as_they_were_nested(repo: Repo) -> None:
    done = recorded(repo, params={"o": {"lr": 1}}, metrics={"f1": 0.5})
    commit = repo.git("rev-parse", REF)
    repository = workspace(repo).repository
    assert set(files_at(repository, commit)) == {"run.json", "params.json", "metrics.json"}
    places = [Place(record=done.record, ref=REF, commit=commit), Place(record=done.record, ref=REF)]
    assert list(samples(repository, places)) == [({"o": {"lr": 1}}, {"f1": 0.5})] * 2


# Edits at the same time -------------------------------------------------------------------------------------------


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


def test_an_edit_whose_base_is_elsewhere_stands_for_its_run(
    repo: Repo, make_repo: Callable[..., Repo]
) -> None:
    done = recorded(repo, metrics={"f1": 0.9})
    later = edited(repo, done.id, metrics={"f1": 0.8}, reason="r")
    other = make_repo("other")
    other.commit("its own")
    files = files_at(workspace(repo).repository, repo.git("rev-parse", REF))
    whole: Record = codec.record(files, what="copied")
    assert seal_and_chain(workspace(other), [whole]) == {later.record}
    edited(other, done.id, tags={"seen": "yes"})
    assert fields(other)["metrics", "f1"] == 0.8


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
    seal_and_chain(workspace(repo), followers)
    (conflict,) = runs(repo).conflicts
    assert (conflict.field, conflict.values) == (("metrics", "f1"), (0.7, 0.8))
    assert conflict.records == tuple(one.run.record for one in reversed(followers))
    assert {name for group, name in fields(repo) if group == "tags"} == {"a", "b"}
