"""Breaks that no migration explains: each says what changed from the older commit to the newer one."""

from __future__ import annotations

import pytest
from conftest import Ledger
from projects import MACRO, WEIGHTED, Project

MICRO = {**MACRO, "how": {"average": "micro"}}


def reasons(ledger: Ledger) -> list[str]:
    """Newest first."""
    return [one["reason"] for one in ledger.json("log", "--metric", "f1")["breaks"]]


@pytest.fixture
def measured(project: Project) -> Project:
    """Runs under one definition, another, and the first again."""
    for version, words in (("1", MACRO), ("2", WEIGHTED), ("3", MACRO)):
        project.declare(version, {"f1": words})
        project.commit(version)
        project.record(f1=0.5)
    return project


def test_a_definition_that_came_and_went_changed_there_and_back(measured: Project, ledger: Ledger) -> None:
    assert reasons(ledger) == [
        "how.average weighted → macro; no migration",
        "how.average macro → weighted; no migration",
    ]
    assert measured.rows("f1") == [("identical", 0.5), ("incomparable", 0.5), ("identical", 0.5)]


def test_between_two_that_stand_apart_is_what_differs_between_them(measured: Project, ledger: Ledger) -> None:
    measured.declare("4", {"f1": MICRO})
    measured.commit("4")
    measured.record(f1=0.5)
    assert reasons(ledger) == [
        "how.average macro → micro; no migration",
        "how.average weighted → macro; no migration",
        "how.average macro → weighted; no migration",
    ]
