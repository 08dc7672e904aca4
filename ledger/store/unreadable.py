"""Sealed files that can't be read, remembered: a command looks at their size and times, and reads none of them again.

Derived, like the index: safe to delete at any time. What only the disk refused is not remembered.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from ledger.errors import FormatError
from ledger.model import new_id
from ledger.store import sealed
from ledger.store.sealed import SEAL_FORMAT, Sealed

NAME = "unreadable.json"


class Unreadable:
    """Reads sealed files for one command; `folder` is ledger's own."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def read(self, path: Path) -> list[Sealed]:
        """As `sealed.read` does. Raises FormatError, FileNotFoundError."""
        mark = _mark(path)
        known = self._known.get(str(path))
        if known is not None and known["mark"] == mark:
            raise FormatError(known["message"], hint=known["hint"])
        try:
            return sealed.read(path)
        except FormatError as error:
            if not _of_the_disk(error):
                self._remember(path, {"mark": mark, "message": error.message, "hint": error.hint})
            raise

    @cached_property
    def _known(self) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads(self._path.read_bytes())
            return {
                path: {"mark": one["mark"], "message": str(one["message"]), "hint": str(one["hint"])}
                for path, one in found.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}

    def _remember(self, path: Path, what: dict[str, Any]) -> None:
        self._known[str(path)] = what
        temporary = self._path.with_name(f".{NAME}-{new_id()}.tmp")
        with suppress(
            OSError, ValueError
        ):  # only read, or odd names in it: the next command reads the file again
            here = {name: one for name, one in self._known.items() if Path(name).exists()}
            try:
                temporary.write_text(json.dumps(here), encoding="utf-8")
                temporary.rename(self._path)
            finally:
                temporary.unlink(missing_ok=True)


def _mark(path: Path) -> list[int]:
    """Changes with the file, and with what this ledger can read."""
    seen = path.stat()
    return [SEAL_FORMAT, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns]


def _of_the_disk(error: BaseException | None) -> bool:
    """Whether the disk or a permission was the reason: zipfile says then that it is no zip."""
    while error is not None:
        if isinstance(error, OSError):
            return True
        error = error.__cause__ or error.__context__
    return False
