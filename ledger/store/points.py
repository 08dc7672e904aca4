"""Observations of a live run as columns: what a block of points holds.

JSON with the layouts (the metrics of a call, and its context) and the number of calls, then for each call its layout
(u16, where there are several), step (i64) and time (i64, microseconds since 1970), then all values (f64), call by call. Little
endian. Each block can be read alone.
"""

from __future__ import annotations

import json
import struct
import sys
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from typing import Any

from ledger.frozen import frozen

NO_STEP_BYTES = b"\0LEDGER\x80"
NO_STEP = int.from_bytes(NO_STEP_BYTES, "little", signed=True)
"""Stands for a step that nobody gave; near the least of all, and its bytes stand nowhere else by chance."""
NO_VALUE_BYTES = struct.pack("<Q", 0x7FF8_004C_4544_4752)
NO_VALUE: float = struct.unpack("<d", NO_VALUE_BYTES)[0]
"""A NaN of its own: computed, and there was no value."""
_LENGTH = struct.Struct("<I")


def is_no_value(value: float) -> bool:
    """Whether it is that NaN, and no other."""
    return value != value and struct.pack("<d", value) == NO_VALUE_BYTES  # noqa: PLR0124 - NaN alone


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The metrics of one call of `log`, in their order, and its context. One object for all calls that are alike."""

    metrics: tuple[str, ...]
    context: str | None = None


ITEMS = 4
"""Of one call of `log`, where calls stand one after another: layout, step, time, values."""


@frozen()
class Calls:
    """Calls of `log` as columns."""

    layouts: Sequence[Layout]
    steps: Sequence[int]
    """NO_STEP where nobody gave one."""
    times: Sequence[int]
    """Nanoseconds since 1970."""
    values: Sequence[float | Sequence[float]]
    """One for each metric of the layout; that of a layout of one metric may stand alone."""

    @classmethod
    def of(cls, flat: Sequence[Any]) -> Calls:
        """From the items of one call after another."""
        layouts, steps, times, values = (flat[item::ITEMS] for item in range(ITEMS))
        return cls(layouts=layouts, steps=steps, times=times, values=values)

    def column(self, layout: Layout, place: int) -> list[float]:
        """The values of one metric of a layout, call by call."""
        found = [values for one, values in zip(self.layouts, self.values, strict=True) if one is layout]
        return [values if isinstance(values, float) else values[place] for values in found]


def encode(calls: Calls) -> list[bytes]:
    """The payload of a block, in pieces."""
    known = {layout: number for number, layout in enumerate(dict.fromkeys(calls.layouts))}
    picked = array("H", map(known.__getitem__, calls.layouts)) if len(known) > 1 else None
    times = array("q", [time // 1000 for time in calls.times])
    return _pieces(list(known), picked, array("q", calls.steps), times, _flat(calls.values))


def _flat(values: Sequence[float | Sequence[float]]) -> array[float]:
    if {*map(type, values)} == {float}:
        return array("d", values)  # type: ignore[arg-type]
    return array("d", chain.from_iterable((v,) if isinstance(v, float) else v for v in values))


def encode_series(layout: Layout, steps: array[int], times: array[int], values: array[float]) -> list[bytes]:
    """The payload of a block with one metric, from columns of equal length."""
    return _pieces([layout], None, steps, times, values)


def _pieces(
    layouts: Sequence[Layout],
    picked: array[int] | None,
    steps: array[int],
    times: array[int],
    values: array[float],
) -> list[bytes]:
    described = {"layouts": [[layout.metrics, layout.context] for layout in layouts], "calls": len(steps)}
    text = json.dumps(described, ensure_ascii=False).encode()
    columns = [column for column in (picked, steps, times, values) if column is not None]
    return [_LENGTH.pack(len(text)), text, *(_little(column).tobytes() for column in columns)]


def _little(column: array[Any]) -> array[Any]:
    if sys.byteorder == "big":
        column.byteswap()
    return column


@dataclass(slots=True)
class Series:
    """The points of one metric in one context, in the order in which they were logged."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    times: array[int] = field(default_factory=lambda: array("q"))
    """Microseconds since 1970."""
    values: array[float] = field(default_factory=lambda: array("d"))

    def every(self, count: int) -> Series:
        """Each so manieth point, and the last."""
        places = sorted({*range(0, len(self.steps), count), len(self.steps) - 1})
        return Series(
            array("q", [self.steps[place] for place in places]),
            array("q", [self.times[place] for place in places]),
            array("d", [self.values[place] for place in places]),
        )


