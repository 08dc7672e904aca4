"""SIGKILL at random points of `record`: what was acknowledged is there once, and nothing is left in the way."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from conftest import Repo
from faults.crew import (
    LEDGER,
    Clock,
    Nursery,
    acknowledged,
    assert_recorded,
    assert_sound,
    chained_runs,
    kill_group,
    nursery,
    recorded,
    recover,
    say,
)

pytestmark = pytest.mark.faults

KILLS_PER_WRITER = 85
"""Four writers: 340 in all."""
_API_SECONDS = (0.001, 0.3)
"""A forked writer records about every 15 ms."""


def _kill_commands(
    repo: Repo, key: str, acknowledgements: Path, usual_seconds: float, kills: Counter[str]
) -> None:
    """Start `ledger record`, kill its group somewhere between its birth and a little after its usual end."""
    chance = random.Random(key)
    words = (*LEDGER, "record", "-q", "-p", f"writer={key}", "-m", "f1=0.5")
    with acknowledgements.open("ab") as output:
        while kills[key] < KILLS_PER_WRITER:
            clock = Clock()
            process = subprocess.Popen(words, cwd=repo.path, stdout=output, start_new_session=True)
            try:
                code = process.wait(timeout=chance.uniform(0, 1.3 * usual_seconds))
            except subprocess.TimeoutExpired:
                kill_group(process.pid)
                process.wait()
                kills[key] += 1
                usual_seconds *= 1.02
            else:
                assert code == 0
                usual_seconds = 0.8 * usual_seconds + 0.2 * clock.seconds  # as busy as the machine is now


def _kill_writers(
    repo: Repo, key: str, acknowledgements: Path, started: Nursery, kills: Counter[str]
) -> None:
    """Fork a writer that records in a loop, on changed code now and then, and kill its group."""
    chance = random.Random(key)
    while kills[key] < KILLS_PER_WRITER:
        if chance.random() < 0.3:
            repo.write("train.py", f"print({chance.random()})\n")  # another snapshot
        leader = started.start(key, 10_000, acknowledgements)
        time.sleep(chance.uniform(*_API_SECONDS))
        kills[key] += kill_group(leader)
        assert started.wait() == -9


def _together(works: list[Callable[[], None]]) -> None:
    failed: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _usual_seconds(repo: Repo) -> float:
    taken = []
    for _ in range(5):
        clock = Clock()
        recorded(repo)
        taken.append(clock.seconds)
    return median(taken)


def test_kills_at_random_points_lose_nothing_and_leave_nothing_in_the_way(repo: Repo, tmp_path: Path) -> None:
    clock = Clock()
    usual = _usual_seconds(repo)
    folder = tmp_path / "acknowledged"
    folder.mkdir()
    kills: Counter[str] = Counter()
    with nursery(repo) as one, nursery(repo) as two:
        _together(
            [
                lambda: _kill_commands(repo, "command-1", folder / "1", 3 * usual, kills),
                lambda: _kill_commands(repo, "command-2", folder / "2", 3 * usual, kills),
                lambda: _kill_writers(repo, "api-1", folder / "3", one, kills),
                lambda: _kill_writers(repo, "api-2", folder / "4", two, kills),
            ]
        )
    left = len(list((repo.path / ".git/ledger/spool").glob("*.zip")))
    runs = [*acknowledged(folder), recorded(repo)]
    assert not list((repo.path / ".git/ledger/spool").glob("*.zip")), "a plain record finishes what was left"

    recover(repo)

    assert_recorded(repo, runs)
    assert_sound(repo)
    after = _usual_seconds(repo)
    assert after < 3 * usual + 0.5
    assert sum(kills.values()) >= 300
    unsaid = len(chained_runs(repo)) - len(runs)
    say(
        f"{sum(kills.values())} kills of 4 writers, {len(runs)} acknowledged runs all there once, {unsaid} more that "
        f"were durable before they could be acknowledged, {left} files left to recover; record takes "
        f"{usual * 1e3:.0f} ms before and {after * 1e3:.0f} ms after; {clock.seconds:.0f} s"
    )
