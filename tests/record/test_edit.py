"""Edits: further records, whole, that merge by field and lose nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Repo
from record.edits import edited, fields, start
from store.plumbing import REF, files_of, recorded, workspace

from ledger.errors import InputError, NotFoundError, RefusedError
from ledger.model import Record
from ledger.record.edit import Change, edit
from ledger.record.run import stored
from ledger.schema import starters
from ledger.store import codec, history
from ledger.store.load import Place, files_at, record_at, samples


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


def test_an_edit_whose_base_is_elsewhere_stands_for_its_run(
    repo: Repo, make_repo: Callable[..., Repo]
) -> None:
    done = recorded(repo, metrics={"f1": 0.9})
    later = edited(repo, done.id, metrics={"f1": 0.8}, reason="r")
    other = make_repo("other")
    other.commit("its own")
    files = files_at(workspace(repo).repository, repo.git("rev-parse", REF))
    whole: Record = codec.record(files, what="copied")
    assert stored(workspace(other), [whole]).chained == {later.record}
    edited(other, done.id, tags={"seen": "yes"})
    assert fields(other)["metrics", "f1"] == 0.8
