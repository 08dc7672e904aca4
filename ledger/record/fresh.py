"""Which files were written while a program ran: what an earlier run left is not this run's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

Stamp = tuple[int, int, int, int]
"""Times of content and of inode (ns), size, inode: each write changes one of them, a copied date too."""


def stamps(paths: Iterable[Path]) -> dict[Path, Stamp | None]:
    """What files look like now; None for those that are not there. A folder looks like all that is in it."""
    return {path: _stamp(path) for path in paths}


def is_fresh(path: Path, before: Mapping[Path, Stamp | None]) -> bool:
    """Whether a file is there and was written since the stamps were taken."""
    now = _stamp(path)
    return now is not None and now != before.get(path)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    if not path.is_dir():
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
    inside = [one.stat(follow_symlinks=False) for one in _entries(path)]
    return (
        max((one.st_mtime_ns for one in (found, *inside)), default=0),
        max((one.st_ctime_ns for one in (found, *inside)), default=0),
        sum(one.st_size for one in inside),
        found.st_ino,
    )


def _entries(folder: Path) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:
        return
    for entry in entries:
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(Path(entry.path))
