"""Series as people write them, row by row: JSONL, CSV and Python values, long or wide.

A *long* row names its metric: `metric, step, time, value[, context]`. A *wide* row has one entry for each metric
beside its step and time; there an empty cell, a null or an absent key means that the row has no point of that metric.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import IO, Any, NamedTuple

from ledger.canonical import NON_FINITE, compact
from ledger.errors import InputError
from ledger.store.values import is_number, parse_number

MAX_LINE = 16 * 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INT64 = 2**63
_TIMES = (-62_135_596_800_000_000, 253_402_300_799_999_999)
"""Years 1 to 9999 in microseconds."""


class Point(NamedTuple):
    metric: str
    step: int | None
    time: int | None
    """Microseconds since 1970, UTC."""
    value: float | None
    context: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Which column is what; metric columns of wide rows are all that have no role."""

    metric: str | None
    value: str | None
    step: str | None
    time: str | None
    context: str | None

    @property
    def long(self) -> bool:
        return self.metric is not None and self.value is not None

    def others(self, names: Iterable[str]) -> list[str]:
        """Give the columns that are metrics of their own."""
        taken = {self.step, self.time, *((self.metric, self.value, self.context) if self.long else ())}
        return [name for name in names if name not in taken]


# in order of preference; beside `step`, an `epoch` is a metric like any other
_NAMES_OF = {
    "metric": ("metric", "name", "key", "tag"),
    "value": ("value",),
    "step": ("step", "_step", "global_step", "trainer/global_step", "iteration", "iter", "epoch"),
    "time": ("time", "timestamp", "_timestamp", "wall_time", "wall time"),
    "context": ("context",),
}


def roles(names: Iterable[str]) -> Roles:
    """Find the columns by their names, in any case."""
    known = {name.strip().lower(): name for name in names}
    return Roles(
        **{
            role: next((known[alias] for alias in aliases if alias in known), None)
            for role, aliases in _NAMES_OF.items()
        }
    )


def from_jsonl(file: IO[bytes], what: str) -> Iterator[Point]:
    """Read one JSON object a line; blank lines count for nothing. Raises InputError that names the line."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    for number, line in enumerate(iter(partial(file.readline, MAX_LINE), b""), 1):
        if line.strip():
            yield from _placed(partial(_from_line, line, decoder), f"{what}: line {number}")


def from_csv(file: IO[bytes], what: str) -> Iterator[Point]:
    """Read rows below a header. Raises InputError that names the line."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    rows = csv.reader(text, strict=True)
    try:
        header = next(rows, [])
        read = _csv_reader(header, what)
        for row in rows:
            if row:
                yield from _placed(partial(read, row), f"{what}: line {rows.line_num}")
    except csv.Error as error:
        raise InputError(f"{what}: line {rows.line_num}: not CSV: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{what}: not UTF-8 after line {rows.line_num}", hint="save the file as UTF-8"
        ) from error
    finally:
        text.detach()


def from_rows(rows: Iterable[Mapping[str, Any]], what: str) -> Iterator[Point]:
    """Read mappings, each long or wide."""
    for number, row in enumerate(rows, 1):
        yield from _placed(partial(_from_mapping, row), f"{what}: row {number}")


def from_series(series: Mapping[str, Iterable[Any]], what: str) -> Iterator[Point]:
    """Read a list of values (steps count from 0), or of (step, value) pairs, for each metric."""
    for metric, items in series.items():
        plain = getattr(items, "tolist", lambda items=items: items)()
        if not isinstance(plain, Iterable) or isinstance(plain, (str, Mapping)):
            raise InputError(f"{what}: {metric}: a list of values or of (step, value) pairs is wanted")
        for index, item in enumerate(plain):
            yield from _placed(partial(_from_item, metric, index, item), f"{what}: {metric}[{index}]")


def _placed(read: Callable[[], list[Point]], place: str) -> list[Point]:
    try:
        return read()
    except (ValueError, OverflowError) as error:
        raise InputError(f"{place}: {error}") from error


