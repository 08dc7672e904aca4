"""What a reader is, and when it does what it should.

A reader takes what it can use and refuses the rest with a LedgerError, or with what its contract names (`allowed`).
Everything else is a defect, and so is a reader that takes too long or too much memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import LedgerError

Read = Callable[[bytes, Path], object]
"""Bytes, and an empty folder for those that read files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    read: Read
    seeds: Callable[[], Sequence[bytes]]
    """Sound bytes to start from."""
    allowed: tuple[type[Exception], ...] = ()
    """What it may raise besides LedgerError, since its contract says so and its callers expect it."""


def refuses(reader: Reader, data: bytes, folder: Path) -> bool:
    """Whether a reader refused the bytes as it should; what it must not raise comes through."""
    allowed: tuple[type[Exception], ...] = (LedgerError, *reader.allowed)
    try:
        reader.read(data, folder)
    except allowed:
        return True
    return False


def file(data: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
