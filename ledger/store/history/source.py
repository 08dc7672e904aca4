"""Series from the user's files and values.

Rows of JSONL and CSV go through plain Python, a line at a time, so that a fault names its line. A Parquet file of
the user's is trusted more than a recorded one, and may have any number type and column order; yet it too is read in
batches, its names only as dictionaries, and its rows are counted as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ledger import canonical
from ledger.errors import InputError
from ledger.store.history import plain, rows
from ledger.store.history.claims import DELTA_BYTE_ARRAY, Claims, claims
from ledger.store.history.rows import Roles
from ledger.store.history.table import ADVICE, CHUNK, Names, from_points, joined, limit_rows, shaped
from ledger.store.history.thrift import ParquetError
from ledger.store.userfile import opened

if TYPE_CHECKING:
    import pyarrow as pa

MAX_FILE = 1024 * 1024 * 1024
_MAX_DECODED = 2 * 1024 * 1024 * 1024
_MAX_WIDE_CELLS = 1_048_576
_INDEX_COLUMN = "__index_level_"


def read(path: str | Path, *, prefix: str = "") -> pa.Table:
    """Read a JSONL, JSON, CSV or Parquet file, long or wide. Raises InputError.

    `prefix` stands before each name: `train` makes `loss` into `train/loss`.
    """
    file = Path(path)
    reader = _READERS.get(file.suffix.lower())
    with opened(file, max_bytes=MAX_FILE, advice=ADVICE) as stream:
        if reader is None:
            raise InputError(
                f"{path}: series can't be read from a {file.suffix or 'file without ending'}",
                hint=f"the ending should be one of {', '.join(_READERS)}",
            )
        table = reader(stream, str(path))
    if not table.num_rows:
        raise InputError(
            f"{path}: no series in it", hint="rows such as step,loss are wanted, with a value in them"
        )
    return _prefixed(table, f"{prefix}/", str(path)) if prefix else table


def from_values(
    values: Mapping[str, Any] | Iterable[Mapping[str, Any]], *, what: str = "history"
) -> pa.Table:
    """Make a table from metric → list of values or of (step, value) pairs, or from rows as JSONL has them.

    Raises InputError that names `what` and the place.
    """
    if isinstance(values, Mapping):
        return from_points(rows.from_series(values, what), what)
    return from_points(rows.from_rows(values, what), what)


def _prefixed(table: pa.Table, prefix: str, what: str) -> pa.Table:
    import pyarrow as pa

    names = Names(what, prefix)
    metric = [
        pa.DictionaryArray.from_arrays(
            chunk.indices, pa.array([names[name] for name in chunk.dictionary.to_pylist()])
        )
        for chunk in table.column("metric").chunks
    ]
    return shaped(
        {**{name: table.column(name) for name in table.column_names}, "metric": pa.chunked_array(metric)}
    )


def _from_json(stream: IO[bytes], what: str) -> pa.Table:
    value = canonical.loads(stream.read(canonical.MAX_BYTES + 1), what=what, bare_non_finite=True)
    if not isinstance(value, (list, dict)):
        raise InputError(f"{what}: a list of rows, or an object of lists, is wanted")
    return from_values(value, what=what)


def _from_parquet(stream: IO[bytes], what: str) -> pa.Table:
    import pyarrow.parquet as pq

    with _blamed(what):
        names = pq.ParquetFile(stream).schema_arrow.names
    found = rows.roles(names)
    texts = [name for name in (found.metric, found.context) if name and found.long]
    with _blamed(what):
        stream.seek(0)
        file = pq.ParquetFile(stream, read_dictionary=texts)
        metrics = [name for name in found.others(names) if name and not name.startswith(_INDEX_COLUMN)]
        wanted = [
            name
            for name in (found.step, found.time, *texts, *([found.value] if found.long else metrics))
            if name
        ]
        _check_claims(_claims(stream, what), wanted, texts, what)
        reader = _Reader(found, metrics, Names(what))
        size = CHUNK if found.long else max(1, _MAX_WIDE_CELLS // max(1, len(metrics)))
        return joined(
            list(reader.tables(file.iter_batches(batch_size=size, columns=wanted, use_threads=False)))
        )


def _claims(stream: IO[bytes], what: str) -> Claims:
    """The position of the stream is Arrow's: it stays where it was."""
    place = stream.tell()
    try:
        return claims(stream)
    except ParquetError as error:
        raise InputError(f"{what}: {error}", hint=ADVICE) from error
    finally:
        stream.seek(place)


