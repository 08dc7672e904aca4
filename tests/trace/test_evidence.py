"""What recorded values say of definitions and migrations: each finding with its code, file and line, in all forms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from projects import Project

pytestmark = pytest.mark.slow

MAIN = ".ledger/schemas/main.json"
F1: dict[str, Any] = {
    "unit": "1", "direction": "higher", "how": {"average": "macro"}, "on": {"dataset": "imdb"},
}  # fmt: skip
PERCENT = {**F1, "unit": "%"}
NEW = {**F1, "epoch": 2}


def found(project: Project, code: str, *, exit_code: int = 0) -> list[dict[str, Any]]:
    """Findings of one code, checked to stand in the text and as annotations with the same file and line."""
    listed = json.loads(project.ledger("schema", "check", "--format", "json", code=exit_code))["findings"]
    mine = [one for one in listed if one["code"] == code]
    if not mine:
        return []
    text = project.ledger("schema", "check", "--format", "text", code=exit_code)
    github = project.ledger("schema", "check", "--format", "github", code=exit_code)
    for one in mine:
        place = f"{one['file']}:{one['line']}"
        assert f"{place}: {code} {one['severity']}: {one['message']}" in text
        assert f"file={one['file']},line={one['line']},title={code} {one['name']}::" in github
        written = (project.repo.path / one["file"]).read_text().splitlines()
        assert one["line"]
        assert "{" in written[one["line"] - 1]
    return mine


def rewrite(project: Project, operations: list[dict[str, Any]], *words: str) -> str:
    """A drafted migration with other operations; its file."""
    (path,) = project.drafts(*words)
    body = json.loads(path.read_text())
    body.pop("id", None)
    path.write_text(json.dumps({**body, "metrics": operations}, indent=1))
    return path.relative_to(project.repo.path).as_posix()


def test_the_newest_runs_are_in_another_unit(project: Project) -> None:
    project.declare("1", {"f1": F1, "loss": F1, "falling": F1})
    project.commit("v1")
    falling = [10.0**-power for power in range(14)]
    for place in range(13):
        slip = 100 if place >= 8 else 1
        project.record(f1=slip * (0.8 + place / 100), loss=1.0 + place, falling=falling[place])
    [one] = found(project, "LS207")
    assert (one["metric"], one["file"], one["severity"]) == ("f1", MAIN, "warning")
    assert "about 100 times those before: 90 after 0.835" in one["message"]


def test_a_slip_within_one_partition_alone(project: Project) -> None:
    """Two machines a hundred times apart are no slip."""
    project.declare("1", {"f1": {**F1, "on": {"machine": "param:machine"}}}, {"machine": {}})
    project.commit("v1")
    for place in range(14):
        fast = place >= 9
        words = ("-p", f"machine={'fast' if fast else 'slow'}", "-m", f"f1={0.5 if fast else 50}")
        project.ledger("record", "-q", *words)
    assert found(project, "LS207") == []


def test_runs_that_recorded_both_sides_contradict_a_derivation(project: Project) -> None:
    inputs = {"precision": F1, "recall": F1}
    project.declare("1", {"f1": F1, **inputs})
    project.commit("v1")
    project.declare("2", {"f1": NEW, **inputs})
    derive = {
        "op": "derive", "to": "f1", "inputs": {"p": "precision", "r": "recall"}, "expr": "2*p*r/(p+r)",
        "exactness": "exact",
    }  # fmt: skip
    (path,) = project.drafts()
    body = json.loads(path.read_text())
    body.pop("id", None)
    definitions = project.ledger.json("schema", "show")[0]["metrics"]
    body["from"] = {"metrics": {name: definitions[name]["did"] for name in inputs}}
    body["defs"] |= {definitions[name]["did"]: {"name": name, "type": "number", **F1} for name in inputs}
    body["metrics"] = [derive]
    path.write_text(json.dumps(body, indent=1))
    project.commit("v2")
    project.record(f1=0.667, precision=0.5, recall=1.0)
    assert found(project, "LS211") == [], "rounded"
    wrong = project.record(f1=0.71, precision=0.5, recall=1.0)
    [one] = found(project, "LS211", exit_code=5)
    assert (one["metric"], one["severity"]) == ("f1", "error")
    assert one["file"] == path.relative_to(project.repo.path).as_posix()
    assert (
        f"1 of 2 runs that recorded both sides disagree, most of all {wrong[:8]}: 0.71 recorded"
        in one["message"]
    )
    body["metrics"] = [{**derive, "error": {"abs": 0.05}}]
    path.write_text(json.dumps(body, indent=1))
    assert found(project, "LS211") == []


def test_an_exact_step_that_runs_contradict(project: Project) -> None:
    project.declare("1", {"latency": {**F1, "unit": "s"}, "ms": {**F1, "unit": "ms"}})
    project.commit("v1")
    project.record(latency=0.25, ms=251)
    project.record(latency=0.25, ms=25)
    project.declare("2", {"latency": {**F1, "unit": "s"}})
    file = rewrite(project, [{"op": "convert", "from": "ms", "to": "latency"}], "--rename", "ms=latency")
    [one] = found(project, "LS211", exit_code=5)
    assert (one["file"], one["metric"]) == (file, "latency")
    assert "1 of 2 runs" in one["message"]


def test_a_redefinition_of_what_could_be_computed(project: Project) -> None:
    project.declare("1", {"f1": F1, "precision": F1, "recall": F1})
    project.commit("v1")
    project.record(f1=0.5, precision=0.5, recall=0.5)
    project.declare("2", {"f1": NEW, "precision": F1, "recall": F1})
    paths = project.migrate()
    [one] = found(project, "LS113")
    assert (one["metric"], one["file"]) == ("f1", paths[0].relative_to(project.repo.path).as_posix())
    assert "precision and recall, which runs recorded" in one["message"]
    assert "--take f1" in one["hint"]
    (beside,) = project.migrate("--take", "f1")
    assert beside != paths[0]
    assert found(project, "LS113") == []
    assert project.rows("f1") == [("exact", 0.5)]


@pytest.mark.long
def test_a_break_without_a_run_on_both_sides(project: Project) -> None:
    project.declare("1", {"f1": F1})
    project.commit("v1")
    project.record(f1=0.5)
    project.declare("2", {"g": {**NEW, "how": {"average": "weighted"}}})
    (path,) = project.drafts()
    body = json.loads(path.read_text())
    path.unlink()
    current = project.ledger.json("schema", "show")[0]["metrics"]["g"]["did"]
    body["to"] = {"metrics": {"g": current}}
    body["defs"][current] = {"name": "g", "type": "number", **NEW, "how": {"average": "weighted"}}
    body["metrics"] = [{"op": "redefine", "from": "f1", "to": "g", "reason": "other averages"}]
    path.write_text(json.dumps(body, indent=1))
    assert found(project, "LS114") == [], "no run has the new one yet"
    project.commit("v2")
    project.record(g=0.6)
    [one] = found(project, "LS114")
    assert (one["metric"], one["severity"]) == ("g", "info")
    project.ledger("schema", "check", "--fail-on", "warn")
    project.declare("3", {"f1": F1, "g": {**NEW, "how": {"average": "weighted"}}})
    project.commit("v3")
    project.record(f1=0.5, g=0.6)
    assert found(project, "LS114") == []


def test_a_bridge_may_have_the_old_meaning_under_a_new_name(project: Project) -> None:
    """A name that goes on can be bridged in no other way: no run has two values of one name."""
    weighted = {**F1, "how": {"average": "weighted"}}
    project.declare("1", {"f1": F1})
    project.commit("v1")
    project.record(f1=0.5)
    project.declare("2", {"f1": weighted, "f1_macro": F1})
    project.migrate("--rename", "f1=f1_macro")
    project.commit("v2")
    project.record(f1=0.6)
    [one] = found(project, "LS114")
    assert one["metric"] == "f1"
    project.record(f1=0.6, f1_macro=0.55)
    assert found(project, "LS114") == []


def test_a_companion_that_was_left_behind_since_some_run(project: Project) -> None:
    error = {**PERCENT, "kind": "delta"}
    project.declare("1", {"f1": PERCENT, "f1_stderr": error})
    project.commit("v1")
    project.record(f1=50, f1_stderr=1)
    project.declare("2", {"f1": F1, "f1_stderr": error})
    project.migrate()
    for message in ("v2", "later", "later still"):
        project.commit(message)
    [one] = found(project, "LS210")
    assert (one["metric"], one["file"]) == ("f1_stderr", MAIN)
    allowed = {**error, "allow": ["LS210: it was always of the fraction"]}
    project.declare("2", {"f1": F1, "f1_stderr": allowed})
    assert found(project, "LS210") == []
    project.declare("2", {"f1": F1, "f1_stderr": {**error, "allow": ["LS210"]}})
    assert ("LS306", "") in project.findings("fails"), "without a reason nothing is allowed"


def test_an_operation_that_nothing_can_use(project: Project) -> None:
    project.declare("1", {"f1": PERCENT})
    project.commit("v1")
    project.declare("2", {"f1": F1})
    (path,) = project.migrate()
    stale = path.with_name("stale.json")
    other = {"name": "gone", "type": "number"}
    project.declare("2", {"f1": F1, "gone": {}, "lost": {}})
    dids = {name: one["did"] for name, one in project.ledger.json("schema", "show")[0]["metrics"].items()}
    project.declare("2", {"f1": F1})
    stale.write_text(
        json.dumps(
            {
                "format": 1,
                "from": {"metrics": {"gone": dids["gone"]}},
                "to": {"metrics": {"lost": dids["lost"]}},
                "metrics": [{"op": "rename", "from": "gone", "to": "lost"}],
                "defs": {dids["gone"]: other, dids["lost"]: {**other, "name": "lost"}},
            },
            indent=1,
        )
    )
    assert found(project, "LS410") == [], "without runs nothing is known"
    project.record(f1=0.5)
    [one] = found(project, "LS410")
    assert (one["metric"], one["severity"]) == ("lost", "info")
    assert one["file"] == stale.relative_to(project.repo.path).as_posix()
