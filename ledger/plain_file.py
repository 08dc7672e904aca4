"""Files that come with a clone, read without waiting for anybody: a link there may lead to a pipe or a terminal."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read(path: Path, max_bytes: int) -> bytes:
    """A regular file, cut one byte above `max_bytes`. Raises OSError for what is none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return file.read(max_bytes + 1)
