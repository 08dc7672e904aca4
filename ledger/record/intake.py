"""What `log` is given: checked, and put into the buffer of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import time_ns
from typing import Any

from ledger.errors import InputError, LedgerError
from ledger.model import Json
from ledger.record import values
from ledger.record.layouts import Layouts
from ledger.record.outlet import Outlet
from ledger.store.points import Layout

SMALL_STEP = 2**30 - 1
"""The interpreter compares whole numbers up to here in one go."""
_NOTHING: tuple[Any, Layout] = (object(), Layout(()))
"""A name that no metric has."""


class Intake:
    """The way of observations into the buffer. `Run.log` takes the short way of most calls by itself, `take` all others.

    `calls` is that buffer, or for an inert run one that keeps nothing. `last` is the metric that was last logged
    alone and without a context, and its layout: one tuple, so that threads see both or neither.
    """

    __slots__ = ("_known", "_outlet", "calls", "last", "limit")

    def __init__(self, outlet: Outlet | None, own: Mapping[str, Json]) -> None:
        self._outlet = outlet
        self._known = Layouts(own, self._widened)
        self.last = _NOTHING
        self.limit = outlet.limit if outlet else 1
        """Items that wait before `spill` is due."""
        self.calls: list[Any]
        self.open()

    def take(self, observations: Mapping[str, Any], step: Any, time: Any, context: Any) -> None:
        """Log whatever `log` may be given. Raises InputError."""
        try:
            names = tuple(observations)
            numbers: Any = tuple(observations.values())
        except (AttributeError, TypeError) as error:
            raise no_mapping(observations) from error
        layout = self._known.plain.get(names) if context is None else None
        if layout is None:
            layout = self._known.get(names, context)
        for value in numbers:
            if type(value) is not float:
                numbers = [values.number(one, name) for name, one in zip(names, numbers, strict=True)]
                break
        if type(step) is not int or not -values.MAX_STEP <= step <= values.MAX_STEP:
            step = values.step(step)
        now = time_ns() if time is None else values.microseconds(time) * 1000
        self.calls.extend((layout, step, now, numbers))
        if len(self.calls) >= self.limit:
            self.spill()
        if len(names) == 1 and context is None:
            self.last = names[0], layout

    def layout(self, metric: str, context: str | Mapping[str, Any] | None) -> Layout:
        """That of a series. Raises InputError."""
        return self._known.get((metric,), context)

    def spill(self) -> None:
        """Make blocks of what waits."""
        if self._outlet is not None:
            self._outlet.spill()

    def open(self) -> None:
        """What is logged from now on goes to the journal, if there is one."""
        self.calls = self._outlet.calls if self._outlet else _Nowhere()

    def close(self, told: Callable[[], None] | None = None) -> None:
        """What is logged from now on goes nowhere; who is told of it hears of each call."""
        self.calls = _Nowhere(told)

    def raise_next(self, error: LedgerError) -> None:
        """The next call raises an error instead of logging."""
        self.calls = _Complaint(self, error)

    def _widened(self, width: int) -> None:
        if self._outlet is not None:
            self._outlet.narrow(width)
            self.limit = self._outlet.limit


class _Nowhere(list[Any]):
    """A buffer that stays empty."""

    def __init__(self, told: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._told = told

    def extend(self, _: Iterable[Any], /) -> None:
        if self._told is not None:
            self._told()


class _Complaint(list[Any]):
    """A buffer that raises what it was given, once."""

    def __init__(self, intake: Intake, error: LedgerError) -> None:
        super().__init__()
        self._intake, self._error = intake, error

    def extend(self, _: Iterable[Any], /) -> None:
        self._intake.open()
        raise self._error


def joined(observations: Mapping[str, Any], named: Mapping[str, Any]) -> Mapping[str, Any]:
    """Both ways of naming metrics in one call. Raises InputError."""
    try:
        return {**observations, **named}
    except TypeError as error:
        raise no_mapping(observations) from error


def no_mapping(observations: object) -> InputError:
    """The error of one who gives something else."""
    return InputError(f"log takes a mapping, not {observations!r:.60}")
