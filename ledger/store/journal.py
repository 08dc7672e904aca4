"""The journal of a live run: an append-only file of blocks with checksums, whole or passed over.

A block is `LJB1`, its kind (one byte), the length of its payload, the CRC-32 of kind and payload, and the payload.
The first block of a file is its head. Whatever tears the file (a kill, a full disk, a power cut) costs at most the
blocks that it hit: reading goes on at the next one that is whole.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.durable import sync_folder
from ledger.errors import FormatError
from ledger.frozen import frozen

if TYPE_CHECKING:
    from ledger.git.process import Repository

JOURNAL_FORMAT = 1
"""Version of journals. 1: the first (2026-11)."""
HEAD, SNAPSHOT, POINTS, NOTE, END = b"H", b"S", b"P", b"N", b"E"
MAIN, PART = ".journal", ".part"
KEPT = "kept"
SHELL = "shell"
"""The writer that all processes share that live a moment."""
_MAGIC = b"LJB1"
_FRAME = struct.Struct("<4scII")
_MAX_HEAD = 64 << 20
_STALE_SECONDS = 3600
_TAIL_BYTES = 4096


@frozen(kw_only=False)
class Block:
    kind: bytes
    payload: memoryview

    def document(self) -> dict[str, Any]:
        """The JSON object that a head, a note or an end is. Raises ValueError."""
        value = json.loads(bytes(self.payload))
        if not isinstance(value, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 - damage, as for bytes that are no JSON
        return value


def frame(kind: bytes, *pieces: bytes) -> bytes:
    """One block as bytes."""
    crc = zlib.crc32(kind)
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    return b"".join((_FRAME.pack(_MAGIC, kind, sum(map(len, pieces)), crc), *pieces))


def json_frame(kind: bytes, document: Any) -> bytes:
    return frame(kind, json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def blocks(data: bytes) -> Iterator[Block]:
    """Every whole block, in order."""
    return (block for block, _ in _placed(data))


def _placed(data: bytes) -> Iterator[tuple[Block, int]]:
    """Every whole block, and where it ends."""
    view = memoryview(data)
    position = 0
    while 0 <= position <= len(view) - _FRAME.size:
        found = _block(view, position)
        if found is None:
            position = data.find(_MAGIC, position + 1)
        else:
            position += _FRAME.size + len(found.payload)
            yield found, position


def read(path: Path, start: int = 0, stop: int | None = None) -> Iterator[Block]:
    """Every whole block of a file (of its bytes `start` to `stop`), in order, one at a time in memory. Raises OSError."""
    with path.open("rb") as file:
        file.seek(start)
        end = os.fstat(file.fileno()).st_size if stop is None else stop
        while frame_ := file.read(min(_FRAME.size, max(end - file.tell(), 0))):
            left = end - file.tell()
            length = _FRAME.unpack(frame_)[2] if len(frame_) == _FRAME.size else 0
            data = frame_ + file.read(min(length, left))
            found = _block(memoryview(data), 0) if len(frame_) == _FRAME.size else None
            if found is None:
                yield from blocks(data[1:] + file.read(max(end - file.tell(), 0)))
                return
            yield found


def ended(path: Path) -> bool:
    """Whether the last block of a file is an end. Raises OSError."""
    with path.open("rb") as file:
        file.seek(max(os.fstat(file.fileno()).st_size - _TAIL_BYTES, 0))
        kinds = [block.kind for block in blocks(file.read())]
    return kinds[-1:] == [END]


def _block(view: memoryview, position: int) -> Block | None:
    magic, kind, length, crc = _FRAME.unpack_from(view, position)
    start = position + _FRAME.size
    payload = view[start : start + length]
    if magic != _MAGIC or len(payload) < length or zlib.crc32(payload, zlib.crc32(kind)) != crc:
        return None
    return Block(kind, payload)


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """What the name of a journal's file says."""

    run: str
    record: str
    writer: str = ""
    """Empty for the process that owns the run."""
    held: int = -1
    """Of a part: so many of its bytes are in that record; -1: nobody has made the record yet, or it came too late."""

    @property
    def file(self) -> str:
        held = f".{self.held}" if self.held >= 0 else ""
        return f"{self.run}.{self.record}.{self.writer}{held}{PART}" if self.writer else self.main

    @property
    def main(self) -> str:
        return f"{self.run}.{self.record}{MAIN}"


def parsed(file: str) -> Name | None:
    """The inverse of `Name.file`; None for any other file."""
    match file.split("."):
        case [run, record, "journal"]:
            return Name(run, record)
        case [run, record, writer, "part"] if writer:
            return Name(run, record, writer)
        case [run, record, writer, held, "part"] if writer and held.isascii() and held.isdecimal():
            return Name(run, record, writer, int(held))
    return None


def folders(repository: Repository) -> tuple[Path, Path]:
    """Where journals are, and where they are when that can't be written."""
    from ledger.store.spool import Spool

    return Spool.of(repository).journals


