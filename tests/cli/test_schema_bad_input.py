"""Definitions and migrations that can't be: each is named with code, file and line, and all else goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo
from projects import Project

F1: dict[str, Any] = {"unit": "1", "direction": "higher", "how": {"fn": "f1"}, "on": {"dataset": "imdb"}}
PERCENT = {**F1, "unit": "%"}
AFFINE: dict[str, Any] = {"op": "affine", "from": "f1", "to": "f1", "scale": "1/100"}
DERIVE: dict[str, Any] = {"op": "derive", "to": "f1", "inputs": {"x": "f1"}, "exactness": "exact"}
MAIN, MOVED, UNITS = ".ledger/schemas/main.json", ".ledger/migrations/main/m.json", ".ledger/units.json"
CONFLICT = "{\n<<<<<<< HEAD\n}\n=======\n}\n>>>>>>> other\n"


@pytest.fixture
def project(repo: Repo, ledger: Ledger) -> Project:
    """Two schemas: f1 of main changes its unit, acc of other stays as it is."""
    made = Project(repo, ledger)
    made.declare("1", {"f1": PERCENT})
    made.declare("1", {"acc": F1}, name="other")
    made.commit("v1")
    ledger("record", "-q", "--schema", "main", "-m", "f1=50")
    ledger("record", "-q", "--schema", "other", "-m", "acc=0.5")
    return made


def others_go_on(project: Project) -> None:
    """Another schema's runs are recorded, listed and compared as if nothing was."""
    ledger = project.ledger
    assert project.rows("acc")[0] == ("identical", 0.5)
    ledger("record", "-n", "--schema", "other", "-m", "acc=0.6")
    listed = ledger.json("runs", "--where", "acc = 0.5")
    assert [one["metrics.acc"] for one in listed] == [0.5]
    assert "acc" in ledger("schema", "show", "other")


def named(project: Project, code: str, file: str) -> dict[str, Any]:
    """The first finding of a code, with its place as GitHub marks it."""
    findings = project.ledger.json("schema", "check", code=5)["findings"]
    mine = next(one for one in findings if (one["code"], one["file"]) == (code, file))
    github = project.ledger("schema", "check", "--github", code=5)
    assert f"::error file={file},line={mine['line']},title={code} {mine['name']}::" in github
    assert mine["line"] >= 1
    return dict(mine)


OPERATIONS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "two operations with one target": ("LS403", [AFFINE, AFFINE]),
    "an unknown name": ("LS404", [{**AFFINE, "from": "nobody"}]),
    "a scale of zero": ("LS205", [{**AFFINE, "scale": "0"}]),
    "a scale beyond all doubles": ("LS214", [{**AFFINE, "scale": "1e999"}]),
    "a number of 400 digits": ("LS409", [{**DERIVE, "expr": "x+" + "9" * 400}]),
    "an expression of 400 digits": ("LS409", [{**DERIVE, "expr": "+".join("x" * 400)}]),
    "an expression of another name": ("LS409", [{**DERIVE, "expr": "x+y"}]),
    "an expression that is a program": ("LS409", [{**DERIVE, "expr": "__import__('os')"}]),
    "an unknown operation": ("LS412", [{"op": "python", "to": "f1"}]),
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("code", "operations"),
    OPERATIONS.values(),
    ids=OPERATIONS,
)
def test_an_operation_that_can_not_be(project: Project, code: str, operations: list[dict[str, Any]]) -> None:
    project.declare("2", {"f1": F1})
    (drafted,) = project.drafts()
    body = json.loads(drafted.read_text())
    drafted.unlink()
    del body["id"]
    project.repo.write(MOVED, json.dumps({**body, "metrics": operations}, indent=1))
    found = named(project, code, MOVED)
    line = (project.repo.path / MOVED).read_text().splitlines()[found["line"] - 1]
    assert any(word in line for word in ("{", '"scale"', '"expr"', '"from"', '"op"')), line
    assert project.rows("f1") == [("incomparable", 50)]
    others_go_on(project)


