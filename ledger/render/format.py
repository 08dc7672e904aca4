"""Numbers, durations, times and sizes as short text for people; machines get full precision elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from ledger.canonical import compact, non_finite_name
from ledger.model import utc_time

SIGNIFICANT_DIGITS = 6

_PLAIN_BELOW = 1e15  # up to here a double holds every integer, and all digits can be read
_NOISE = 1e-12  # a difference this small beside its operands is rounding, not change

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_CLOCK = ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "m"), (_MINUTE, "m", 1, "s"))
_SPANS = (
    (365 * _DAY, "year"),
    (30 * _DAY, "month"),
    (7 * _DAY, "week"),
    (_DAY, "day"),
    (_HOUR, "hour"),
    (_MINUTE, "minute"),
)
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_KIB = 1024
_THREE_DIGITS = 100


def number(value: float | None, *, digits: int = SIGNIFICANT_DIGITS) -> str:
    """At most `digits` significant digits; integers in full; NaN and infinities as words; None as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return non_finite_name(value)
    if 10**digits <= abs(value) < _PLAIN_BELOW:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def numbers(values: Sequence[float | None]) -> list[str]:
    """`number` of each."""
    kinds = set(map(type, values))
    if kinds == {int}:
        return list(map(str, values))
    if kinds == {float}:
        size = max(map(abs, values))  # type: ignore[arg-type]  # all are numbers
        if math.isfinite(sum(values)) and size < 10**SIGNIFICANT_DIGITS:  # type: ignore[arg-type]
            return list(map(f"%.{SIGNIFICANT_DIGITS}g".__mod__, values))
    return list(map(number, values))


def delta(value: float | None, *, beside: float = 0.0, digits: int = SIGNIFICANT_DIGITS) -> str:
    """A change, with its sign. What is only rounding noise beside numbers of the size `beside` is `0`."""
    if value is None:
        return ""
    if value == 0 or abs(value) <= _NOISE * abs(beside):
        return "0"
    return ("+" if value > 0 else "") + number(value, digits=digits)


def duration(seconds: float | None) -> str:
    """`0.35s`, `12s`, `3m12s`, `2h05m`, `3d04h`."""
    if seconds is None:
        return ""
    if not math.isfinite(seconds):
        return non_finite_name(seconds)
    sign = "-" if seconds < 0 else ""
    return sign + _span(abs(seconds))


def _span(seconds: float) -> str:
    """Two neighbouring units; below ten seconds hundredths still matter."""
    if 0 < seconds < 0.001:  # noqa: PLR2004 - a millisecond
        return "<1ms"
    if seconds < 10:  # noqa: PLR2004
        return f"{seconds:.2g}s"
    whole = round(seconds)
    for unit, letter, part, part_letter in _CLOCK:
        if whole >= unit:
            return f"{whole // unit}{letter}{whole % unit // part:02d}{part_letter}"
    return f"{whole}s"


def date(moment: str | None) -> str:
    """RFC 3339 text → the day in UTC (`2026-11-21`); text that is no time stays as it is."""
    return _formatted(moment, "%Y-%m-%d")


def day(seconds: int) -> str:
    """Seconds since 1970 → the day in UTC; empty for a time that no calendar has."""
    return _day(seconds // _DAY)


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    try:
        return datetime.fromtimestamp(number * _DAY, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return ""


def minute(moment: str | None) -> str:
    """RFC 3339 text → `2026-11-21 02:57` in UTC."""
    return _formatted(moment, "%Y-%m-%d %H:%M")


def second(moment: str | None) -> str:
    """RFC 3339 text → `2026-11-21 02:57:03` in UTC."""
    return _formatted(moment, "%Y-%m-%d %H:%M:%S")


def _formatted(moment: str | None, form: str) -> str:
    try:
        return utc_time(moment).astimezone(UTC).strftime(form) if moment else ""
    except (ValueError, OverflowError):
        return moment or ""


def ago(moment: str | None, now: datetime) -> str:
    """RFC 3339 text → `3 hours ago`, in whole units as git counts them; `in the future` when the clocks disagree."""
    if not moment:
        return ""
    try:
        seconds = (now - utc_time(moment)).total_seconds()
    except ValueError:
        return moment
    if seconds < 0:
        return "in the future"
    for span, unit in _SPANS:
        count = int(seconds // span)
        if count:
            return f"{counted(count, unit)} ago"
    return "just now"


def plain(value: Any) -> str:
    """A value in full, as people write it: text without quotes, all else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return non_finite_name(value)
    return compact(value)


def with_unit(name: str, unit: str | None) -> str:
    """`time [ms]`; a pure number has none to show."""
    return f"{name} [{unit}]" if unit and unit != "1" else name


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 run`, `2,000 runs`; `plural` where an `s` at the end does not make it."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def size(count: int | None) -> str:
    """Bytes → `512 B`, `1.2 KiB`, `340 MiB`."""
    if count is None:
        return ""
    amount, unit = float(count), 0
    while abs(amount) >= _KIB and unit < len(_SIZES) - 1:
        amount, unit = amount / _KIB, unit + 1
    digits = 0 if unit == 0 or abs(amount) >= _THREE_DIGITS else 1
    return f"{amount:.{digits}f} {_SIZES[unit]}"