def listed(repository: Repository) -> dict[Path, Name]:
    """All journal files, by path. One `listdir` a folder."""
    found = {}
    for folder in folders(repository):
        with suppress(OSError):
            for file in sorted(os.listdir(folder)):
                name = parsed(file)
                if name is not None:
                    found[folder / file] = name
    return found


def head(path: Path) -> dict[str, Any]:
    """The first block of a journal, without reading the rest. Raises FormatError, OSError."""
    with path.open("rb") as file:
        start = file.read(_FRAME.size)
        length = _FRAME.unpack(start)[2] if len(start) == _FRAME.size else _MAX_HEAD
        data = start + file.read(min(length, _MAX_HEAD))
    try:
        first = next(blocks(data), None)
        if first is None or first.kind != HEAD:
            raise FormatError(f"{path}: a journal without its head")
        document = first.document()
        version = int(document["format"])
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise FormatError(f"{path}: not the head of a journal: {error}") from error
    if version > JOURNAL_FORMAT:
        raise FormatError(f"{path}: written by a newer ledger (format {version})", hint="upgrade ledger")
    return document


class Writer:
    """The file of one process. A write that fails leaves what stood there before, and can be tried again."""

    def __init__(self, path: Path, descriptor: int, end: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._end = end

    @classmethod
    def create(cls, folder: Path, name: Name, first: Iterable[bytes]) -> Writer:
        """A new file with its first blocks, durable. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name.file
        temporary = folder / f".{name.file}.tmp"
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        writer = cls(path, descriptor, 0)
        try:
            writer.append(first)
            os.fsync(descriptor)
            os.rename(temporary, path)
            sync_folder(folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            os.close(descriptor)
            raise
        return writer

    def append(self, pieces: Iterable[bytes]) -> None:
        """Write blocks behind the last whole one: all of them, or (OSError) none."""
        data = memoryview(b"".join(pieces))
        position = self._end
        try:
            while data:
                written = os.pwrite(self._descriptor, data, position)
                data = data[written:]
                position += written
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._end)
            raise
        self._end = position

    @property
    def size(self) -> int:
        return self._end

    def sync(self) -> None:
        """On the disk. Raises OSError."""
        os.fdatasync(self._descriptor)

    def touch(self) -> None:
        """A sign of life for those who can't look for the process. Raises OSError."""
        os.utime(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def swept(repository: Repository) -> None:
    """Remove what a process left that was killed before its journal had a name, or when the run was over already."""
    for folder in folders(repository):
        with suppress(OSError):
            for path in (*folder.glob(".*.tmp"), *filter(_is_late, folder.glob(f"*.{SHELL}{PART}"))):
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink()


def _is_late(part: Path) -> bool:
    """Whether a run was recorded before a process of a moment made this file for it: it told so whoever called."""
    name = parsed(part.name)
    return name is not None and not part.with_name(name.main).exists()


def claimed(parts: Iterable[Path]) -> list[Path]:
    """Say, in the names of parts, how much of each the record holds that is made now: what comes later is not in it.

    The process that writes one does not notice. Returns the new paths. Raises OSError.
    """
    found, folders_ = [], set()
    for path in parts:
        name = parsed(path.name)
        if name is not None and name.held < 0 and name.writer != SHELL:
            held = max((end for _, end in _placed(path.read_bytes())), default=0)
            path = path.rename(path.with_name(replace(name, held=held).file))  # noqa: PLW2901
            folders_.add(path.parent)
        found.append(path)
    for folder in folders_:
        sync_folder(folder)
    return found


def is_thinned(path: Path) -> bool:
    """Whether not every point of the journal that a file belongs to could be recorded: its files are kept."""
    name = parsed(path.name)
    return name is not None and (kept_of(path) / name.main).exists()


def mark_thinned(path: Path) -> None:
    """Say so before the record is made: whoever comes after a kill keeps the files, too. Raises OSError."""
    name = parsed(path.name)
    if name is not None:
        mark = kept_of(path) / name.main
        mark.parent.mkdir(exist_ok=True)
        try:
            os.link(path.with_name(name.main), mark)
        except FileExistsError:
            return
        except OSError:  # no such file any more, or a disk without second names
            mark.touch()


def kept_of(path: Path) -> Path:
    """The folder for journals with more in them than could be recorded."""
    return path.parent if path.parent.name == KEPT else path.parent / KEPT


def kept(paths: Sequence[Path]) -> None:
    """Put the files of a journal aside: more is in them than could be recorded."""
    for path in sorted(paths, key=lambda path: path.name.endswith(MAIN)):
        folder = kept_of(path)
        if path.parent == folder:
            continue
        folder.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            path.rename(folder / path.name)
        path.unlink(missing_ok=True)  # of two names of one file, a renaming leaves both


def removed(paths: Sequence[Path]) -> None:
    """Remove the files of a journal that is recorded: the owner's last, so that its parts are never orphans."""
    for path in sorted(paths, key=lambda path: path.name.endswith(MAIN)):
        path.unlink(missing_ok=True)
