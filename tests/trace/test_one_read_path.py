"""A year of changed definitions: every command says the same of every value, under every target."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import Ledger, Repo
from projects import Project

pytestmark = pytest.mark.slow

HIGHER: dict[str, Any] = {"direction": "higher", "on": {"set": "a"}}
MACRO = {**HIGHER, "unit": "1", "how": {"average": "macro"}}
WEIGHTED = {**MACRO, "how": {"average": "weighted"}}
LOSS: dict[str, Any] = {"unit": "nat", "direction": "lower"}
PARTS = {"precision": MACRO, "recall": MACRO}
SECONDS: dict[str, Any] = {"unit": "s", "direction": "lower"}

FIRST = {"acc": {**HIGHER, "unit": "%"}, "f1": MACRO, "loss": LOSS, "lat_ms": {**SECONDS, "unit": "ms"}}
SECOND = {"acc": {**HIGHER, "unit": "1"}, "f1": MACRO, "train_loss": LOSS, "latency": SECONDS}
THIRD = {**SECOND, "f1": WEIGHTED}
FOURTH = {**THIRD, "acc": {**HIGHER, "unit": "1", "on": {"set": "b"}}}
BRANCH = {
    **SECOND,
    "f1": {**MACRO, "unit": "%", "how": {"average": "micro"}},
    "latency": {**SECONDS, "unit": "us"},
}


@pytest.fixture
def year(project: Project, repo: Repo) -> Project:
    """Undeclared, percent → fraction with two renames, macro → weighted, a new test set; and a branch of its own."""
    project.record(acc=80.0, f1=0.79)
    project.declare("1", FIRST)
    project.commit("percent")
    project.record(acc=84.2, f1=0.84, loss=0.5, lat_ms=1500)
    project.declare("2", SECOND)
    project.migrate("--rename", "loss=train_loss", "--rename", "lat_ms=latency")
    fork = project.commit("fractions")
    project.record(acc=0.86, f1=0.86, train_loss=0.4, latency=1.2)
    repo.git("checkout", "-qb", "exp/micro", fork)
    project.declare("3", BRANCH)
    project.migrate(reason="micro")
    project.commit("micro")
    project.record(acc=0.87, f1=92.5, train_loss=0.36, latency=900_000)
    repo.git("checkout", "-q", "main")
    project.declare("3", THIRD)
    project.migrate(reason="classes differ in size")
    project.commit("weighted")
    project.record(acc=0.88, f1=0.91, train_loss=0.35, latency=1.1)
    project.declare("4", FOURTH)
    project.migrate(reason="cleaned")
    project.commit("new test set")
    project.record(acc=0.83, f1=float("nan"), train_loss=0.33, latency=1.0)
    return project


Said = dict[tuple[str, str], tuple[Any, str]]
"""(run, metric) → value and grade."""


def of_runs(rows: list[dict[str, Any]]) -> Said:
    return {
        (row["run_id"], name.removeprefix("grade.")): (row[f"metrics.{name.removeprefix('grade.')}"], grade)
        for row in rows
        for name, grade in row.items()
        if name.startswith("grade.")
    }


def of_log(found: dict[str, Any]) -> Said:
    return {
        (row["run_ids"][0], metric): (cell["value"], cell["grade"])
        for row in found["rows"]
        for metric, cell in row["metrics"].items()
    }


TARGETS = ((), ("--as", "1"), ("--as", "2"), ("--at", "exp/micro"), ("--approx",))


@pytest.mark.parametrize(
    "words",
    [pytest.param(words, marks=() if words == ("--as", "2") else pytest.mark.long) for words in TARGETS],
)
def test_every_command_says_the_same(words: tuple[str, ...], year: Project, ledger: Ledger) -> None:
    listed = ledger.json("runs", *words)
    said = of_runs(listed)
    ledger("export", "--format", "json", "--force", *words, "out")
    assert of_runs(json.loads((year.repo.path / "out/runs.json").read_text())) == said
    for row in listed:
        for metric, cell in ledger.json("show", row["run_id"], *words)["metrics"].items():
            if cell["grade"] != "missing":
                assert said[row["run_id"], metric] == (cell["value"], cell["grade"]), metric
    for metric in ("acc", "f1", "latency", "train_loss"):
        traced = of_log(ledger.json("log", "--metric", metric, "--all", *words))
        for place, (value, grade) in traced.items():
            # A value that is not finite is named and never summed up.
            assert said[place] == (value, grade), place
    counted = {place for place, (value, _) in said.items() if value is not None}
    assert {said[place][1] for place in counted} <= {"identical", "exact", "approximate"}
    newest, oldest = listed[0]["run_id"], listed[-2]["run_id"]
    for pair in ledger.json("diff", oldest, newest, *words)["metrics"]:
        sides = [(pair[side]["value"], pair[side]["grade"]) for side in "ab"]
        assert sides == [said[oldest, pair["name"]], said[newest, pair["name"]]]
        both = {(oldest, pair["name"]), (newest, pair["name"])} <= counted
        assert (pair["delta"] is not None) is (both and "NaN" not in (sides[0][0], sides[1][0]))


def test_nothing_ranks_that_does_not_compare(year: Project, ledger: Ledger) -> None:
    """92.5 and 0.91 are the highest numbers that were recorded as f1, and neither is one of now."""
    assert year.repo.path.is_dir()
    rows = ledger.json("runs", "--sort", "-f1")
    assert rows[0]["metrics.f1"] == 0.91
    assert [row["grade.f1"] for row in rows][2:] == ["incomparable"] * 4
    latencies = [row["metrics.latency"] for row in ledger.json("runs", "--sort", "latency")]
    assert latencies == [0.9, 1.0, 1.1, 1.2, 1.5, None]
    found = ledger.json("log", "--metric", "f1", "--all")
    assert [row["metrics"]["f1"]["delta"] for row in found["rows"]] == [None] * len(found["rows"])
    assert "over" not in ledger("log", "--metric", "f1", "--all"), "no sparkline of one value"
    assert ledger("runs", "--where", "f1 > 0.91", "--ids") == ""
    assert ledger("runs", "--where", "not f1 > 0.91", "--ids").count("\n") == 1, "nor does NaN pass"
    text = " ".join(ledger("runs", "--columns", "f1,latency").split())
    for aside in ("(92.5 %) ‖ 0.9 →", "(0.86) ‖", "(0.84) ‖", "(0.79) ‖"):
        assert aside in text, aside
