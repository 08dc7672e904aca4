"""A series in one line: eight heights, a gap where there is no value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

DEFAULT_WIDTH = 24

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII_BLOCKS = ".:-=+*#@"
_GAP = " "
_ROUNDING = 2.0**-50
"""Of a double: no more than conversions between units are rounded."""


def sparkline(values: Sequence[float | None], *, width: int = DEFAULT_WIDTH, unicode: bool = True) -> str:
    """One character a value, oldest first; more than `width` values are averaged in `width` equal parts.

    None and NaN leave a gap. An infinity is drawn at the edge and does not stretch the scale. A series that
    never changes, but for rounding, runs along the middle.
    """
    blocks = _BLOCKS if unicode else _ASCII_BLOCKS
    points = [_mean(part) for part in _parts(values, width)]
    finite = [point for point in points if math.isfinite(point)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    return "".join(_GAP if math.isnan(point) else blocks[_height(point, low, high)] for point in points)


def _parts(values: Sequence[float | None], width: int) -> list[Sequence[float | None]]:
    count = min(len(values), max(width, 0))
    edges = [len(values) * index // count for index in range(count + 1)] if count else []
    return [values[start:end] for start, end in pairwise(edges)]


def _mean(part: Sequence[float | None]) -> float:
    """NaN where the part holds no number, or both infinities."""
    numbers = [float(value) for value in part if value is not None and not math.isnan(value)]
    return sum(value / len(numbers) for value in numbers) if numbers else math.nan


def _height(point: float, low: float, high: float) -> int:
    top = len(_BLOCKS) - 1
    if math.isinf(point):
        return top if point > 0 else 0
    span = high / 2 - low / 2  # halves, since the span of two finite numbers may overflow
    if span <= _ROUNDING * max(high / 2, -low / 2):
        return top // 2
    share = (point / 2 - low / 2) / span
    return min(top, int(share * len(_BLOCKS)))
