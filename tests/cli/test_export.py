"""`ledger export`: the words of the command; the tables are tested in tests/trace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Ledger

import ledger as api


@pytest.mark.parametrize("form", ["parquet", "csv", "json"])
@pytest.mark.usefixtures("repo")
def test_two_files_of_a_form(form: str, ledger: Ledger, tmp_path: Path) -> None:
    api.record(metrics={"f1": 0.5}, history={"loss": [1.0]})
    ledger("export", "--format", form, str(tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"history.{form}", f"runs.{form}"]
    assert "1 run" in ledger.err


@pytest.mark.usefixtures("repo")
def test_the_folder_is_from_where_the_user_meant(ledger: Ledger, tmp_path: Path) -> None:
    api.record(metrics={"f1": 0.5})
    inside = Path.cwd() / "inside"
    inside.mkdir()
    ledger("-C", str(inside), "export", "--no-history", "out")
    assert (inside / "out" / "runs.parquet").is_file()
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("repo")
@pytest.mark.parametrize("form", ["csv", pytest.param("json", marks=pytest.mark.slow), "parquet"])
def test_points_of_all_attempts(form: str, ledger: Ledger, tmp_path: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    with api.start() as run:
        run.log_many("loss", [0, 1], [3.0, 2.0])
    with api.start(resume=run.id) as again:
        again.log_many("loss", [1, 2], [1.5, 1.0])
    found = {}
    for options in ((), ("--all-attempts",)):
        out = tmp_path / f"out{len(options)}"
        ledger("export", "--format", form, *options, str(out))
        path = out / f"history.{form}"
        if form == "json":
            rows = json.loads(path.read_text())
        else:
            read = {"csv": pyarrow.csv.read_csv, "parquet": pyarrow.parquet.read_table}[form]
            rows = read(path).to_pylist()
        found[options] = [(row["step"], row["value"], row.get("attempt")) for row in rows]
    assert found[()] == [(0, 3.0, None), (1, 1.5, None), (2, 1.0, None)]
    assert found["--all-attempts",] == [(0, 3.0, None), (1, 2.0, None), (1, 1.5, 2), (2, 1.0, 2)]
    ledger("export", "--all-attempts", "--no-history", str(tmp_path / "none"), code=2)


@pytest.mark.usefixtures("repo")
def test_what_the_filter_leaves_out_is_said(ledger: Ledger, tmp_path: Path) -> None:
    api.record(metrics={"f1": 0.5})
    api.record(metrics={"loss": 0.5})
    ledger("export", "--where", "f1 > 0.1", str(tmp_path / "out"))
    assert "1 run left out: no comparable value" in ledger.err
    ledger("export", "--where", "f2 > 0.1", str(tmp_path / "other"), code=1)
    assert not (tmp_path / "other").exists()
    ledger("export", "-e", "nobody", str(tmp_path / "other"), code=1)
    ledger("export", "--format", "xlsx", str(tmp_path / "other"), code=2)
