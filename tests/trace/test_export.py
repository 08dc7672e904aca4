"""Exported tables, read back by the programs that they are for."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Ledger, Repo

import ledger as api
from ledger.config import open_workspace
from ledger.errors import InputError
from ledger.trace import export
from ledger.trace.export import Export, publish
from ledger.trace.listing import Listing, find
from ledger.trace.view import open_view

SCHEMA = {
    "properties": {
        "params": {"properties": {"lr": {"type": "number", "x-ledger": {"unit": "1"}}}},
        "metrics": {
            "properties": {
                "f1": {"type": ["number", "null"], "x-ledger": {"unit": "1", "direction": "higher"}},
                "loss": {"type": "number", "x-ledger": {"unit": "nat", "direction": "lower"}},
            }
        },
    }
}


def exporter(**words: Any) -> Export:
    view = open_view(open_workspace(Path.cwd(), os.environ))
    return Export(view=view, found=find(view, Listing(**words)))


@pytest.fixture
def runs(repo: Repo) -> list[str]:
    repo.write(".ledger/schemas/m.json", json.dumps(SCHEMA))
    f1 = (0.5, math.nan, None)
    done = api.record_many(
        [
            {
                "metrics": {"f1": value, "loss": float(number)},
                "params": {"lr": 0.1 * number, "opt": {"name": "=adam"}, "none": None},
                "history": {"loss": [3.0, 2.0, 1.0 + number]} if number < 2 else None,
            }
            for number, value in enumerate(f1)
        ]
    )
    return [run.id for run in done]


@pytest.fixture
def folder(runs: list[str], ledger: Ledger, tmp_path: Path) -> Path:
    assert runs
    ledger("export", "--format", "parquet", str(tmp_path / "out"))
    return tmp_path / "out"


def test_pyarrow_reads_values_units_and_definitions(folder: Path, runs: list[str]) -> None:
    table = pq.read_table(folder / "runs.parquet")
    assert table["run_id"].to_pylist() == runs[::-1]
    assert table["metrics.loss"].to_pylist() == [2.0, 1.0, 0.0]
    assert table["grade.f1"].to_pylist() == ["undefined", "identical", "identical"]
    metadata = table.schema.field("metrics.f1").metadata
    assert metadata[b"ledger.unit"] == b"1"
    assert metadata[b"ledger.direction"] == b"higher"
    view = exporter().view
    assert metadata[b"ledger.definition"].decode() == view.target("f1").did
    assert table.schema.field("params.lr").metadata[b"ledger.unit"] == b"1"
    assert table.schema.metadata[b"ledger.format"] == b"1"
    assert table.schema.field("finished").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("params.none").type == pa.string()

    points = pq.read_table(folder / "history.parquet")
    assert points.column_names == ["run_id", "metric", "step", "time", "value", "context"]
    assert points.schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert sorted(points["value"].to_pylist()) == [1.0, 2.0, 2.0, 2.0, 3.0, 3.0]
    told = json.loads(points.schema.metadata[b"ledger.metrics"])
    assert told["loss"]["ledger.unit"] == "nat"


def _pandas(path: Path) -> list[tuple[str, float]]:
    frame = pd.read_parquet(path)
    return list(zip(frame["run_id"], frame["metrics.loss"], strict=True))


def _polars(path: Path) -> list[tuple[str, float]]:
    frame = pl.read_parquet(path)
    return list(zip(frame["run_id"], frame["metrics.loss"], strict=True))


def _duckdb(path: Path) -> list[tuple[str, float]]:
    rows: list[tuple[str, float]] = duckdb.sql(
        f"""select run_id, "metrics.loss" from '{path}' order by "metrics.loss" desc"""
    ).fetchall()
    return rows


def _pyarrow(path: Path) -> list[tuple[str, float]]:
    table = pq.read_table(path)
    return list(zip(table["run_id"].to_pylist(), table["metrics.loss"].to_pylist(), strict=True))


@pytest.mark.parametrize("read", [_pandas, _polars, _duckdb, _pyarrow])
def test_runs_are_read_back(
    read: Callable[[Path], list[tuple[str, float]]], folder: Path, runs: list[str]
) -> None:
    assert read(folder / "runs.parquet") == [(runs[2], 2.0), (runs[1], 1.0), (runs[0], 0.0)]


@pytest.mark.slow
def test_histories_are_read_back(folder: Path, runs: list[str]) -> None:
    path = folder / "history.parquet"
    expected = {(runs[0], 2): 1.0, (runs[1], 2): 2.0}
    frame = pd.read_parquet(path)
    last = frame[frame["step"] == 2]
    assert dict(zip(zip(last["run_id"], last["step"], strict=True), last["value"], strict=True)) == expected
    polars = pl.read_parquet(path).filter(pl.col("step") == 2)
    assert {(str(r["run_id"]), r["step"]): r["value"] for r in polars.iter_rows(named=True)} == expected
    rows = duckdb.sql(
        f"select h.run_id, step, value from '{path}' h join '{folder / 'runs.parquet'}' using (run_id) where step = 2"
    ).fetchall()
    assert {(run, step): value for run, step, value in rows} == expected


def test_csv_and_json_hold_the_same(runs: list[str], ledger: Ledger, tmp_path: Path) -> None:
    ledger("export", "-f", "csv", str(tmp_path / "csv"))
    ledger("export", "-f", "json", str(tmp_path / "json"))
    with (tmp_path / "csv" / "runs.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    documents = json.loads((tmp_path / "json" / "runs.json").read_text())
    assert [row["run_id"] for row in rows] == [document["run_id"] for document in documents] == runs[::-1]
    assert list(rows[0]) == [*documents[0], "conflicts"], "which JSON has only where there are some"
    assert rows[0]["params.opt.name"] == "'=adam"  # no spreadsheet runs it
    assert documents[0]["params.opt.name"] == "=adam"
    assert [row["metrics.f1"] for row in rows] == ["", "NaN", "0.5"]
    assert [document["metrics.f1"] for document in documents] == [None, "NaN", 0.5]
    assert rows[0]["finished"] == documents[0]["finished"]
    assert documents[0]["finished"].endswith("Z")
    with (tmp_path / "csv" / "history.csv").open(newline="") as stream:
        points = list(csv.DictReader(stream))
    series = json.loads((tmp_path / "json" / "history.json").read_text())
    assert [float(point["value"]) for point in points] == [point["value"] for point in series]
    assert len(points) == 6
    assert list(points[0]) == list(series[0])


@pytest.mark.usefixtures("runs")
def test_a_filter_and_no_history(ledger: Ledger, tmp_path: Path) -> None:
    ledger("export", "--where", "loss >= 1", "--no-history", str(tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["runs.parquet"]
    assert pq.read_table(tmp_path / "out" / "runs.parquet").num_rows == 2


@pytest.mark.usefixtures("runs")
def test_nothing_is_overwritten_unasked(ledger: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    ledger("export", str(folder), code=1)
    assert "not empty" in ledger.err
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    ledger("export", "--force", str(folder))
    ledger("export", "--force", str(folder))
    assert sorted(path.name for path in folder.iterdir()) == ["history.parquet", "mine.txt", "runs.parquet"]
    assert (folder / "mine.txt").read_text() == "mine"
    ledger("export", str(folder / "mine.txt"), code=1)
    assert "not a folder" in ledger.err


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def good(path: Path) -> None:
        path.write_text("good")

    def bad(path: Path) -> None:
        path.write_text("half")
        raise InputError("stop")

    with pytest.raises(InputError, match="stop"):
        publish(tmp_path / "out", {"a": good, "b": bad}, force=False)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_does_not_compare_is_told_apart(repo: Repo, runs: list[str]) -> None:
    changed = json.loads(json.dumps(SCHEMA))
    changed["properties"]["metrics"]["properties"]["loss"]["x-ledger"]["unit"] = "bit"
    repo.write(".ledger/schemas/m.json", json.dumps(changed))
    done = api.record(metrics={"f1": 0.9, "loss": 9.0}, history={"loss": [9.0], "other": [1.0]})
    whole = exporter()
    table = whole.runs()
    assert table["metrics.loss"].to_pylist() == [9.0, None, None, None]
    assert table["recorded.loss"].to_pylist() == [9.0, 2.0, 1.0, 0.0]
    points = {
        (point["run_id"], point["metric"], point["value"], point["recorded"]): point["grade"]
        for table in whole.points()
        for point in table.to_pylist()
    }
    assert points[done.id, "loss", 9.0, None] == "identical"
    assert points[done.id, "other", 1.0, None] == "identical"
    assert points[runs[0], "loss", None, 3.0] == "incomparable"
    assert whole.series_apart == {"loss"}


def test_series_are_written_in_row_groups(
    runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runs
    monkeypatch.setattr(export, "ROW_GROUP", 3)
    whole = exporter()
    publish(tmp_path / "out", {"history.parquet": export.parquet_history(whole)}, force=False)
    file = pq.ParquetFile(tmp_path / "out" / "history.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [3, 3]
    assert file.schema_arrow == whole.points_schema()


def test_a_series_that_cannot_be_read_is_named_and_the_others_are_written(
    repo: Repo, ledger: Ledger, tmp_path: Path
) -> None:
    api.record(metrics={"f1": 0.1}, history={"loss": [1.0]})
    bad = api.record(metrics={"f1": 0.2}, history={"loss": [12345.0]})
    blob = repo.git("rev-parse", "refs/runs/main:history.parquet")
    loose = repo.path / ".git" / "objects" / blob[:2] / blob[2:]
    assert loose.exists()
    loose.chmod(0o644)
    loose.unlink()
    ledger("export", str(tmp_path / "out"))
    assert repo.git("rev-parse", "refs/runs/main")[:12] in ledger.err
    assert pq.read_table(tmp_path / "out" / "history.parquet")["value"].to_pylist() == [1.0]
    assert bad.id in pq.read_table(tmp_path / "out" / "runs.parquet")["run_id"].to_pylist()


@pytest.mark.usefixtures("repo")
def test_an_empty_ledger(ledger: Ledger, tmp_path: Path) -> None:
    ledger("export", str(tmp_path / "out"))
    assert pq.read_table(tmp_path / "out" / "runs.parquet").num_rows == 0
    assert pq.read_table(tmp_path / "out" / "history.parquet").num_rows == 0


@pytest.mark.usefixtures("runs")
def test_somebody_hears_how_far_an_export_is() -> None:
    heard: list[tuple[int, int]] = []
    whole = replace(exporter(), told=lambda done, total: heard.append((done, total)))
    every = [(1, 3), (2, 3), (3, 3)]
    for read in (whole.documents, lambda: export.run_rows(whole)[1]):
        assert len(list(read())) == 3
        assert heard == every
        heard.clear()
    assert len(list(whole.points())) == 2
    assert heard == [(place, 3) for place, row in enumerate(whole.found.rows.to_pylist(), 1) if row < 2]
