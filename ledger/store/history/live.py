"""The series of a live run as the one long table."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ledger.store.history.table import shaped
from ledger.store.points import NO_STEP, NO_VALUE_BYTES, Key, Series

if TYPE_CHECKING:
    import pyarrow as pa

_NO_VALUE_INT = int.from_bytes(NO_VALUE_BYTES, "little")


def from_series(series: Mapping[Key, Series]) -> pa.Table:
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
        "step": _joined([series[key].steps for key in order], pa.int64(), _known_steps),
        "time": _joined([series[key].times for key in order], pa.int64(), _micros),
        "value": _joined([series[key].values for key in order], pa.float64(), _known_values),
    }
    if contexts:
        codes = [contexts.get(context) if context is not None else None for _, context in order]
        columns["context"] = _texts(codes, counts, list(contexts))
    return shaped(columns)


def _texts(codes: list[Any], counts: list[int], texts: list[str]) -> Any:
    import pyarrow as pa

    dictionary = pa.array(texts, pa.string())
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


def _joined(columns: list[array[Any]], kind: Any, mend: Any) -> Any:
    import pyarrow as pa

    chunks = [pa.Array.from_buffers(kind, len(one), [None, pa.py_buffer(one)]) for one in columns]
    return mend(pa.chunked_array(chunks, kind))


def _known_steps(steps: Any) -> Any:
    import pyarrow.compute as pc

    unknown = pc.equal(steps, NO_STEP)
    return pc.if_else(unknown, None, steps) if pc.any(unknown).as_py() else steps


def _micros(times: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.divide(times, 1000).cast(pa.timestamp("us", tz="UTC"))


def _known_values(values: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    bits = pa.chunked_array([chunk.view(pa.int64()) for chunk in values.chunks], pa.int64())
    absent = pc.equal(bits, _NO_VALUE_INT)
    return pc.if_else(absent, None, values) if pc.any(absent).as_py() else values
