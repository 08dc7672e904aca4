"""What the schema allows, looked at while a run goes on: a value out of range is said when it comes, not at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ledger.errors import GateError
from ledger.schema.document import Schema
from ledger.store.points import Call, Layout

Told = Callable[[str, GateError | None], None]


class Ranges:
    """The bounds (`minimum`, `maximum`) of a schema's metrics. Each metric is told of once."""

    def __init__(self, schema: Schema, told: Told, *, stop: bool) -> None:
        self._bounds = {
            name: (
                -math.inf if one.minimum is None else one.minimum,
                math.inf if one.maximum is None else one.maximum,
            )
            for name, one in schema.metrics.items()
            if one.minimum is not None or one.maximum is not None
        }
        self._places: dict[Layout, list[tuple[int, str, float, float]]] = {}
        self._told = told
        self._stop = stop

    def check(self, calls: Sequence[Call]) -> None:
        """Look at what was logged since the last time."""
        if not self._bounds:
            return
        for layout in dict.fromkeys(call[0] for call in calls):
            for place, name, low, high in self._of(layout):
                column = [call[3][place] for call in calls if call[0] is layout]
                wrong = next((value for value in column if value < low or value > high), None)
                if wrong is not None:
                    self._tell(name, wrong, low, high)

    def _of(self, layout: Layout) -> list[tuple[int, str, float, float]]:
        if layout not in self._places:
            self._places[layout] = [
                (place, name, *self._bounds[name])
                for place, name in enumerate(layout.metrics)
                if name in self._bounds
            ]
        return self._places[layout]

    def _tell(self, name: str, value: float, low: float, high: float) -> None:
        if name not in self._bounds:
            return
        del self._bounds[name]
        self._places.clear()
        bound = f"minimum {low:g}" if value < low else f"maximum {high:g}"
        message = f"{name} = {value:g}: {bound}, says the schema"
        error = GateError(message, hint="mend the metric or its schema") if self._stop else None
        self._told(message, error)
