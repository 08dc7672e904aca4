"""Living beside `git gc`: it deletes objects that no ref reached when it looked, also if one reaches them by now."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from ledger.git.process import Repository

_MARK = "ledger: its refs do not stand yet"
_FORGOTTEN_SECONDS = 12 * 3600
"""What git itself takes a gc.pid file of a host it can't ask for."""


def is_running(repository: Repository) -> bool:
    """Whether a `git gc` is at work: until its end it may take what was written before our refs stood."""
    path = repository.common_dir / "gc.pid"
    try:
        age = time.time() - path.stat().st_mtime
        pid, _, host = path.read_text(encoding="utf-8", errors="replace").strip().partition(" ")
    except OSError:
        return False
    if age > _FORGOTTEN_SECONDS:
        return False
    return host != os.uname().nodename or not pid.isdigit() or _lives(int(pid))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def marked(repository: Repository, packs: Sequence[bytes], *, keep: tuple[int, ...] = ()) -> Iterator[None]:
    """Store packs that neither `git prune` nor `git repack` takes while the block runs: their refs are set in it."""
    words = ("-c", "core.fsync=all", "index-pack", "--stdin", f"--keep={_MARK}")
    names = [repository.git(*words, stdin=data, keep=keep).decode().split()[-1] for data in packs]
    try:
        yield
    finally:
        for name in names:
            with suppress(OSError):
                (repository.common_dir / "objects" / "pack" / f"pack-{name}.keep").unlink()


def release_left(repository: Repository) -> None:
    """Release what a killed process held back."""
    for path in (repository.common_dir / "objects" / "pack").glob("pack-*.keep"):
        with suppress(OSError):
            if path.read_text(encoding="utf-8", errors="replace").startswith(_MARK):
                path.unlink()
