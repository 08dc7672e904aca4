"""Many clones that push at once and are killed, remotes that are cut off, and everything else that goes wrong between."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from conftest import Ledger
from faults.crew import Clock, acknowledged, kill_group, say
from share.clones import Hub, bare

pytestmark = pytest.mark.faults

CLONES, RUNS, KILLS = 24, 4, 2
_SYNCING = Path(__file__).with_name("syncing.py")
_CHANCE = random.Random(11)


class Fleet:
    """Clones of one remote, each with a process that records and pushes."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub = hub
        self.folder = folder
        self.sends = folder / "sends"
        self.clones = [hub.clone(f"clone-{number}") for number in range(CLONES)]
        wrapper = folder / "receive-pack"
        wrapper.write_text(f'#!/bin/sh\necho x >> {self.sends}\nexec git receive-pack "$@"\n')
        wrapper.chmod(0o755)
        for clone in self.clones:
            clone.git("config", "remote.origin.receivepack", str(wrapper))
        (folder / "acknowledged").mkdir()
        self.kills: Counter[str] = Counter()

    def start(self, number: int) -> subprocess.Popen[bytes]:
        words = [sys.executable, str(_SYNCING), str(self.folder / "acknowledged" / str(number)), str(RUNS)]
        return subprocess.Popen(
            words,
            cwd=self.clones[number].path,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def work(self, number: int, kills: int, longest: float) -> None:
        """Until its process ends well; it is killed so many times before."""
        for _ in range(kills):
            process = self.start(number)
            try:
                process.wait(_CHANCE.uniform(0.1, longest))
            except subprocess.TimeoutExpired:
                self.kills["times"] += kill_group(process.pid)
                process.wait()
        for _ in range(20):
            if self.start(number).wait() == 0:
                return
        raise AssertionError(f"clone {number} never got through")


@pytest.fixture
def hub(tmp_path: Path, ledger: Ledger, first_template: Path) -> Hub:
    return Hub(tmp_path, ledger, bare(first_template))


@pytest.fixture
def fleet(hub: Hub, tmp_path: Path) -> Fleet:
    (tmp_path / "fleet").mkdir()
    return Fleet(hub, tmp_path / "fleet")


def test_clones_that_push_at_once_and_are_killed_lose_and_double_nothing(
    fleet: Fleet, tmp_path: Path, ledger: Ledger, first_template: Path
) -> None:
    clock = Clock()
    (tmp_path / "alone").mkdir()
    alone = Hub(tmp_path / "alone", ledger, bare(first_template))
    one_by_one = Fleet(alone, tmp_path / "alone")
    started = clock.seconds
    for number in range(CLONES):
        one_by_one.work(number, 0, 0)
    in_turn = clock.seconds - started
    assert len(alone.runs()) == CLONES * RUNS

    started = clock.seconds
    longest = 2 * in_turn / CLONES
    threads = [threading.Thread(target=fleet.work, args=(number, KILLS, longest)) for number in range(CLONES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    at_once = clock.seconds - started

    made = acknowledged(fleet.folder / "acknowledged")
    assert len(set(made)) == CLONES * RUNS
    there = Counter(fleet.hub.runs())
    assert max(there.values()) == 1
    boxes = fleet.hub.repo.git("for-each-ref", "--format=%(refname)", "refs/ledger/inbox/").split()
    boxed = {run for box in boxes for run in fleet.hub.runs(box)} - set(there)
    assert set(made) <= {*there, *boxed}
    checked = subprocess.run(
        ["git", "fsck", "--strict", "--no-dangling"],
        cwd=fleet.hub.repo.path,
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    for clone in fleet.clones:
        assert {path.name for path in (clone.path / ".git").rglob("*.lock")} <= {"sync.lock"}
    sends = len(fleet.sends.read_text().split()) / len(made)
    say(
        f"{len(made)} runs ({len(boxed)} in inboxes) by {CLONES} clones at once, {fleet.kills['times']} kills: {at_once:.0f} s, "
        f"in turn {in_turn:.0f} s (ratio {at_once / in_turn:.2f}), {sends:.2f} pushes a run"
    )
    assert sends <= 2
    assert at_once <= 3 * in_turn
