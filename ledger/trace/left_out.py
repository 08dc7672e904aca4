"""What a log does not show, and why; and how many runs it compared."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.frozen import frozen
from ledger.model import Grade
from ledger.trace.log_rows import LogRow, Members, MetricColumns
from ledger.trace.metric_column import MetricColumn


@frozen()
class LeftOut:
    """Runs by what became of them."""

    out_of_range: int = 0
    unattached: int = 0
    no_value: int = 0
    incomparable: int = 0
    inexact: int = 0
    """Runs that were not measured on exactly the code of their commit although others of it were."""
    compared: int = 0
    """Runs whose values were compared: not left out, but what the others are counted against."""


def count(members: Members, shown: set[str], rows: Sequence[LogRow], columns: MetricColumns) -> LeftOut:
    """`members`: all runs; `shown`: ids of the commits of `rows`."""
    outside = (groups for commit, groups in members.items() if commit is not None and commit not in shown)
    counted = sum(len(line.rows) - line.inexact for line in rows)
    unvalued = _unvalued(rows, columns)
    incomparable = sum(any(_stands_apart(column, row) for column in columns.values()) for row in unvalued)
    return LeftOut(
        out_of_range=sum(len(group) for groups in outside for _, group in groups),
        unattached=sum(len(group) for _, group in members.get(None, ())),
        no_value=len(unvalued) - incomparable,
        incomparable=incomparable,
        inexact=sum(line.inexact for line in rows),
        compared=counted - len(unvalued),
    )


def _unvalued(rows: Sequence[LogRow], columns: MetricColumns) -> list[int]:
    """Runs without a number in any column."""
    if any(column.whole for column in columns.values()):
        return []
    found = [row for line in rows for row in line.rows[: len(line.rows) - line.inexact]]
    for column in columns.values():
        found = [row for row in found if column.numbers[row] is None]
    return found


def _stands_apart(column: MetricColumn, row: int) -> bool:
    """Whether a run recorded a number that is not comparable, or not finite; null says that there is none."""
    return row in column.rest and column.rest[row].grade is not Grade.UNDEFINED