def _check_claims(told: Claims, wanted: Sequence[str], texts: Sequence[str], what: str) -> None:
    """Refuse by the footer what would be refused later, or what could grow beyond a batch."""
    limit_rows(told.rows, what)
    if sum(chunk.size for chunk in told.chunks if chunk.path in wanted) > _MAX_DECODED:
        raise InputError(f"{what}: more than {_MAX_DECODED:,} bytes when decompressed", hint=ADVICE)
    if any(chunk.path in texts and DELTA_BYTE_ARRAY in chunk.encodings for chunk in told.chunks):
        raise InputError(
            f"{what}: text in DELTA_BYTE_ARRAY encoding", hint="write it with dictionary encoding"
        )


class _Reader:
    """Record batches of a user's file → tables of the one schema."""

    def __init__(self, found: Roles, metrics: Sequence[str], names: Names) -> None:
        self.found = found
        self.metrics = metrics
        self.names = names
        self.rows = 0

    def tables(self, batches: Iterable[Any]) -> Iterator[pa.Table]:
        read = self.long if self.found.long else self.wide
        yield shaped(_nothing())
        for batch in batches:
            table = read(batch)
            self.rows = limit_rows(self.rows + table.num_rows, self.names.what)
            yield table

    def long(self, batch: Any) -> pa.Table:
        found, column = self.found, batch.column
        metric = column(found.metric)
        if metric.null_count:
            raise InputError(f"{self.names.what}: rows without a metric in the column {found.metric}")
        context = {"context": self.text(column(found.context), found.context)} if found.context else {}
        return shaped(
            {
                "metric": self.text(metric, found.metric, self.names),
                "value": self.value(column(found.value), found.value),
                **self.clock(batch),
                **context,
            }
        )

    def wide(self, batch: Any) -> pa.Table:
        """Unpivot row by row, leaving out what is null."""
        import pyarrow as pa

        if not self.metrics:
            return shaped(_nothing())
        count, width = batch.num_rows, len(self.metrics)
        value = pa.concat_arrays([self.value(batch.column(name), name) for name in self.metrics])
        by_row = value.take(
            pa.array([column * count + row for row in range(count) for column in range(width)], pa.int64())
        )
        index = pa.array(list(range(width)) * count, pa.int32())
        row = pa.array([row for row in range(count) for _ in range(width)], pa.int64())
        names = pa.array([self.names[name] for name in self.metrics], pa.string())
        clock = {name: array.take(row) for name, array in self.clock(batch).items()}
        table = shaped({"metric": pa.DictionaryArray.from_arrays(index, names), "value": by_row, **clock})
        return table.filter(by_row.is_valid())

    def clock(self, batch: Any) -> dict[str, Any]:
        step = {"step": self.step(batch.column(self.found.step))} if self.found.step else {}
        time = {"time": self.time(batch.column(self.found.time))} if self.found.time else {}
        return {**step, **time}

    def text(self, column: Any, name: str | None, names: Names | None = None) -> Any:
        import pyarrow as pa

        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise InputError(f"{self.names.what}: the column {name} is of type {kind}, not text")
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        dictionary = pa.array([names[text] for text in texts] if names else texts, pa.string())
        return pa.DictionaryArray.from_arrays(encoded.indices.cast(pa.int32()), dictionary)

    def value(self, column: Any, name: str | None) -> Any:
        import pyarrow as pa

        kind = column.type
        numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
        if not any(test(kind) for test in numeric):
            raise InputError(
                f"{self.names.what}: the column {name} is of type {kind}, not of numbers",
                hint="leave it out of the file",
            )
        return column.cast(pa.float64(), safe=False)

    def step(self, column: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        whole = column
        if pa.types.is_floating(column.type):
            whole = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        return whole.cast(pa.int64())

    def time(self, column: Any) -> Any:
        import pyarrow as pa

        kind = pa.timestamp("us", tz="UTC")
        if pa.types.is_temporal(column.type):
            return plain.in_calendar(column.cast(kind, safe=False))
        return pa.array([rows.microseconds(value) for value in column.to_pylist()], kind)


def _nothing() -> dict[str, Any]:
    import pyarrow as pa

    return {"metric": pa.array([], pa.string()).dictionary_encode()}


@contextmanager
def _blamed(what: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        said = str(error).splitlines()[0] if str(error) else "out of memory"
        raise InputError(f"{what}: it can't be read as Parquet: {said}") from error


_READERS: dict[str, Callable[[IO[bytes], str], Any]] = {
    ".jsonl": lambda stream, what: from_points(rows.from_jsonl(stream, what), what),
    ".ndjson": lambda stream, what: from_points(rows.from_jsonl(stream, what), what),
    ".json": _from_json,
    ".csv": lambda stream, what: from_points(rows.from_csv(stream, what), what),
    ".parquet": _from_parquet,
    ".pq": _from_parquet,
}
