"""Comparable values of a metric over some runs: how many, the best, and how they spread. One partition at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

from ledger.frozen import frozen
from ledger.model import Json
from ledger.store.segment import PARAMS
from ledger.trace.aggregates import AGGREGATES, mean
from ledger.trace.left_out import stands_apart
from ledger.trace.log_rows import Partition, as_text
from ledger.trace.metric_column import MetricColumn, read
from ledger.trace.view import View


@frozen()
class Spread:
    """What comparable, finite values of some runs come to."""

    count: int
    best: float | None
    """By the declared direction; without one the value of the run that finished last."""
    row: int | None
    """The run that has it."""
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    deviation: float | None = None
    """Of a sample (n - 1); None for fewer than two runs."""
    left_out: int = 0
    """Runs whose value does not compare, or is not finite."""
    apart: int = 0
    """Of these, runs with a value that does not compare: what `--strict` refuses."""


@frozen(slots=False)
class Metric:
    """One metric of all runs, as spreads are taken of it."""

    view: View
    column: MetricColumn

    @classmethod
    def of(cls, view: View, name: str) -> Metric:
        """Read through the view."""
        return cls(view=view, column=read(view, name, None))

    @cached_property
    def _params(self) -> list[tuple[str, Mapping[int, Json]]]:
        names = self.column.target.partition
        return [(name, dict(self.view.runs.values(PARAMS, name))) for name in sorted(names)]

    def parted(self, rows: Sequence[int]) -> dict[Partition, list[int]]:
        """Runs by the params that values compare within; all under () where the definition names none."""
        found: dict[Partition, list[int]] = {}
        for row in rows:
            key = tuple((name, as_text(values.get(row))) for name, values in self._params)
            found.setdefault(key, []).append(row)
        return found

    def spread(self, rows: Sequence[int]) -> Spread:
        """Of runs of one partition."""
        held, values = self.column.of(rows)
        left_out = sum(row in self.column.rest for row in rows)
        apart = sum(stands_apart(self.column, row) for row in rows) if left_out else 0
        if not values:
            return Spread(count=0, best=None, row=None, left_out=left_out, apart=apart)
        best = AGGREGATES[self.column.aggregate](self.view, held, values, self.column.target.direction)
        middle = mean(values)
        squares = math.fsum((value - middle) ** 2 for value in values)
        return Spread(
            count=len(values),
            best=best,
            row=held[list(values).index(best)],
            minimum=min(values),
            maximum=max(values),
            mean=middle,
            deviation=math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None,
            left_out=left_out,
            apart=apart,
        )
