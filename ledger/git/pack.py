"""Packfiles (gitformat-pack, version 2), made in memory for git to check and store."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Protocol

from ledger.frozen import frozen

_TYPES = {"commit": 1, "tree": 2, "blob": 3}
_OFFSET_DELTA = 6
_LINE_KEY = 6
_INSERT_MOST = 127
_PATIENCE = 8
"""Objects of a kind that may turn out to differ too much before no more of it are looked at."""
_LARGEST = 1 << 16
"""Bytes of an object that is worth a look: what is larger is a series."""


@frozen(kw_only=False)
class Deflated:
    """An object as a pack stores it."""

    base: str
    """The id of another one, of which it holds only what differs; empty where it is whole."""
    head: bytes
    """Its type and its size before compression, as an entry begins."""
    data: bytes


class Packed(Protocol):
    """What an entry is made of."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def deflated(self) -> Deflated | None: ...


def pack(objects: Sequence[Packed], object_format: str, level: int, *, deltas: bool = False) -> bytes:
    """A pack of these objects, compressed at a zlib level; those that bring their `deflated` form, as they are.

    With `deltas` an object is stored as what differs from an earlier one like it, line by line: runs differ from
    one another in a few lines. `git gc` keeps such deltas, and would not look for them within one pack.
    """
    parts = [b"PACK" + (2).to_bytes(4, "big") + len(objects).to_bytes(4, "big")]
    at = len(parts[0])
    places: dict[str, int] = {}
    similar = _Similar(level) if deltas else None
    for item in objects:
        made = item.deflated
        if made is None or (made.base and made.base not in places):
            made = similar.deflated(item) if similar else _whole(item, level)
        head = made.head + _backwards(at - places[made.base]) if made.base else made.head
        places[item.id] = at
        parts += (head, made.data)
        at += len(head) + len(made.data)
    return _signed(b"".join(parts), object_format)


def deflated(objects: Iterable[Packed], level: int) -> list[Deflated]:
    """Objects as a pack of them would store them, those that are like an earlier one as what differs."""
    similar = _Similar(level)
    return [similar.deflated(item) for item in objects]


def joined(packs: Sequence[bytes], object_format: str) -> bytes:
    """Several packs as one: what their entries say of one another are distances, which stay."""
    width = hashlib.new(object_format, usedforsecurity=False).digest_size
    count = sum(int.from_bytes(data[8:12], "big") for data in packs)
    head = b"PACK" + (2).to_bytes(4, "big") + count.to_bytes(4, "big")
    return _signed(b"".join((head, *(data[12:-width] for data in packs))), object_format)


def _signed(body: bytes, object_format: str) -> bytes:
    return body + hashlib.new(object_format, body, usedforsecurity=False).digest()


def _whole(item: Packed, level: int) -> Deflated:
    head = _entry_head(_TYPES[item.kind], len(item.body))
    return Deflated("", head, zlib.compress(item.body, level))


def _entry_head(kind: int, size: int) -> bytes:
    return _sized((kind << 4) | (size & 15), size >> 4)


def _sized(byte: int, rest: int) -> bytes:
    """Seven bits a byte, the lowest first; `byte` has those that come before `rest`."""
    out = bytearray()
    while rest:
        out.append(byte | 0x80)
        byte = rest & 0x7F
        rest >>= 7
    out.append(byte)
    return bytes(out)


def _varint(number: int) -> bytes:
    return _sized(number & 0x7F, number >> 7)


@frozen(kw_only=False)
class _Base:
    """An object that others are told apart from."""

    id: str
    lines: list[bytes]
    offsets: list[int]
    """Where each line starts, and where the last one ends."""


@frozen(kw_only=False)
class _Folder:
    """A tree, which others are told apart from that hold the same names."""

    id: str
    body: bytes
    names: list[tuple[int, int, bytes]]
    """Where the modes and names before an id begin and end, and the instruction that copies them."""


