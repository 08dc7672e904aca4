r"""Data sets, models and outputs: what is recorded of them is enough to tell later whether a file is the same.

A *folder* has the hash of its listing: sha256 over, for each file in the byte order of its path, the file's sha256
in hex, two blanks, its path from the folder with `/`, and a NUL. Links to files count as files, links to folders are
not entered. With GNU tools:

    cd FOLDER && find . -xtype f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum -z | sha256sum
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urlsplit

from ledger.canonical import compact
from ledger.errors import InputError, UsageError
from ledger.model import Artifact, Json
from ledger.record import yaml_text
from ledger.record.secrets import clean_uri
from ledger.store.userfile import is_there, near_misses, opened, unreadable
from ledger.store.values import clean_name

ROLES = ("dataset", "model", "output")
MAX_COUNTED = 256 * 1024 * 1024
"""Bytes of a text file whose rows are counted."""
_BLOCK = 1024 * 1024
_MAX_POINTER = 1024 * 1024
_URI = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    size: int
    sha256: str
    rows: int | None = None


def artifact(role: str, spec: str, *, root: Path | None, directory: Path | None = None) -> Artifact:
    """Describe the file, folder or URI in `spec`: `[NAME=]PATH` or `[NAME=]URI`.

    Paths are taken from `directory` (else the current one) and recorded from `root` where they lie inside of it.
    A URI is recorded without its credentials and never opened. The name is the stem of the last part of the path
    by default. Beside `FILE.dvc`, or given that file itself, the hash and size that DVC keeps are recorded too,
    and make up for data that is not here. Raises InputError, UsageError.
    """
    if role not in ROLES:
        raise UsageError(f"an artifact has no role {role!r}", hint=f"one of {', '.join(ROLES)}")
    base = directory or Path.cwd()
    name, target = split_spec(spec, base)
    if _URI.match(target) and not target.lower().startswith("file://"):
        return _remote(role, name, target)
    path = base / (unquote(urlsplit(target).path) if _URI.match(target) else target)
    return _local(role, name, path, root)


def split_spec(spec: str, directory: Path) -> tuple[str, str]:
    """Split `NAME=TARGET`; a URI, and the name of a file that exists, may have a `=` of its own."""
    name, equals, target = spec.partition("=")
    if not equals or _URI.match(spec) or is_there(directory / spec):
        return "", spec
    return name, target


def _remote(role: str, name: str, uri: str) -> Artifact:
    last = PurePosixPath(unquote(urlsplit(uri).path))
    stem = last.stem or urlsplit(uri).hostname or role
    return Artifact(role=role, name=clean_name(name or stem, uri), uri=clean_uri(uri))


def _local(role: str, name: str, path: Path, root: Path | None) -> Artifact:
    pointer = _pointer(path)
    data = pointer.data if pointer else path
    content = _content(data) if is_there(data) or not pointer else None
    return Artifact(
        role=role,
        name=clean_name(name or data.stem, str(path)),
        uri=_uri(data, root),
        size=content.size if content else pointer.size if pointer else None,
        sha256=content.sha256 if content else None,
        rows=content.rows if content else None,
        hashes=pointer.hashes if pointer else {},
    )


def _uri(path: Path, root: Path | None) -> str:
    """Write a path from the top of the work tree where it lies inside, else the whole path."""
    plain = Path(os.path.normpath(path.absolute()))
    if root is not None:
        for inside, top in ((plain, root), (path.resolve(), root.resolve())):
            if inside.is_relative_to(top):
                return inside.relative_to(top).as_posix()
    return plain.as_posix()


def _content(path: Path) -> _Content:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file", hint=near_misses(path)) from error
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise InputError(f"{compact(str(path))}: not a file name") from error
    if stat.S_ISDIR(status.st_mode):
        return _folder(path)
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: neither a file nor a folder")
    return _file(path, status.st_size)


def _file(path: Path, size: int) -> _Content:
    counter = _COUNTERS.get(path.suffix.lower())
    with opened(path, max_bytes=size + _BLOCK, advice="") as file:
        if counter is None or size > MAX_COUNTED:
            content = _hashed(file, _ignore)
            return content if path.suffix.lower() not in _PARQUET else _with_parquet_rows(file, content)
        lines = _Lines(quotes=counter.quotes)
        content = _hashed(file, lines.add)
    return _Content(size=content.size, sha256=content.sha256, rows=max(0, lines.total() - counter.header))


def _hashed(file: IO[bytes], seen: Callable[[bytes], None]) -> _Content:
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK):
        digest.update(block)
        seen(block)
        size += len(block)
    return _Content(size=size, sha256=digest.hexdigest())


def _ignore(_: bytes) -> None:
    return


def _with_parquet_rows(file: IO[bytes], content: _Content) -> _Content:
    from ledger.store.history.gate import row_count

    return _Content(size=content.size, sha256=content.sha256, rows=row_count(file, content.size))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counter:
    """How rows stand in a text file."""

    header: int
    quotes: bool
    """Whether a line break between quotes belongs to a cell."""


_COUNTERS = {
    ".csv": _Counter(header=1, quotes=True),
    ".tsv": _Counter(header=1, quotes=True),
    ".jsonl": _Counter(header=0, quotes=False),
    ".ndjson": _Counter(header=0, quotes=False),
}
_PARQUET = frozenset({".parquet", ".pq"})


class _Lines:
    """Lines of a text that comes in blocks; blank ones at its end don't count."""

    def __init__(self, *, quotes: bool) -> None:
        self.quotes = quotes
        self.breaks = 0
        self.trailing = 0
        self.inside = False
        self.begun = False

    def add(self, block: bytes) -> None:
        pieces = block.split(b'"') if self.quotes else [block]
        # every second piece lies between quotes
        outside = pieces[1 if self.inside else 0 :: 2]
        self.breaks += sum(piece.count(b"\n") for piece in outside)
        self.inside ^= len(pieces) % 2 == 0
        kept = block.rstrip(b"\r\n")
        ends = block[len(kept) :].count(b"\n")
        self.trailing = ends if kept else self.trailing + ends
        self.begun = self.begun or bool(kept)

    def total(self) -> int:
        return self.breaks - self.trailing + 1 if self.begun else 0


