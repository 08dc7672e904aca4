"""The gate before the Parquet decoder: a recorded file may hold only what ledger writes.

A Parquet file can lie: 283 bytes decode to gigabytes (one long string in a dictionary, named by every row), a
forged count makes a decoder allocate what it says, and the sizes in the footer are only claims. Limits on what
comes out of a decoder are too late then. So the structure is read here, in plain Python, down to each page
header, and compared with one narrow form before Arrow sees the bytes:

- flat columns of the known names and physical types, compressed with zstd or not at all;
- strings only in dictionaries, so that no row can repeat their bytes;
- each page at most 16 MiB and all pages together at most 320 MiB when decompressed;
- counts that agree with each other: rows of the file, row groups, columns and pages; and the counts in front of
  delta-encoded values, from which that decoder sizes its buffers.

Format: https://parquet.apache.org/docs/file-format/ (parquet.thrift) in Thrift's compact protocol.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

MAGIC = b"PAR1"
MAX_ROWS = 10_000_000
"""Rows of a history, all its parts together."""
MAX_GROUP_ROWS = 1_048_576
MAX_PAGE = 16 * 1024 * 1024
MAX_DECODED = 320 * 1024 * 1024
MAX_DICTIONARY = 16 * 1024 * 1024
"""Bytes of all dictionary pages of a file."""
MAX_FOOTER = 4 * 1024 * 1024
_TAIL = 8
_MAX_NESTING = 16
_MAX_BLOCK = 65_536

Decompress = Callable[[bytes, int], bytes]
Struct = dict[int, Any]


class ParquetError(ValueError):
    """Bytes that are not the Parquet file that they should be; the text says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnForm:
    """What a column may be: numbers are those of parquet.thrift."""

    physical: int
    encodings: frozenset[int]
    repetition: int = 1
    """0 required, 1 optional."""
    dictionary: bool = False


_BYTE_ARRAY, _INT64, _DOUBLE = 6, 2, 5
_PLAIN, _PLAIN_DICTIONARY, _RLE, _DELTA, _RLE_DICTIONARY, _BYTE_STREAM_SPLIT = 0, 2, 3, 5, 8, 9
_UNCOMPRESSED, _ZSTD = 0, 6
_CHILDREN, _ENCRYPTION = 5, 8
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2

_NAME = ColumnForm(
    physical=_BYTE_ARRAY,
    encodings=frozenset({_RLE_DICTIONARY, _PLAIN_DICTIONARY}),
    repetition=0,
    dictionary=True,
)
_TEXT = replace(_NAME, repetition=1)
_WHOLE = ColumnForm(physical=_INT64, encodings=frozenset({_DELTA, _PLAIN}))
_REAL = ColumnForm(physical=_DOUBLE, encodings=frozenset({_BYTE_STREAM_SPLIT, _PLAIN}))
COLUMNS = {"metric": _NAME, "step": _WHOLE, "time": _WHOLE, "value": _REAL, "context": _TEXT}
REQUIRED = ("metric", "value")


