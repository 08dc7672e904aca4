"""Holding a file of a journal: of several that recover it at once, one does."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def claimed(path: Path) -> Iterator[int | None]:
    """Lock a file; its descriptor, or None where another process has it, or it is gone. The hold ends with its process."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        gone = True
        with suppress(FileNotFoundError):
            gone = not os.path.samestat(os.fstat(descriptor), path.stat())
        yield None if gone else descriptor
    finally:
        os.close(descriptor)
