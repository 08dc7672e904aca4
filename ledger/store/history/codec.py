"""The table of series as the Parquet files of a run, and back with a gate in front."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ledger.errors import FormatError
from ledger.store.history import gate
from ledger.store.history.gate import MAX_GROUP_ROWS, MAX_ROWS, ParquetError
from ledger.store.history.table import MAX_CONTEXT, SCHEMA, shaped
from ledger.store.values import MAX_NAME

if TYPE_CHECKING:
    import pyarrow as pa

MAX_PART = 8 * 1024 * 1024


def encode(table: pa.Table, max_bytes: int = MAX_PART) -> dict[str, bytes]:
    """Write `history.parquet`, or `history-0001.parquet` and so on where one file would be above `max_bytes`."""
    parts = _parts(table, max_bytes)
    if len(parts) == 1:
        return {"history.parquet": parts[0]}
    return {f"history-{number:04}.parquet": part for number, part in enumerate(parts, 1)}


def decode(parts: Mapping[str, bytes]) -> pa.Table:
    """Read what `encode` wrote. Raises FormatError for anything else, before it can take memory."""
    import pyarrow as pa

    names = _ordered(parts)
    rows = 0
    tables = []
    for name in names:
        with _blamed(name):
            rows += gate.check(parts[name], _zstd)
            if rows > MAX_ROWS:
                raise ParquetError(f"more than {MAX_ROWS:,} rows in all parts")
            tables.append(_decoded(parts[name]))
    return pa.concat_tables(tables, promote_options="default").unify_dictionaries()


def _parts(table: pa.Table, max_bytes: int) -> list[bytes]:
    data = _written(table)
    if len(data) <= max_bytes or table.num_rows <= 1:
        return [data]
    # a tenth to spare: the rows of one part may compress worse than those of another
    count = min(table.num_rows, len(data) * 11 // (max_bytes * 10) + 1)
    step = -(-table.num_rows // count)
    return [part for start in range(0, table.num_rows, step) for part in _parts(table.slice(start, step), max_bytes)]


def _written(table: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    texts = [name for name in ("metric", "context") if name in table.column_names]
    pq.write_table(
        # only the names that these rows use, and all in one dictionary
        _shaped({name: _own_dictionary(table.column(name)) for name in table.column_names}),
        sink,
        row_group_size=MAX_GROUP_ROWS,
        compression="zstd",
        use_dictionary=texts,
        dictionary_pagesize_limit=gate.MAX_PAGE,
        column_encoding={"step": "DELTA_BINARY_PACKED", "time": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"},
        write_statistics=True,
        store_schema=False,
    )
    return bytes(sink.getvalue())


def _own_dictionary(column: Any) -> Any:
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return column
    return column.cast(pa.string()).combine_chunks().dictionary_encode()


def _ordered(parts: Mapping[str, bytes]) -> list[str]:
    names = sorted(parts)
    wanted = [f"history-{number:04}.parquet" for number in range(1, len(names) + 1)]
    if names not in (["history.parquet"], wanted) or not names:
        raise FormatError(f"the parts of a history are named {', '.join(names)[:200]!r}")
    return names


@contextmanager
def _blamed(name: str) -> Iterator[None]:
    """Turn all that Arrow and the gate say about bytes into one FormatError."""
    import pyarrow as pa

    try:
        yield
    except (ParquetError, pa.ArrowException, OSError, MemoryError) as error:
        raise FormatError(
            f"{name}: {str(error).splitlines()[0] if str(error) else 'out of memory'}",
            hint="the file was not written by ledger, or is damaged",
        ) from error


def _zstd(packed: bytes, size: int) -> bytes:
    import pyarrow as pa

    return bytes(pa.Codec("zstd").decompress(packed, decompressed_size=size, asbytes=True))


def _decoded(data: bytes) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=["metric", "context"])
    wanted = {field.name: field.type for field in _schema()}
    if any(wanted.get(field.name) != field.type for field in file.schema_arrow):
        raise ParquetError("its columns have other types")
    groups = [file.read_row_group(number, use_threads=False) for number in range(file.num_row_groups)]
    table = pa.concat_tables(groups) if groups else file.schema_arrow.empty_table()
    table.validate(full=True)
    for name, limit in (("metric", MAX_NAME), ("context", _MAX_CONTEXT)):
        _check_texts(table, name, limit)
    return _shaped({name: table.column(name) for name in table.column_names})


def _check_texts(table: pa.Table, name: str, limit: int) -> None:
    import pyarrow.compute as pc

    if name not in table.column_names:
        return
    for chunk in table.column(name).chunks:
        longest = pc.max(pc.utf8_length(chunk.dictionary)).as_py() or 0
        if longest > limit or chunk.dictionary.null_count:
            raise ParquetError(f"a text of {longest:,} characters in the column {name}, the limit is {limit}")
