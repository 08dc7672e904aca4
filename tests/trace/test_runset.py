"""Edits merged into runs: which record stands for a run, and what two edits of one base make together."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Repo
from store.plumbing import change, run_json

import ledger
from ledger.config import Workspace, open_workspace
from ledger.model import Author, Metric, Record, utc_text
from ledger.record.run import stored
from ledger.store import index
from ledger.store.load import Place, record_at
from ledger.trace.listing import Listing, find
from ledger.trace.runset import RunSet, same
from ledger.trace.view import open_view


def workspace() -> Workspace:
    return open_workspace(Path.cwd(), os.environ)


def runs() -> RunSet:
    return RunSet(index.load(workspace().repository))


Edit = Callable[..., Record]


@pytest.fixture
def edit(repo: Repo) -> Edit:
    """Write a further record of a run, from any base: as another clone would that did not see the others."""
    assert repo.path.is_dir()
    seconds = iter(range(1_900_000_000, 2_000_000_000))

    def write(base: Record, *, metrics: dict[str, Metric] | None = None, **fields: object) -> Record:
        recorded = utc_text(datetime.fromtimestamp(next(seconds), tz=UTC))
        edited = base.edited(recorded=recorded, author=Author(name="Eve"), reason="edit")
        tags = fields.pop("tags", None)
        run = replace(edited.run, **fields)  # type: ignore[arg-type]
        if tags is not None:
            run = replace(run, tags=tags)  # type: ignore[arg-type]
        made = replace(edited, run=run, metrics={**base.metrics, **(metrics or {})})
        stored(workspace(), [made])
        return made

    return write


def first(**metrics: Metric) -> Record:
    done = ledger.record(metrics=metrics, params={"lr": 0.1, "opt": {"name": "adam"}})
    return record_at(workspace().repository, Place(record=done.record, ref=done.ref))


def fields(found: RunSet) -> dict[str, object]:
    (row,) = found.rows
    return {f"{group}.{name}": value for (group, name), value in found.run_fields(row).items()}


@pytest.mark.usefixtures("repo")
def test_without_edits_every_row_is_a_run() -> None:
    ledger.record_many([{"metrics": {"f1": float(n)}} for n in range(3)])
    found = runs()
    assert list(found.rows) == [0, 1, 2]
    assert found.superseded == frozenset()
    assert found.conflicts == []
    assert dict(found.values("metrics", "f1")) == {0: 0.0, 1: 1.0, 2: 2.0}


def test_the_last_record_of_a_line_stands_for_its_run(edit: Edit) -> None:
    one = first(f1=0.5)
    two = edit(one, metrics={"f1": 0.6})
    edit(two, metrics={"f1": 0.7}, note="checked")
    found = runs()
    assert len(found.rows) == 1
    assert fields(found)["metrics.f1"] == 0.7
    assert fields(found)["run.note"] == "checked"
    assert [value for _, value in found.values("metrics", "f1")] == [0.7]
    assert found.conflicts == []


def test_two_edits_of_one_base_merge_field_by_field(edit: Edit) -> None:
    base = first(f1=0.5, loss=1.0)
    edit(base, metrics={"f1": 0.6}, tags={"seen": "yes"})
    edit(base, metrics={"loss": 0.9}, note="second", name="named", duration=2.5)
    found = runs()
    assert found.conflicts == []
    said = fields(found)
    assert (said["metrics.f1"], said["metrics.loss"]) == (0.6, 0.9)
    assert (said["tags.seen"], said["run.note"], said["run.name"]) == ("yes", "second", "named")
    assert dict(found.values("metrics", "f1")) == {found.rows[0]: 0.6}
    listed = find(open_view(workspace()), Listing())
    shown = list(listed.documents(["metrics.f1", "metrics.loss", "tags.seen", "note", "duration", "name"]))
    assert [(r["metrics.f1"], r["metrics.loss"], r["tags.seen"]) for r in shown] == [(0.6, 0.9, "yes")]
    assert [(r["note"], r["duration"], r["name"]) for r in shown] == [("second", 2.5, "named")]


def test_a_field_changed_by_both_is_a_conflict_and_the_later_counts(edit: Edit) -> None:
    base = first(f1=0.5)
    one = edit(base, metrics={"f1": 0.6})
    two = edit(base, metrics={"f1": 0.7})
    found = runs()
    (conflict,) = found.conflicts
    assert conflict.field == ("metrics", "f1")
    assert conflict.values == (0.7, 0.6)
    assert conflict.records == (two.run.record, one.run.record)
    assert fields(found)["metrics.f1"] == 0.7
    assert found.conflicts_of(found.rows[0]) == (conflict,)


def test_both_saying_the_same_is_no_conflict(edit: Edit) -> None:
    base = first(f1=0.5)
    edit(base, metrics={"f1": math.nan})
    edit(base, metrics={"f1": math.nan})
    assert runs().conflicts == []


def test_an_edit_that_was_made_first_counts_where_the_later_left_the_field_alone(edit: Edit) -> None:
    base = first(f1=0.5)
    edit(base, note="from the first")
    edit(base, metrics={"f1": 0.6})
    found = runs()
    assert found.column("note")[found.rows[0]] == "from the first"
    listed = find(open_view(workspace()), Listing(where="note like '*first' and f1 = 0.6"))
    assert listed.passed == 1


def test_a_removed_tag_stays_removed_by_the_other_edit(edit: Edit) -> None:
    base = first(f1=0.5)
    tagged = edit(base, tags={"a": "1", "b": "2"})
    edit(tagged, tags={"b": "2"})
    edit(tagged, tags={"a": "1", "b": "2"}, note="later")
    found = runs()
    assert "tags.a" not in fields(found)
    assert fields(found)["tags.b"] == "2"
    listed = find(open_view(workspace()), Listing())
    assert [record["tags.a"] for record in listed.documents(["tags.a"])] == [None]


def test_an_edit_whose_base_is_not_here_is_a_run_of_its_own(edit: Edit) -> None:
    base = first(f1=0.5)
    stranger = replace(base, run=replace(base.run, id="ab" * 16, record="cd" * 16))
    edit(stranger, metrics={"f1": 0.9})
    found = runs()
    assert sorted(str(value) for _, value in found.values("metrics", "f1")) == ["0.5", "0.9"]


def test_edits_of_many_runs_leave_the_others_alone(edit: Edit) -> None:
    kept = ledger.record_many([{"metrics": {"f1": float(n)}} for n in range(5)])
    for done in kept[1:3]:
        base = record_at(workspace().repository, Place(record=done.record, ref=done.ref))
        edit(base, metrics={"f1": 10.0 + (base.metrics["f1"] or 0)})
    found = runs()
    assert len(found.rows) == 5
    assert {value for _, value in found.values("metrics", "f1")} == {0.0, 3.0, 4.0, 11.0, 12.0}
    listed = find(open_view(workspace()), Listing(sort=("f1",)))
    assert listed.columns.column("metrics.f1", listed.rows).to_pylist() == [0.0, 3.0, 4.0, 11.0, 12.0]
    assert set(range(len(found.index))) - set(found.rows) == found.superseded


def test_records_that_no_ref_reaches_any_more_are_no_runs(repo: Repo) -> None:
    ledger.record(metrics={"f1": 0.1})
    ledger.record(metrics={"f1": 0.2})
    assert len(runs().rows) == 2
    repo.git("update-ref", "refs/runs/main", "refs/runs/main~1")
    assert [value for _, value in runs().values("metrics", "f1")] == [0.1]


def test_sameness_is_of_what_was_recorded() -> None:
    assert same(math.nan, math.nan)
    assert not same(1, True)
    assert not same(1, 1.0)
    assert same([1, "a"], [1, "a"])


@pytest.mark.slow
@pytest.mark.parametrize("apart", [False, True], ids=["read at once", "read one by one"])
def test_one_run_recorded_twice_is_one_run(edit: Edit, apart: bool) -> None:
    one = first(f1=0.5, loss=1.0)
    kept = first(f1=0.1)
    if apart:
        runs()
    twice = replace(one, run=replace(one.run, record="ab" * 16, recorded=utc_text(datetime.now(UTC))))
    stored(workspace(), [replace(twice, metrics={"f1": 0.7, "loss": 1.0})])
    found = runs()
    assert sorted(str(value) for _, value in found.values("metrics", "f1")) == ["0.1", "0.7"]
    (conflict,) = found.conflicts
    assert (conflict.field, conflict.values) == (("metrics", "f1"), (0.7, 0.5))
    edit(kept, metrics={"f1": 0.2})
    assert len(runs().rows) == 2
    assert len(runs().index) == 4


def test_one_run_recorded_twice_is_one_run_while_it_waits(repo: Repo) -> None:
    one = first(f1=0.5)
    runs()
    tip = repo.git("rev-parse", "refs/runs/main")
    repo.git("update-ref", "refs/ledger/inbox/ci", tip)
    repo.git("update-ref", "refs/runs/main", "HEAD")
    stored(workspace(), [replace(one, run=replace(one.run, record="ab" * 16))])
    assert len(runs().index) == 2
    assert len(runs().rows) == 1


@pytest.mark.parametrize("settles", ["metrics.f1", 5, [7, "f1", ["metrics.f1"]], {"metrics.f1": 1}])
def test_settles_that_name_no_fields_settle_nothing(repo: Repo, edit: Edit, settles: object) -> None:
    base = first(f1=0.5)
    tips = [edit(base, metrics={"f1": value}) for value in (0.6, 0.7)]
    edit(tips[1], merges=(tips[0].run.record,))
    change(repo, {"run.json": run_json(repo, settles=settles)})
    assert [conflict.values for conflict in runs().conflicts] == [(0.7, 0.6)]
