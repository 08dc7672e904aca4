"""What the footer of any Parquet file claims of its columns.

Read here and not through Arrow: asked for a column whose statistics of sizes do not fit, Arrow (26) ends the process.
"""

from __future__ import annotations

import struct
from typing import IO

from ledger.frozen import frozen
from ledger.store.history.gate import MAGIC
from ledger.store.history.thrift import BINARY, I32, I64, LIST, STRUCT, Field, ParquetError, Reader

DELTA_BYTE_ARRAY = 7
MAX_FOOTER = 64 * 1024 * 1024
_TAIL = 8
_META = {
    2: Field(name="encodings", kind=LIST, items=I32),
    3: Field(name="path", kind=LIST, items=BINARY),
    6: Field(name="size", kind=I64),
}
_CHUNK = {3: Field(name="meta", kind=STRUCT, inner=_META)}
_GROUP = {1: Field(name="chunks", kind=LIST, items=STRUCT, inner=_CHUNK)}
_FILE = {
    3: Field(name="rows", kind=I64),
    4: Field(name="groups", kind=LIST, items=STRUCT, inner=_GROUP),
}


@frozen()
class Chunk:
    """One column of one row group."""

    path: str
    """With dots where it is nested, as Arrow names it."""
    size: int
    """Bytes when decompressed, dictionary encoding aside."""
    encodings: frozenset[int]
    """Numbers of parquet.thrift."""


@frozen()
class Claims:
    rows: int
    chunks: tuple[Chunk, ...]


def claims(file: IO[bytes]) -> Claims:
    """Raises ParquetError for what is no Parquet file."""
    end = file.seek(0, 2)
    file.seek(max(0, end - _TAIL))
    tail = file.read(_TAIL)
    if len(tail) != _TAIL or tail[4:] != MAGIC:
        raise ParquetError("not a Parquet file")
    (length,) = struct.unpack("<I", tail[:4])
    if length > min(end - _TAIL, MAX_FOOTER):
        raise ParquetError(f"a footer that claims {length:,} bytes")
    file.seek(end - _TAIL - length)
    footer = Reader(file.read(length)).struct(_FILE)
    metas = [chunk.get("meta", {}) for group in footer.get("groups", ()) for chunk in group.get("chunks", ())]
    return Claims(
        rows=footer.get("rows", 0),
        chunks=tuple(
            Chunk(
                path=b".".join(meta.get("path", ())).decode("utf-8", "replace"),
                size=meta.get("size", 0),
                encodings=frozenset(meta.get("encodings", ())),
            )
            for meta in metas
        ),
    )
