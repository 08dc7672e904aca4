"""`ledger show RUN --history`: long series, made by columns, say what the points say one by one."""

from __future__ import annotations

import csv
import io
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo

import ledger as api
from ledger.errors import FormatError
from ledger.model import utc_text
from ledger.render.document import csv_document, json_document
from ledger.render.format import number
from ledger.store.history import chunks


def a_run_of_two_attempts() -> str:
    with api.start() as run:
        for step, value in enumerate([0.1, math.nan, math.inf, -math.inf, -0.0, 1e300]):
            run.log({"loss": value, "a,=b": 1}, step=step)
            run.log(f1=value, step=step, context={"split": 'val "x"'})
        run.log(free=1.0)
    with api.start(resume=run.id) as again:
        again.log(loss=0.25, step=3)
        again.log(loss=None, step=9)
    return run.id


def points(run: str, *, all_attempts: bool) -> list[dict[str, Any]]:
    found = api.history(run, all_attempts=all_attempts).to_pylist()
    headers = ["metric", "step", "time", "value", "context", *(["attempt"] if all_attempts else [])]
    return [
        {**{name: point.get(name) for name in headers}, "time": utc_text(point["time"])} for point in found
    ]


@pytest.mark.usefixtures("repo")
@pytest.mark.parametrize("options", [[], pytest.param(["--all-attempts"], marks=pytest.mark.slow)])
def test_each_format_is_that_of_the_single_points(ledger: Ledger, options: list[str]) -> None:
    run = a_run_of_two_attempts()
    found = points(run, all_attempts=bool(options))
    rows = [list(point.values()) for point in found]
    assert len(found) == 20 + len(options)
    assert ledger("show", run, "--history", *options, "--csv") == "".join(csv_document(list(found[0]), rows))
    assert ledger("show", run, "--history", *options, "--json") == json_document(found)
    lines = ledger("show", run, "--history", *options).splitlines()
    table = lines[lines.index("") + 2 :]
    for line, point in zip(table, found, strict=True):
        step = [] if point["step"] is None else [str(point["step"])]
        value = number(point["value"]) or "null"
        assert line.split()[: len(step) + 3] == [point["metric"], *step, value, point["time"][:10]]


@pytest.mark.usefixtures("repo")
def test_text_is_aligned_by_the_decimal_point(ledger: Ledger) -> None:
    done = api.record(history={"loss": [(0, 12.5), (1, -0.25), (20, math.nan), (21, None), (22, 1234567.8)]})
    assert ledger("show", done.id, "--history").splitlines()[2:] == [
        "metric  step       value",
        "loss       0       12.5",
        "loss       1       -0.25",
        "loss      20      NaN",
        "loss      21     null",
        "loss      22  1234568",
    ]


@pytest.mark.long
@pytest.mark.usefixtures("repo")
def test_series_that_take_turns_and_pass_the_end_of_a_chunk(ledger: Ledger) -> None:
    steps = 40_000
    done = api.record(history={"a": [float(n) for n in range(steps)], "b": [float(-n) for n in range(steps)]})
    rows = list(csv.DictReader(io.StringIO(ledger("show", done.id, "--history", "--csv"))))
    assert [float(row["value"]) for row in rows if row["metric"] == "a"] == [float(n) for n in range(steps)]
    assert [float(row["value"]) for row in rows if row["metric"] == "b"] == [float(-n) for n in range(steps)]
    assert f"-{steps - 1} over {steps:,} points" in ledger("show", done.id, "--history", "b")


@pytest.mark.long
@pytest.mark.parametrize("form", ["--csv", "", "--json", "--md"])
def test_a_reader_that_goes_away_ends_it_quietly(repo: Repo, form: str) -> None:
    done = api.record(history={"loss": [float(n) for n in range(300_000)]})
    words = [sys.executable, "-m", "ledger", "show", done.id, "--history", *filter(None, [form])]
    with subprocess.Popen(words, cwd=repo.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_time_that_no_calendar_has(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ledger.errors import InputError
    from ledger.store import history

    table = pa.table(
        {"metric": ["loss"], "value": [1.0], "time": pa.array([10**18], pa.timestamp("us", tz="UTC"))}
    )
    with pytest.raises(FormatError, match="years 1 to 9999"):
        list(chunks(table))
    pq.write_table(table, tmp_path / "h.parquet")
    with pytest.raises(InputError, match="years 1 to 9999"):
        history.read(tmp_path / "h.parquet")
