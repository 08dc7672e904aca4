"""Reads the Arrow files of a segment as plain memory: importing pyarrow would take half of a short command's time.

Of the format (https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format) only what `segment.write` writes:
one record batch, no compression, flat columns, text that is dictionary encoded. Everything else is read by pyarrow,
from the same mapping.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

_MAGIC = b"ARROW1"
_TRAILER = struct.Struct("<i6s")
_BLOCK = struct.Struct("<qi4xq")
_PAIR = struct.Struct("<qq")
_PREFIX = 8
"""Bytes before a message: a continuation mark and the length."""
_UTF8 = 5
"""Number of a type in the format: three buffers; all others here have two."""


class _Table(NamedTuple):
    """A flatbuffer table: fields are found through offsets that stand in its `vtable`."""

    data: memoryview
    start: int

    def _place(self, field: int) -> int:
        vtable = self.start - _int(self.data, self.start)
        size = struct.unpack_from("<H", self.data, vtable)[0]
        offset = struct.unpack_from("<H", self.data, vtable + 4 + 2 * field)[0] if 4 + 2 * field < size else 0
        return self.start + offset if offset else 0

    def number(self, field: int, form: str) -> int:
        place = self._place(field)
        return int(struct.unpack_from(form, self.data, place)[0]) if place else 0

    def table(self, field: int) -> _Table | None:
        place = self._place(field)
        return _Table(self.data, place + _int(self.data, place)) if place else None

    def _vector(self, field: int) -> tuple[int, int]:
        """Where its elements begin, and how many they are."""
        place = self._place(field)
        if not place:
            return 0, 0
        start = place + _int(self.data, place)
        count = _int(self.data, start)
        if not 0 <= count <= len(self.data) - start:
            raise IndexError(f"{count} elements")
        return start + 4, count

    def structs(self, field: int, form: struct.Struct) -> list[tuple[int, ...]]:
        start, count = self._vector(field)
        return [form.unpack_from(self.data, start + form.size * number) for number in range(count)]

    def tables(self, field: int) -> Iterator[_Table]:
        start, count = self._vector(field)
        for place in range(start, start + 4 * count, 4):
            yield _Table(self.data, place + _int(self.data, place))

    def raw(self, field: int) -> bytes:
        start, count = self._vector(field)
        return bytes(self.data[start : start + count])

    def text(self, field: int) -> str:
        return self.raw(field).decode()


def _int(data: memoryview, place: int) -> int:
    return int(struct.unpack_from("<i", data, place)[0])


def _root(data: memoryview) -> _Table:
    return _Table(data, _int(data, 0))


class _Batch(NamedTuple):
    """A record batch: where its buffers are."""

    rows: int
    nulls: list[int]
    """By column."""
    buffers: list[tuple[int, int]]
    """Begin and length, from the start of the file."""


class ArrowFile:
    """One file, mapped. Raises OSError, or ValueError where it is not what `segment.write` writes."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._data = memoryview(self.mapped)
        with _refused():
            footer = self._footer()
            schema, batches = footer.table(1), footer.structs(3, _BLOCK)
            if schema is None or len(batches) > 1:
                raise ValueError(f"{path.name} is not one table")
            self.metadata = {pair.text(0): pair.raw(1) for pair in schema.tables(2)}
            self._columns = _layout(schema)
            self._dictionaries = footer.structs(2, _BLOCK)
            self._batch = (
                self._read(*batches[0], field=0) if batches else _Batch(0, [0] * len(self._columns), [])
            )

    def __len__(self) -> int:
        return self._batch.rows

    def numbers(self, name: str, code: str) -> Any:
        """A column without nulls as a typed view of its memory: `i`, `d` or `b`; of coded text its codes."""
        column = self._columns[name]
        with _refused():
            if self._batch.nulls[column.place]:
                raise ValueError(f"{name} has nulls")
            return self._view(self._batch.buffers[column.buffer + 1], code, self._batch.rows)

    def has_any(self, name: str, start: int, end: int) -> bool:
        """Whether any value of a column is there between two rows."""
        column = self._columns[name]
        with _refused():
            missing = self._batch.nulls[column.place]
            if not missing or missing == self._batch.rows:
                return not missing and start < end
            bits = self._view(self._batch.buffers[column.buffer], "B", (self._batch.rows + 7) // 8)
        some = int.from_bytes(bits[start // 8 : (end + 7) // 8], "little") >> start % 8
        return bool(some & ((1 << (end - start)) - 1))

    def texts(self, name: str) -> list[str]:
        """The distinct texts of a coded column, in the order of their codes."""
        return self._coded[self._columns[name].dictionary]

    @cached_property
    def _coded(self) -> Mapping[int, list[str]]:
        with _refused():
            return dict(self._dictionary(*block) for block in self._dictionaries)

    def _dictionary(self, offset: int, size: int, body: int) -> tuple[int, list[str]]:
        """Its id and its texts."""
        header = self._message(offset, size).table(2)
        if header is None:
            raise ValueError("a dictionary without a header")
        batch = self._read(offset, size, body, field=1)
        offsets = self._view(batch.buffers[1], "i", batch.rows + 1) if batch.rows else [0]
        start, length = batch.buffers[2]
        text = self._data[start : start + length]
        return header.number(0, "<q"), [str(text[begin:end], "utf-8") for begin, end in pairwise(offsets)]

    def _footer(self) -> _Table:
        end = len(self._data) - _TRAILER.size
        size, magic = _TRAILER.unpack_from(self._data, end)
        if magic != _MAGIC or self._data[: len(_MAGIC)] != _MAGIC or not 0 < size < end:
            raise ValueError("not an Arrow file")
        return _root(self._data[end - size : end])

    def _message(self, offset: int, size: int) -> _Table:
        return _root(self._data[offset + _PREFIX : offset + size])

    def _read(self, offset: int, size: int, body: int, *, field: int) -> _Batch:
        """A record batch; that of a dictionary stands in field 1 of its header."""
        header = self._message(offset, size).table(2)
        batch = header.table(1) if header is not None and field else header
        if batch is None or batch.table(3) is not None or offset + size + body > len(self._data):
            raise ValueError("a batch that can't be read plainly")
        start = offset + size
        nodes, buffers = batch.structs(1, _PAIR), batch.structs(2, _PAIR)
        return _Batch(
            batch.number(0, "<q"),
            [nulls for _, nulls in nodes],
            [(start + at, count) for at, count in buffers],
        )

    def _view(self, buffer: tuple[int, int], code: str, count: int) -> Any:
        start, size = buffer
        width = struct.calcsize(code) * count
        if size < width or start + width > len(self._data):
            raise ValueError("a buffer that is too short")
        return self._data[start : start + width].cast("B").cast(code)  # type: ignore[call-overload]


@contextmanager
def _refused() -> Iterator[None]:
    """Offsets that lead nowhere."""
    try:
        yield
    except (struct.error, IndexError, KeyError, OverflowError) as error:
        raise ValueError(f"damaged: {error}") from error


class _Column(NamedTuple):
    place: int
    buffer: int
    """Number of its first buffer: which values are there; then offsets or values."""
    dictionary: int
    """Id of the dictionary of a coded column, else -1."""


def _layout(schema: _Table) -> dict[str, _Column]:
    found: dict[str, _Column] = {}
    buffer = 0
    for place, field in enumerate(schema.tables(1)):
        coding = field.table(4)
        found[field.text(0)] = _Column(place, buffer, coding.number(0, "<q") if coding is not None else -1)
        buffer += 3 if coding is None and field.number(2, "<B") == _UTF8 else 2
    return found