@pytest.mark.slow
def test_a_cycle_that_contradicts_itself(project: Project) -> None:
    project.declare("2", {"f1": F1})
    (drafted,) = project.drafts()
    body = json.loads(drafted.read_text())
    del body["id"]
    back = {"from": body["to"], "to": body["from"], "metrics": [{"op": "affine", "from": "f1", "to": "f1"}]}
    project.repo.write(MOVED, json.dumps({**body, **back}, indent=1))
    names = [drafted.relative_to(project.repo.path).as_posix(), MOVED]
    found = project.ledger.json("schema", "check", code=5)["findings"]
    assert [(one["code"], one["file"]) for one in found if one["severity"] == "error"] == [("LS202", MOVED)]
    body["metrics"] = [{"op": "affine", "from": "f1", "to": "f1", "scale": "1/100", "offset": "1"}]
    project.repo.write(MOVED, json.dumps(body, indent=1))
    mine = named(project, "LS401", MOVED)
    assert names[0] in mine["message"], "both are named"
    assert project.rows("f1") == [("ambiguous", 50)]
    others_go_on(project)


SCHEMAS: dict[str, tuple[str, str, int]] = {
    "a remote reference": (
        '{\n "properties": {\n  "metrics": {\n   "$ref": "http://127.0.0.1:9/x.json"}}}', "LS306", 4,
    ),
    "a conflict": (CONFLICT, "LS306", 2),
    "no JSON": ('{\n "properties": {\n', "LS306", 2),
    "a word that is none": (
        '{"properties": {"metrics": {"properties": {\n "f1": {\n  "x-ledger": {"unti": "1"}}}}}}', "LS306", 3,
    ),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(("text", "code", "line"), SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_that_can_not_be(project: Project, text: str, code: str, line: int) -> None:
    project.repo.write(MAIN, text)
    assert named(project, code, MAIN)["line"] == line
    others_go_on(project)
    project.ledger("record", "--schema", "main", "-m", "f1=50", code=1)
    assert MAIN in project.ledger.err
    project.ledger("runs")


@pytest.mark.slow
def test_conflicts_in_other_files(project: Project) -> None:
    project.repo.write(MOVED, CONFLICT)
    assert named(project, "LS412", MOVED)["line"] == 2
    project.repo.write(UNITS, CONFLICT)
    assert named(project, "LS215", UNITS)["line"] == 2
    others_go_on(project)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "code"),
    [
        pytest.param(MAIN, "LS306", id="schema"),
        pytest.param(MOVED, "LS412", id="migration"),
        pytest.param(UNITS, "LS215", id="units"),
    ],
)
def test_a_file_of_100_megabytes_is_not_read(
    project: Project, file: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.repo.write(file, "")
    path = project.repo.path / file
    with path.open("wb") as opened:
        opened.truncate(100 * 1024 * 1024)
    monkeypatch.setattr(Path, "read_bytes", _bounded(Path.read_bytes))
    if file == UNITS:
        project.repo.write(MOVED, "{}")
    assert "larger than" in named(project, code, file)["message"]
    others_go_on(project)


def _bounded(read: Callable[[Path], bytes]) -> Callable[[Path], bytes]:
    def checked(path: Path) -> bytes:
        assert path.stat().st_size < 1 << 26, f"{path} is read whole"
        return read(path)

    return checked


@pytest.mark.slow
def test_an_edit_of_a_migration_that_was_used(project: Project) -> None:
    project.declare("2", {"f1": F1})
    (path,) = project.migrate()
    project.commit("v2")
    project.ledger("record", "-q", "--schema", "main", "-m", "f1=0.6")
    body = json.loads(path.read_text())
    body["metrics"] = [{"op": "redefine", "from": "f1", "to": "f1", "reason": "other classes"}]
    path.write_text(json.dumps(body, indent=1))
    file = path.relative_to(project.repo.path).as_posix()
    changed = named(project, "LS406", file)
    assert "changed after the id was written" in changed["message"]
    assert project.rows("f1")[-1] == ("incomparable", 50)
    others_go_on(project)
    old = body.pop("id")
    path.write_text(json.dumps(body, indent=1))
    (warning,) = [one for one in project.ledger.json("schema", "check")["findings"] if one["code"] == "LS407"]
    assert (warning["file"], warning["severity"]) == (file, "warning")
    assert old in warning["hint"]
    assert warning["line"]
