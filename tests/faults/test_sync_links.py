"""Links of rewritten history between clones whose pushes and pulls are killed: the union is whole, nothing is lost."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from faults.crew import assert_sound, kill_group, say
from rewriting import HOOK
from share.clones import Hub, bare

from ledger.git.process import discover
from ledger.store import link_log

pytestmark = pytest.mark.faults

ROUNDS = 20
_CHANCE = random.Random(5)


@pytest.fixture
def hub(tmp_path: Path, ledger: Ledger, first_template: Path) -> Hub:
    return Hub(tmp_path, ledger, bare(first_template))


def _clone(hub: Hub, name: str) -> Repo:
    made = hub.clone(name)
    hooks = made.path / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    shutil.copy(HOOK, hooks / "post-rewrite")
    made.commit(f"work of {name}")
    hub.record(made)
    return made


def _amend(repo: Repo, text: str) -> tuple[str, str]:
    old = repo.git("rev-parse", "HEAD")
    repo.git("commit", "-q", "--amend", "--allow-empty", "-m", f"{repo.path.name}: {text}")
    return old, repo.git("rev-parse", "HEAD")


def _known(repo: Repo) -> set[tuple[str, str]]:
    found = link_log.load(discover(repo.path, os.environ))
    return {(old, new) for old, many in found.rewritten.items() for new in many}


def _cut(repo: Repo, command: str, seconds: float) -> bool:
    """A push or pull that is killed after so long; whether it was."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ledger", command],
        cwd=repo.path,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        kill_group(process.pid)
        process.wait()
        return True
    return False


def _seconds(repo: Repo) -> float:
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "ledger", "push"], cwd=repo.path, check=True, capture_output=True)
    return time.monotonic() - start


def test_killed_while_links_are_folded_in_and_joined(hub: Hub) -> None:
    clones = [_clone(hub, "one"), _clone(hub, "other")]
    made = {_amend(clone, "first") for clone in clones}
    longest = 1.5 * max(_seconds(clone) for clone in clones)
    kills = 0
    for number in range(ROUNDS):
        for clone in clones:
            made.add(_amend(clone, f"amended {number}"))
            kills += _cut(clone, _CHANCE.choice(("push", "push", "pull")), _CHANCE.uniform(0, longest))
    for clone in (*clones, *clones, *clones):
        hub.push(clone)
    assert kills >= ROUNDS // 2
    assert len(made) == 2 * ROUNDS + 2
    for clone in clones:
        assert _known(clone) == made
        assert not list((clone.path / ".git/ledger/rewritten").glob("*.pairs"))
        assert_sound(clone)
        assert hub.ledger.json("-C", str(clone.path), "verify")["faults"] == []
    tips = {repo.git("rev-parse", link_log.REF) for repo in (*clones, hub.repo)}
    assert len(tips) == 1, "all end with the same log"
    say(f"{len(made)} rewritings in two clones, {kills} kills of {2 * ROUNDS} pushes and pulls")
