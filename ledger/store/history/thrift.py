"""Thrift's compact protocol, as far as Parquet's metadata needs it, and never more lenient than Arrow's reader.

What is read here is read again by Arrow, so both must see the same thing: a field that stands twice, is of another
type than parquet.thrift says, or has a number that only truncation makes valid is refused instead of guessed at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_MAX_NESTING = 16
_MAX_FIELD = 255
BOOL, BYTE, I16, I32, I64, BINARY, LIST, STRUCT = 1, 3, 4, 5, 6, 8, 9, 12
_FALSE = 2
_LONG = 15
"""In place of a list's size: the size follows."""
_BITS = {BYTE: 8, I16: 16, I32: 32, I64: 64}


class ParquetError(ValueError):
    """Bytes that are not the Parquet file that they should be; the text says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field that is wanted: its name, its type, and what is inside a struct or a list."""

    name: str
    kind: int
    items: int = 0
    inner: Mapping[int, Field] = field(default_factory=dict)


Struct = dict[str, Any]


class Reader:
    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def struct(self, wanted: Mapping[int, Field], depth: int = 0, *, last: int | None = None) -> Struct:
        """Read the wanted fields and skip the others, up to the field `last` if that is given."""
        found: Struct = {}
        number = 0
        while (head := self.byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self.integer(I16)
            known = wanted.get(number)
            if not 0 < number <= _MAX_FIELD or (known and (known.name in found or known.kind != head & 0xF)):
                raise ParquetError("metadata with a field that can't be there")
            value = self.value(head & 0xF, depth + 1, known)
            if known:
                found[known.name] = value
            if number == last:
                break
        return found

    def value(self, kind: int, depth: int, known: Field | None) -> Any:
        if depth > _MAX_NESTING:
            raise ParquetError("metadata that is nested too deep")
        if kind in (BOOL, _FALSE):
            return kind == BOOL
        if kind in _BITS and kind != BYTE:
            return self.integer(kind)
        reader = _READERS.get(kind)
        if reader is None:
            raise ParquetError("metadata with a type that can't be there")
        return reader(self, depth, known)

    def byte(self) -> int:
        position = self.position
        if position >= len(self.data):
            raise ParquetError("metadata that ends early")
        self.position = position + 1
        return self.data[position]

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.position:
            raise ParquetError("metadata that ends early")
        self.position += size
        return self.data[self.position - size : self.position]

    def varint(self) -> int:
        if self.position < len(self.data) and (first := self.data[self.position]) < 0x80:  # noqa: PLR2004 - see below
            self.position += 1
            return first
        result = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the continuation bit
                break
        else:
            raise ParquetError("metadata with an endless number")
        return result

    def integer(self, kind: int) -> int:
        raw = self.varint()
        if raw >> _BITS[kind]:
            raise ParquetError("metadata with a number that is too large")
        return (raw >> 1) ^ -(raw & 1)

    def size(self) -> int:
        """Read how many items follow; each takes a byte at least."""
        size = self.varint()
        if size > len(self.data) - self.position:
            raise ParquetError("metadata with a list that is longer than itself")
        return size

    def items(self, depth: int, known: Field | None) -> list[Any]:
        head = self.byte()
        kind, short = head & 0xF, head >> 4
        size = self.size() if short == _LONG else short
        if known and size and kind != known.items:
            raise ParquetError("metadata with a list of another type")
        if kind in (BOOL, _FALSE):
            return list(self.take(size))
        return [self.value(kind, depth + 1, known) for _ in range(size)]

    def pairs(self, depth: int, _: Field | None) -> None:
        size = self.size()
        kinds = self.byte() if size else 0
        for _unused in range(size):
            self.value(kinds >> 4, depth + 1, None)
            self.value(kinds & 0xF, depth + 1, None)

    def inner(self, depth: int, known: Field | None) -> Struct:
        return self.struct(known.inner if known else {}, depth)


_READERS: dict[int, Callable[[Reader, int, Field | None], Any]] = {
    BYTE: lambda reader, _, __: reader.byte(),
    7: lambda reader, _, __: reader.take(8),
    BINARY: lambda reader, _, __: reader.take(reader.size()),
    LIST: Reader.items,
    10: Reader.items,
    11: Reader.pairs,
    STRUCT: Reader.inner,
}