class _Compact:
    """Thrift's compact protocol, read into dictionaries of field numbers; every length is checked."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def byte(self) -> int:
        try:
            value = self.data[self.position]
        except IndexError as error:
            raise ParquetError("the metadata ends early") from error
        self.position += 1
        return value

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.position:
            raise ParquetError("the metadata ends early")
        self.position += size
        return self.data[self.position - size : self.position]

    def varint(self) -> int:
        result = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the continuation bit
                return result
        raise ParquetError("a number in the metadata has too many bytes")

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        reader = _READERS.get(kind)
        if reader is None or depth > _MAX_NESTING:
            raise ParquetError("the metadata is damaged")
        return reader(self, depth)

    def items(self, depth: int) -> list[Any]:
        head = self.byte()
        size = head >> 4 if head >> 4 != 0xF else self.varint()  # noqa: PLR2004 - the long form
        if size > len(self.data) - self.position:
            raise ParquetError("a list in the metadata is longer than the metadata")
        kind = head & 0xF
        if kind in (_TRUE, _FALSE):
            return [self.byte() == _TRUE for _ in range(size)]
        return [self.value(kind, depth + 1) for _ in range(size)]

    def pairs(self, depth: int) -> None:
        size = self.varint()
        if size > len(self.data) - self.position:
            raise ParquetError("a map in the metadata is longer than the metadata")
        kinds = self.byte() if size else 0
        for _ in range(size):
            self.value(kinds >> 4, depth + 1)
            self.value(kinds & 0xF, depth + 1)

    def struct(self, depth: int = 0, *, last: int | None = None) -> Struct:
        """Read a struct, only up to the field `last` if that is given."""
        fields: Struct = {}
        number = 0
        while (head := self.byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self.zigzag()
            fields[number] = self.value(head & 0xF, depth + 1)
            if number == last:
                break
        return fields


_TRUE, _FALSE = 1, 2
_READERS: dict[int, Callable[[_Compact, int], Any]] = {
    3: lambda reader, _: reader.byte(),
    4: lambda reader, _: reader.zigzag(),
    5: lambda reader, _: reader.zigzag(),
    6: lambda reader, _: reader.zigzag(),
    7: lambda reader, _: reader.take(8),
    8: lambda reader, _: reader.take(reader.varint()),
    9: _Compact.items,
    10: _Compact.items,
    11: _Compact.pairs,
    12: _Compact.struct,
}


def row_count(file: IO[bytes], size: int) -> int | None:
    """Read the number of rows out of the footer of any Parquet file; None if it is none."""
    try:
        file.seek(max(0, size - _TAIL))
        length = _footer_length(file.read(_TAIL), size)
        file.seek(size - _TAIL - length)
        rows = _Compact(file.read(length)).struct(last=3).get(3)
    except (ParquetError, OSError):
        return None
    return rows if isinstance(rows, int) and rows >= 0 else None


def _footer_length(tail: bytes, size: int) -> int:
    if len(tail) != _TAIL or tail[4:] != MAGIC:
        raise ParquetError("it is not a Parquet file")
    length: int = struct.unpack("<I", tail[:4])[0]
    if length > min(size - _TAIL - len(MAGIC), MAX_FOOTER):
        raise ParquetError(f"its footer claims {length:,} bytes")
    return length


def check(data: bytes, decompress: Decompress) -> int:
    """Count the rows of a recorded history file after holding it against the one form. Raises ParquetError.

    `decompress` takes zstd bytes and the size that they must have afterwards.
    """
    if data[:4] != MAGIC:
        raise ParquetError("it is not a Parquet file")
    length = _footer_length(data[-_TAIL:], len(data))
    end = len(data) - _TAIL - length
    try:
        footer = _Compact(data[end : len(data) - _TAIL]).struct()
        names = _names(footer)
        rows = _rows(footer)
        pages = _Pages(data=data, end=end, decompress=decompress)
        for group in footer[4]:
            _check_group(group, names, pages)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ParquetError("its metadata is damaged") from error
    return rows


def _names(footer: Struct) -> Sequence[str]:
    root, *columns = footer[2]
    if root[5] != len(columns) or any(_CHILDREN in column for column in columns):
        raise ParquetError("its columns are nested")
    if _ENCRYPTION in footer:
        raise ParquetError("it is encrypted")
    if any(pair[1] == b"ARROW:schema" for pair in footer.get(5, [])):
        raise ParquetError("it holds an Arrow schema of its own")
    names = [_name(column) for column in columns]
    if len(set(names)) != len(names) or not set(REQUIRED) <= set(names):
        raise ParquetError(f"its columns are {', '.join(names)}")
    return names


def _name(column: Struct) -> str:
    name: str = column[4].decode("utf-8", "replace")
    form = COLUMNS.get(name)
    if form is None or column[1] != form.physical or column[3] != form.repetition:
        raise ParquetError(f"it has a column {name[:40]!r} that no history has, or of another type")
    return name


def _rows(footer: Struct) -> int:
    counts = [group[3] for group in footer[4]]
    if any(not 0 < count <= MAX_GROUP_ROWS for count in counts) or sum(counts) != footer[3]:
        raise ParquetError("its row groups have not the rows that they claim")
    if sum(counts) > MAX_ROWS:
        raise ParquetError(f"it has {sum(counts):,} rows, the limit is {MAX_ROWS:,}")
    return sum(counts)


def _check_group(group: Struct, names: Sequence[str], pages: _Pages) -> None:
    chunks = group[1]
    if len(chunks) != len(names):
        raise ParquetError("a row group lacks columns")
    for name, chunk in zip(names, chunks, strict=True):
        meta = chunk[3]
        if chunk.keys() & {1, 8, 9} or meta[3] != [name.encode()] or meta[1] != COLUMNS[name].physical:
            raise ParquetError(f"the column {name} is not where it should be")
        if meta[4] not in (_UNCOMPRESSED, _ZSTD) or meta[5] != group[3]:
            raise ParquetError(f"the column {name} has another codec or number of values")
        pages.walk(name, meta)


@dataclass(slots=True, kw_only=True)
class _Pages:
    """The pages of a file, and what they add up to."""

    data: bytes
    end: int
    decompress: Decompress
    decoded: int = 0
    dictionaries: int = 0

    def walk(self, name: str, meta: Struct) -> None:
        position = min(meta[9], meta.get(11, meta[9]))
        end = position + meta[7]
        if not len(MAGIC) <= position < end <= self.end:
            raise ParquetError(f"the column {name} lies outside of the file")
        form, values, first = COLUMNS[name], 0, True
        while position < end:
            reader = _Compact(self.data, position)
            header = reader.struct()
            values += self.count(name, form, header, first=first)
            position = reader.position + self.size(name, header, meta[4], end - reader.position)
            if header[1] == _DATA_PAGE and header[5][2] == _DELTA:
                _check_delta(self.content(header, reader.position, meta[4]), header[5][1])
            first = False
        if values != meta[5]:
            raise ParquetError(f"the pages of {name} hold {values:,} values instead of {meta[5]:,}")

    def size(self, name: str, header: Struct, codec: int, room: int) -> int:
        """Give the bytes that a page takes in the file."""
        size, packed = header[2], header[3]
        self.decoded += max(size, 0)
        if not 0 <= size <= MAX_PAGE or self.decoded > MAX_DECODED:
            raise ParquetError(f"its pages decode to more than {MAX_DECODED:,} bytes, or one to more than {MAX_PAGE:,}")
        if not 0 <= packed <= room or (codec == _UNCOMPRESSED and packed != size):
            raise ParquetError(f"a page of {name} lies outside of its column")
        return int(packed)

    def count(self, name: str, form: ColumnForm, header: Struct, *, first: bool) -> int:
        """Give the number of values of a data page, and none for the dictionary that comes first."""
        if header[1] == _DICTIONARY_PAGE and form.dictionary and first:
            self.dictionaries += header[2]
            # each string has a length of 4 bytes in front of it
            if not 0 <= header[7][1] * 4 <= header[2] or self.dictionaries > MAX_DICTIONARY:
                raise ParquetError(f"the dictionary of {name} is too large")
            return 0
        if header[1] != _DATA_PAGE or (form.dictionary and first):
            raise ParquetError(f"{name} has a page of another kind")
        if header[5][2] not in form.encodings or header[5][3] != _RLE or header[5][1] < 0:
            raise ParquetError(f"a page of {name} is encoded otherwise")
        return int(header[5][1])

    def content(self, header: Struct, position: int, codec: int) -> bytes:
        packed = self.data[position : position + header[3]]
        return packed if codec == _UNCOMPRESSED else self.decompress(packed, header[2])


def _check_delta(page: bytes, values: int) -> None:
    """Check the counts before delta-encoded values, behind the levels that say which values are null."""
    start = 4 + int.from_bytes(page[:4], "little")
    if start == len(page):
        return
    reader = _Compact(page, start)
    block, parts, count = reader.varint(), reader.varint(), reader.varint()
    if not (0 < block <= _MAX_BLOCK and 0 < parts <= block and count <= values):
        raise ParquetError("delta-encoded values with counts that can't be")
