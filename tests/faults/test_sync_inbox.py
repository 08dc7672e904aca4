"""Clones whose chain others always win, killed while they lose it and while they send to their inboxes instead."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from faults.crew import Clock, acknowledged, assert_sound, kill_group, say
from share.clones import REF, Hub, bare, boxes, listed, runs

import ledger as api

pytestmark = pytest.mark.faults

CLONES, RUNS, KILLS, RIVALS = 3, 2, 5, 1_500
_RIVAL = "refs/heads/rival"
_SYNCING = Path(__file__).with_name("syncing.py")
_CHANCE = random.Random(5)
_OVERTAKE = f"""
test "$1" = {REF} || exit 0
git update-ref {REF} $(git rev-list --reverse {REF}..{_RIVAL} | head -n 1)
"""
"""The rival's next run comes in between, each time that anybody pushes to the chain."""


@pytest.fixture
def crowded(tmp_path: Path, ledger: Ledger, first_template: Path) -> Hub:
    hub = Hub(tmp_path, ledger, bare(first_template))
    rival = hub.clone("rival")
    api.record_many([{"metrics": {"f1": 0.5}, "experiment": "main"}] * RIVALS, repository=rival.path)
    rival.git("push", "-q", "origin", f"{REF}:{_RIVAL}")
    hub.repo.git("update-ref", REF, f"{_RIVAL}~{RIVALS - 1}")
    hub.hook("update", _OVERTAKE)
    return hub


class Loser:
    """A clone, and the process that records and pushes in it."""

    def __init__(self, repo: Repo, acknowledgements: Path) -> None:
        self.repo = repo
        self.words = [sys.executable, str(_SYNCING), str(acknowledgements), str(RUNS)]
        self.kills = 0
        self.ended = -1

    def start(self) -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            self.words, cwd=self.repo.path, start_new_session=True, stdout=quiet, stderr=quiet
        )

    def work(self, longest: float) -> None:
        for _ in range(KILLS):
            process = self.start()
            try:
                process.wait(_CHANCE.uniform(longest / 4, longest))
            except subprocess.TimeoutExpired:
                self.kills += kill_group(process.pid)
                process.wait()
        self.ended = self.start().wait()


def test_killed_on_the_way_to_the_inbox(crowded: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "acknowledged"
    folder.mkdir()
    first = Loser(crowded.clone("first"), folder / "first")
    clock = Clock()
    assert first.start().wait() == 0
    alone = clock.seconds
    assert boxes(crowded.repo), "others were always first"

    losers = [Loser(crowded.clone(f"clone-{number}"), folder / str(number)) for number in range(CLONES)]
    threads = [threading.Thread(target=one.work, args=(alone,)) for one in losers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.ended for one in losers] == [0] * CLONES
    kills = sum(one.kills for one in losers)
    assert kills
    made = acknowledged(folder)
    assert len(set(made)) == len(made) == (CLONES + 1) * RUNS
    there = crowded.runs()
    boxed = [run for ref in boxes(crowded.repo) for run in crowded.runs(ref) if run not in there]
    assert set(made) <= {*there, *boxed}, "published, though nobody has taken it in"
    assert len(boxes(crowded.repo)) <= CLONES + 1, "no clone took a second name"

    (crowded.repo.path / "hooks" / "update").unlink()
    reader = crowded.clone("reader")
    crowded.push(reader)
    counted = Counter(crowded.runs())
    assert {run: counted[run] for run in made} == dict.fromkeys(made, 1)
    assert max(counted.values()) == 1
    assert boxes(crowded.repo) == []
    for clone in (first.repo, *(one.repo for one in losers), reader):
        crowded.push(clone)
        assert runs(clone) == crowded.runs()
        assert listed(crowded, clone) == counted
        assert crowded.ledger.json("-C", str(clone.path), "verify")["faults"] == []
        assert_sound(clone)
    say(
        f"{len(made)} runs by {CLONES + 1} clones that lost every race, {kills} kills: {len(set(boxed))} in inboxes, each once"
    )
