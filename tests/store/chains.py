"""Spools with sealed files, what stands on chains, and what a dead holder of the lock leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from conftest import Repo
from store.plumbing import REF, workspace

from ledger.git.process import Repository
from ledger.model import Author
from ledger.store.sealed import Sealed
from ledger.store.spool import Spool


def repository(repo: Repo) -> Repository:
    return workspace(repo).repository


def sealed(number: int, slug: str = "main", **given: Any) -> Sealed:
    """A record of its own content; `given` are other fields."""
    return Sealed(
        record=f"{number:032x}",
        run=f"{number:032x}",
        slug=slug,
        author=Author(),
        seconds=1_700_000_000,
        message=f"{slug}: (finished)\n\nLedger-Run: {number:032x}\nLedger-Record: {number:032x}\n",
        files={"run.json": b"{}\n", "params.json": b"{}\n", "metrics.json": b'{"n": %d}\n' % number},
        **{"code": (), **given},
    )


def chained(repo: Repo, ref: str = REF) -> list[str]:
    form = "--format=%(trailers:key=Ledger-Record,valueonly,separator=%x20)"
    return repo.git("log", form, ref, check=False).split()


def pending(repo: Repo) -> list[Path]:
    return Spool.of(repository(repo)).pending()


def left_lock(repo: Repo, ref: str, *, age_seconds: float = 0) -> Path:
    path = repo.path / ".git" / f"{ref}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    when = time.time() - age_seconds
    os.utime(path, (when, when))
    return path


def die_announcing(repo: Repo, ref: str) -> None:
    script = (
        "import os, sys; from pathlib import Path; from ledger.store import lock\n"
        "with lock.acquire(Path(sys.argv[1]), wait_seconds=5) as held:\n"
        "    held.announce(lock.Intent(ref=sys.argv[2], old=None, new='1' * 40)); os._exit(9)"
    )
    words = [sys.executable, "-c", script, str(repository(repo).folder / "lock"), ref]
    assert subprocess.run(words, check=False).returncode == 9
