"""What a log does not show, and why; and how many runs it compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from ledger.frozen import frozen
from ledger.trace.log_rows import NO_VALUE, LogRow, Members, MetricColumns
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
    not_finite: int = 0
    """Runs whose value compares, and is NaN or infinite: it says nothing beside others."""
    compared: int = 0
    """Runs whose values were compared: not left out, but what the others are counted against."""
    apart: Mapping[str, int] = field(default_factory=dict)
    """Metrics of which runs have a value that does not compare, and how many: what `--strict` refuses."""


def count(members: Members, shown: set[str], rows: Sequence[LogRow], columns: MetricColumns) -> LeftOut:
    """`members`: all runs; `shown`: ids of the commits of `rows`."""
    outside = (groups for commit, groups in members.items() if commit is not None and commit not in shown)
    counted, inexact = _shown(rows, columns)
    unvalued = _unvalued(counted, columns)
    every = columns.values()
    left = [row for row in unvalued if not any(stands_apart(column, row) for column in every)]
    incomparable = len(unvalued) - len(left)
    not_finite = sum(any(_is_not_finite(column, row) for column in every) for row in left)
    return LeftOut(
        out_of_range=sum(len(group) for groups in outside for _, group in groups),
        unattached=sum(len(group) for _, group in members.get(None, ())),
        no_value=len(left) - not_finite,
        not_finite=not_finite,
        apart=_apart(counted, columns),
        incomparable=incomparable,
        inexact=inexact,
        compared=len(counted) - len(unvalued),
    )


def _shown(rows: Sequence[LogRow], columns: MetricColumns) -> tuple[Sequence[int], int]:
    """Runs that stand for their commits, each once, and how many only stand beside such."""
    found = [row for line in rows for row in line.rows[: len(line.rows) - line.inexact]]
    if len({column.target.partition for column in columns.values()}) <= 1:
        return found, sum(line.inexact for line in rows)
    beside = {row for line in rows for row in line.rows[len(line.rows) - line.inexact :]}
    return list(dict.fromkeys(found)), len(beside.difference(found))


def _unvalued(shown: Sequence[int], columns: MetricColumns) -> Sequence[int]:
    """Runs without a number in any column."""
    if any(column.whole for column in columns.values()):
        return []
    found = shown
    for column in columns.values():
        found = [row for row in found if column.numbers[row] is None]
    return found


def _apart(shown: Sequence[int], columns: MetricColumns) -> dict[str, int]:
    odd = {name: column for name, column in columns.items() if column.rest}
    known = frozenset(shown) if odd else frozenset()
    counts = {
        name: sum(row in known and stands_apart(column, row) for row in column.rest)
        for name, column in odd.items()
    }
    return {name: count for name, count in counts.items() if count}


def stands_apart(column: MetricColumn, row: int) -> bool:
    """Whether a run recorded a number that is not comparable; null says that there is none."""
    cell = column.rest.get(row)
    return cell is not None and cell.grade not in NO_VALUE and not cell.comparable


def _is_not_finite(column: MetricColumn, row: int) -> bool:
    return row in column.rest and column.rest[row].comparable and column.rest[row].value is not None
