"""Live runs that are killed: each stands once, with all that was flushed, and nothing alive is taken for dead."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Repo
from faults.crew import (
    Clock,
    assert_sound,
    chained_runs,
    fill,
    indexed_runs,
    kill_group,
    ledger,
    recover,
    say,
)

from ledger.git.process import discover
from ledger.store import history
from ledger.store.load import files_at

pytestmark = pytest.mark.faults

KILLS_ALONE, KILLS_TOGETHER, TOGETHER = 100, 200, 8
_TRAINER = Path(__file__).with_name("trainer.py")
_STEPS = 3000


class Trainers:
    """A process that forks training programs one at a time."""

    def __init__(self, repo: Repo) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_TRAINER)],
            cwd=repo.path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _ask(self, line: str) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(self, key: str, steps: int, acknowledgements: Path) -> int:
        return self._ask(f"{key} {steps} {acknowledgements}")

    def wait(self) -> int:
        return self._ask("")

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _kill_many(repo: Repo, key: str, folder: Path, count: int, codes: Counter[int]) -> None:
    """Trainers one after another, each killed somewhere between its start and a little after its usual end."""
    chance = random.Random(key)
    trainers = Trainers(repo)
    usual = 0.3
    kills = number = 0
    try:
        while kills < count:
            number += 1
            told = folder / f"{key}-{number}"
            process = trainers.start(key, _STEPS, told)
            if number % 5:  # else it may well die before it is announced
                while not (told.exists() and told.stat().st_size) and _runs(process):
                    time.sleep(0.001)
            clock = Clock()
            time.sleep(chance.uniform(0, 1.1 * usual))
            kill_group(process)
            code = trainers.wait()
            codes[code] += 1
            if code == -signal.SIGKILL:
                kills += 1
                usual *= 1.05
            else:
                assert code == 0
                usual = max(0.7 * usual, 0.8 * clock.seconds)
    finally:
        trainers.close()


def _runs(process: int) -> bool:
    return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:1]


def _told(folder: Path) -> dict[str, tuple[int, bool]]:
    """Run → its last flushed step (-1: none), and whether it was done."""
    found = {}
    for path in folder.iterdir():
        words = [line.split() for line in path.read_text().splitlines()]
        runs = [word for kind, word in words if kind == "run"]
        flushed = [int(word) for kind, word in words if kind == "flushed"]
        if runs:
            found[runs[0]] = (max(flushed, default=-1), any(kind == "done" for kind, _ in words))
    return found


def _recorded(repo: Repo) -> dict[str, tuple[str, Counter[tuple[str, int]]]]:
    """Run → status, and how often each observation stands."""
    repository = discover(repo.path, os.environ)
    found = {}
    for commit in repo.git("rev-list", "refs/runs/main").split():
        files = files_at(repository, commit)
        run = json.loads(files["run.json"])
        table: Any = history.decode(
            {name: data for name, data in files.items() if name.startswith("history")}
        )
        keys = zip(table.column("metric").to_pylist(), table.column("step").to_pylist(), strict=True)
        found[run["id"]] = (run["status"], Counter(keys))
    return found


def _assert_whole(repo: Repo, folder: Path) -> tuple[Counter[str], int]:
    """Every run that was announced stands once, with every flushed observation, and none of them twice."""
    told, found = _told(folder), _recorded(repo)
    assert not [run for run in told if run not in found], "runs are missing"
    assert not {run: count for run, count in chained_runs(repo).items() if count > 1}
    assert indexed_runs(repo) == chained_runs(repo)
    observations = 0
    for run, (flushed, done) in told.items():
        status, points = found[run]
        assert status == ("finished" if done else status)
        assert status in ("finished", "lost")
        assert not [key for key, count in points.items() if count > 1], f"{run}: observations stand twice"
        wanted = {(name, step) for step in range(flushed + 1) for name in ("loss", "acc")}
        wanted |= {("f1", step) for step in range(0, flushed + 1, 100)}
        assert wanted <= points.keys(), f"{run}: flushed observations are missing"
        observations += len(wanted)
    assert not [path for path in (repo.path / ".git/ledger/journal").iterdir() if path.name[0] != "."]
    return Counter(found[run][0] for run in told), observations


_ALIVE = """
import ledger, sys
with ledger.start(name="alive") as run:
    print(run.id, flush=True)
    sys.stdin.readline()
    for step in range(10):
        run.log(loss=step, step=step)
