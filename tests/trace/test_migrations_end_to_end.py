"""A real repository whose definitions change, through the command line: what converts, what breaks, what is told."""

from __future__ import annotations

import csv
import io
import json
import os
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import Ledger, Repo
from projects import LOSS, MACRO, PERCENT, WEIGHTED, Project, percent_to_fraction

import ledger as api
from ledger.config import open_workspace
from ledger.model import Grade
from ledger.trace.view import open_view

pytestmark = pytest.mark.slow


@pytest.fixture
def converted(project: Project) -> tuple[Project, str, str]:
    """Percent, then a fraction: a run under each."""
    return project, *percent_to_fraction(project, 87.3, 0.5)


def test_percent_to_fraction_is_exact_everywhere(converted: tuple[Project, str, str], ledger: Ledger) -> None:
    project, old, new = converted
    assert project.rows("f1") == [("identical", 0.5), ("exact", 0.873)]
    found = ledger.json("log", "--metric", "f1")
    assert found["breaks"] == []
    assert found["rows"][0]["metrics"]["f1"]["delta"] == 0.5 - 0.873
    assert found["rows"][1]["metrics"]["f1"]["recorded"] == 87.3
    rows = {row["run_id"]: (row["metrics.f1"], row["grade.f1"]) for row in ledger.json("runs")}
    assert rows == {old: (0.873, "exact"), new: (0.5, "identical")}
    shown = ledger.json("show", old)["metrics"]["f1"]
    assert (shown["value"], shown["grade"], shown["recorded"], shown["unit"]) == (0.873, "exact", 87.3, "1")
    (pair,) = ledger.json("diff", old, new)["metrics"]
    assert pair["delta"] == 0.5 - 0.873
    assert pair["better"] is False
    ledger("export", "out")
    table = pq.read_table(project.repo.path / "out/runs.parquet")
    assert sorted(table["metrics.f1"].to_pylist()) == [0.5, 0.873]
    assert sorted(table["grade.f1"].to_pylist()) == ["exact", "identical"]
    assert "0.873 →" in " ".join(ledger("log", "--metric", "f1").split())
    assert "0.873 →" in " ".join(ledger("runs").split())


def test_filters_and_order_come_after_migrations(converted: tuple[Project, str, str], ledger: Ledger) -> None:
    """Compared raw, 87.3 would be beyond every fraction, and first of all."""
    _, old, new = converted
    assert ledger("runs", "--where", "f1 > 0.9", "--ids") == ""
    assert ledger("runs", "--where", "f1 < 0.9", "--sort", "f1", "--ids").split() == [new, old]
    assert ledger("runs", "--where", "f1 = 0.873", "--ids").split() == [old]
    assert ledger("runs", "--where", "grade.f1 = 'exact'", "--ids").split() == [old]
    listed = list(csv.DictReader(io.StringIO(ledger("runs", "--sort", "-f1", "--csv"))))
    assert [row["metrics.f1"] for row in listed] == ["0.873", "0.5"]


def test_older_versions_and_revisions_can_be_asked_for(
    converted: tuple[Project, str, str], repo: Repo, ledger: Ledger
) -> None:
    project, _, _ = converted
    assert project.rows("f1", "--as", "1") == [("exact", 50.0), ("identical", 87.3)]
    before = repo.git("rev-parse", "HEAD^")
    assert project.rows("f1", "--at", before) == [("incomparable", 0.5), ("identical", 87.3)]
    assert project.rows("f1", before) == [("identical", 87.3)]
    did = ledger.json("schema", "matrix", "f1")["definitions"][1]["did"]
    assert project.rows("f1", "--as", did[:9]) == project.rows("f1", "--as", "1")
    (then,) = ledger.json("schema", "show", "--at", before)
    for version in (f"1@{then['id'][3:9]}", f"@{then['id'][3:]}", then["id"]):
        assert project.rows("f1", "--as", version) == project.rows("f1", "--as", "1")
    ledger("log", "--metric", "f1", "--as", f"2@{then['id'][3:9]}", code=1)
    ledger("log", "--metric", "f1", "--as", "9", code=1)
    assert "known: " in ledger.err
    assert f"1 d1:{did[3:15]}" in ledger.err


