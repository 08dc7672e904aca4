"""Small files of derived facts below git's own folder: safe to delete at any time, never believed when damaged."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from pathlib import Path


def read(path: Path, key: str) -> bytes | None:
    """What was kept for a key; None for another key, a damaged file, or none."""
    with suppress(OSError):
        head, _, body = path.read_bytes().partition(b"\n")
        if head == _head(key, body):
            return body
    return None


def keep(path: Path, key: str, body: bytes) -> None:
    """Put it beside its name, then rename: readers see the old or the new. A folder that can't be written keeps nothing."""
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_bytes(_head(key, body) + b"\n" + body)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def _head(key: str, body: bytes) -> bytes:
    return b"%s %08x" % (key.encode(), zlib.crc32(body))
