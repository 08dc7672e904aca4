"""The table of series as the Parquet files of a run, and back with a gate in front."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ledger.errors import FormatError
from ledger.store.history import gate
from ledger.store.history.gate import MAX_GROUP_ROWS, Spent
from ledger.store.history.table import MAX_CONTEXT, compacted, from_points, joined, limit_rows, schema, shaped
from ledger.store.history.thrift import ParquetError
from ledger.store.values import MAX_NAME

if TYPE_CHECKING:
    import pyarrow as pa

MAX_PART = 8 * 1024 * 1024
_TEXTS = {"metric": MAX_NAME, "context": MAX_CONTEXT}
"""Columns of text, and how many characters each text may have."""


def encode(table: pa.Table, max_bytes: int = MAX_PART) -> dict[str, bytes]:
    """Write `history.parquet`, or `history-0001.parquet` and so on where one file would be above `max_bytes`.

    A table without rows has no files. Raises InputError for a table of more rows than `decode` reads.
    """
    limit_rows(table.num_rows, "history")
    if not table.num_rows:
        return {}
    parts = _parts(table, max_bytes)
    if len(parts) == 1:
        return {"history.parquet": parts[0]}
    return {f"history-{number:04}.parquet": part for number, part in enumerate(parts, 1)}


def decode(parts: Mapping[str, bytes]) -> pa.Table:
    """Read what `encode` wrote. Raises FormatError for anything else, before it can take memory."""
    if not parts:
        return from_points((), "history")
    names = _ordered(parts)
    spent = Spent()
    tables = []
    for name in names:
        with _blamed(name):
            columns = gate.check(parts[name], _zstd, spent)
            tables.append(_decoded(parts[name], [text for text in _TEXTS if text in columns]))
    return joined(tables)


def _parts(table: pa.Table, max_bytes: int) -> list[bytes]:
    data = _written(table)
    if len(data) <= max_bytes or table.num_rows <= 1:
        return [data]
    # a tenth to spare: the rows of one part may compress worse than those of another
    count = min(table.num_rows, len(data) * 11 // (max_bytes * 10) + 1)
    step = -(-table.num_rows // count)
    return [
        part
        for start in range(0, table.num_rows, step)
        for part in _parts(table.slice(start, step), max_bytes)
    ]


def _written(table: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    texts = [name for name in _TEXTS if name in table.column_names]
    pq.write_table(
        shaped({name: compacted(table.column(name)) for name in table.column_names}),
        sink,
        row_group_size=MAX_GROUP_ROWS,
        compression="zstd",
        use_dictionary=texts,
        dictionary_pagesize_limit=gate.MAX_PAGE,
        column_encoding={
            "step": "DELTA_BINARY_PACKED",
            "time": "DELTA_BINARY_PACKED",
            "value": "BYTE_STREAM_SPLIT",
            **({"attempt": "DELTA_BINARY_PACKED"} if "attempt" in table.column_names else {}),
        },
        write_statistics=True,
        store_schema=False,
    )
    return bytes(sink.getvalue())


def _ordered(parts: Mapping[str, bytes]) -> list[str]:
    names = sorted(parts)
    wanted = [f"history-{number:04}.parquet" for number in range(1, len(names) + 1)]
    if names not in (["history.parquet"], wanted):
        raise FormatError(f"the parts of a history are named {', '.join(names)[:200]!r}")
    return names


@contextmanager
def _blamed(name: str) -> Iterator[None]:
    """Turn all that Arrow and the gate say about bytes into one FormatError."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, LookupError, MemoryError) as error:
        raise FormatError(
            f"{name}: {str(error).splitlines()[0] if str(error) else 'out of memory'}",
            hint="the file was not written by ledger, or is damaged",
        ) from error


def _zstd(packed: bytes, size: int) -> bytes:
    import pyarrow as pa

    return bytes(pa.Codec("zstd").decompress(packed, decompressed_size=size, asbytes=True))


def _decoded(data: bytes, texts: list[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts)
    wanted = {field.name: field.type for field in schema()}
    if any(wanted.get(field.name) != field.type for field in file.schema_arrow):
        raise ParquetError("its columns have other types")
    groups = [file.read_row_group(number, use_threads=False) for number in range(file.num_row_groups)]
    table = pa.concat_tables(groups) if groups else file.schema_arrow.empty_table()
    table.validate(full=True)
    for name in texts:
        _check_texts(table.column(name), name, _TEXTS[name])
    return shaped({name: table.column(name) for name in table.column_names})


def _check_texts(column: Any, name: str, limit: int) -> None:
    import pyarrow.compute as pc

    for chunk in column.chunks:
        longest = pc.max(pc.utf8_length(chunk.dictionary)).as_py() or 0
        if longest > limit or chunk.dictionary.null_count:
            raise ParquetError(f"a text of {longest:,} characters in the column {name}, the limit is {limit}")
