"""The table of definitions."""

from __future__ import annotations

import os
from typing import Any

import pytest
from conftest import Ledger, Repo
from projects import Project

from ledger.config import open_workspace
from ledger.errors import NotFoundError
from ledger.model import Grade
from ledger.trace.matrix import matrix
from ledger.trace.view import View, open_view

F1: dict[str, Any] = {"unit": "1", "direction": "higher", "how": {"average": "micro"}}


def view(repo: Repo) -> View:
    return open_view(open_workspace(repo.path, os.environ))


def test_versions_in_their_natural_order_the_current_one_first(project: Project, repo: Repo) -> None:
    for version in ("9", "10", "2"):
        project.declare(version, {"f1": {**F1, "epoch": int(version)}})
        project.record(f1=0.5)
    project.declare("3", {"f1": {**F1, "epoch": 10}})
    found = matrix(view(repo), "f1")
    assert [(row.versions, row.current, row.runs) for row in found.rows] == [
        (("10", "3"), True, 1), (("9",), False, 1), (("2",), False, 1),
    ]  # fmt: skip
    assert [row.label.split()[0] for row in found.rows[1:]] == ["9", "2"]
    with pytest.raises(NotFoundError):
        matrix(view(repo), "nobody")


def test_other_metrics_of_a_schema_may_lead_there(project: Project, repo: Repo) -> None:
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


@pytest.mark.slow
def test_a_run_that_lacks_what_a_value_is_computed_from_stands_apart_everywhere(
    project: Project, repo: Repo, ledger: Ledger
) -> None:
    mse = {"unit": "s^2", "direction": "lower", "how": {"fn": "mse"}}
    rmse = {"unit": "s", "direction": "lower", "how": {"fn": "root"}}
    project.declare("1", {"mse": mse, "rmse": rmse})
    project.commit("v1")
    both = project.record(mse=0.25, rmse=0.5)
    project.commit("again")
    alone = project.record(rmse=0.4)
    project.declare("2", {"mse": mse, "rmse": {**rmse, "how": {"fn": "other"}}})
    project.migrate("--take", "rmse", reason="another function")

    grades = {row["run_id"]: row["grade.rmse"] for row in ledger.json("runs")}
    assert grades == {both: "exact", alone: "incomparable"}
    assert "(0.4)" in ledger("runs", "-c", "rmse")
    found = ledger.json("log", "-m", "rmse")
    assert (found["left_out"]["incomparable"], found["left_out"]["no_value"]) == (1, 0)
    assert [one["reason"] for one in found["breaks"]] == ["another function"]
    told = ledger.json("explain", alone, "rmse")
    assert (told["grade"], [one["op"] for one in told["breaks"]]) == ("incomparable", ["redefine"])
    assert "missing mse" in told["reason"]
    assert matrix(view(repo), "rmse").grades[1][0] is Grade.INCOMPARABLE
    for words in (("runs", "-c", "rmse"), ("log", "-m", "rmse"), ("show", alone)):
        ledger(*words, "--strict", code=5)


def test_values_without_a_definition_get_the_grade_that_their_runs_get(
    project: Project, repo: Repo, ledger: Ledger
) -> None:
    run = project.record(f1=0.5)
    project.declare("1", {"f1": F1})
    project.migrate()
    project.commit("v1")
    project.declare("2", {"f1": {**F1, "epoch": 2}})
    project.migrate()
    assert ledger.json("explain", run, "f1")["grade"] == "incomparable"
    found = matrix(view(repo), "f1")
    (place,) = (n for n, row in enumerate(found.rows) if not row.definition.declared)
    assert found.grades[place][0] is Grade.INCOMPARABLE


def test_definitions_of_other_names_without_a_bridge_are_not_called_undeclared(
    project: Project, repo: Repo
) -> None:
    """Both are declared; a value under the one was simply not recorded under the other."""
    other = {**F1, "how": {"average": "macro"}}
    project.declare("1", {"a": F1, "b": other})
    project.commit("v1")
    project.record(a=0.25, b=0.5)
    project.declare("2", {"a": other, "b": F1})
    project.migrate("--rename", "a=b", "--rename", "b=a")
    project.commit("exchanged")
    project.record(a=0.5, b=0.25)
    found = matrix(view(repo), "a")
    labels = [(row.definition.name, row.current) for row in found.rows]
    assert labels == [("a", True), ("b", False), ("a", False), ("b", False)]
    assert {grade for row in found.grades for grade in row} == {Grade.IDENTICAL, Grade.EXACT, Grade.MISSING}
    assert (found.grades[0][1], found.grades[3][0]) == (Grade.MISSING, Grade.EXACT)
