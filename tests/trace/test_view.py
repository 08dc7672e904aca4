"""Recorded values under the definitions that the project has now."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import Repo

import ledger
from ledger.config import open_workspace
from ledger.errors import ConfigError, NotFoundError
from ledger.model import Grade
from ledger.record.prepare import Session
from ledger.record.run import Draft, sealed
from ledger.store.spool import Spool
from ledger.trace.meaning import target_schemas
from ledger.trace.view import View, open_view


def write_schema(repo: Repo, name: str = "m", **metrics: dict[str, Any]) -> None:
    properties = {metric: {"type": "number", "x-ledger": words} for metric, words in metrics.items()}
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {"metrics": {"properties": properties}},
    }
    repo.write(f".ledger/schemas/{name}.json", json.dumps(document))


def view(at: str | None = None) -> View:
    return open_view(open_workspace(Path.cwd(), os.environ), at=at)


def grades(seen: View, metric: str) -> list[Grade]:
    return [cell.grade for _, cell in seen.metric(metric)]


@pytest.mark.usefixtures("repo")
def test_undeclared_metrics_compare_by_name() -> None:
    ledger.record(metrics={"f1": 0.5})
    ((row, cell),) = view().metric("f1")
    assert (row, cell.value, cell.recorded, cell.grade) == (0, 0.5, 0.5, Grade.IDENTICAL)
    assert cell.comparable
    assert "by name" in cell.reason


def test_declared_now_but_not_then_is_undeclared(repo: Repo) -> None:
    ledger.record(metrics={"f1": 0.5})
    write_schema(repo, f1={"unit": "1", "direction": "higher"})
    ledger.record(metrics={"f1": 0.6})
    seen = view()
    assert grades(seen, "f1") == [Grade.UNDECLARED, Grade.IDENTICAL]
    assert seen.target("f1").direction == "higher"
    cell = seen.cell(0, "f1")
    assert cell is not None
    assert (cell.comparable, cell.recorded) == (False, 0.5)
    assert cell.reason


def test_another_definition_is_incomparable_and_says_what_changed(repo: Repo) -> None:
    write_schema(repo, f1={"how": {"average": "macro"}})
    ledger.record(metrics={"f1": 0.5})
    write_schema(repo, f1={"how": {"average": "micro"}})
    seen = view()
    ((row, cell),) = seen.metric("f1")
    assert cell.grade is Grade.INCOMPARABLE
    assert "macro" in cell.reason
    assert "micro" in cell.reason
    recorded = seen.definition(row, "f1")
    assert recorded is not None
    assert recorded.did != seen.target("f1").did
    assert seen.declared_metrics() == ["f1"]


def test_another_description_is_the_same_definition(repo: Repo) -> None:
    write_schema(repo, f1={"unit": "1", "direction": "higher"})
    ledger.record(metrics={"f1": 0.5})
    write_schema(repo, f1={"unit": "1", "direction": "lower"})
    assert grades(view(), "f1") == [Grade.IDENTICAL]


@pytest.mark.usefixtures("repo")
def test_null_has_no_value_and_nan_is_one() -> None:
    ledger.record_many([{"metrics": {"f1": None}}, {"metrics": {"f1": math.nan}}, {"metrics": {"g": 1}}])
    seen = view()
    cells = dict(seen.metric("f1"))
    assert cells[0].grade is Grade.UNDEFINED
    assert cells[0].value is None
    assert cells[1].grade is Grade.IDENTICAL
    assert cells[1].value is not None
    assert math.isnan(cells[1].value)
    assert set(cells) == {0, 1}
    assert seen.cell(2, "f1") is None
    assert seen.cell(0, "f1") == cells[0]
    assert seen.cell(2, "g") == dict(seen.metric("g"))[2]


@pytest.mark.parametrize("declared", [False, True])
def test_numbers_in_bulk_are_those_of_the_cells(repo: Repo, declared: bool) -> None:
    ledger.record_many([{"metrics": {"f1": n / 7}} for n in range(4)])
    if declared:
        write_schema(repo, f1={"unit": "%"})
    ledger.record_many([{"metrics": {"f1": n / 3}} for n in range(3)])
    seen = view()
    found: dict[int, float] = {}
    for item in seen.numbers("f1"):
        if len(item) == 3:
            start, rows, numbers = item
            found.update(zip((start + row for row in rows), numbers, strict=True))
        else:
            row, cell = item
            found[row] = float(cell.recorded or 0)
    assert found == {row: cell.recorded for row, cell in seen.metric("f1")}
    assert len(found) == 7


def test_the_configured_schema_says_what_a_name_means(repo: Repo) -> None:
    write_schema(repo, "a", f1={"unit": "1"})
    write_schema(repo, "b", f1={"unit": "%"}, other={"unit": "s"})
    assert view().target("f1").unit == "1"  # the first that declares it
    repo.write(".ledger/config.toml", '[ledger]\nschema = "b"\n')
    assert view().target("f1").unit == "%"
    assert view().target("other").unit == "s"
    assert not view().target("nobody").declared


def test_at_a_revision_the_schemas_are_those_of_then(repo: Repo) -> None:
    write_schema(repo, f1={"unit": "1"})
    old = repo.commit("first schema")
    ledger.record(metrics={"f1": 0.5})
    write_schema(repo, f1={"unit": "%"})
    assert grades(view(), "f1") == [Grade.INCOMPARABLE]
    assert grades(view(old), "f1") == [Grade.IDENTICAL]
    with pytest.raises(NotFoundError):
        view("no-such-revision")


def test_a_broken_schema_is_named_and_defines_nothing_while_others_go_on(repo: Repo) -> None:
    repo.write(".ledger/schemas/m.json", "{\n<<<<<<< HEAD\n}")
    write_schema(repo, "other", loss={"direction": "lower"})
    old = repo.commit("broken")
    seen = view()
    (fault,) = seen.meaning.faults
    assert (fault.code, fault.file, fault.line) == ("LS306", ".ledger/schemas/m.json", 2)
    assert list(seen.schemas) == ["other"]
    assert list(view(old).schemas) == ["other"]
    with pytest.raises(ConfigError, match=r"m\.json"):
        target_schemas(seen.workspace, None)


def test_units_that_can_not_be_read_are_named(repo: Repo) -> None:
    write_schema(repo, f1={"unit": "1"})
    repo.write(".ledger/units.json", "{")
    repo.write(".ledger/migrations/m/a.json", "{}")
    assert next((one.code, one.file) for one in view().meaning.faults) == ("LS215", ".ledger/units.json")


def test_a_bare_repository_has_the_schemas_of_its_head(repo: Repo, tmp_path: Path) -> None:
    write_schema(repo, f1={"unit": "1"})
    repo.commit("schema")
    ledger.record(metrics={"f1": 0.5})
    bare = tmp_path / "bare.git"
    repo.git("clone", "-q", "--mirror", str(repo.path), str(bare))
    seen = open_view(open_workspace(bare, os.environ))
    assert list(seen.schemas) == ["m"]
    assert grades(seen, "f1") == [Grade.IDENTICAL]


def test_a_run_that_is_only_sealed_is_seen_under_its_own_schema(repo: Repo) -> None:
    write_schema(repo, f1={"unit": "1"})
    workspace = open_workspace(repo.path, os.environ)
    record = Session(workspace).prepare(Draft(metrics={"f1": 0.5})).record
    Spool.of(workspace.repository).seal([sealed(record)], name="0001")
    assert repo.git("for-each-ref", "refs/runs") == ""
    seen = view()
    assert grades(seen, "f1") == [Grade.IDENTICAL]
    write_schema(repo, f1={"unit": "%"})
    assert grades(view(), "f1") == [Grade.INCOMPARABLE]
    assert seen.run_ids == [record.run.id]
    assert seen.experiments == ["main"]
    assert seen.finished[0] is not None