class _Similar:
    """Remembers one object of each shape: as many lines, of which the second begins alike."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._bases: dict[tuple[str, int, bytes], _Base] = {}
        self._vain: Counter[tuple[str, int, bytes]] = Counter()
        self._folders: dict[int, _Folder] = {}

    def deflated(self, item: Packed) -> Deflated:
        if len(item.body) > _LARGEST:
            return _whole(item, self._level)
        if item.kind == "tree":
            return self._tree(item)
        second = item.body.find(b"\n") + 1
        key = (item.kind, item.body.count(b"\n"), item.body[second : second + _LINE_KEY])
        base = self._bases.get(key)
        if base is None:
            lines = item.body.splitlines(keepends=True)
            self._bases[key] = _Base(item.id, lines, [0, *accumulate(map(len, lines))])
        elif self._vain[key] < _PATIENCE:
            delta = _difference(base, item.body.splitlines(keepends=True), len(item.body))
            if delta:
                head = _entry_head(_OFFSET_DELTA, len(delta))
                return Deflated(base.id, head, zlib.compress(delta, self._level))
            self._vain[key] += 1
        return _whole(item, self._level)

    def _tree(self, item: Packed) -> Deflated:
        """Only the ids, which no compression makes shorter."""
        size = len(item.body)
        base = self._folders.get(size)
        if base is None:
            self._folders[size] = _folder(item)
        elif delta := _ids(base, item.body):
            return Deflated(base.id, _entry_head(_OFFSET_DELTA, len(delta)), zlib.compress(delta, 0))
        return _whole(item, self._level)


def _folder(item: Packed) -> _Folder:
    width = len(item.id) // 2
    names = []
    at = 0
    while (end := item.body.find(b"\0", at) + 1) > 0:
        names.append((at, end, _copy(at, end - at)))
        at = end + width
    return _Folder(item.id, item.body, names)


def _ids(base: _Folder, body: bytes) -> bytes:
    """What makes a tree of as many bytes out of its base; nothing where it holds other names."""
    size = _varint(len(body))
    parts = [size, size]
    at = 0
    for start, end, copy in base.names:
        if body[start:end] != base.body[start:end]:
            return b""
        parts += (_insert(body[at:start]), copy)
        at = end
    return b"".join((*parts, _insert(body[at:])))


def _difference(base: _Base, lines: list[bytes], size: int) -> bytes:
    """What makes an object of `size` bytes out of its base; nothing where more than half of the lines differ."""
    if len(lines) != len(base.lines):
        return b""
    differing = [i for i, (own, other) in enumerate(zip(lines, base.lines, strict=True)) if own != other]
    if 2 * len(differing) > len(lines):
        return b""
    delta = bytearray(_varint(base.offsets[-1]) + _varint(size))
    done, own = 0, b""
    for line in [*differing, len(lines)]:
        if line > done:
            delta += _insert(own) + _copy(base.offsets[done], base.offsets[line] - base.offsets[done])
            own = b""
        done = line + 1
        own += lines[line] if line < len(lines) else b""
    delta += _insert(own)
    return bytes(delta)


def _copy(offset: int, size: int) -> bytes:
    """A part of the base; zero bytes of offset and size are left out and masked."""
    mask, out = 0x80, bytearray()
    for bit, byte in enumerate((*offset.to_bytes(4, "little"), *size.to_bytes(3, "little"))):
        if byte:
            mask |= 1 << bit
            out.append(byte)
    return bytes((mask, *out))


def _insert(data: bytes) -> bytes:
    if len(data) <= _INSERT_MOST:
        return bytes((len(data),)) + data if data else b""
    parts = (data[start : start + _INSERT_MOST] for start in range(0, len(data), _INSERT_MOST))
    return b"".join(bytes((len(part),)) + part for part in parts)


def _backwards(distance: int) -> bytes:
    """How far before this entry its base begins: seven bits a byte, the highest first, each but the last plus one."""
    out = [distance & 0x7F]
    distance >>= 7
    while distance:
        distance -= 1
        out.append(0x80 | (distance & 0x7F))
        distance >>= 7
    return bytes(reversed(out))
