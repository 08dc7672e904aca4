"""What sharing costs: 10,000 new runs over a local remote, re-parenting, and a push with nothing to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import ingesting, scratch
from bench.clock import environment, seconds
from bench.line import Line
from ledger.git.process import discover
from ledger.share.reparent import reparented

_REF = "refs/runs/main"


def lines(folder: Path, *, quick: bool) -> Iterator[Line]:
    runs = 1_000 if quick else 10_000
    here = folder / "sharing"
    one = _clone(here, "one")
    other = _clone(here, "other")
    third = _clone(here, "third")
    scratch.fill(one, runs, seed=1)
    yield _transfer(
        f"push {runs:,} new runs", _ledger(one, "push"), runs, _floor_push(one, here / "floor.git")
    )
    yield _transfer(
        f"pull {runs:,} new runs", _ledger(third, "pull"), runs, _floor_fetch(third, here / "hub.git")
    )
    scratch.fill(other, runs, seed=2)
    yield _reparenting(other, runs)
    taken = _ledger(other, "push")
    yield Line(
        what=f"push {runs:,} runs onto {runs:,} others that came first",
        value=taken,
        unit="s",
        bar=5 * runs / 10_000,
    )
    yield _nothing(other, here / "trace")
    (folder / "ingesting").mkdir()
    yield from ingesting.lines(folder / "ingesting", quick=quick)


def _clone(folder: Path, name: str) -> Path:
    hub = folder / "hub.git"
    if not hub.exists():
        hub.parent.mkdir(parents=True, exist_ok=True)
        scratch.git(folder, "init", "-q", "--bare", str(hub))
        scratch.git(folder, "init", "-q", "--bare", str(folder / "floor.git"))
    made = scratch.repository(folder / name)
    scratch.git(made, "remote", "add", "origin", f"file://{hub}")
    return made


def _ledger(repository: Path, *words: str) -> float:
    """Seconds of one command, a whole process."""

    def call() -> None:
        done = subprocess.run(
            [sys.executable, "-m", "ledger", *words],
            cwd=repository,
            env=environment(),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode("utf-8", "replace"))

    return seconds(call)


def _floor_push(repository: Path, hub: Path) -> float:
    return seconds(lambda: scratch.git(repository, "push", "-q", f"file://{hub}", f"{_REF}:{_REF}"))


def _floor_fetch(repository: Path, hub: Path) -> float:
    """Without the objects that a pull has just brought: into a repository of its own."""
    bare = repository.parent / "fetched.git"
    scratch.git(repository, "init", "-q", "--bare", str(bare))
    return seconds(lambda: scratch.git(bare, "fetch", "-q", f"file://{hub}", f"{_REF}:{_REF}"))


def _transfer(what: str, taken: float, runs: int, floor: float) -> Line:
    return Line(
        what=f"{what} over a local remote",
        value=taken,
        unit="s",
        bar=5 * runs / 10_000,
        ratio=taken / floor,
        floor=f"bare git: {floor:.2f} s",
    )


def _reparenting(repository: Path, runs: int) -> Line:
    """What a merge does with an unpublished end: the commits made anew, stored, fsynced, and the ref set."""
    found = discover(repository, dict(os.environ))
    commits = scratch.git(repository, "rev-list", "--reverse", _REF).split()
    onto = scratch.git(repository, "rev-parse", "main")

    def call() -> None:
        from ledger.git import objects, refs

        made = reparented(found, commits, onto)
        with objects.held(found, made):
            update = refs.RefUpdate(ref="refs/bench/reparented", new=made[-1].id, old=None)
            refs.update(found, [update], reason="bench")

    taken = seconds(call)
    floor = seconds(lambda: scratch.git(repository, "rev-list", "--objects", _REF))
    return Line(
        what=f"re-parent {runs:,} runs",
        value=runs / taken,
        unit="runs/s",
        bar=10_000,
        at_least=True,
        floor=f"git rev-list --objects: {floor:.2f} s",
        ratio=taken / floor,
    )


def _nothing(repository: Path, trace: Path) -> Line:
    """Processes that talk to the remote, as git's own trace names them."""
    subprocess.run(
        [sys.executable, "-m", "ledger", "push"],
        cwd=repository,
        env={**environment(), "GIT_TRACE": str(trace)},
        capture_output=True,
        check=True,
    )
    text = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    verbs = ("ls-remote", "fetch", "push")
    count = sum(any(f"built-in: git {verb}" in line for verb in verbs) for line in text)
    return Line(what="push with nothing to do: git processes on the network", value=count, unit="", bar=3)
