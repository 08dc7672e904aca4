"""The table of definitions, and how series are read."""

from __future__ import annotations

import os
from typing import Any

import pyarrow as pa
import pytest
from conftest import Ledger, Repo
from projects import Project

import ledger as api
from ledger.config import open_workspace
from ledger.errors import UsageError
from ledger.model import Grade
from ledger.schema.affine import affine
from ledger.trace.matrix import matrix
from ledger.trace.readings import Reading, readings, shown
from ledger.trace.view import View, open_view

F1: dict[str, Any] = {"unit": "1", "direction": "higher", "how": {"average": "micro"}}


def view(repo: Repo) -> View:
    return open_view(open_workspace(repo.path, os.environ))


def test_versions_in_their_natural_order_the_current_one_first(repo: Repo, ledger: Ledger) -> None:
    project = Project(repo, ledger)
    for version in ("9", "10", "2"):
        project.declare(version, {"f1": {**F1, "epoch": int(version)}})
        project.record(f1=0.5)
    project.declare("3", {"f1": {**F1, "epoch": 10}})
    found = matrix(view(repo), "f1")
    assert [(row.versions, row.current, row.runs) for row in found.rows] == [
        (("10", "3"), True, 1), (("9",), False, 1), (("2",), False, 1),
    ]  # fmt: skip
    assert [row.label.split()[0] for row in found.rows[1:]] == ["9", "2"]
    with pytest.raises(UsageError):
        matrix(view(repo), "nobody")


def test_other_metrics_of_a_schema_may_lead_there(repo: Repo, ledger: Ledger) -> None:
    project = Project(repo, ledger)
    parts = {"precision": F1, "recall": F1}
    project.declare("1", {**parts, "f1": {**F1, "epoch": 2}})
    project.commit("v1")
    project.record(f1=0.5, precision=0.5, recall=1)
    project.declare("2", {**parts, "f1": F1})
    project.migrate("--take", "f1")
    assert matrix(view(repo), "f1").grades == (
        (Grade.IDENTICAL, Grade.INCOMPARABLE),
        (Grade.EXACT, Grade.IDENTICAL),
    )


def series(**values: list[float | None]) -> pa.Table:
    names = [name for name, listed in values.items() for _ in listed]
    numbers = [value for listed in values.values() for value in listed]
    return pa.table({"metric": pa.array(names).dictionary_encode(), "value": pa.array(numbers, pa.float64())})


HUNDREDTH = Reading(label="b", map=affine("1/100"), grade=Grade.EXACT)


def test_points_are_converted_and_their_series_renamed() -> None:
    table = series(a=[87.3, None], b=[0.5], c=[7.0])
    assert shown({"x": HUNDREDTH}, table) is table
    found = shown({"a": HUNDREDTH}, table)
    assert found["metric"].to_pylist() == ["b", "b", "b", "c"]
    assert found["value"].to_pylist() == [0.873, None, 0.5, 7.0]
    assert found["grade"].to_pylist() == ["exact", "exact", "identical", "identical"]
    assert found["metric"].chunk(0).dictionary.to_pylist() == ["b", "c"]
    alone = shown({"a": HUNDREDTH}, series(a=[29.0]))
    assert (alone["metric"].to_pylist(), alone["value"].to_pylist()) == (["b"], [0.29])
    assert shown({"a": HUNDREDTH}, series(a=[])).num_rows == 0


def test_a_series_is_read_as_the_metric_that_it_belongs_to(repo: Repo, ledger: Ledger) -> None:
    project = Project(repo, ledger)
    project.declare(
        "1", {"best": {**F1, "unit": "%", "series": "f1"}, "last": {**F1, "series": "f1", "unit": "%"}}
    )
    project.commit("v1")
    api.record(metrics={"best": 50.0, "last": 40.0}, history={"f1": [50.0]})
    assert readings(view(repo), 0) == {}
    project.declare("2", {"best": {**F1, "series": "f1"}, "last": {**F1, "series": "f1"}})
    project.migrate()
    found = readings(view(repo), 0)
    assert found["f1"] == Reading(label="f1", map=affine("1/100"), grade=Grade.EXACT)
    project.declare("3", {"best": {**F1, "series": "f1"}, "last": {**F1, "series": "f1", "epoch": 2}})
    assert readings(view(repo), 0)["f1"].grade is Grade.AMBIGUOUS, "two metrics share it and disagree"
    project.declare("3", {"f1": {**F1, "epoch": 3}})
    assert readings(view(repo), 0)["f1"].grade is Grade.UNDECLARED