def test_a_rename_with_another_unit_keeps_one_trace(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"lat_ms": {"unit": "ms", "direction": "lower"}, "loss": LOSS})
    project.commit("v1")
    run = project.record(lat_ms=1500, loss=0.25)
    project.declare("2", {"latency": {"unit": "s", "direction": "lower"}, "train_loss": LOSS})
    project.migrate("--rename", "lat_ms=latency", "--rename", "loss=train_loss")
    project.commit("v2")
    project.record(latency=2, train_loss=0.5)
    assert project.rows("latency") == [("identical", 2), ("exact", 1.5)]
    assert project.rows("train_loss") == [("identical", 0.5), ("exact", 0.25)]
    assert ledger.json("log", "--metric", "loss")["metrics"] == ["train_loss"]
    assert "hint: loss is train_loss now" in ledger.err
    assert ledger("runs", "--where", "loss < 0.3", "--ids").split() == [run]
    assert "hint: loss is train_loss now" in ledger.err
    assert ledger("runs", "--sort", "-lat_ms", "--ids").split()[1] == run
    assert "train_loss" in ledger("runs").splitlines()[0]
    assert [
        row["metrics"]["latency"]["value"]
        for row in ledger.json("log", "--metric", "latency", "--as", "1")["rows"]
    ] == [2000.0, 1500]


def test_a_break_line_carries_reason_migration_author_and_date(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": MACRO})
    project.commit("macro")
    best = project.record(f1=0.95)
    project.declare("2", {"f1": WEIGHTED})
    (path,) = project.migrate(reason="classes differ in size")
    project.commit("weighted")
    project.record(f1=0.8)
    migration = json.loads(path.read_text())
    text = ledger("log", "--metric", "f1")
    (line,) = [line for line in text.splitlines() if line.startswith("--")]
    assert line.startswith("-- f1: classes differ in size (m1:")
    assert line.endswith(", Ada Test 2023-11-14) --")
    assert "(0.95) ‖" in " ".join(text.split())
    assert "compared: 1 of 2 runs with a value" in text
    found = ledger.json("log", "--metric", "f1")
    (broken,) = found["breaks"]
    assert (broken["reason"], broken["migration"][:15]) == ("classes differ in size", line.split("(")[1][:15])
    assert "id" not in migration, "it was completed by hand, and needs none"
    assert ledger("runs", "--where", "f1 > 0.9", "--ids") == ""
    assert "1 run left out: no comparable value" in ledger.err
    assert ledger("runs", "--sort", "-f1", "--ids").split()[-1] == best, "never ranked among the others"
    ledger("log", "--metric", "f1", "--strict", code=5)


def test_the_same_edit_twice_and_a_revert(project: Project, repo: Repo, ledger: Ledger) -> None:
    project.declare("1", {"f1": MACRO})
    base = project.commit("macro")
    project.record(f1=0.1)
    project.declare("2", {"f1": WEIGHTED})
    project.migrate(reason="weighted")
    project.commit("weighted")
    project.record(f1=0.2)
    repo.git("checkout", "-qb", "other", base)
    project.declare("4", {"f1": dict(reversed(WEIGHTED.items()))})
    project.migrate(reason="in other words")
    project.commit("the same edit")
    run = project.record(f1=0.3)
    repo.git("checkout", "-q", "main")
    rows = ledger.json("log", "--metric", "f1", "--all")["rows"]
    assert {row["metrics"]["f1"]["grade"] for row in rows} == {"identical", "incomparable"}
    assert ledger.json("show", run)["metrics"]["f1"]["grade"] == "identical"
    project.declare("3", {"f1": MACRO})
    project.commit("back to macro")
    project.record(f1=0.4)
    assert project.rows("f1") == [("identical", 0.4), ("incomparable", 0.2), ("identical", 0.1)]
    assert len(ledger.json("log", "--metric", "f1")["breaks"]) == 2
    assert project.findings() == [], "the definitions of then and now are one"


def test_two_branches_change_one_metric_to_other_units(project: Project, repo: Repo) -> None:
    """A run of one branch reaches the other's definition through the ancestor's inverse."""
    project.declare("1", {"lat": {"unit": "ms", "direction": "lower"}})
    base = project.commit("ms")
    project.declare("2", {"lat": {"unit": "us", "direction": "lower"}})
    project.migrate()
    project.commit("us")
    project.record(lat=1_500_000)
    repo.git("checkout", "-qb", "exp/b", base)
    project.declare("2", {"lat": {"unit": "s", "direction": "lower"}})
    project.migrate()
    project.commit("s")
    project.record(lat=2)
    assert sorted(project.rows("lat", "--all")) == [("exact", 1.5), ("identical", 2)]


def test_undeclared_runs_are_joined_by_a_reviewed_same(project: Project, ledger: Ledger) -> None:
    project.record(f1=0.7)
    project.commit("adopt")
    project.declare("1", {"f1": MACRO})
    project.commit("schema")
    project.record(f1=0.8)
    assert project.rows("f1") == [("identical", 0.8), ("undeclared", 0.7)]
    assert ledger("runs", "--where", "f1 > 0.1", "--ids").count("\n") == 1
    project.migrate(reason="evaluate.py did not change")
    assert project.rows("f1") == [("identical", 0.8), ("exact", 0.7)]
    cell = ledger.json("log", "--metric", "f1")["rows"][1]["metrics"]["f1"]
    assert cell["reason"] == "asserted: evaluate.py did not change"


def test_approximate_values_count_when_asked(project: Project, ledger: Ledger) -> None:
    parts = {"precision": MACRO, "recall": MACRO}
    project.declare("1", parts)
    project.commit("parts")
    project.record(precision=0.5, recall=1)
    project.declare("2", {**parts, "f1": MACRO})
    (path,) = project.migrate("--take", "f1")
    body = json.loads(path.read_text())
    del body["id"]
    body["metrics"][0] |= {"exactness": "approximate", "reason": "rounded inputs"}
    path.write_text(json.dumps(body))
    project.commit("f1")
    project.record(precision=1, recall=1, f1=0.5)
    first = ("approximate", None)
    assert project.rows("f1") == [("identical", 0.5), first]
    assert project.rows("f1", "--approx") == [("identical", 0.5), ("approximate", 0.6666666666666666)]
    assert ledger("runs", "--where", "f1 > 0.6", "--ids") == ""


def test_best_and_change_stay_within_a_partition(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"lat": {"unit": "s", "direction": "lower", "on": {"machine": "param:machine"}}})
    project.commit("v1")
    for machine, lat in (("a", 4.0), ("b", 1.0), ("a", 3.0)):
        ledger("record", "-q", "-m", f"lat={lat}", "-p", f"machine={machine}")
    project.commit("faster")
    for machine, lat in (("a", 2.0), ("b", 1.5)):
        ledger("record", "-q", "-m", f"lat={lat}", "-p", f"machine={machine}")
    rows = ledger.json("log", "--metric", "lat")["rows"]
    found = {
        (row["subject"], row["partition"]["machine"]): (
            row["metrics"]["lat"]["value"],
            row["metrics"]["lat"]["delta"],
        )
        for row in rows
    }
    assert found == {
        ("faster", "a"): (2, -1), ("faster", "b"): (1.5, 0.5), ("v1", "a"): (3, None), ("v1", "b"): (1, None),
    }  # fmt: skip
    assert ledger.json("log", "--metric", "lat")["breaks"] == []


