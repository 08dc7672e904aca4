"""Living beside `git gc`: it deletes objects that no ref reached when it looked, also if one reaches them by now."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from ledger.errors import GitError
from ledger.git.process import Repository

_MARK = "ledger: its refs do not stand yet"
_SYNCED = ("-c", "core.fsync=all", "-c", "core.fsyncMethod=batch")
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
    return host != os.uname().nodename or lives(pid)


def lives(pid: str | int) -> bool:
    """Whether a process of this host answers; what can't be the id of one is taken for one that does."""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError, OverflowError):
        return True
    return True


@contextmanager
def marked(repository: Repository, packs: Sequence[bytes], *, keep: tuple[int, ...] = ()) -> Iterator[None]:
    """Store packs that neither `git prune` nor `git repack` takes while the block runs: their refs are set in it."""
    try:
        for data in packs:
            stubborn(repository, "index-pack", "--stdin", f"--keep={_MARK}", stdin=data, keep=keep)
        yield
    finally:
        for data in packs:
            name = data[-len(repository.zeros) // 2 :].hex()  # a pack is named by the checksum at its end
            with suppress(OSError):
                (repository.common_dir / "objects" / "pack" / f"pack-{name}.keep").unlink()


def stubborn(repository: Repository, *words: str, stdin: bytes, keep: tuple[int, ...]) -> None:
    """Write objects, fsynced; again when it fails, as it does when `git prune` takes the temporary file."""
    for pause in (0.01, 0.05, 0.2):
        with suppress(GitError):
            repository.git(*_SYNCED, *words, stdin=stdin, keep=keep)
            return
        time.sleep(pause)
    repository.git(*_SYNCED, *words, stdin=stdin, keep=keep)


def release_left(repository: Repository) -> None:
    """Release what a killed process held back."""
    for path in (repository.common_dir / "objects" / "pack").glob("pack-*.keep"):
        with suppress(OSError):
            if path.read_text(encoding="utf-8", errors="replace").startswith(_MARK):
                path.unlink()
