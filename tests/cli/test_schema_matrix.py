"""`ledger schema matrix`, `diff` and `history`."""

from __future__ import annotations

import pytest
from conftest import Ledger, Repo
from projects import MACRO, PERCENT, WEIGHTED, Project

pytestmark = pytest.mark.slow


@pytest.fixture
def year(project: Project) -> Project:
    """Undeclared, percent, fraction under another name, weighted: with runs under all but the last."""
    project.record(score=0.5)
    project.declare("1", {"score": PERCENT})
    project.commit("v1")
    project.record(score=50)
    project.record(score=60)
    project.declare("2", {"f1": MACRO})
    project.migrate("--rename", "score=f1")
    project.commit("v2")
    project.record(f1=0.7)
    project.declare("3", {"f1": WEIGHTED})
    project.migrate(reason="classes differ in size")
    project.commit("v3")
    return project


@pytest.mark.usefixtures("year")
def test_matrix(ledger: Ledger) -> None:
    found = ledger.json("schema", "matrix", "f1")
    rows = [(one["name"], one["versions"], one["current"], one["runs"]) for one in found["definitions"]]
    assert rows == [
        ("f1", ["3"], True, 0),
        ("f1", ["2"], False, 1),
        ("score", ["1"], False, 2),
        ("score", [], False, 1),
    ]
    assert found["grades"] == [
        ["identical", "incomparable", "incomparable", "undeclared"],
        ["incomparable", "identical", "exact", "undeclared"],
        ["incomparable", "exact", "identical", "undeclared"],
        ["undeclared", "undeclared", "undeclared", "identical"],
    ]
    lines = ledger("schema", "matrix", "f1").splitlines()
    dids = [one["did"][3:11] for one in found["definitions"]]
    assert lines[0].split() == ["f1", "runs", "3", dids[0], "2", dids[1], "1", dids[2], "undeclared"]
    assert lines[3].split() == ["score", "1", dids[2], "2", "‖", "→", "=", "?"]
    assert ledger.json("schema", "matrix", "score") == found
    assert "hint: score is f1 now" in ledger.err


def test_matrix_of_undeclared_values(project: Project, ledger: Ledger) -> None:
    project.record(f1=0.5)
    found = ledger.json("schema", "matrix", "f1")
    assert [one["runs"] for one in found["definitions"]] == [1]
    project.declare("1", {"f1": MACRO})
    assert ledger.json("schema", "matrix", "f1")["grades"] == [
        ["identical", "undeclared"],
        ["undeclared", "identical"],
    ]
    assert ledger("schema", "matrix", "f1").splitlines()[2].split() == ["undeclared", "1", "?", "="]
    ledger("schema", "matrix", "nobody", code=1)


def test_history(year: Project, repo: Repo, ledger: Ledger) -> None:
    changes = ledger.json("schema", "history", "f1")["changes"]
    assert [(one["subject"], one["version"], one["grade"], one["runs"]) for one in changes] == [
        ("v3", "3", "incomparable", 0),
        ("v2", "2", "exact", 1),
    ]
    assert changes[0]["fields"] == ["how.average macro → weighted"]
    assert changes[0]["reason"] == "classes differ in size"
    assert len(changes[0]["migrations"]) == 1
    assert changes[0]["commit"] == repo.git("rev-parse", "HEAD")
    year.declare("4", {"f1": {**WEIGHTED, "unit": "%"}})
    lines = ledger("schema", "history", "f1").splitlines()
    (schema,) = ledger.json("schema", "show")
    assert lines[0].startswith(f"work tree  main 4@{schema['id'][3:15]}  d1:")
    assert ledger.json("schema", "history", "f1")["changes"][0]["schema_id"] == schema["id"]
    assert "    no migration" in lines
    assert any("‖ incomparable (m1:" in line and "classes differ in size" in line for line in lines)
    gone = ledger.json("schema", "history", "score")["changes"][0]
    assert gone["new"] is None
    ledger("schema", "history", "nobody", code=1)
    ledger("schema", "history", "f1", "nobody", code=1)


def test_history_of_a_merge_that_made_a_third_definition(
    project: Project, repo: Repo, ledger: Ledger
) -> None:
    project.declare("1", {"f1": PERCENT})
    base = project.commit("base")
    project.declare("2", {"f1": MACRO})
    project.commit("one")
    repo.git("checkout", "-qb", "other", base)
    project.declare("3", {"f1": {**PERCENT, "epoch": 2}})
    project.commit("two")
    repo.git("merge", "-q", "--no-commit", "-s", "ours", "main")
    project.declare("4", {"f1": {**MACRO, "epoch": 2}})
    repo.git("add", "-A")
    repo.git("commit", "-qm", "merged")
    subjects = [one["subject"] for one in ledger.json("schema", "history", "f1")["changes"]]
    assert subjects[0] == "merged"
    assert sorted(subjects) == ["base", "merged", "one", "two"]


def test_diff(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": PERCENT, "loss": MACRO, "same": MACRO}, {"lr": {"type": "number"}})
    old = project.commit("v1")
    project.declare(
        "2",
        {
            "f1": MACRO,
            "train_loss": MACRO,
            "same": {**MACRO, "direction": "lower", "description": "x", "maximum": 1},
        },
        {"lr": {"type": "string"}},
    )
    found = {one["name"]: one for one in ledger.json("schema", "diff")["changes"]}
    assert found["f1"]["fields"] == ["unit % → 1"]
    assert (found["f1"]["grade"], found["f1"]["migrations"]) == ("incomparable", [])
    assert (found["loss"]["new"], found["train_loss"]["old"]) == (None, None)
    assert found["same"]["old"] == found["same"]["new"]
    assert found["same"]["beside"] == ["direction higher → lower", "description", "maximum (none) → 1"]
    assert found["lr"]["part"] == "params"
    text = ledger("schema", "diff")
    assert "main metrics" in text
    assert "  - loss" in text
    assert "no migration" in text
    project.migrate("--yes")
    new = project.commit("v2")
    assert "→ exact (m1:" in ledger("schema", "diff", old, new)
    assert ledger("schema", "diff") == ""
    assert "no definition differs" in ledger.err
    assert ledger.json("schema", "diff", new, old)["changes"][0]["fields"] == ["unit 1 → %"]
    ledger("schema", "diff", "nobody", code=1)


def test_history_names_the_other_name_on_both_sides(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"score": MACRO})
    project.commit("score")
    project.declare("2", {"f1": MACRO})
    project.migrate("--rename", "score=f1")
    project.commit("f1")
    (new,) = ledger.json("schema", "history", "f1")["changes"]
    gone, _ = ledger.json("schema", "history", "score")["changes"]
    assert (new["renamed"]["name"], new["grade"]) == ("score", "exact")
    assert (gone["renamed"]["name"], gone["grade"]) == ("f1", "exact")
    assert "called score before" in ledger("schema", "history", "f1")
    assert "called f1 now" in ledger("schema", "history", "score")
    project.declare("3", {"other": MACRO})
    assert ledger.json("schema", "history", "f1")["changes"][0]["renamed"] is None