BROKEN: dict[str, tuple[bytes, str, int]] = {
    "conflict": (b'{\n"format": 1,\n<<<<<<< HEAD\n=======\n>>>>>>> x\n}', "LS412", 3),
    "operation": (
        b'{"format": 1, "from": {}, "to": {}, "defs": {}, "metrics": [\n{"op": "python"}]}',
        "LS412",
        2,
    ),
    "newer": (b'{\n"format": 2}', "LS412", 2),
    "not an object": (b"[]", "LS412", 1),
}


def test_a_broken_migration_is_named_and_all_else_goes_on(
    converted: tuple[Project, str, str], ledger: Ledger
) -> None:
    project, _, _ = converted
    path = project.repo.path / ".ledger/migrations/main/broken.json"
    for kind, (data, code, line) in BROKEN.items():
        path.write_bytes(data)
        assert project.rows("f1") == [("identical", 0.5), ("exact", 0.873)], kind
        where = f".ledger/migrations/main/broken.json:{line}"
        assert f"warning: {where}: {code}" in ledger.err
        assert (code, "") in project.findings("fails")
    ledger("runs")
    assert ".ledger/migrations/main/broken.json:1: LS412" in ledger.err


AFFINE: dict[str, Any] = {"op": "affine", "from": "f1", "to": "f1", "scale": "1/100"}
IMPOSSIBLE: dict[str, list[dict[str, Any]]] = {
    "LS205": [{**AFFINE, "scale": "0"}],
    "LS214": [{**AFFINE, "scale": "1e999"}],
    "LS202": [{**AFFINE, "scale": "1/1000"}],
    "LS409": [{"op": "derive", "to": "f1", "inputs": {"x": "f1"}, "expr": "x" + "+1" * 300}],
    "LS403": [AFFINE, AFFINE],
    "LS404": [{**AFFINE, "from": "nobody"}],
}


