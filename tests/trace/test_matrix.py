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
    with pytest.raises(NotFoundError):
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
