"""`ledger run` and the shells within it, killed at random moments: what a call said it logged is there, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Repo

import ledger

pytestmark = pytest.mark.faults
ROUNDS = 25
LEDGER = f"{sys.executable} -m ledger"
SCRIPT = f"""
for shell in 1 2 3; do
  ( i=0; while :; do
      i=$((i+1))
      {LEDGER} log-metric value=$i --step $i --context shell=$shell 2>/dev/null && echo "$shell $i" >> "$1"
    done ) &
done
wait
"""


@pytest.mark.parametrize("whole", [True, False], ids=["all at once", "ledger run alone"])
def test_what_was_acknowledged_is_recorded_once(repo: Repo, tmp_path: Path, whole: bool) -> None:
    chance = random.Random(41 + whole)
    told: dict[str, set[tuple[str, int]]] = {}
    for number in range(ROUNDS):
        said = tmp_path / f"said-{number}"
        said.touch()
        process = subprocess.Popen(
            [*LEDGER.split(), "run", "-q", "--name", str(number), "--", "sh", "-c", SCRIPT, "sh", str(said)],
            cwd=repo.path,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not said.stat().st_size:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.5))
        if whole:
            _kill_session(process.pid)
        process.kill()
        process.wait()
        ledger.start(name=f"settles {number}", repository=repo.path).finish()  # while the shells may go on
        _kill_session(process.pid)
        time.sleep(0.05)
        lines = said.read_text().splitlines()
        told[str(number)] = {(line.split()[0], int(line.split()[1])) for line in lines}
    ledger.start(name="the last one settles", repository=repo.path).finish()
    rows = {row["name"]: row for row in ledger.runs(repository=repo.path).to_pylist()}
    assert sum(map(len, told.values())) > ROUNDS
    for name, points in told.items():
        if not points:
            continue  # killed before anything was said
        table = ledger.history(rows[name]["run_id"], repository=repo.path).to_pylist()
        found = [(one["context"].split('"')[3], one["step"]) for one in table]
        assert len(found) == len(set(found)), "nothing twice"
        assert points <= set(found), f"run {name} lacks {sorted(points - set(found))[:5]}"
        assert rows[name]["status"] == "lost"
    left = list((repo.path / ".git/ledger/journal").iterdir())
    assert all(path.name.endswith(".shell.part") for path in left), (
        "made by those who were told that it is over"
    )
    for path in left:
        os.utime(path, (0, 0))
    ledger.start(name="sweeps", repository=repo.path).finish()
    assert not list((repo.path / ".git/ledger/journal").iterdir())


def _kill_session(leader: int) -> None:
    """Every process of a session: the program has a group of its own."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if os.getsid(int(entry.name)) == leader:
                    os.kill(int(entry.name), signal.SIGKILL)
            except ProcessLookupError:
                continue
