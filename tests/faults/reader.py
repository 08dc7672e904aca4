"""A reader in a process of its own: reads the index until a file appears, and prints how many runs it saw each time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ledger.git.process import discover
from ledger.store import index


def look(seen: frozenset[str]) -> frozenset[str]:
    """What is there now. Fails when a run is not whole, or one that was there is gone."""
    loaded = index.load(discover(Path.cwd(), os.environ))
    if loaded.faults:
        raise SystemExit(f"faults: {loaded.faults[:3]}")
    records: list[str] = []
    for part in loaded.segments:
        records += part.column("record")
        f1 = part.slice("metrics", "f1")
        if f1 is None or len(f1.rows) != len(part):
            raise SystemExit("a run without its metric")
        if any(None in part.column(name) for name in ("record", "run_id", "code_commit")):
            raise SystemExit("a run without its code")
    now = frozenset(records)
    if len(now) != len(records):
        raise SystemExit("a record twice")
    if not seen <= now:
        raise SystemExit(f"{len(seen - now)} records went away")
    return now


def main(stop: str) -> None:
    seen: frozenset[str] = frozenset()
    while not Path(stop).exists():
        seen = look(seen)
        sys.stdout.write(f"{len(seen)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
