"""The table of series as the Parquet files of a run, and back with a gate in front."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from ledger.errors import FormatError
from ledger.store.history import gate
from ledger.store.history.gate import MAX_GROUP_ROWS, Opened, Spent
from ledger.store.history.table import (
    MAX_CONTEXT,
    compacted,
    from_points,
    joined,
    limit_rows,
    of_series,
    schema,
    shaped,
)
from ledger.store.history.thrift import ParquetError
from ledger.store.values import MAX_NAME

if TYPE_CHECKING:
    import pyarrow as pa

MAX_PART = 8 * 1024 * 1024
_TEXTS = {"metric": MAX_NAME, "context": MAX_CONTEXT}
"""Columns of text, and how many characters each text may have."""
_ENCODINGS = {
    "step": "DELTA_BINARY_PACKED",
    "time": "DELTA_BINARY_PACKED",
    "value": "BYTE_STREAM_SPLIT",
    "attempt": "DELTA_BINARY_PACKED",
}
_GROUP_ROWS = 65_536
"""A row group ends with the series that brings it to as many rows: fewer cost more in the footer than they save."""
_MANY = 2_048
"""Series in as many rows, above which they don't stand together."""


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


Choose: TypeAlias = Callable[[Sequence[str]], Collection[str]]
"""All series of a history, in the order of their first points → those that are wanted."""


def decode(parts: Mapping[str, bytes], choose: Choose | None = None) -> pa.Table:
    """Read what `encode` wrote. Raises FormatError for anything else, before it can take memory.

    With `choose` the rows of the series that it names, and only the row groups that may hold any are decoded.
    """
    if not parts:
        return from_points((), "history")
    spent = Spent()
    files = [_opened(name, parts[name], spent) for name in _ordered(parts)]
    picked, series = (
        _picked(files, choose) if choose else ([range(len(one.gate.groups)) for one in files], None)
    )
    return joined([_decoded(one, groups, series) for one, groups in zip(files, picked, strict=True)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    name: str
    data: bytes
    gate: Opened


def _opened(name: str, data: bytes, spent: Spent) -> _File:
    with _blamed(name):
        return _File(name=name, data=data, gate=gate.opened(data, _zstd, spent))


def _picked(files: Sequence[_File], choose: Choose) -> tuple[Sequence[Sequence[int]], frozenset[str]]:
    """Of each file the row groups that may have rows of the series that are wanted, and those series."""
    found = [_series(one) for one in files]
    everything = chain.from_iterable(chain.from_iterable(found))
    series = frozenset(choose(list(dict.fromkeys(everything))))
    picked = [
        [number for number, names in enumerate(groups) if not series.isdisjoint(names)] for groups in found
    ]
    return picked, series


def _series(one: _File) -> list[list[str]]:
    with _blamed(one.name):
        return [one.gate.metrics(group) for group in range(len(one.gate.groups))]


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
    whole = shaped({name: table.column(name) for name in table.column_names})
    options = {
        "compression": "zstd",
        "use_dictionary": [name for name in _TEXTS if name in whole.column_names],
        "dictionary_pagesize_limit": gate.MAX_PAGE,
        "column_encoding": {name: kind for name, kind in _ENCODINGS.items() if name in whole.column_names},
        "write_statistics": True,
        "store_schema": False,
    }
    with pq.ParquetWriter(sink, whole.schema, **options) as writer:
        for start, end in _groups(whole.column("metric")):
            rows = whole.slice(start, end - start)
            columns = [compacted(column) for column in rows.columns]
            writer.write_table(pa.table(columns, schema=whole.schema), row_group_size=MAX_GROUP_ROWS)
    return bytes(sink.getvalue())


def _groups(metric: Any) -> Iterator[tuple[int, int]]:
    """Rows of a row group, from and to: whole series where they stand together, so that one is read without the others."""
    start, rows = 0, len(metric)
    for end in _ends(metric):
        while end - start > MAX_GROUP_ROWS:
            yield start, start + MAX_GROUP_ROWS
            start += MAX_GROUP_ROWS
        if end - start >= _GROUP_ROWS or end == rows:
            yield start, end
            start = end


def _ends(metric: Any) -> Sequence[int]:
    """Where the stretches of one metric end; only the very end where they take turns from row to row."""
    import pyarrow.compute as pc

    indices = metric.unify_dictionaries().combine_chunks().indices
    ends = pc.run_end_encode(indices).run_ends
    return ends.to_pylist() if len(ends) * _GROUP_ROWS <= len(metric) * _MANY else [len(metric)]


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


def _decoded(one: _File, groups: Sequence[int], series: Collection[str] | None) -> pa.Table:
    """The rows of some row groups, and of them those of some series."""
    with _blamed(one.name):
        for number in groups:
            one.gate.check(number)
        texts = [name for name in _TEXTS if name in one.gate.columns]
        table = _rows(one.data, groups, texts)
        chosen = table if series is None else of_series(table, series)
        return shaped({name: chosen.column(name) for name in chosen.column_names})


def _rows(data: bytes, groups: Sequence[int], texts: list[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts)
    kinds = {field.name: field.type for field in schema()}
    if any(kinds.get(field.name) != field.type for field in file.schema_arrow):
        raise ParquetError("its columns have other types")
    read = [file.read_row_group(number, use_threads=False) for number in groups]
    table = pa.concat_tables(read) if read else file.schema_arrow.empty_table()
    table.validate(full=True)
    for name in texts:
        _check_texts(table.column(name), name, _TEXTS[name])
    return table


def _check_texts(column: Any, name: str, limit: int) -> None:
    import pyarrow.compute as pc

    for chunk in column.chunks:
        longest = pc.max(pc.utf8_length(chunk.dictionary)).as_py() or 0
        if longest > limit or chunk.dictionary.null_count:
            raise ParquetError(f"a text of {longest:,} characters in the column {name}, the limit is {limit}")
