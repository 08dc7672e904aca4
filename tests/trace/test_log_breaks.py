"""What a log says of values that do not compare: breaks, partitions, and changes that are none."""

from __future__ import annotations

import pytest
from conftest import Ledger
from projects import MACRO, Project

pytestmark = pytest.mark.slow


def test_each_break_says_what_parts_its_own_neighbours(project: Project, ledger: Ledger) -> None:
    project.commit("no schema")
    project.record(f1=0.7)
    project.declare("1", {"f1": MACRO})
    project.commit("macro")
    project.record(f1=0.71)
    project.declare("2", {"f1": {**MACRO, "how": {"average": "weighted"}}})
    for path in project.migrate(reason="other average"):
        if '"op": "same"' in path.read_text():
            path.unlink()
    project.commit("weighted")
    project.record(f1=0.74)
    newer, older = ledger.json("log", "--metric", "f1")["breaks"]
    assert newer["reason"] == "other average"
    assert newer["migration"].startswith("m1:")
    assert older["reason"].startswith("recorded without a definition")
    assert older["migration"] is None


def test_what_a_conversion_rounds_is_no_change(project: Project, ledger: Ledger) -> None:
    assert 82.4 / 100 != 0.824
    project.declare("1", {"f1": {**MACRO, "unit": "%"}})
    project.commit("percent")
    old = project.record(f1=82.4)
    project.declare("2", {"f1": MACRO})
    project.migrate()
    project.commit("fraction")
    new = project.record(f1=0.824)
    first, second = ledger.json("log", "--metric", "f1")["rows"]
    assert first["metrics"]["f1"]["delta"] == 0
    assert second["metrics"]["f1"]["recorded"] == 82.4
    assert second["metrics"]["f1"]["value"] == 82.4 / 100
    (pair,) = ledger.json("diff", old, new)["metrics"]
    assert (pair["delta"], pair["better"]) == (0, None)


def test_what_no_run_has_tells_nothing_apart(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": {**MACRO, "on": {"dataset": "param:dataset"}}})
    for f1 in (0.5, 0.6):
        project.commit("next")
        project.record(f1=f1)
    for found in (ledger("log", "--metric", "f1"), ledger("runs")):
        assert "dataset" not in found
        assert "null" not in found
    ledger("record", "-q", "-m", "f1=0.7", "-p", "dataset=imdb")
    assert "f1 [-]" in ledger("log", "--metric", "f1")
