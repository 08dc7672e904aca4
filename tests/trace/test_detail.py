"""One run whole: what it says, what each record changed, where its code is."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Ledger, Repo

import ledger as api
from ledger.config import open_workspace
from ledger.errors import AmbiguousError, NotFoundError, UsageError
from ledger.model import Author, Level, utc_text
from ledger.record.prepare import Session
from ledger.record.run import Draft, sealed, stored
from ledger.store.load import Place, record_at
from ledger.store.spool import Spool
from ledger.trace.detail import Detail, detail, overlaid
from ledger.trace.runset import ABSENT
from ledger.trace.series import table
from ledger.trace.view import View, open_view


def view() -> View:
    return open_view(open_workspace(Path.cwd(), os.environ))


def shown(prefix: str) -> Detail:
    return detail(view(), prefix)


def test_a_run_says_what_was_recorded(repo: Repo) -> None:
    done = api.record(
        params={"lr": 0.1, "opt": {"name": "adam", "betas": [0.9, 0.999]}},
        metrics={"f1": 0.9, "n": 2**60},
        tags={"stage": "sweep"},
        note="first try",
    )
    found = shown(done.id[:6])
    assert found.id == done.id
    assert found.params == {"lr": 0.1, "opt": {"name": "adam", "betas": [0.9, 0.999]}}
    assert {name: metric.cell.value for name, metric in found.metrics.items()} == {"f1": 0.9, "n": 2**60}
    assert (found.run["tags"], found.run["note"]) == ({"stage": "sweep"}, "first try")
    assert found.attachment.level is Level.COMMIT
    assert found.attached is not None
    assert found.attached.id == repo.git("rev-parse", "HEAD")
    (record,) = found.records
    assert (record.record, record.base, record.changes) == (done.record, None, ())
    assert record.commit == repo.git("rev-parse", "refs/runs/main")
    assert found.conflicts == ()


@pytest.mark.usefixtures("repo")
def test_every_record_says_what_it_changed(ledger: Ledger) -> None:
    done = api.record(params={"lr": 0.1}, metrics={"f1": 0.9})
    ledger("tag", done.id, "stage=final")
    ledger("amend", done.id, "--metric", "f1=0.8", "--reason", "wrong split")
    found = shown(done.id)
    assert [record.reason for record in found.records] == [None, None, "wrong split"]
    assert [len(record.changes) for record in found.records] == [0, 1, 1]
    (tagged,) = found.records[1].changes
    assert (tagged.field, tagged.old, tagged.new) == ("tags.stage", ABSENT, "final")
    (amended,) = found.records[2].changes
    assert (amended.field, amended.old, amended.new) == ("metrics.f1", 0.9, 0.8)
    assert found.records[2].base == found.records[1].record
    assert found.metrics["f1"].cell.value == 0.8


@pytest.mark.usefixtures("repo")
def test_two_edits_of_one_base_are_one_run() -> None:
    done = api.record(params={"opt": {"lr": 0.1, "name": "adam"}}, metrics={"f1": 0.5})
    workspace = open_workspace(Path.cwd(), os.environ)
    base = record_at(workspace.repository, Place(record=done.record, ref=done.ref))
    from datetime import UTC, datetime

    first, second = (
        base.edited(
            recorded=utc_text(datetime(2030, 1, day, tzinfo=UTC)), author=Author(name="Eve"), reason="e"
        )
        for day in (1, 2)
    )
    started = utc_text(datetime(2029, 1, 1, tzinfo=UTC))
    first = replace(
        first,
        run=replace(first.run, tags={"a": "1"}, note="one", started=started),
        params={"opt": {"lr": 0.2, "name": "adam"}},
        metrics={"f1": 0.6},
    )
    second = replace(second, metrics={"f1": 0.7})
    stored(workspace, [first])
    stored(workspace, [second])
    found = shown(done.id)
    assert found.params == {"opt": {"lr": 0.2, "name": "adam"}}
    assert (found.run["tags"], found.run["note"], found.run["started"]) == ({"a": "1"}, "one", started)
    (conflict,) = found.conflicts
    assert (conflict.field, conflict.values) == (("metrics", "f1"), (0.7, 0.6))
    assert len(found.records) == 3


@pytest.mark.slow
@pytest.mark.usefixtures("repo")
def test_a_record_of_several_says_what_it_changed_itself(ledger: Ledger) -> None:
    workspace = open_workspace(Path.cwd(), os.environ)
    done = api.record(params={"opt": {"lr": 0.1}}, metrics={"f1": 0.9})
    base = record_at(workspace.repository, Place(record=done.record, ref=done.ref))

    def edit(**fields: object) -> None:
        made = base.edited(recorded=utc_text(datetime.now(UTC)), author=Author(name="Eve"), reason=None)
        run = replace(made.run, **fields)  # type: ignore[arg-type]
        stored(workspace, [replace(made, run=run, params={"opt": {"lr": 0.2}})])

    edit(tags={"a": "1"}, note="first")
    edit(tags={"b": "2"}, note="second")
    ledger("amend", done.id, "-m", "f1=0.8", "--reason", "checked")
    ledger("note", done.id, "second")
    found = shown(done.id)
    first, second = found.records[1:3]
    merged, settled = found.records[3:]
    assert (merged.base, merged.merges) == (second.record, (first.record,))
    assert [(one.field, one.old, one.new) for one in merged.changes] == [("metrics.f1", 0.9, 0.8)]
    assert (settled.settles, settled.changes) == (("run.note",), ())
    assert (found.run["tags"], found.conflicts) == ({"a": "1", "b": "2"}, ())
    text = ledger("show", done.id, "--records")
    assert f"merges: {first.record[:8]}" in text
    assert "settles: note" in text
    assert ledger.json("show", done.id)["records"][3]["merges"] == [first.record]


def test_flat_names_find_their_place_in_nested_params() -> None:
    params = {"a": {"b": 1, "c": 2}, "x.y": 3, "z": {"only": 1}}
    changed = {"a.b": 10, "x.y": 30, "z.only": ABSENT, "new.one": 4}
    assert overlaid(params, changed) == {"a": {"b": 10, "c": 2}, "x.y": 30, "new.one": 4}  # type: ignore[arg-type]


def test_a_run_that_is_only_sealed_can_be_shown(repo: Repo) -> None:
    workspace = open_workspace(repo.path, os.environ)
    record = Session(workspace).prepare(Draft(metrics={"f1": 0.5}, params={"p": {"q": 1}})).record
    Spool.of(workspace.repository).seal([sealed(record)], name="0001")
    found = shown(record.run.id)
    assert found.records[0].commit == ""
    assert found.params == {"p": {"q": 1}}
    assert found.metrics["f1"].cell.value == 0.5


def test_a_run_on_another_branch_is_attached_too(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "side")
    side = repo.commit("on the side", train__py="side")
    done = api.record(metrics={"f1": 0.5})
    repo.git("checkout", "-q", "main")
    assert shown(done.id).attachment.commit == side
    repo.git("branch", "-q", "-D", "side")
    assert shown(done.id).attachment.level is Level.UNATTACHED
    assert shown(done.id).attached is None


def test_metrics_stand_under_todays_definition(repo: Repo) -> None:
    def declare(unit: str) -> None:
        words = {"type": "number", "x-ledger": {"unit": unit, "direction": "higher"}}
        body = {"properties": {"metrics": {"properties": {"f1": words}}}}
        repo.write(".ledger/schemas/m.json", json.dumps(body))

    declare("%")
    done = api.record(metrics={"f1": 50.0})
    declare("1")
    metric = shown(done.id).metrics["f1"]
    assert not metric.cell.comparable
    assert metric.target.unit == "1"
    assert metric.recorded is not None
    assert metric.recorded.unit == "%"
    assert metric.cell.recorded == 50.0


@pytest.mark.usefixtures("repo")
def test_ids_that_name_no_run_or_several() -> None:
    workspace = open_workspace(Path.cwd(), os.environ)
    session = Session(workspace)
    for end in ("0" * 4, "1" * 4):
        record = session.prepare(Draft(id="abcd" * 7 + end, metrics={"f1": 0.5})).record
        stored(workspace, [record])
    with pytest.raises(AmbiguousError, match="2 runs"):
        shown("abcd")
    assert shown("abcd" * 7 + "1").id.endswith("1111")
    with pytest.raises(NotFoundError, match="no run dddd"):
        shown("dddd")
    with pytest.raises(UsageError, match="not a run id"):
        shown("abc")
    with pytest.raises(UsageError, match="not a run id"):
        shown("xyzw")


@pytest.mark.usefixtures("repo")
def test_series_come_back_in_their_order() -> None:
    done = api.record(metrics={"f1": 0.5}, history={"loss": [3.0, 2.0, None], "f1": [(10, 0.1), (20, 0.5)]})
    plain = api.record(metrics={"f1": 0.5})
    seen = view()
    rows = {run: row for row, run in enumerate(seen.run_ids)}
    found = table(seen, rows[done.id], ["f1"]).select(["step", "value"]).to_pylist()
    assert found == [{"step": 10, "value": 0.1}, {"step": 20, "value": 0.5}]
    everything = table(seen, rows[done.id]).select(["metric", "value"]).to_pylist()
    assert [point["value"] for point in everything if point["metric"] == "loss"] == [3.0, 2.0, None]
    with pytest.raises(NotFoundError, match="no series 'los'") as wrong:
        table(seen, rows[done.id], ["los"])
    assert "loss" in wrong.value.hint
    with pytest.raises(NotFoundError, match="has no series"):
        table(seen, rows[plain.id])
