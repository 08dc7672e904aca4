"""What stands for several runs of one commit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from ledger.trace.view import View

Aggregate: TypeAlias = Callable[[View, Sequence[int], Sequence[float], str | None], float]
"""(all runs, rows, their values, direction) → the value that stands for them."""


def _best(_view: View, _rows: Sequence[int], values: Sequence[float], direction: str | None) -> float:
    return max(values) if direction == "higher" else min(values)


def last(view: View, rows: Sequence[int], values: Sequence[float], _direction: str | None) -> float:
    """The value of the run that finished last; among equals the one that was recorded later."""
    if len(values) == 1:
        return values[0]
    finished, recorded = view.finished, view.recorded  # of one call to record many both are equal: row by row
    return max(
        (finished[row] or 0, recorded[row] or 0, row, value) for row, value in zip(rows, values, strict=True)
    )[3]


def change(older: float, newer: float) -> float:
    """The difference; 0 between values that differ by no more than conversions are rounded."""
    return 0.0 if math.isclose(older, newer, rel_tol=_ROUNDING) else newer - older


_ROUNDING = 2.0**-50
"""Four units in the last place of a double: a conversion rounds two times or three."""


def mean(values: Sequence[float]) -> float:
    """Rounded once."""
    return math.fsum(values) / len(values)


def _median(values: Sequence[float]) -> float:
    from statistics import median

    return median(values)


AGGREGATES: Mapping[str, Aggregate] = {
    "best": _best,
    "last": last,
    "mean": lambda _view, _rows, values, _direction: mean(values),
    "median": lambda _view, _rows, values, _direction: _median(values),
    "min": lambda _view, _rows, values, _direction: min(values),
    "max": lambda _view, _rows, values, _direction: max(values),
}
