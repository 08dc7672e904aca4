"""Values of many records, row by row as they come, turned into one column a name at the end.

Most records have the same names, and what has the same names is turned at once.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ledger import canonical

FLOAT, INTEGER, BOOLEAN, TEXT, NULL, JSON = range(6)
"""What a value is; integers beyond 2**53, texts and JSON (lists, empty objects) also have their exact text."""
_EXACT_INTEGER: Final = 2**53
_FLOATS, _INTEGERS, _TEXTS = frozenset({float}), frozenset({int}), frozenset({str})


def described(value: object) -> tuple[int, float, str | None]:
    """How the index holds a value: its kind, its number, and its text where the number does not say it all."""
    if isinstance(value, bool):
        return BOOLEAN, float(value), None
    if isinstance(value, int):
        exact = abs(value) <= _EXACT_INTEGER
        return INTEGER, _as_float(value), None if exact else str(value)
    if isinstance(value, float):
        return FLOAT, value, None
    if value is None:
        return NULL, 0.0, None
    if isinstance(value, str):
        return TEXT, 0.0, value
    return JSON, 0.0, canonical.compact(value)


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


@dataclass(slots=True)
class Values:
    """All values of one name, by ascending row."""

    rows: array[int] = field(default_factory=lambda: array("i"))
    numbers: array[float] = field(default_factory=lambda: array("d"))
    kinds: bytearray = field(default_factory=bytearray)
    texts: dict[int, str] = field(default_factory=dict)
    """By position in `rows`."""

    def extend(self, rows: Sequence[int], values: Sequence[Any]) -> None:
        """Add a column of values, one for each of `rows`."""
        start = len(self.kinds)
        self.rows.extend(rows)
        types = frozenset(map(type, values))
        if types == _FLOATS:
            self.numbers.extend(values)
            self.kinds += bytes((FLOAT,)) * len(values)
        elif types == _INTEGERS and max(map(abs, values)) <= _EXACT_INTEGER:
            self.numbers.extend(values)
            self.kinds += bytes((INTEGER,)) * len(values)
        elif types == _TEXTS:
            self.numbers.frombytes(bytes(8 * len(values)))
            self.kinds += bytes((TEXT,)) * len(values)
            self.texts.update(enumerate(values, start))
        else:
            self._extend_mixed(start, values)

    def _extend_mixed(self, start: int, values: Sequence[object]) -> None:
        for position, (kind, number, text) in enumerate(map(described, values), start):
            self.numbers.append(number)
            self.kinds.append(kind)
            if text is not None:
                self.texts[position] = text

    def ordered(self) -> Values:
        """The same with ascending rows: columns of records with different names interleave."""
        order = sorted(range(len(self.rows)), key=self.rows.__getitem__)
        return Values(
            array("i", [self.rows[i] for i in order]),
            array("d", [self.numbers[i] for i in order]),
            bytearray([self.kinds[i] for i in order]),
            {new: self.texts[old] for new, old in enumerate(order) if old in self.texts},
        )


@dataclass(slots=True)
class Gathered:
    """Values of one group (metrics, params or tags) of many records: names → rows, and a tuple of values a row."""

    shapes: dict[tuple[str, ...], tuple[array[int], list[tuple[Any, ...]]]] = field(default_factory=dict)

    def add(self, row: int, values: Mapping[str, Any]) -> None:
        """Rows come in ascending order."""
        names = tuple(values)
        shape = self.shapes.get(names)
        if shape is None:
            shape = self.shapes[names] = (array("i"), [])
        shape[0].append(row)
        shape[1].append(tuple(values.values()))

    def columns(self, *, as_metrics: bool) -> dict[str, Values]:
        """One column a name; the three words for non-finite numbers become numbers in metrics."""
        found: dict[str, Values] = {}
        parts: dict[str, int] = {}
        for names, (rows, values) in self.shapes.items():
            for name, column in zip(names, zip(*values, strict=True), strict=True):
                numbers = _numbers(column) if as_metrics and str in set(map(type, column)) else column
                found.setdefault(name, Values()).extend(rows, numbers)
                parts[name] = parts.get(name, 0) + 1
        return {name: slot.ordered() if parts[name] > 1 else slot for name, slot in found.items()}


def _numbers(column: Sequence[object]) -> list[object]:
    return [canonical.number(value) for value in column]