def _folder(path: Path) -> _Content:
    digest, size = hashlib.sha256(), 0
    for relative, file in sorted(_files(path)):
        with opened(file, max_bytes=2**63, advice="") as stream:
            content = _hashed(stream, _ignore)
        digest.update(content.sha256.encode() + b"  " + relative + b"\0")
        size += content.size
    return _Content(size=size, sha256=digest.hexdigest())


def _files(top: Path) -> Iterator[tuple[bytes, Path]]:
    def refuse(error: OSError) -> None:
        raise unreadable(Path(error.filename), error) from error

    for folder, _, names in os.walk(top, onerror=refuse):
        for name in names:
            file = Path(folder, name)
            if file.is_file():
                yield os.fsencode(file.relative_to(top).as_posix()), file


# DVC --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pointer:
    """What a .dvc file says about its data."""

    data: Path
    size: int | None
    hashes: Mapping[str, str]


def _pointer(path: Path) -> _Pointer | None:
    """Read `FILE.dvc` beside the data, or the file itself if it is one."""
    if path.suffix == ".dvc" and is_there(path):
        return _read_pointer(path, None)
    beside = path.with_name(path.name + ".dvc") if path.name else path
    return _read_pointer(beside, path) if is_there(beside) else None


def _read_pointer(file: Path, data: Path | None) -> _Pointer | None:
    with opened(file, max_bytes=_MAX_POINTER, advice="it should be a short text") as stream:
        text = stream.read().decode("utf-8", "replace")
    document = yaml_text.loads(text, str(file))
    outs = document.get("outs") if isinstance(document, dict) else None
    out = outs[0] if isinstance(outs, list) and outs else None
    if not isinstance(out, dict) or not isinstance(out.get("path"), str):
        if data is None:
            raise InputError(f"{file}: not a DVC file with one output", hint="name the data itself")
        return None
    folder = file.parent / str(document.get("wdir", ".") if isinstance(document, dict) else ".")
    hashes = {name: str(out[name]) for name in ("md5", "etag", "checksum", "version_id") if out.get(name)}
    return _Pointer(data=data or folder / str(out["path"]), size=_whole(out.get("size")), hashes=hashes)


def _whole(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
