"""One metric of all runs as the log sums it up: numbers that compare, and all else that was recorded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ledger.model import Grade
from ledger.schema.definition import Definition
from ledger.trace.view import Cell, View


@dataclass
class MetricColumn:
    """One metric of all runs."""

    target: Definition
    aggregate: str
    """What stands for several runs of one commit."""
    numbers: list[float | None]
    """By row: what is comparable and finite. None where there is nothing, and nowhere if the column is `whole`."""
    rest: dict[int, Cell]
    """By row: all else that was recorded."""
    frame: str
    """That of the target."""
    doubts: bytes = b""
    """By row, of values that are comparable: 0 identical, 1 exact, 2 approximate. Nothing where all are identical."""
    whole: bool = False
    """Whether every row has a number."""

    def grade(self, rows: Sequence[int]) -> Grade:
        """The least sure of the grades of some rows that have a number."""
        found = of_rows(self.doubts, rows) if self.doubts else ()
        return Grade.APPROXIMATE if 2 in found else Grade.EXACT if 1 in found else Grade.IDENTICAL  # noqa: PLR2004

    def of(self, rows: Sequence[int]) -> tuple[Sequence[int], Sequence[float]]:
        """Those of some rows that have a number, and the numbers."""
        found = of_rows(self.numbers, rows)
        if self.whole:
            return rows, found  # type: ignore[return-value]
        numbers = [number for number in found if number is not None]
        if len(numbers) == len(rows):
            return rows, numbers
        return [row for row in rows if self.numbers[row] is not None], numbers


_Item = TypeVar("_Item")


def of_rows(column: Sequence[_Item], rows: Sequence[int]) -> Sequence[_Item]:
    """The items of some rows; a stretch of rows is cut out at once."""
    return column[rows.start : rows.stop] if isinstance(rows, range) else [column[row] for row in rows]


def read(view: View, name: str, aggregate: str | None) -> MetricColumn:
    """A metric under its target; `aggregate` None: best where the metric has a direction, else last."""
    target = view.target(name)
    asked = aggregate or "best"
    # Without a direction nothing is best.
    chosen = "last" if asked == "best" and target.direction is None else asked
    frame = view.lineage.frame(target)
    found = MetricColumn(target, chosen, [None] * len(view.runs.index), {}, frame, _doubts(view, name))
    count = 0
    for item in view.numbers(name):
        if len(item) == 3:  # noqa: PLR2004 - a whole segment
            count += _take(found, *item)
        else:
            _take_one(found, *item)
    found.whole = count == len(found.numbers) and not found.rest
    return found


_BYTE = 256
_DOUBT = {Grade.EXACT: 1, Grade.APPROXIMATE: 2}


def _doubts(view: View, name: str) -> bytes:
    doubts = [_DOUBT.get(plan.grade, 0) for plan in view.plans(name)]
    if not any(doubts):
        return b""
    codes = view.schema_codes
    if isinstance(codes, bytes):  # ten times as fast
        return codes.translate(bytes(doubts).ljust(_BYTE))
    return bytes(map(doubts.__getitem__, codes))


def _take_one(found: MetricColumn, row: int, cell: Cell) -> None:
    if not cell.comparable or cell.value is None:
        found.rest[row] = cell
    elif math.isfinite(cell.value):
        found.numbers[row] = cell.value
    else:
        found.rest[row] = _not_finite(cell.value)


def _not_finite(value: float) -> Cell:
    return Cell(value, value, Grade.IDENTICAL, "not finite")


def _take(found: MetricColumn, start: int, rows: Sequence[int], values: Sequence[float]) -> int:
    """All values of a segment, most often one for each of its rows. Returns how many there are."""
    numbers: list[float | None] = list(values)
    odd = [] if math.isfinite(sum(values)) else [i for i, v in enumerate(values) if not math.isfinite(v)]
    for position in odd:
        found.rest[start + rows[position]] = _not_finite(values[position])
        numbers[position] = None
    if rows and rows[-1] - rows[0] + 1 == len(rows):
        found.numbers[start + rows[0] : start + rows[-1] + 1] = numbers
    else:
        for row, number in zip(rows, numbers, strict=True):
            found.numbers[start + row] = number
    return len(numbers)
