"""What rewritten history costs a reader: `ledger log` where half of the commits were rebased, beside where none was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from bench import calls, scratch
from bench.clock import by_turns, command, seconds
from bench.line import Line

_HOOK = Path(__file__).parents[1] / "hooks" / "post-rewrite"


def lines(folder: Path, *, quick: bool) -> Iterator[Line]:
    """One ledger three times: as it was, rebased with git's hook, and rebased without it."""
    runs, rewritten = (1_000, 100) if quick else (10_000, 500)
    plain = scratch.repository(folder / "as-it-was", commits=2 * rewritten)
    scratch.fill(plain, runs)
    log = [scratch.program("ledger"), "log", "--metric", scratch.METRICS[0]]
    for name, hooked in (("links", True), ("patches", False)):
        rebased = _rebased(plain, folder / name, rewritten, hooked=hooked)
        first = seconds(command(log, rebased))
        pair = by_turns(command(log, rebased), command(log, plain), rounds=5 if quick else 15)
        yield Line(
            what=f"ledger log, {runs:,} runs, {rewritten:,} rewritten commits found by {name}",
            value=pair.ratio,
            unit="x without",
            bar=1.3,
            median=f"{pair.seconds * 1e3:.0f} ms = {pair.ratio:.2f} x; the first time {first * 1e3:.0f} ms",
            ratio=pair.ratio,
            floor=f"the same ledger, nothing rewritten: {pair.floor_seconds * 1e3:.0f} ms",
            calls=calls.count(log, rebased),
        )


def _rebased(plain: Path, path: Path, commits: int, *, hooked: bool) -> Path:
    """A copy whose newest commits stand on a new one."""
    shutil.copytree(plain, path, symlinks=True)
    if hooked:
        (path / ".git" / "hooks").mkdir(exist_ok=True)
        shutil.copy(_HOOK, path / ".git" / "hooks" / "post-rewrite")
    old = scratch.git(path, "rev-parse", "main")
    scratch.git(path, "checkout", "-q", "--detach", f"main~{commits}")
    (path / "other.py").write_text("between = 1\n", encoding="utf-8")
    scratch.git(path, "add", "other.py")
    scratch.git(path, "commit", "-q", "-m", "In between")
    between = scratch.git(path, "rev-parse", "HEAD")
    scratch.git(path, "rebase", "-q", "--onto", between, f"{old}~{commits}", "main")
    found = scratch.git(path, "log", "--format=%s", f"{between}..main").splitlines()
    assert len(found) == commits
    return path
