"""The series of a live run as the one long table."""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ledger.store.history.table import shaped
from ledger.store.points import NO_STEP, NO_STEP_BYTES, NO_VALUE, NO_VALUE_BYTES, Key, Series

if TYPE_CHECKING:
    import pyarrow as pa


def from_series(series: Mapping[Key, Series], attempt: int = 1) -> pa.Table:
    """One row a point, metric by metric in the order of their first points, so that a metric's rows stand together."""
    import pyarrow as pa

    metrics = {metric: number for number, metric in enumerate(dict.fromkeys(metric for metric, _ in series))}
    contexts = {
        text: number for number, text in enumerate(dict.fromkeys(c for _, c in series if c is not None))
    }
    order = sorted(series, key=lambda key: metrics[key[0]])
    counts = [len(series[key].values) for key in order]
    columns = {
        "metric": _texts([metrics[metric] for metric, _ in order], counts, list(metrics)),
        "step": _joined([series[key].steps for key in order], pa.int64(), NO_STEP_BYTES),
        "time": _joined([series[key].times for key in order], pa.timestamp("us", tz="UTC")),
        "value": _joined([series[key].values for key in order], pa.float64(), NO_VALUE_BYTES),
    }
    if contexts:
        codes = [contexts.get(context) if context is not None else None for _, context in order]
        columns["context"] = _texts(codes, counts, list(contexts))
    if attempt > 1:
        columns["attempt"] = _joined([array("q", [attempt]) * sum(counts)], pa.int64())
    return shaped(columns)


def to_series(table: pa.Table) -> dict[Key, Series]:
    """The points of a table, series by series in the order of their first points."""
    found: dict[Key, Series] = {}
    for batch in table.to_batches(max_chunksize=65_536):
        rows = batch.to_pydict()
        none = [None] * batch.num_rows
        times = batch.column("time").cast("int64").to_pylist()
        columns = (rows["metric"], rows.get("context", none), rows["step"], times, rows["value"])
        for metric, context, step, time, value in zip(*columns, strict=True):
            series = found.setdefault((metric, context), Series())
            series.steps.append(NO_STEP if step is None else step)
            series.times.append(time or 0)
            series.values.append(NO_VALUE if value is None else value)
    return found


def last_attempt(table: pa.Table) -> int:
    """The number of the attempt that logged last; 1 where nobody counted."""
    import pyarrow.compute as pc

    if "attempt" not in table.column_names:
        return 1
    return int(pc.max(table.column("attempt")).as_py() or 1)


def _texts(codes: list[Any], counts: list[int], texts: list[str]) -> Any:
    import pyarrow as pa

    dictionary = _strings(texts)
    chunks = [
        pa.DictionaryArray.from_arrays(
            pa.nulls(count, pa.int32())
            if code is None
            else pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(array("i", [code]) * count)]),
            dictionary,
        )
        for code, count in zip(codes, counts, strict=True)
    ]
    return pa.chunked_array(chunks, pa.dictionary(pa.int32(), pa.string()))


def _strings(texts: list[str]) -> Any:
    """An array of texts. Made of its buffers: `pa.array` of a list imports pandas where that is installed."""
    import pyarrow as pa

    encoded = [text.encode() for text in texts]
    ends = array("i", accumulate(map(len, encoded), initial=0))
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def _joined(columns: list[array[Any]], kind: Any, absent: bytes | None = None) -> Any:
    import pyarrow as pa

    chunks = [
        pa.Array.from_buffers(kind, len(one), [_valid(one, absent), pa.py_buffer(one)]) for one in columns
    ]
    return pa.chunked_array(chunks, kind)


def _valid(column: array[Any], absent: bytes | None) -> Any:
    """Which values are there, a bit each; None where all are.

    Arrow's kernels could say it, but take a scalar from Python only once pandas is imported, where it is installed:
    0.3 s and 40 MiB, and not at all while the interpreter ends.
    """
    if absent is None or not re.search(re.escape(absent), column):
        return None
    import pyarrow as pa

    mark = int.from_bytes(absent, "little", signed=True)
    bits = bytearray(b"\xff" * (len(column) // 8 + 1))
    for place, value in enumerate(memoryview(column).cast("B").cast("q")):
        if value == mark:
            bits[place >> 3] &= ~(1 << (place & 7))
    return pa.py_buffer(bytes(bits))
