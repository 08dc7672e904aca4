"""The series of the segmentation project, logged live in the order in which training made them, and read back.

Every point of every run: step and value, bit for bit, metric by metric.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Repo
from real import replay

import ledger

pytestmark = pytest.mark.usefixtures("repo")
TRAIN = """
import json, os, sys
import ledger
run = ledger.start()
for step, values in json.load(sys.stdin):
    run.log(values, step=step)
run.flush()
os.kill(os.getpid(), 9)
"""
Series = dict[str, list[tuple[int, str]]]
"""Metric → (step, value as hex), in the order of the file."""


def runs() -> Iterator[Series]:
    """What each run that has series left, as the lines of the data file say. Runs with equal series come once."""
    seen = set()
    for line in replay.lines(replay.POOL)[1:]:
        found = {
            file.removeprefix(replay.PLOTS).removesuffix(".tsv"): [
                (int(step), float(value).hex()) for step, value in content["rows"]
            ]
            for file, content in line.get("series", {}).items()
        }
        key = repr(found)
        if found and key not in seen:
            seen.add(key)
            yield found


def by_step(series: Series) -> list[tuple[int, dict[str, float]]]:
    """What a training loop would hand over at each step."""
    steps: dict[int, dict[str, float]] = defaultdict(dict)
    for metric, points in series.items():
        for step, value in points:
            assert metric not in steps[step], "no step stands twice in a file"
            steps[step][metric] = float.fromhex(value)
    return list(steps.items())


def read(run: str) -> Series:
    table = ledger.history(run)
    found: Series = defaultdict(list)
    columns: tuple[list[Any], ...] = tuple(
        table.column(name).to_pylist() for name in ("metric", "step", "value")
    )
    for metric, step, value in zip(*columns, strict=True):
        found[metric].append((step, value.hex()))
    return found


@pytest.fixture(scope="module")
def recorded() -> list[Series]:
    if not replay.data_file(replay.POOL).is_file():
        pytest.skip(
            f"{replay.data_file(replay.POOL)} is not here: LEDGER_REAL_DATA names the folder of real data"
        )
    return list(runs())


@pytest.mark.long
def test_every_series_logged_live_comes_back_point_by_point(recorded: list[Series]) -> None:
    assert sum(len(points) for one in recorded for points in one.values()) > 5_000
    for series in recorded:
        with ledger.start() as run:
            for step, values in by_step(series):
                run.log(values, step=step)
        assert read(run.id) == series


def test_the_longest_series_survive_a_kill_in_the_middle(recorded: list[Series], repo: Repo) -> None:
    """What was flushed is there, in order, and nothing else."""
    series = max(recorded, key=lambda one: sum(map(len, one.values())))
    steps = by_step(series)
    half = len(steps) // 2
    done = subprocess.run(
        [sys.executable, "-c", TRAIN], input=json.dumps(steps[:half]), text=True, cwd=repo.path, check=False
    )
    assert done.returncode == -9
    with ledger.start(name="the next settles it"):
        pass
    (row,) = ledger.runs("status = 'lost'").to_pylist()
    kept = {step for step, _ in steps[:half]}
    expected = {
        metric: [point for point in points if point[0] in kept]
        for metric, points in series.items()
        if any(point[0] in kept for point in points)
    }
    assert read(row["run_id"]) == expected


def test_whole_columns_come_back_like_single_points(recorded: list[Series]) -> None:
    series = max(recorded, key=len)
    with ledger.start() as run:
        for metric, points in series.items():
            run.log_many(metric, [step for step, _ in points], [float.fromhex(value) for _, value in points])
    assert read(run.id) == series
