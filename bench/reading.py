"""What reading costs, and what a ledger weighs: the index, `ledger log`, bytes on disk."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import mean, median

import ledger
from bench import calls, scratch
from bench.clock import by_turns, command, environment, seconds
from bench.line import Line
from ledger.git.process import Repository, discover
from ledger.store import index

_FILES = ("run.json", "params.json", "metrics.json")
_ADDED = 10


def lines(folder: Path, *, quick: bool) -> Iterator[Line]:
    """Fill one ledger step by step, and measure on the way."""
    sizes = (1_000, 5_000) if quick else (1_000, 10_000, 100_000)
    work_tree = scratch.repository(folder / "reading", commits=sizes[-1] // 50)
    repository = discover(work_tree, environment())
    increments: dict[int, list[float]] = {}
    filled = 0
    for size in sizes:
        scratch.fill(work_tree, size - filled, seed=size)
        scratch.git(
            work_tree, "gc", "--quiet"
        )  # as git does by itself: a hundred packs would cost each of its starts
        index.load(repository)
        increments[size] = [_increment(work_tree, repository, seed) for seed in range(9 if quick else 25)]
        filled = size
    yield from _incremental(increments)
    yield _from_nothing(repository, 1 if quick else 3)
    yield _log(work_tree, sizes[-1], 5 if quick else 15)
    yield from _size(work_tree)


def _increment(work_tree: Path, repository: Repository, seed: int) -> float:
    source = random.Random(seed)
    ledger.record_many([scratch.run(source) for _ in range(_ADDED)], repository=work_tree)
    return seconds(lambda: index.load(repository))


def _incremental(found: dict[int, list[float]]) -> Iterator[Line]:
    medians = {size: median(times) for size, times in found.items()}
    first, last = min(found), max(found)
    each = ", ".join(f"{size:,}: {time * 1e3:.1f}" for size, time in medians.items())
    yield Line(
        what=f"index, {_ADDED} new runs on top of {first:,} and of {last:,}, packed",
        value=medians[last] / medians[first],
        unit="x as long",
        bar=1.5,
        median=f"ms on top of {each}; mean {mean(found[last]) * 1e3:.1f}",
    )


def _from_nothing(repository: Repository, rounds: int) -> Line:
    runs = len(index.load(repository))
    asked = _names(repository.common_dir)
    pair = by_turns(
        partial(_anew, repository),
        partial(_bare_read, repository.common_dir, asked),
        rounds=rounds,
        warm=False,
    )
    return Line(
        what=f"index from nothing, {runs:,} runs",
        value=runs / pair.seconds,
        unit="runs/s",
        bar=15_000,
        at_least=True,
        ratio=pair.ratio,
        floor=f"git cat-file of their files: {runs / pair.floor_seconds:,.0f} runs/s",
    )


def _anew(repository: Repository) -> None:
    shutil.rmtree(repository.folder / f"index-v{index.INDEX_VERSION}")
    index.load(repository)


def _names(folder: Path) -> bytes:
    commits = scratch.git(folder, "rev-list", "refs/runs/main").split()
    return "".join(chain.from_iterable((f"{c}:{name}\n" for name in _FILES) for c in commits)).encode()


def _bare_read(folder: Path, asked: bytes) -> None:
    words = ["git", "cat-file", "--batch", "--buffer"]
    subprocess.run(words, cwd=folder, env=environment(), input=asked, stdout=subprocess.DEVNULL, check=True)


def _log(work_tree: Path, runs: int, rounds: int) -> Line:
    log = [scratch.program("ledger"), "log", "--metric", scratch.METRICS[0]]
    commits = scratch.git(work_tree, "rev-list", "--count", "main")
    pair = by_turns(command(log, work_tree), _log_floor(work_tree), rounds=rounds)
    return Line(
        what=f"ledger log --metric, a process, {runs:,} runs on {int(commits):,} commits",
        value=pair.ratio,
        unit="x floor",
        bar=2.0,
        median=f"{pair.seconds * 1e3:.0f} ms = {pair.ratio:.2f} x",
        ratio=pair.ratio,
        floor=f"python -c 'import click, pyarrow', without NumPy, and git log: {pair.floor_seconds * 1e3:.0f} ms",
        calls=calls.count(log, work_tree),
    )


_IMPORTS = "import sys; sys.modules['numpy'] = None; import click, pyarrow"
"""As in a plain installation, which has no NumPy: pyarrow imports it where it is, and twice the time would be the floor.

`ledger` itself never lets pyarrow import it, so that both sides are what a user of a plain installation gets.
"""


def _log_floor(work_tree: Path) -> Callable[[], None]:
    imports = command([sys.executable, "-c", _IMPORTS], work_tree)
    history = command(["git", "--no-pager", "log", "main"], work_tree)

    def both() -> None:
        imports()
        history()

    return both


def _size(work_tree: Path) -> Iterator[Line]:
    """Of all that git keeps: objects, refs, reflogs. The index can be deleted; sealed files go after an hour or two."""
    scratch.git(work_tree, "gc", "--quiet")
    git_dir = work_tree / ".git"
    runs = int(scratch.git(work_tree, "rev-list", "--count", "refs/runs/main"))
    kept = sum(_weight(git_dir / name) for name in ("objects", "refs", "logs", "packed-refs"))
    values = _weight_of_values(work_tree, runs)
    yield Line(
        what=f"size after git gc, {runs:,} runs",
        value=kept / runs,
        unit="bytes a run",
        bar=1_600,
        ratio=kept / values,
        floor=f"its params and metrics, gzipped in one go: {values / runs:,.0f} bytes a run",
    )
    own = git_dir / "ledger"
    for what, path in (
        ("size of the index", own / f"index-v{index.INDEX_VERSION}"),
        ("size of sealed files until their second look", own / "chained"),
    ):
        yield Line(what=what, value=_weight(path) / runs, unit="bytes a run")


def _weight(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum((Path(folder) / name).stat().st_size for folder, _, names in os.walk(path) for name in names)


def _weight_of_values(work_tree: Path, runs: int) -> int:
    commits = scratch.git(work_tree, "rev-list", "-n", "1000", "refs/runs/main").split()
    names = "".join(f"{commit}:{name}\n" for commit in commits for name in _FILES[1:]).encode()
    text = subprocess.run(
        ["git", "cat-file", "--batch=%(objecttype)"],
        cwd=work_tree,
        env=environment(),
        input=names,
        capture_output=True,
        check=True,
    ).stdout
    squeezed = subprocess.run(["gzip", "-6"], input=text, capture_output=True, check=True).stdout
    return len(squeezed) * runs // len(commits)
