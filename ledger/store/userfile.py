"""Files that people name: is it there, a file, readable, and of a size that makes sense."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ledger.canonical import compact
from ledger.errors import InputError


@contextmanager
def opened(path: Path, *, max_bytes: int, advice: str) -> Iterator[IO[bytes]]:
    """Open a user's file for reading bytes. Raises InputError for all that can be wrong with it.

    A regular file of more than `max_bytes` is refused by its size alone, before a byte is read; what is read
    from a pipe is the caller's to count. `advice` is the hint then.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{path}: it is a folder", hint="name a file in it")
        if stat.S_ISREG(status.st_mode) and status.st_size > max_bytes:
            raise too_big(str(path), status.st_size, max_bytes, advice)
        file = path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file", hint=near_misses(path)) from error
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise InputError(f"{compact(str(path))}: not a file name") from error
    with file:
        try:
            yield file
        except OSError as error:
            raise unreadable(path, error) from error


def is_there(path: Path) -> bool:
    """Tell whether something readable has this name; one that is no file name at all has nothing."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def unreadable(path: Path, error: OSError) -> InputError:
    """Make the error for a file that the system doesn't let us read."""
    return InputError(f"{path}: it can't be read: {error.strerror or error}")


def too_big(what: str, size: int, limit: int, advice: str) -> InputError:
    """Make the error for a file above a size limit."""
    return InputError(f"{what}: {size:,} bytes, the limit is {limit:,}", hint=advice)


def near_misses(path: Path) -> str:
    """Say which names in the folder of a missing file come close, or what is wrong with the folder."""
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"there is no folder {path.parent}"
    from difflib import get_close_matches

    close = get_close_matches(path.name, names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(str(path.parent / name) for name in close)}?" if close else ""
