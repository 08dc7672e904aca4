"""Clocks that jump, and processes that start alike: nothing is lost, doubled, or put into another run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from conftest import Ledger, Repo
from store.plumbing import workspace

from ledger.record.run import Draft, record

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
JUMPS = (timedelta(), timedelta(days=-1), timedelta(days=3650), timedelta(days=-1), timedelta(seconds=1))


def test_a_clock_that_jumps(repo: Repo, ledger: Ledger) -> None:
    """Sealed at each moment, in this order; the chain keeps the order in which they came."""
    here = workspace(repo)
    ids = []
    for number, jump in enumerate(JUMPS):
        at = replace(here, now=lambda jump=jump: NOW + jump)  # type: ignore[misc]
        ids.append(record(at, [Draft(params={}, metrics={"f1": number / 10})])[0].id)
    rows = ledger.json("runs", "--sort", "metrics.f1")
    assert sorted(row["run_id"] for row in rows) == sorted(ids)
    told = repo.git(
        "log", "--reverse", "--format=%(trailers:key=Ledger-Run,valueonly,separator=)", "refs/runs/main"
    )
    assert told.split() == ids
    for words in (("log", "-m", "f1"), ("recover",), ("status",), ("doctor",)):
        ledger(*words)
    assert ledger.json("verify")["faults"] == []


@pytest.mark.slow
@pytest.mark.parametrize("days", [-400, 400])
def test_files_from_another_time(repo: Repo, ledger: Ledger, days: int) -> None:
    """What lies beside git's store was made before the clock was put right, or will be."""
    for number in range(3):
        ledger("record", "-m", f"f1={number / 10}")
    stamp = datetime.now(UTC).timestamp() + days * 86400
    for path in (repo.path / ".git/ledger").rglob("*"):
        os.utime(path, (stamp, stamp))
    ledger("record", "-m", "f1=0.9")
    ledger("recover")
    assert len(ledger.json("runs")) == 4
    assert ledger.json("verify")["faults"] == []
    assert len(repo.git("rev-list", "refs/runs/main").split()) == 4


@pytest.mark.slow
def test_processes_that_start_alike_give_other_ids(repo: Repo, ledger: Ledger) -> None:
    """The same seeds, the same clock as far as that goes: a fleet starts from one image."""
    script = "import random; random.seed(0)\nimport ledger\nprint(ledger.record(metrics={'f1': 0.5}).id)"
    words = [sys.executable, "-c", script]
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    started = [
        subprocess.Popen(words, cwd=repo.path, env=environ, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ids = {process.communicate()[0].strip() for process in started}
    assert len(ids) == len(started)
    assert {row["run_id"] for row in ledger.json("runs")} == ids