"""


@pytest.fixture
def alive(repo: Repo) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A run that goes on all the time, and its id."""
    words = [sys.executable, "-c", _ALIVE]
    with subprocess.Popen(
        words, cwd=repo.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield process, process.stdout.readline().strip()
        process.kill()


@pytest.mark.parametrize(
    ("count", "at_once"), [(KILLS_ALONE, 1), (KILLS_TOGETHER, TOGETHER)], ids=["alone", "eight at once"]
)
def test_killed_runs_stand_once_with_all_that_was_flushed(
    repo: Repo, tmp_path: Path, alive: tuple[subprocess.Popen[str], str], count: int, at_once: int
) -> None:
    living, living_id = alive
    clock, folder = Clock(), tmp_path / "told"
    folder.mkdir()
    codes: Counter[int] = Counter()
    stop = threading.Event()
    recoveries: list[subprocess.CompletedProcess[str]] = []

    def recover_all_the_time() -> None:
        while not stop.is_set():
            recoveries.append(ledger(repo, "recover", "--json"))

    recoverers = [threading.Thread(target=recover_all_the_time) for _ in range(2 if at_once > 1 else 0)]
    killers = [
        threading.Thread(target=_kill_many, args=(repo, f"t{number}", folder, count // at_once, codes))
        for number in range(at_once)
    ]
    for thread in (*recoverers, *killers):
        thread.start()
    for thread in killers:
        thread.join()
    stop.set()
    for thread in recoverers:
        thread.join()
    for done in recoveries:
        assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: others have sealed meanwhile
        assert "Traceback" not in done.stderr
    recovered = ledger(repo, "recover")
    assert recovered.returncode == 0, recovered.stdout + recovered.stderr
    assert living_id not in chained_runs(repo), "a run that is alive was recovered"
    assert codes[-signal.SIGKILL] >= count // at_once * at_once

    out, _ = living.communicate("go on\n", timeout=60)
    assert living.returncode == 0, out
    recover(repo)
    statuses, observations = _assert_whole(repo, folder)
    status, points = _recorded(repo)[living_id]
    assert (status, points.total()) == ("finished", 10)
    assert_sound(repo)
    assert statuses["lost"]
    say(
        f"{codes[-signal.SIGKILL]} kills, {sum(statuses.values())} runs announced ({dict(statuses)}),"
        f" {observations:,} flushed observations, {len(recoveries)} recoveries meanwhile, {clock.seconds:.0f} s"
    )


_MILLION = """
import ledger, random, sys, time
source = random.Random(1)
with ledger.start() as run:
    for step in range(1_000_000):
        run.log({"loss": source.random()}, step=step)
    print(run.id, flush=True)
    time.sleep(600)
"""


def test_a_million_points_are_committed_within_the_grace_of_a_preemption(repo: Repo) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _MILLION], cwd=repo.path, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    run = process.stdout.readline().strip()
    clock = Clock()
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(timeout=5)  # the grace: then a batch system sends SIGKILL
    finally:
        process.kill()
        process.stdout.close()
    took = clock.seconds
    assert code == -signal.SIGTERM
    status, points = _recorded(repo)[run]
    assert (status, points.total()) == ("killed", 1_000_000)
    say(f"1,000,000 points committed {took:.1f} s after SIGTERM")


_FILL = """
import ledger, os, sys
run = ledger.start()
run.log(loss=-1.0, step=-1)
run.flush()
print(run.id, flush=True)
sys.stdin.readline()
for step in range(20_000):
    run.log(loss=step, step=step)
run.flush()
for step in range(20_000, 40_000):
    run.log(loss=step, step=step)
run.flush()
print("trained", flush=True)
sys.stdin.readline()
print(run.finish() is not None, flush=True)
"""


@pytest.mark.parametrize("room", [True, False], ids=["room is made", "killed while it is full"])
def test_a_full_disk_stops_no_training(small: Repo, room: bool) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _FILL],
        cwd=small.path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    run = process.stdout.readline().strip()
    filler = fill(small.path.parent)
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "trained\n"
    filler.unlink()
    if room:
        out, err = process.communicate("\n", timeout=60)
        assert out == "True\n", err
        assert err.count("No space left on device") == 1, err
    else:
        process.kill()
        process.communicate()
    recover(small)
    status, points = _recorded(small)[run]
    assert points[("loss", -1)] == 1, "what was flushed is there"
    assert status == ("finished" if room else "lost")
    if room:
        assert points.total() == 40_001
        assert max(points.values()) == 1
    assert_sound(small)
