"""What training code hands to `log`, as numbers; wrong use is an error at once."""

from __future__ import annotations

import operator
import time as clock
from array import array
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ledger.canonical import compact
from ledger.errors import InputError
from ledger.record.plain import plain
from ledger.store.points import NO_STEP, NO_VALUE
from ledger.store.values import too_large

MAX_STEP = 2**62
_MIN_SECONDS, _MAX_SECONDS = -62_135_596_800, 253_402_300_799
"""Years 1 to 9999."""
_DOUBLES = frozenset("fdbBhHiIlLqQ")


def number(value: object, what: str) -> float:
    """One observation; None is one without a value. Raises InputError for text, booleans and the like."""
    if value is None:
        return NO_VALUE
    if not isinstance(value, (int, float)):
        value = _scalar(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(
            f"{what}: {value!r:.60} is not a number",
            hint="a metric is a number or None; text goes into params, tags or events",
        )
    try:
        return float(value)
    except OverflowError as error:
        raise too_large(what, str(value)) from error


def _scalar(value: Any) -> Any:
    """The Python number in a scalar of NumPy, torch and the like, or in a Decimal; else the value as it is."""
    if isinstance(value, (str, bytes, Mapping)):
        return value
    item = getattr(value, "item", None)
    try:
        if callable(item):
            return item()
        return float(value) if hasattr(value, "__float__") else value
    except (TypeError, ValueError, RuntimeError):
        return value


def step(value: object) -> int:
    """A whole number that 64 bits hold; None is unknown. Raises InputError."""
    if value is None:
        return NO_STEP
    try:
        if isinstance(value, bool):
            raise TypeError  # noqa: TRY301 - one message for all that is wrong
        whole = int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise InputError(
            f"the step is {value!r:.60}, not a whole number", hint="log an epoch as a metric of its own"
        ) from error
    if abs(whole) > MAX_STEP:
        raise InputError(f"the step {value!r:.60} is beyond 2**62")
    return whole


def microseconds(value: object) -> int:
    """A time (seconds, or a datetime; a naive one is UTC) in µs since 1970; None is now. Raises InputError."""
    if value is None:
        return clock.time_ns() // 1000
    if isinstance(value, datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    seconds = number(value, "time")
    if not _MIN_SECONDS <= seconds <= _MAX_SECONDS:
        raise InputError(f"the time {value!r:.60} is no time", hint="seconds since 1970, or a datetime")
    return round(seconds * 1e6)


def context(value: str | Mapping[str, Any] | None, own: Mapping[str, Any]) -> str | None:
    """A context as text: a mapping as JSON with sorted keys. `own` is what this process adds to each."""
    if isinstance(value, str) and not own:
        return value
    if value is None and not own:
        return None
    given = {"context": value} if isinstance(value, str) else value or {}
    if not isinstance(given, Mapping):
        raise InputError(
            f"the context is {value!r:.60}", hint='a text, or a mapping such as {"split": "val"}'
        )
    whole: Any = plain({**own, **given}, "context")
    return compact(dict(sorted(whole.items())))


def doubles(values: Any, what: str) -> array[float]:
    """A column of observations from a list, an array or anything with the buffer protocol. Raises InputError."""
    raw = _buffer(values)
    if raw is not None:
        return raw if raw.typecode == "d" else array("d", raw)
    items = _items(values, what)
    if all(type(item) is float for item in items):
        return array("d", items)
    return array("d", [number(item, what) for item in items])


def steps(values: Any) -> array[int]:
    """A column of steps. Raises InputError."""
    raw = _buffer(values)
    if raw is not None and raw.typecode not in "fdQL":
        return array("q", raw)
    return array("q", [step(item) for item in _items(values, "steps")])


def times(values: Any, count: int) -> array[int]:
    """A column of times in µs since 1970; None is now for each."""
    if values is None:
        return array("q", [clock.time_ns() // 1000]) * count
    return array("q", [microseconds(item) for item in _items(values, "times")])


def _buffer(values: Any) -> array[Any] | None:
    """A flat buffer of plain numbers, copied; None for anything else."""
    try:
        view = memoryview(values)
    except TypeError:
        return None
    if view.ndim != 1 or view.format not in _DOUBLES or isinstance(values, (bytes, bytearray)):
        return None
    column = array(view.format)
    if column.itemsize != view.itemsize:
        return None
    column.frombytes(view.tobytes())
    return column


def _items(values: Any, what: str) -> list[Any]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise InputError(f"{what}: {values!r:.60} is no list of numbers")
    tolist = getattr(values, "tolist", None)
    return list(tolist() if callable(tolist) else values)