def test_a_migration_that_can_not_be_leaves_a_visible_break(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": PERCENT})
    project.commit("v1")
    project.record(f1=50)
    project.declare("2", {"f1": MACRO})
    (path,) = project.drafts()
    body = json.loads(path.read_text())
    del body["id"]
    for code, operations in IMPOSSIBLE.items():
        path.write_text(json.dumps({**body, "metrics": operations}, indent=1))
        assert project.rows("f1") == [("incomparable", 50)], code
        assert f"{path.name}:" in ledger.err
        assert code in ledger.err
        assert (code, "f1") in project.findings("fails")


def test_a_huge_file_is_refused_unread(converted: tuple[Project, str, str], ledger: Ledger) -> None:
    project, _, _ = converted
    path = project.repo.path / ".ledger/migrations/main/huge.json"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    assert project.rows("f1") == [("identical", 0.5), ("exact", 0.873)]
    assert "huge.json:1: LS412 MIGRATION_INVALID: larger than" in ledger.err


def test_migrations_that_contradict_each_other_fail_closed(project: Project) -> None:
    project.declare("1", {"f1": MACRO, "loss": LOSS})
    project.commit("v1")
    project.record(f1=50, loss=1)
    project.declare("2", {"f1": WEIGHTED, "loss": LOSS})
    (path,) = project.drafts()
    body = json.loads(path.read_text())
    for number in (2, 3):
        operation = {"op": "affine", "from": "f1", "to": "f1", "offset": str(number)}
        path.with_name(f"{number}.json").write_text(json.dumps({**body, "metrics": [operation]}))
    path.unlink()
    assert project.rows("f1") == [("ambiguous", 50)], "what was recorded, and no value"
    assert project.rows("loss") == [("identical", 1)]
    assert ("LS401", "f1") in project.findings("fails")


def test_series_go_through_the_same_conversions(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"val_loss": {**LOSS, "series": "loss"}, "acc": PERCENT, "f1": MACRO})
    project.commit("v1")
    history = {"loss": [2.0, 1.0], "acc": [50.0, None], "f1": [0.5], "other": [7.0]}
    run = api.record(metrics={"val_loss": 1.0, "acc": 60.0, "f1": 0.5}, history=history).id
    project.declare(
        "2", {"eval_loss": {**LOSS, "unit": "bit", "series": "eval"}, "acc": MACRO, "f1": WEIGHTED}
    )
    project.migrate("--rename", "val_loss=eval_loss")
    project.commit("v2")
    points = ledger.json("show", run, "--history")
    found = {(one["metric"], one["value"], one["recorded"]): one["grade"] for one in points}
    assert found == {
        ("eval", 2.8853900817779268, None): "exact", ("eval", 1.4426950408889634, None): "exact",
        ("acc", 0.5, None): "exact", ("acc", None, None): "exact",
        ("f1", None, 0.5): "incomparable", ("other", 7.0, None): "identical",
    }  # fmt: skip
    assert [one["metric"] for one in ledger.json("show", run, "--history", "loss")] == ["eval", "eval"]
    text = ledger("show", run, "--history")
    assert "(0.5) ‖" in " ".join(text.split())
    assert "converted exactly" in text
    ledger("export", "out")
    table = pq.read_table(project.repo.path / "out/history.parquet").to_pylist()
    assert {(one["metric"], one["value"], one["recorded"]): one["grade"] for one in table} == found
    ledger("show", run, "--history", "--strict", code=5)
    assert "f1" in ledger.err
    ledger("show", run, "--history", "acc", "--strict")


def test_a_series_of_a_converted_metric_alone(converted: tuple[Project, str, str], ledger: Ledger) -> None:
    project, _, _ = converted
    repo = project.repo
    repo.git("checkout", "-q", "HEAD^")
    project.declare("1", {"f1": PERCENT})
    run = api.record(metrics={"f1": 29.0}, history={"f1": [87.3, float("nan"), 57.0]}, experiment="main").id
    repo.git("checkout", "-qf", "main")
    points = ledger.json("show", run, "--history")
    assert [one["value"] for one in points] == [0.873, "NaN", 0.57]
    assert {one["grade"] for one in points} == {"exact"}


def test_what_stands_behind_a_number_is_what_its_cell_says(converted: tuple[Project, str, str]) -> None:
    project, _, _ = converted
    project.record(f1=1)
    project.declare("3", {"f1": PERCENT})
    project.migrate()
    project.record(f1=12)
    project.declare("4", {"f1": WEIGHTED})
    project.record(f1=0.7)
    project.declare("3", {"f1": PERCENT})
    seen = open_view(open_workspace(project.repo.path, os.environ))
    cells = dict(seen.metric("f1"))
    assert sorted(str(cell.recorded) for cell in cells.values()) == ["0.5", "0.7", "1", "12", "87.3"]
    assert {cell.grade for cell in cells.values()} == {Grade.IDENTICAL, Grade.EXACT, Grade.INCOMPARABLE}
    said = {row: (repr(cell.recorded), cell.reason) for row, cell in cells.items()}
    behind = {row: seen.behind(row, "f1") for row in cells}
    assert {row: (repr(recorded), reason) for row, (recorded, reason) in behind.items()} == said
