"""What taking a fleet's runs in costs: validated, sealed, chained; one file for each run, and a thousand in a file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import scratch
from bench.clock import environment, seconds
from bench.line import Line
from ledger.git.process import discover
from ledger.store.sealed import Sealed, packed, read
from ledger.store.spool import Spool

_TOGETHER = 1_000
_FLEET, _FEW = 10_000, 1_000


def lines(folder: Path, *, quick: bool) -> Iterator[Line]:
    source = scratch.repository(folder / "source")
    scratch.fill(source, _FLEET, seed=5)
    spool = Spool.of(discover(source, environment()))
    records = [item for path in sorted(spool.chained.rglob("*.zip")) for item in read(path)]
    cases = [(_FLEET, 1, "one file each"), (_FEW, 1, "one file each"), (_FLEET, _TOGETHER, "1,000 in a file")]
    _ingest(source, folder / "first", _left(folder / "one", records[:1], 1))  # which writes the bytecode
    for runs, size, what in cases[:1] if quick else cases:
        place = _left(folder / f"{runs}-by-{size}", records[:runs], size)
        yield _ingested(source, folder / f"into-{runs}-{size}", place, runs, what)


def _left(place: Path, records: list[Sealed], size: int) -> Path:
    place.mkdir()
    for start in range(0, len(records), size):
        (place / f"{start:08d}.zip").write_bytes(packed(records[start : start + size]))
    return place


def _ingest(source: Path, clone: Path, place: Path) -> float:
    """Seconds that the whole command takes, its start among them."""
    scratch.git(source, "clone", "-q", str(source), str(clone))
    words = [sys.executable, "-m", "ledger", "ingest", str(place)]

    def call() -> None:
        subprocess.run(words, cwd=clone, env=environment(), capture_output=True, check=True)

    return seconds(call)


def _ingested(source: Path, clone: Path, place: Path, runs: int, what: str) -> Line:
    taken = _ingest(source, clone, place)
    bare = clone.with_name(f"{clone.name}.git")
    scratch.git(source, "init", "-q", "--bare", str(bare))
    floor = seconds(
        lambda: scratch.git(bare, "fetch", "-q", f"file://{clone}", "refs/runs/main:refs/runs/main")
    )
    return Line(
        what=f"ingest {runs:,} runs, {what}",
        value=runs / taken,
        unit="runs/s",
        bar=5_000 if runs >= _FLEET else None,
        at_least=True,
        floor=f"git fetch of the same, not validated: {floor:.2f} s",
        ratio=taken / floor,
    )