def _from_line(line: bytes, decoder: json.JSONDecoder) -> list[Point]:
    if len(line) >= MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE:,} bytes")
    try:
        row = decoder.decode(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON at column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(row, dict):
        raise ValueError('not an object such as {"step": 1, "loss": 0.5}')  # noqa: TRY004 - placed by the caller
    return _from_mapping(row, allow_infinite=b"nf" in line)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(
            f"the key {compact(next(key for key in names if names.count(key) > 1))} stands twice"
        )
    return row


def _from_mapping(row: Mapping[str, Any], *, allow_infinite: bool = True) -> list[Point]:
    if not isinstance(row, Mapping):
        raise ValueError("not a mapping of names to values")  # noqa: TRY004 - placed by the caller
    found = roles(row)
    step = _step(row[found.step]) if found.step else None
    time = microseconds(row[found.time]) if found.time else None
    if found.long:
        metric, value = row[found.metric or ""], _value(found.value or "", row[found.value or ""])
        points = [Point(_metric(metric), step, time, value, _context(row.get(found.context or "")))]
    else:
        points = [
            Point(name, step, time, _value(name, value))
            for name, value in _flat({name: row[name] for name in found.others(row)}, "")
            if value is not None
        ]
    if not allow_infinite and any(point.value is not None and math.isinf(point.value) for point in points):
        raise ValueError("a number too large for a double")
    return points


def _flat(row: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield prefix + str(name), value


def _from_item(metric: str, index: int, item: Any) -> list[Point]:  # a value or a pair
    step, value = item if isinstance(item, (tuple, list)) else (index, item)
    return [Point(metric, _step(step), None, _value(metric, value))]


def _csv_reader(header: Sequence[str], what: str) -> Callable[[Sequence[str]], list[Point]]:
    names = [name.strip() for name in header]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{what}: the column {compact(twice)} stands twice", hint="rename one of them")
    if not any(names):
        raise InputError(
            f"{what}: it is empty", hint="a header such as step,loss is wanted, and rows below it"
        )
    return partial(_from_cells, names, roles(names))


def _from_cells(names: Sequence[str], found: Roles, row: Sequence[str]) -> list[Point]:
    if len(row) != len(names):
        raise ValueError(f"{len(row)} cells under {len(names)} columns")
    cells = {name: cell.strip() for name, cell in zip(names, row, strict=True)}
    step = _step(_cell(cells[found.step])) if found.step else None
    time = microseconds(_cell(cells[found.time])) if found.time else None
    if found.long:
        value = _number_cell(found.value or "", cells[found.value or ""])
        context = cells[found.context] or None if found.context else None
        return [Point(_metric(cells[found.metric or ""]), step, time, value, context)]
    # an unnamed column is the row number that pandas writes
    points = ((name, _number_cell(name, cells[name])) for name in found.others(names) if name)
    return [Point(name, step, time, value) for name, value in points if value is not None]


def _cell(text: str) -> Any:  # a number, or the text that may be a date
    return parse_number(text) if is_number(text) else (text or None)


def _number_cell(name: str, text: str) -> float | None:
    if not text:
        return None
    if not is_number(text):
        raise ValueError(f"{name} is {compact(text[:60])}, not a number")
    try:
        return float(parse_number(text))
    except OverflowError as error:
        raise ValueError(f"{name} is {text[:40]}, too large for a double") from error


def _metric(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise ValueError(f"the name of a metric is wanted, not {name!r}")
    return name


def _context(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else compact(value)


def _value(name: str, value: Any) -> float | None:
    if isinstance(value, str) and (value in NON_FINITE or value.lower() in {"nan", "inf", "-inf"}):
        return float(value)
    if value is None or isinstance(value, (str, bool, list, tuple, Mapping)):
        if value is None:
            return None
        raise ValueError(f"{name} is {value!r:.60}, not a number")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {value!r:.60}, not a number") from error
    except OverflowError as error:
        raise ValueError(f"{name} is too large for a double") from error


def _step(value: Any) -> int | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (str, bool)) or not hasattr(value, "__float__") or not float(value).is_integer():
        raise ValueError(f"the step is {value!r:.60}, not a whole number")
    step = int(value)
    if not -_INT64 <= step < _INT64:
        raise ValueError(f"the step {step} does not fit into 64 bits")
    return step


def microseconds(value: Any) -> int | None:
    """Read ISO 8601 text, a datetime (naive ones are UTC) or seconds since 1970.

    Numbers too large for seconds (beyond the year 5138) are milli-, micro- or nanoseconds.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError(
                f"the time is {compact(value[:60])}, not ISO 8601 nor seconds since 1970"
            ) from error
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // _MICROSECOND
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"the time is {value!r:.60}, not ISO 8601 nor seconds since 1970")
    return _scaled(value)


_UNITS = ((1e17, 1e-3), (1e14, 1.0), (1e11, 1e3), (0.0, 1e6))


def _scaled(value: float) -> int:
    factor = next(factor for least, factor in _UNITS if abs(value) >= least)
    result = round(value * factor)
    if not _TIMES[0] <= result <= _TIMES[1]:
        raise ValueError(f"the time {value!r} lies outside of the years 1 to 9999")
    return result
