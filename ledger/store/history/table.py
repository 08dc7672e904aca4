"""The one long table of series.

Columns: `metric` (dictionary of string), `step` (int64), `time` (timestamp in microseconds, UTC), `value` (float64)
and, where a source has it, `context` (dictionary of string) and `attempt` (int64; null is 1), with rows in the order of the source. A null value is
one that was computed without a result, NaN is a value like any other, a null step or time is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ledger.errors import InputError
from ledger.store.history.gate import MAX_ROWS
from ledger.store.history.rows import Point
from ledger.store.values import clean_name

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 65_536
OPTIONAL = ("context", "attempt")
MAX_CONTEXT = 4096
"""Characters of a context."""
ADVICE = "thin it out (every tenth step), or record the file itself as an artifact (--output)"


def schema() -> pa.Schema:
    """Make the schema with all columns."""
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            pa.field("metric", text, nullable=False),
            pa.field("step", pa.int64()),
            pa.field("time", pa.timestamp("us", tz="UTC")),
            pa.field("value", pa.float64()),
            pa.field("context", text),
            pa.field("attempt", pa.int64()),
        ]
    )


def shaped(columns: Mapping[str, Any]) -> pa.Table:
    """Bring arrays into the schema; optional columns are there only if something is in them, others may be null."""
    import pyarrow as pa

    given = {name: columns[name] for name in OPTIONAL if columns.get(name) is not None}
    absent = {name for name in OPTIONAL if name not in given or given[name].null_count == len(given[name])}
    fields = [field for field in schema() if field.name not in absent]
    rows = len(columns["metric"])
    arrays = [columns.get(field.name, pa.nulls(rows, field.type)) for field in fields]
    return pa.table(
        [
            array if array.type == field.type else array.cast(field.type)
            for array, field in zip(arrays, fields, strict=True)
        ],
        schema=pa.schema(fields),
    )


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Put one or more tables of series below each other, with one dictionary of names."""
    import pyarrow as pa

    return pa.concat_tables(tables, promote_options="default").unify_dictionaries()


def from_points(points: Iterable[Point], what: str) -> pa.Table:
    """Make a table of points. Raises InputError for a bad name or too many points."""
    names = Names(what)
    return joined([shaped(columns) for columns in _columns(points, names)])


class Names:
    """Metric names as they come, checked once each."""

    def __init__(self, what: str, prefix: str = "") -> None:
        self.what = what
        self.prefix = prefix
        self.clean: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        known = self.clean.get(name)
        if known is None:
            known = self.clean[name] = clean_name(self.prefix + name, self.what)
        return known


def limit_rows(rows: int, what: str) -> int:
    """Give the number of rows back. Raises InputError above the limit."""
    if rows > MAX_ROWS:
        raise InputError(f"{what}: more than {MAX_ROWS:,} points", hint=ADVICE)
    return rows


def _columns(points: Iterable[Point], names: Names) -> Iterator[dict[str, Any]]:
    """Give arrays of at most CHUNK rows, and of none at the end."""
    chunk: list[Point] = []
    rows = 0
    for point in points:
        chunk.append(point)
        if len(chunk) == CHUNK:
            rows = limit_rows(rows + CHUNK, names.what)
            yield _arrays(chunk, names)
            chunk = []
    yield _arrays(chunk, names)


def _arrays(chunk: Sequence[Point], names: Names) -> dict[str, Any]:
    import pyarrow as pa

    metric, step, time, value, context = zip(*chunk, strict=True) if chunk else [()] * 5
    kinds = schema()
    return {
        "metric": pa.array([names[name] for name in metric], pa.string()).dictionary_encode(),
        "step": pa.array(step, pa.int64()),
        "time": pa.array(time, kinds.field("time").type),
        "value": pa.array(value, pa.float64()),
        "context": pa.array([_short(text, names.what) for text in context], pa.string()).dictionary_encode(),
    }


def _short(text: str | None, what: str) -> str | None:
    if text is not None and len(text) > MAX_CONTEXT:
        raise InputError(f"{what}: a context of {len(text):,} characters, the limit is {MAX_CONTEXT:,}")
    return text


def compacted(column: Any) -> Any:
    """Give a column of text one dictionary, with only the texts that its rows use, in the order of their use."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return column
    whole = column.combine_chunks()
    used = pc.unique(whole.indices.drop_null())
    index = pc.index_in(whole.indices, value_set=used)
    return pa.DictionaryArray.from_arrays(index, whole.dictionary.take(used))


def of_series(table: pa.Table, names: Collection[str]) -> pa.Table:
    """The points of some series, in the order of their source."""
    import pyarrow as pa
    import pyarrow.compute as pc

    metric = table.column("metric").unify_dictionaries().combine_chunks()
    texts = metric.dictionary.to_pylist()
    places = [place for place, text in enumerate(texts) if text in names]
    if len(places) == len(texts):
        return table
    return table.filter(pc.is_in(metric.indices, value_set=pa.array(places, pa.int32())))


def series_names(table: pa.Table) -> list[str]:
    """List the metrics in the order of their first points."""
    return [str(name) for name in compacted(table.column("metric")).dictionary.to_pylist()]


def last_values(table: pa.Table) -> dict[str, float]:
    """Give the value of each metric at its highest step; among equal or unknown steps, that of the last row.

    NaN counts as a value, null doesn't; a metric without values is left out.
    """
    import pyarrow.compute as pc

    known = table.filter(pc.is_valid(table.column("value")))
    metric = compacted(known.column("metric"))
    indexed = known.select(["step", "value"]).append_column("metric", metric.indices)
    ordered = indexed.sort_by([("step", "ascending")]) if indexed.column("step").null_count == 0 else indexed
    last = ordered.group_by(["metric"], use_threads=False).aggregate([("value", "last")])
    pairs = sorted(zip(last.column("metric").to_pylist(), last.column("value_last").to_pylist(), strict=True))
    return {metric.dictionary[index].as_py(): value for index, value in pairs}
