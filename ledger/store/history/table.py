"""The one long table of series.

Columns: `metric` (dictionary of string), `step` (int64), `time` (timestamp in microseconds, UTC), `value` (float64)
and, where a source has it, `context` (dictionary of string), with rows in the order of the source. A null value is
one that was computed without a result, NaN is a value like any other, a null step or time is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any

from ledger.errors import InputError
from ledger.store.history.gate import MAX_ROWS
from ledger.store.history.rows import Point
from ledger.store.values import clean_name

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 65_536
MAX_CONTEXT = 4096
"""Characters of a context."""
ADVICE = "thin it out (every tenth step), or record the file itself as an artifact (--output)"


def series_names(table: pa.Table) -> list[str]:
    """List the metrics in the order of their first points."""
    import pyarrow.compute as pc

    return [str(name) for name in pc.unique(table.column("metric").cast("string")).to_pylist()]


def last_values(table: pa.Table) -> dict[str, float]:
    """Give the value of each metric at its highest step; among equal or unknown steps, of the last row.

    NaN counts as a value, null doesn't; a metric without values is left out.
    """
    import pyarrow.compute as pc

    known = table.filter(pc.is_valid(table.column("value"))).unify_dictionaries()
    ordered = known.sort_by([("step", "ascending")]) if known.column("step").null_count == 0 else known
    last = ordered.group_by(["metric"], use_threads=False).aggregate([("value", "last")])
    found = dict(zip(last.column("metric").to_pylist(), last.column("value_last").to_pylist(), strict=True))
    return {name: found[name] for name in series_names(known)}


def _table(points: Iterable[Point], what: str) -> pa.Table:
    import pyarrow as pa

    index_of: dict[str, int] = {}
    names: dict[str, int] = {}
    batches: list[Any] = []
    chunk: list[tuple[Any, ...]] = []
    rows = 0
    for metric, step, time, value, context in points:
        index = index_of.get(metric)
        if index is None:
            index = index_of[metric] = names.setdefault(clean_name(metric, what), len(names))
        chunk.append((index, step, time, value, context))
        if len(chunk) == _CHUNK:
            rows += _CHUNK
            _limit(rows, what)
            batches.append(_columns(chunk))
            chunk = []
    batches.append(_columns(chunk))
    dictionary = pa.array(list(names), pa.string())
    return pa.concat_tables([_assembled(columns, dictionary) for columns in batches], promote_options="default")


def _limit(rows: int, what: str) -> None:
    if rows > MAX_ROWS:
        raise InputError(f"{what}: more than {MAX_ROWS:,} points", hint=_ADVICE)


def _columns(chunk: Sequence[tuple[Any, ...]]) -> list[Any]:
    import pyarrow as pa

    kinds = (pa.int32(), pa.int64(), _time_type(), pa.float64(), pa.string())
    columns = zip(*chunk, strict=True) if chunk else ([] for _ in kinds)
    return [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]


def _assembled(columns: Sequence[Any], dictionary: Any) -> pa.Table:
    import pyarrow as pa

    index, step, time, value, context = columns
    metric = pa.DictionaryArray.from_arrays(index, dictionary)
    return _shaped({"metric": metric, "step": step, "time": time, "value": value, "context": context})


def _shaped(columns: Mapping[str, Any]) -> pa.Table:
    """Bring columns into the one schema; `context` is there only if something is in it."""
    import pyarrow as pa

    context = columns.get("context")
    has_context = context is not None and context.null_count < len(context)
    fields = [field for field in _schema() if field.name != "context" or has_context]
    rows = len(columns["metric"])
    return pa.table(
        [_cast(columns[field.name], field.type) if field.name in columns else pa.nulls(rows, field.type) for field in fields],
        schema=pa.schema(fields),
    )


def _cast(column: Any, kind: Any) -> Any:
    import pyarrow as pa

    if column.type == kind:
        return column
    if pa.types.is_dictionary(kind):
        return column.cast(pa.string()).dictionary_encode()
    return column.cast(kind)


def _time_type() -> Any:
    import pyarrow as pa

    return pa.timestamp("us", tz="UTC")


def _schema() -> Any:
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([
        pa.field("metric", text, nullable=False),
        pa.field("step", pa.int64()),
        pa.field("time", _time_type()),
        pa.field("value", pa.float64()),
        pa.field("context", text),
    ])


