"""An old name that goes on being recorded: shown everywhere, as what it is, and nowhere compared."""

from __future__ import annotations

import pytest
from conftest import Ledger
from projects import MACRO, Project


@pytest.fixture
def late(project: Project, ledger: Ledger) -> str:
    """A run that recorded `score` after it was renamed to f1; its id."""
    project.declare("1", {"score": MACRO, "other": MACRO})
    project.commit("score")
    project.record(score=0.8)
    project.declare("2", {"f1": MACRO, "other": MACRO})
    project.migrate("--rename", "score=f1")
    project.commit("f1")
    project.record(f1=0.9)
    project.commit("more")
    found = project.record(score=0.95)
    assert "score is f1 now" in ledger.err
    return found


@pytest.mark.slow
def test_it_stands_under_the_new_name(late: str, ledger: Ledger) -> None:
    rows = {row["run_id"]: row for row in ledger.json("runs")}
    assert (rows[late]["grade.f1"], rows[late]["metrics.f1"], rows[late]["recorded.f1"]) == (
        "undeclared", None, 0.95,
    )  # fmt: skip
    assert "(0.95)" in ledger("runs", "-c", "score")
    cells = [row["metrics"].get("f1") for row in ledger.json("log", "-m", "score")["rows"]]
    assert [(cell["grade"], cell["recorded"]) for cell in cells] == [
        ("undeclared", 0.95), ("identical", 0.9), ("exact", 0.8),
    ]  # fmt: skip
    ledger("runs", "-c", "f1", "--strict", code=5)
    ledger("log", "-m", "f1", "--strict", code=5)


@pytest.mark.slow
def test_one_run_alone_says_the_same(late: str, ledger: Ledger) -> None:
    shown = ledger.json("show", late)["metrics"]
    assert (list(shown), shown["f1"]["grade"], shown["f1"]["recorded"]) == (["f1"], "undeclared", 0.95)
    found = ledger.json("explain", late, "score")
    assert (found["metric"], found["grade"]) == ("f1", "undeclared")
    assert [(one["name"], one["value"]) for one in found["recorded"]] == [("score", 0.95)]
    assert "ledger amend" in found["hints"][0]


@pytest.mark.usefixtures("late")
def test_best_is_that_of_what_compares(ledger: Ledger) -> None:
    (found,) = ledger.json("experiments", "-m", "score")
    assert (found["best"]["f1"]["value"], found["best"]["f1"]["left_out"]) == (0.9, 1)


@pytest.mark.slow
@pytest.mark.usefixtures("late")
def test_the_matrix_counts_it(ledger: Ledger) -> None:
    found = ledger.json("schema", "matrix", "f1")
    rows = [(one["name"], one["runs"]) for one in found["definitions"]]
    assert rows == [("f1", 1), ("score", 1), ("score", 1)]
    assert [line[0] for line in found["grades"]] == ["identical", "exact", "undeclared"]
    assert found["grades"][0][2] == "undeclared"


@pytest.mark.slow
@pytest.mark.usefixtures("late")
def test_a_run_with_both_names_shows_each(ledger: Ledger) -> None:
    run = ledger.json("record", "-m", "f1=0.5", "-m", "score=0.4")["id"]
    shown = ledger.json("show", run)["metrics"]
    assert {name: one["recorded"] for name, one in shown.items()} == {"f1": 0.5, "score": 0.4}
    assert next(row for row in ledger.json("runs") if row["run_id"] == run)["metrics.f1"] == 0.5


def test_what_was_recorded_before_any_schema(project: Project, ledger: Ledger) -> None:
    run = project.record(score=0.7)
    project.declare("1", {"score": MACRO})
    project.commit("score")
    project.declare("2", {"f1": MACRO})
    (path,) = project.drafts("--from", "HEAD", "--rename", "score=f1")
    assert "todo" not in path.read_text()
    found = ledger.json("explain", run, "f1")
    assert (found["grade"], found["recorded"][0]["value"]) == ("undeclared", 0.7)
