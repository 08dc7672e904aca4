"""What is explained: the recorded values behind one that is shown, and why there may be none."""

from __future__ import annotations

import os
from typing import Any

import pytest
from conftest import Ledger, Repo
from projects import Project

from ledger.config import open_workspace
from ledger.errors import AmbiguousError, NotFoundError, UsageError
from ledger.model import Grade
from ledger.trace.explain import Explanation, explain
from ledger.trace.view import open_view

F1: dict[str, Any] = {"unit": "1", "direction": "higher", "how": {"average": "micro"}}


def explained(repo: Repo, run: str, metric: str, **view: Any) -> Explanation:
    return explain(open_view(open_workspace(repo.path, os.environ), **view), run, metric)


def test_a_derived_value_names_all_that_it_is_made_of(project: Project, repo: Repo) -> None:
    parts = {"precision": F1, "recall": F1}
    project.declare("1", parts)
    project.commit("v1")
    run = project.record(precision=0.5, recall=1)
    lacking = project.record(precision=0.5)
    project.declare("2", {**parts, "f1": F1})
    project.migrate("--take", "f1")
    found = explained(repo, run, "f1")
    assert [(one.name, one.value) for one in found.recorded] == [("precision", 0.5), ("recall", 1)]
    (told,) = found.steps
    assert (told.step.op, told.step.does, told.origin) == ("derive", "2*p*r/(p+r)", None)
    assert (found.cell.value, found.cell.grade, found.factor) == (0.6666666666666666, Grade.EXACT, "")
    gone = explained(repo, lacking, "f1")
    assert (gone.cell.grade, gone.cell.reason) == (Grade.MISSING, "missing recall")


def test_a_recorded_value_needs_no_steps(repo: Repo, ledger: Ledger) -> None:
    run = Project(repo, ledger).record(f1=0.5)
    found = explained(repo, run[:6], "f1")
    assert (found.steps, found.breaks, found.hints, found.factor) == ((), (), (), "")
    assert found.recorded[0].definition is None
    assert found.cell.grade is Grade.IDENTICAL


def test_what_was_dropped_says_why(project: Project, repo: Repo) -> None:
    project.declare("1", {"bleu": F1, "f1": F1})
    project.commit("v1")
    run = project.record(bleu=31, f1=0.5)
    project.declare("2", {"f1": F1})
    project.migrate(reason="comet took its place")
    found = explained(repo, run, "bleu")
    assert found.cell.grade is Grade.UNDECLARED
    assert "--at REV" in found.hints[0]
    project.declare("3", {"f1": F1, "bleu": {**F1, "epoch": 2}})
    found = explained(repo, run, "bleu")
    assert found.cell.grade is Grade.INCOMPARABLE
    assert "dropped: comet took its place" in found.cell.reason


@pytest.mark.parametrize(
    ("prefix", "metric", "error"),
    [("0000", "f1", NotFoundError), ("x", "f1", UsageError), (None, "nobody", NotFoundError)],
)
def test_what_is_not_there(
    repo: Repo, ledger: Ledger, prefix: str | None, metric: str, error: type[Exception]
) -> None:
    run = Project(repo, ledger).record(f1=0.5)
    with pytest.raises(error):
        explained(repo, prefix or run, metric)
    assert not issubclass(error, AmbiguousError)
