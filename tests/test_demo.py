"""What `make demo` promises: commits on two branches, seeds, a dirty run, a crash, and definitions that change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Ledger
from demo import demo


def test_every_commit_changes_the_code_or_its_params() -> None:
    versions = (*demo.ON_MAIN, *demo.ON_BRANCH, demo.DIRTY)
    assert len(demo.ON_MAIN) + len(demo.ON_BRANCH) >= 8
    assert len({json.dumps(one.files()) for one in versions}) == len(versions)
    assert len({one.subject for one in versions}) == len(versions)
    for one in versions:
        compile(one.files()["train.py"], "train.py", "exec")
        compile(one.files()["model.py"], "model.py", "exec")


def test_what_is_replaced_in_the_program_stands_in_it_once() -> None:
    for old, new in (demo.PERCENT, demo.WEIGHTED):
        assert demo.TRAIN.count(old) == 1
        compile(demo.TRAIN.replace(old, new), "train.py", "exec")


def test_a_definition_changes_in_what_is_asked_and_loses_its_bound() -> None:
    how = {"average": "macro"}
    text = json.dumps(
        {"properties": {"metrics": {"properties": {"f1": {"maximum": 1, "x-ledger": {"how": how}}}}}}
    )
    changed = json.loads(demo._defined(text, "f1", unit="%", average="weighted"))
    assert changed["properties"]["metrics"]["properties"]["f1"] == {
        "x-ledger": {"how": {"average": "weighted"}, "unit": "%"}
    }


def test_the_live_program_is_one() -> None:
    compile(demo.LIVE, "live.py", "exec")


def test_only_what_a_draft_leaves_to_do_gets_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "digits" / ".ledger/migrations/main/1.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"metrics": [{"op": "convert"}, {"op": "redefine", "todo": "say why"}]}))
    demo._give_reason(demo.Shell(tmp_path / "digits"), "because")
    assert json.loads(path.read_text())["metrics"] == [
        {"op": "convert"},
        {"op": "redefine", "reason": "because"},
    ]


@pytest.mark.long
def test_it_keeps_its_promises(
    tmp_path: Path, ledger: Ledger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert demo.main(["--seeds", "2", "--commits", "1", "--folder", str(tmp_path / "demo")]) == 0
    said = capsys.readouterr().out
    assert "→" in said, "percent was converted"
    assert "averaged by class size now" in said, "the break has its reason"
    monkeypatch.chdir(tmp_path / "demo" / "digits")
    runs = ledger.json("runs")
    assert len(runs) == 2 * 2 + 5, (
        "two seeds on two branches, one dirty, one that died, one live, two of other meaning"
    )
    (live,) = (run["run_id"] for run in runs if run["tags.kind"] == "live")
    assert len(ledger.json("show", live, "--history", "f1")) == 42
    assert [run["params.c"] for run in runs if run["status"] == "failed"] == [-1]
    (dirty,) = (run["run_id"] for run in runs if run["code.dirty"] and run["status"] == "finished")
    assert ledger.json("show", dirty)["attached"]["level"] == "tree", "it found the commit of its changes"
    found = ledger.json("log", "--metric", "f1", "--all")
    subjects = {row["subject"] for row in found["rows"]}
    assert subjects >= {demo.ON_MAIN[0].subject, demo.ON_BRANCH[0].subject, demo.DIRTY.subject}
    assert len(found["breaks"]) == 1
