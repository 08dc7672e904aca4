"""Whoever records under a name that was given up is told so, on whatever way the run comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Ledger, Repo
from projects import MACRO, Project

import ledger as package

SAID = "score is f1 now"


@pytest.fixture
def renamed(repo: Repo, ledger: Ledger) -> Project:
    """A project in which `score` became f1."""
    project = Project(repo, ledger)
    project.declare("1", {"score": MACRO})
    project.commit("score")
    project.declare("2", {"f1": MACRO})
    project.migrate("--rename", "score=f1")
    project.commit("f1")
    return project


def _recorded(repo: Repo) -> str:
    return "\n".join(package.record(metrics={"score": 0.9}, repository=repo.path).warnings)


@pytest.mark.parametrize(
    "words",
    [
        ("record", "-m", "score=0.9"),
        ("record", "-m", "score=0.9", "--spool", "left"),
        ("run", "-m", "score=0.9", "--", "true"),
    ],
)
@pytest.mark.usefixtures("renamed")
def test_on_the_command_line(ledger: Ledger, words: tuple[str, ...]) -> None:
    ledger(*words)
    assert ledger.err.count(SAID) == 1


@pytest.mark.usefixtures("renamed")
def test_in_python(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    assert _recorded(repo).count(SAID) == 1
    with package.start(repository=repo.path) as run:
        run.log(score=0.9)
    assert capsys.readouterr().err.count(SAID) == 1


@pytest.mark.usefixtures("renamed")
def test_a_name_that_stands_is_nothing_to_tell_of(repo: Repo) -> None:
    assert not package.record(metrics={"f1": 0.9, "other": 1.0}, repository=repo.path).warnings


def _broken_units(repo: Repo) -> None:
    repo.write(".ledger/units.json", "{")


def _broken_migration(repo: Repo) -> None:
    repo.write(".ledger/migrations/main/broken.json", "{")


@pytest.mark.parametrize("damage", [_broken_units, _broken_migration])
@pytest.mark.usefixtures("renamed")
def test_a_file_that_can_not_be_used_costs_neither_the_run_nor_the_word(
    repo: Repo, damage: Callable[[Repo], Any]
) -> None:
    damage(repo)
    assert SAID in _recorded(repo)
