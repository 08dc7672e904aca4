"""A run whose further processes log after its end, while all are killed at random: each observation stands once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import Repo
from faults.crew import LEDGER, assert_sound, recover, say

pytestmark = pytest.mark.faults

RANKS, ROUNDS = 3, 10
_RUN = "{:032x}"
_RANK = """
import ledger, os, sys, time
rank, run = int(os.environ["RANK"]), os.environ["LEDGER_RUN"]
with ledger.start(on_error="raise") as run:
    for step in range(100_000):
        run.log(loss=step + rank / 10, step=step)
        if step % 50 == 0:
            run.flush()
            print(step, flush=True)
        if not rank and step == 300:
            run.finish("failed")  # waits for the others for a second only
            break
        time.sleep(0.0005)
"""


def _round(repo: Repo, folder: Path, number: int, chance: random.Random) -> dict[int, int]:
    """Rank → the last step that it flushed; every rank but the first is killed, some before the run is recorded."""
    ranks = []
    for rank in range(RANKS):
        environ = {
            **os.environ,
            "LEDGER_RUN": _RUN.format(number + 1),
            "RANK": str(rank),
            "WORLD_SIZE": str(RANKS),
        }
        with (folder / f"{number}-{rank}").open("w") as out:
            ranks.append(
                subprocess.Popen([sys.executable, "-c", _RANK], cwd=repo.path, env=environ, stdout=out)
            )
    time.sleep(chance.uniform(1.5, 4.5))
    recoverer = subprocess.Popen([*LEDGER, "recover"], cwd=repo.path, stdout=subprocess.DEVNULL)
    for process in ranks[1:]:
        process.kill()
    time.sleep(chance.uniform(0, 0.3))
    recoverer.kill()
    recoverer.wait()
    if chance.random() < 0.3:
        ranks[0].kill()
    assert ranks[0].wait(timeout=60) in (0, -signal.SIGKILL)
    for process in ranks[1:]:
        assert process.wait() == -signal.SIGKILL
    for _ in range(3):  # killed on their way, too
        recoverer = subprocess.Popen([*LEDGER, "recover"], cwd=repo.path, stdout=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.2, 0.9))
        recoverer.kill()
        recoverer.wait()
    told = {rank: (folder / f"{number}-{rank}").read_text().split() for rank in range(RANKS)}
    return {rank: int(steps[-1]) for rank, steps in told.items() if steps}


def test_what_was_flushed_stands_once(repo: Repo, tmp_path: Path) -> None:
    import ledger

    chance = random.Random(7)
    folder = tmp_path / "told"
    folder.mkdir()
    flushed = [_round(repo, folder, number, chance) for number in range(ROUNDS)]
    recover(repo)
    records = Counter(
        repo.git("log", "--format=%(trailers:key=Ledger-Run,valueonly)", "refs/runs/main", "--").split()
    )
    observations = 0
    for number, told in enumerate(flushed):
        if not told:
            continue  # killed before anything was flushed
        table = ledger.history(_RUN.format(number + 1), all_attempts=True)
        rows = zip(table.column("context").to_pylist(), table.column("step").to_pylist(), strict=True)
        found = Counter(rows)
        assert max(found.values()) == 1, f"run {number}: observations stand twice"
        for rank, last in told.items():
            context = f'{{"rank": {rank}}}' if rank else None
            assert {(context, step) for step in range(last + 1)} <= found.keys(), f"run {number}, rank {rank}"
            observations += last + 1
    assert not [path for path in (repo.path / ".git/ledger/journal").iterdir() if path.name[0] != "."]
    assert_sound(repo)
    late = sum(count - 1 for count in records.values())
    assert late
    say(f"{ROUNDS} runs, {late} records of what came late, {observations:,} flushed observations")
