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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO

from ledger.store.history.thrift import BINARY, I32, I64, LIST, STRUCT, Field, ParquetError, Reader, Struct

MAGIC = b"PAR1"
MAX_ROWS = 10_000_000
"""Rows of a history, all parts together, as for the two limits on bytes."""
MAX_GROUP_ROWS = 1_048_576
MAX_PAGE = 16 * 1024 * 1024
MAX_DECODED = 320 * 1024 * 1024
MAX_DICTIONARY = 16 * 1024 * 1024
"""Bytes of all dictionary pages."""
MAX_FOOTER = 4 * 1024 * 1024
_TAIL = 8
_MAX_BLOCK = 65_536

Decompress = Callable[[bytes, int], bytes]


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
COLUMNS = {
    "metric": _NAME,
    "step": _WHOLE,
    "time": _WHOLE,
    "value": _REAL,
    "context": _TEXT,
    "attempt": _WHOLE,
}
REQUIRED = ("metric", "value")

# the fields of parquet.thrift that are looked at
_ELEMENT = {
    1: Field(name="type", kind=I32),
    3: Field(name="repetition", kind=I32),
    4: Field(name="name", kind=BINARY),
    5: Field(name="children", kind=I32),
}
_META = {
    1: Field(name="type", kind=I32),
    3: Field(name="path", kind=LIST, items=BINARY),
    4: Field(name="codec", kind=I32),
    5: Field(name="values", kind=I64),
    7: Field(name="size", kind=I64),
    9: Field(name="data", kind=I64),
    11: Field(name="dictionary", kind=I64),
}
_CHUNK = {
    1: Field(name="elsewhere", kind=BINARY),
    3: Field(name="meta", kind=STRUCT, inner=_META),
    8: Field(name="encryption", kind=STRUCT),
    9: Field(name="encrypted", kind=BINARY),
}
_GROUP = {1: Field(name="chunks", kind=LIST, items=STRUCT, inner=_CHUNK), 3: Field(name="rows", kind=I64)}
_PAIR = {1: Field(name="key", kind=BINARY)}
_FILE = {
    2: Field(name="schema", kind=LIST, items=STRUCT, inner=_ELEMENT),
    3: Field(name="rows", kind=I64),
    4: Field(name="groups", kind=LIST, items=STRUCT, inner=_GROUP),
    5: Field(name="pairs", kind=LIST, items=STRUCT, inner=_PAIR),
    8: Field(name="encryption", kind=STRUCT),
}
_DATA = {
    1: Field(name="values", kind=I32),
    2: Field(name="encoding", kind=I32),
    3: Field(name="levels", kind=I32),
}
_DICTIONARY = {1: Field(name="values", kind=I32)}
_PAGE = {
    1: Field(name="type", kind=I32),
    2: Field(name="size", kind=I32),
    3: Field(name="packed", kind=I32),
    5: Field(name="data", kind=STRUCT, inner=_DATA),
    7: Field(name="dictionary", kind=STRUCT, inner=_DICTIONARY),
}


def row_count(file: IO[bytes], size: int) -> int | None:
    """Read the number of rows out of the footer of any Parquet file; None if it is none."""
    try:
        file.seek(max(0, size - _TAIL))
        length = _footer_length(file.read(_TAIL), size)
        file.seek(size - _TAIL - length)
        rows = Reader(file.read(length)).struct({3: _FILE[3]}, last=3).get("rows", -1)
    except (ParquetError, OSError):
        return None
    return int(rows) if rows >= 0 else None


def _footer_length(tail: bytes, size: int) -> int:
    if len(tail) != _TAIL or tail[4:] != MAGIC:
        raise ParquetError("not a Parquet file")
    length: int = struct.unpack("<I", tail[:4])[0]
    if length > min(size - _TAIL - len(MAGIC), MAX_FOOTER):
        raise ParquetError(f"a footer that claims {length:,} bytes")
    return length


