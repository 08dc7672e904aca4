"""What the schema allows, looked at while a run goes on: a value out of range is said when it comes, not at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from ledger.errors import GateError
from ledger.frozen import frozen
from ledger.schema.definition import Definition
from ledger.schema.document import Schema
from ledger.store.points import Calls, Layout

Told = Callable[[str, GateError | None], None]


@frozen()
class _Range:
    """The least and the greatest value that a metric may have, and what the schema calls them."""

    name: str
    least: float
    greatest: float
    words: tuple[str, str]

    @classmethod
    def of(cls, one: Definition) -> _Range:
        low = -math.inf if one.minimum is None else one.minimum
        high = math.inf if one.maximum is None else one.maximum
        above, below = "minimum" in one.open, "maximum" in one.open
        return cls(
            name=one.name,
            least=math.nextafter(low, math.inf) if above else low,
            greatest=math.nextafter(high, -math.inf) if below else high,
            words=(
                f"{'above' if above else 'minimum'} {low:g}",
                f"{'below' if below else 'maximum'} {high:g}",
            ),
        )

    def broken(self, values: Sequence[float]) -> float | None:
        """The first value outside; NaN and what has no value are not."""
        least, greatest = self.least, self.greatest
        if values and least <= min(values) and max(values) <= greatest:  # not so where NaN comes first
            return None
        return next((value for value in values if value < least or value > greatest), None)

    def told(self, value: float) -> str:
        return f"{self.name} = {value:g}: {self.words[value > self.greatest]}, says the schema"


def broken(schema: Schema, values: Mapping[str, float]) -> dict[str, str]:
    """Metrics whose value lies outside of the schema's bounds, with what to say of it."""
    bounds = {name: _Range.of(schema.metrics[name]) for name in values if name in schema.metrics}
    return {
        name: one.told(values[name]) for name, one in bounds.items() if one.broken([values[name]]) is not None
    }


class Ranges:
    """The bounds of a schema's metrics (`minimum`, `maximum`, and the exclusive ones). Each metric is told of once.

    Whoever empties the buffer of a run looks, not whoever logs.
    """

    def __init__(self, schema: Schema, told: Told, *, stop: bool) -> None:
        self._ranges = {
            name: _Range.of(one)
            for name, one in schema.metrics.items()
            if one.minimum is not None or one.maximum is not None
        }
        self._places: dict[Layout, list[tuple[int, _Range]]] = {}
        self._told = told
        self._stop = stop

    def check(self, calls: Calls) -> None:
        """Look at what was logged since the last time."""
        if not self._ranges:
            return
        for layout in dict.fromkeys(calls.layouts):
            for place, bounds in self._of(layout):
                self._look(bounds, calls.column(layout, place))

    def check_series(self, metric: str, values: Sequence[float]) -> None:
        """Look at a series that came at once."""
        if metric in self._ranges:
            self._look(self._ranges[metric], values)

    def _of(self, layout: Layout) -> list[tuple[int, _Range]]:
        if layout not in self._places:
            self._places[layout] = [
                (place, self._ranges[name])
                for place, name in enumerate(layout.metrics)
                if name in self._ranges
            ]
        return self._places[layout]

    def _look(self, bounds: _Range, values: Sequence[float]) -> None:
        wrong = bounds.broken(values)
        if wrong is None or self._ranges.pop(bounds.name, None) is None:
            return
        self._places.clear()
        message = bounds.told(wrong)
        error = GateError(message, hint="mend the metric or its schema") if self._stop else None
        self._told(message, error)