Key = tuple[str, str | None]
"""Metric and context."""


def gather(payload: memoryview, into: dict[Key, Series]) -> None:
    """Add the points of a block. Raises ValueError, LookupError, TypeError, struct.error for what is none."""
    for key, steps, times, values in _columns(payload):
        if not steps:
            continue  # a block that is whole and says nothing: a series has a point at least
        series = into.setdefault(key, Series())
        series.steps.extend(steps)
        series.times.extend(times)
        series.values.extend(values)


def thinned(series: Mapping[Key, Series], limit: int) -> tuple[Mapping[Key, Series], int]:
    """Series that together have about `limit` points at most, and of how many points one is left (1: all)."""
    total = sum(len(one.steps) for one in series.values())
    share = -(-total // limit)
    return ({key: one.every(share) for key, one in series.items()}, share) if share > 1 else (series, 1)


def _columns(payload: memoryview) -> Iterator[tuple[Key, array[int], array[int], array[float]]]:
    length = _LENGTH.unpack_from(payload)[0]
    start = _LENGTH.size + length
    described = json.loads(bytes(payload[_LENGTH.size : start]))
    layouts = [Layout(tuple(metrics), context) for metrics, context in described["layouts"]]
    calls = int(described["calls"])
    reader = _Reader(payload, start)
    picked = reader.column("H", calls) if len(layouts) > 1 else None
    steps, times = reader.column("q", calls), reader.column("q", calls)
    widths = [len(layout.metrics) for layout in layouts]
    total = sum(map(widths.__getitem__, picked)) if picked is not None else calls * widths[0]
    values = reader.column("d", total)
    if picked is None:
        for place, metric in enumerate(layouts[0].metrics):
            yield (metric, layouts[0].context), steps, times, values[place :: widths[0]]
    else:
        yield from _picked(layouts, picked, steps, times, values)


def _picked(
    layouts: Sequence[Layout], picked: array[int], steps: array[int], times: array[int], values: array[float]
) -> Iterator[tuple[Key, array[int], array[int], array[float]]]:
    """Calls of several layouts: a metric that stands in more than one of them keeps its order."""
    widths = [len(layout.metrics) for layout in layouts]
    starts = [0, *accumulate(map(widths.__getitem__, picked))]
    calls_of: Mapping[int, list[int]] = defaultdict(list)
    for call, number in enumerate(picked):
        calls_of[number].append(call)
    places: dict[Key, list[tuple[int, int]]] = defaultdict(list)
    for number, layout in enumerate(layouts):
        for place, metric in enumerate(layout.metrics):
            places[metric, layout.context].append((number, place))
    for key, where in places.items():
        rows = [(call, starts[call] + place) for number, place in where for call in calls_of[number]]
        if len(where) > 1:
            rows.sort()
        yield (
            key,
            array("q", [steps[call] for call, _ in rows]),
            array("q", [times[call] for call, _ in rows]),
            array("d", [values[position] for _, position in rows]),
        )


class _Reader:
    """Columns one after another."""

    def __init__(self, payload: memoryview, position: int) -> None:
        self._payload = payload
        self._position = position

    def column(self, kind: str, count: int) -> array[Any]:
        column = array(kind)
        end = self._position + count * column.itemsize
        column.frombytes(self._payload[self._position : end])
        if len(column) != count:
            raise ValueError("a block of points is shorter than it says")
        self._position = end
        return _little(column)