@dataclass(slots=True, kw_only=True)
class Spent:
    """What the parts of one history hold so far, against the limits for all of them."""

    rows: int = 0
    decoded: int = 0
    dictionaries: int = 0

    def add_rows(self, rows: int) -> None:
        self.rows += rows
        if self.rows > MAX_ROWS:
            raise ParquetError(f"{self.rows:,} rows, the limit is {MAX_ROWS:,}")

    def add_page(self, size: int, *, dictionary: bool) -> None:
        self.decoded += size
        self.dictionaries += size if dictionary else 0
        if not 0 <= size <= MAX_PAGE or self.decoded > MAX_DECODED:
            raise ParquetError(f"pages of more than {MAX_DECODED:,} bytes, or one of more than {MAX_PAGE:,}")
        if self.dictionaries > MAX_DICTIONARY:
            raise ParquetError(f"dictionaries of more than {MAX_DICTIONARY:,} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A history file whose footer is of the one form; its pages are not looked at yet."""

    columns: Sequence[str]
    groups: Sequence[Struct]
    pages: _Pages

    def metrics(self, group: int) -> list[str]:
        """The metrics that a row group may have: no row can name another. Raises ParquetError."""
        chunk = self.groups[group]["chunks"][self.columns.index("metric")]
        with _whole():
            return self.pages.texts("metric", chunk["meta"])

    def check(self, group: int) -> None:
        """Hold the pages of a row group against the one form. Raises ParquetError."""
        with _whole():
            _check_group(self.groups[group], self.columns, self.pages)


def opened(data: bytes, decompress: Decompress, spent: Spent) -> Opened:
    """Hold the footer of a recorded history file against the one form. Raises ParquetError.

    `decompress` takes zstd bytes and the size that they must have afterwards; what the file holds is added to
    `spent`: its rows at once, its pages when their row group is checked. Nothing of it may be decoded before.
    """
    if data[:4] != MAGIC:
        raise ParquetError("not a Parquet file")
    length = _footer_length(data[-_TAIL:], len(data))
    end = len(data) - _TAIL - length
    with _whole():
        footer = Reader(data[end : len(data) - _TAIL]).struct(_FILE)
        names = _names(footer)
        spent.add_rows(_rows(footer))
        for group in footer["groups"]:
            _check_chunks(group, names)
    pages = _Pages(data=data, end=end, decompress=decompress, spent=spent)
    return Opened(columns=names, groups=footer["groups"], pages=pages)


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise ParquetError(f"metadata without {error}") from error


def _names(footer: Struct) -> Sequence[str]:
    elements = footer["schema"]
    if (
        not elements
        or elements[0]["children"] != len(elements) - 1
        or any("children" in one for one in elements[1:])
    ):
        raise ParquetError("columns that are nested")
    if "encryption" in footer:
        raise ParquetError("an encrypted file")
    if any(pair["key"] == b"ARROW:schema" for pair in footer.get("pairs", ())):
        raise ParquetError("an Arrow schema besides that of Parquet")
    names = [_name(element) for element in elements[1:]]
    if len(set(names)) != len(names) or not set(REQUIRED) <= set(names):
        raise ParquetError(f"the columns {', '.join(names)}")
    return names


def _name(element: Struct) -> str:
    name: str = element["name"].decode("utf-8", "replace")
    form = COLUMNS.get(name)
    if form is None or (element["type"], element["repetition"]) != (form.physical, form.repetition):
        raise ParquetError(f"a column {name[:40]!r} that no history has, or not of this type")
    return name


def _rows(footer: Struct) -> int:
    counts = [group["rows"] for group in footer["groups"]]
    if any(not 0 < count <= MAX_GROUP_ROWS for count in counts) or sum(counts) != footer["rows"]:
        raise ParquetError("row groups without the rows that they claim")
    return sum(counts)


def _check_chunks(group: Struct, names: Sequence[str]) -> None:
    if len(group["chunks"]) != len(names):
        raise ParquetError("a row group without some columns")
    for name, chunk in zip(names, group["chunks"], strict=True):
        meta = chunk["meta"]
        if chunk.keys() != {"meta"} or (meta["path"], meta["type"]) != (
            [name.encode()],
            COLUMNS[name].physical,
        ):
            raise ParquetError(f"the column {name} is not where it should be")
        if meta["codec"] not in (_UNCOMPRESSED, _ZSTD) or meta["values"] != group["rows"]:
            raise ParquetError(f"the column {name} has another codec or number of values")


def _check_group(group: Struct, names: Sequence[str], pages: _Pages) -> None:
    for name, chunk in zip(names, group["chunks"], strict=True):
        pages.walk(name, chunk["meta"])


@dataclass(slots=True, kw_only=True)
class _Pages:
    """The pages of a file, read one header after the other."""

    data: bytes
    end: int
    decompress: Decompress
    spent: Spent

    def walk(self, name: str, meta: Struct) -> None:
        position = self.start(name, meta)
        end, values = position + meta["size"], 0
        if not len(MAGIC) <= position < end <= self.end:
            raise ParquetError(f"the column {name} lies outside of the file")
        while position < end:
            reader = Reader(self.data, position)
            header = reader.struct(_PAGE)
            values += self.count(name, header, before_data=position < meta["data"])
            position = reader.position + self.size(name, header, meta["codec"], end - reader.position)
            if header["type"] == _DATA_PAGE and header["data"]["encoding"] == _DELTA:
                _check_delta(self.content(header, reader.position, meta["codec"]), header["data"]["values"])
        if values != meta["values"]:
            raise ParquetError(f"the pages of {name} hold {values:,} values instead of {meta['values']:,}")

    def start(self, name: str, meta: Struct) -> int:
        """Give the place of the dictionary, right before the data, or of the data where there is none."""
        data = int(meta["data"])
        if not COLUMNS[name].dictionary:
            if "dictionary" in meta:
                raise ParquetError(f"the column {name} has a dictionary")
            return data
        start = int(meta["dictionary"])
        reader = Reader(self.data, max(start, 0))
        header = reader.struct(_PAGE)
        if not 0 < start < data or reader.position + header["packed"] != data:
            raise ParquetError(f"the dictionary of {name} is not right before its data")
        return start

    def texts(self, name: str, meta: Struct) -> list[str]:
        """The strings of a dictionary, each of which has a length of 4 bytes in front of it."""
        reader = Reader(self.data, self.start(name, meta))
        header = reader.struct(_PAGE)
        self.count(name, header, before_data=True)
        if not 0 <= header["size"] <= MAX_PAGE:
            raise ParquetError(f"a dictionary of more than {MAX_PAGE:,} bytes")
        return _strings(self.content(header, reader.position, meta["codec"]), header["dictionary"]["values"])

    def size(self, name: str, header: Struct, codec: int, room: int) -> int:
        """Give the bytes that a page takes in the file."""
        size, packed = header["size"], int(header["packed"])
        self.spent.add_page(size, dictionary=header["type"] == _DICTIONARY_PAGE)
        if not 0 <= packed <= room or (codec == _UNCOMPRESSED and packed != size):
            raise ParquetError(f"a page of {name} lies outside of its column")
        return packed

    def count(self, name: str, header: Struct, *, before_data: bool) -> int:
        """Give the number of values of a data page, and none for the dictionary that comes before them."""
        if header["type"] != (_DICTIONARY_PAGE if before_data else _DATA_PAGE):
            raise ParquetError(f"{name} has a page of another kind")
        if before_data:
            # each string has a length of 4 bytes in front of it
            if not 0 <= header["dictionary"]["values"] * 4 <= header["size"]:
                raise ParquetError(f"the dictionary of {name} claims too many strings")
            return 0
        data = header["data"]
        if data["encoding"] not in COLUMNS[name].encodings or data["levels"] != _RLE or data["values"] < 0:
            raise ParquetError(f"a page of {name} is encoded otherwise")
        return int(data["values"])

    def content(self, header: Struct, position: int, codec: int) -> bytes:
        packed = self.data[position : position + header["packed"]]
        return packed if codec == _UNCOMPRESSED else self.decompress(packed, header["size"])


def _check_delta(page: bytes, values: int) -> None:
    """Check the counts before delta-encoded values, behind the levels that say which values are null."""
    start = 4 + int.from_bytes(page[:4], "little")
    if start == len(page):
        return
    reader = Reader(page, start)
    block, parts, count = reader.varint(), reader.varint(), reader.varint()
    if not (0 < block <= _MAX_BLOCK and 0 < parts <= block and count <= values):
        raise ParquetError("delta-encoded values with counts that can't be")


def _strings(page: bytes, count: int) -> list[str]:
    found: list[str] = []
    position = 0
    for _ in range(count):
        start = position + 4
        position = start + int.from_bytes(page[position:start], "little")
        if not start <= position <= len(page):
            raise ParquetError("a dictionary with strings that lie outside of it")
        found.append(page[start:position].decode())
    return found
