"""The rows of a log: runs hung on commits, and what a metric comes to there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from ledger.canonical import compact
from ledger.frozen import frozen
from ledger.git.history import CodeCommit
from ledger.model import Grade, Json, Level, Metric
from ledger.schema.definition import Definition
from ledger.store.segment import PARAMS
from ledger.trace.aggregates import AGGREGATES, change, mean
from ledger.trace.attach import UNATTACHED, Attacher, Attachment
from ledger.trace.metric_column import MetricColumn
from ledger.trace.view import Cell, View

Partition: TypeAlias = tuple[tuple[str, str], ...]
"""Names of params and their values as text, by name."""
NOTHING = "null"
"""A param that a run does not have, among those that a metric compares within."""

EXACT_LEVELS = (Level.COMMIT, Level.TREE)
"""Levels at which a run was measured on exactly the code of the commit."""


@frozen()
class LogCell:
    """A metric at a commit: `value` sums up `count` comparable runs.

    Without one, `grade`, `recorded` and `reason` are those of the last run, and `value` is NaN, infinite or None.
    What a converted value was recorded as is looked up when it is asked for: `behind`.
    """

    value: Metric
    recorded: Metric
    grade: Grade
    reason: str = ""
    count: int = 0
    minimum: Metric = None
    maximum: Metric = None
    mean: Metric = None
    delta: Metric = None
    left_out: int = 0
    """Runs of this commit whose value is not comparable, or not finite."""
    frame: str = ""
    """Equal for values that convert exactly into one another."""
    row: int | None = None
    """The index row of the run that is shown, where a single one is."""
    aside: Metric = None
    """What is shown apart where nothing compares: the last run's value under the newest definition of its own frame."""
    own: Definition | None = None
    """That definition."""
    drift: bool | None = None
    """Whether the code behind the metric is another than at the newest commit; None where no source is declared."""

    @property
    def comparable(self) -> bool:
        return self.count > 0


@frozen()
class LogRow:
    """A commit and its runs, or those of one partition."""

    commit: CodeCommit
    level: Level
    of: int
    """How many commits of the range have the same tree."""
    rows: tuple[int, ...]
    """Index rows of the runs that belong here; those that were not measured on exactly this code come last."""
    inexact: int
    """How many of `rows` were not measured on exactly this code although others were: their values don't count."""
    cells: Mapping[str, LogCell]
    partition: Partition = ()
    """Params that values are comparable within, and what these runs have; nothing where no definition asks for it."""


NO_VALUE = frozenset({Grade.UNDEFINED, Grade.MISSING})
"""Grades of what was null, can't be converted, or is computed from something that the run lacks."""

Members: TypeAlias = Mapping[str | None, Sequence[tuple[Attachment, Sequence[int]]]]
"""Runs by the commit that they belong to; None: unattached."""

MetricColumns: TypeAlias = Mapping[str, MetricColumn]
"""By metric."""


def members(view: View, attacher: Attacher) -> Members:
    """Hang every run that no later record replaces on its commit."""
    hidden = view.runs.superseded
    found: dict[str | None, list[tuple[Attachment, Sequence[int]]]] = {}
    for attachment, rows in attacher.groups(view.runs):
        kept = [row for row in rows if row not in hidden] if hidden else rows
        if kept:
            found.setdefault(attachment.commit, []).append((attachment, kept))
    return found


def of_commits(
    view: View, shown: Sequence[CodeCommit], members: Members, columns: MetricColumns
) -> list[LogRow]:
    """One for each commit, newest first. They are made oldest first, since each change is one to the older value.

    Of a commit with runs, one for each partition; metrics that compare within other params have rows of their own.
    """
    older: dict[Partition, dict[str, float]] = {}
    groups = _groups(view, columns)
    rows = []
    for commit in reversed(shown):
        mine = members.get(commit.id, ())
        for group in groups if mine else groups[:1]:
            for partition, parted in _parted(mine, group.parts):
                before = older.setdefault(partition, {})
                rows.append(_row(view, commit, parted, group.columns, before, partition))
    return rows[::-1]


def with_drift(view: View, rows: Sequence[LogRow], columns: MetricColumns) -> list[LogRow]:
    """Same definition, other code: looked up only for metrics whose definition names its source."""
    for name in (name for name, column in columns.items() if column.target.source):
        from ledger.trace.drift import differing

        counted = [row.commit.id for row in rows if name in row.cells and row.cells[name].comparable]
        drifted = differing(view, name, list(dict.fromkeys(counted)))
        rows = [_drifting(row, name, drifted) for row in rows]
    return list(rows)


def _drifting(row: LogRow, name: str, drifted: frozenset[str]) -> LogRow:
    cell = row.cells.get(name)
    if cell is None or not cell.comparable:
        return row
    return replace(row, cells={**row.cells, name: replace(cell, drift=row.commit.id in drifted)})


@frozen()
class _Group:
    """Metrics that compare within the same params."""

    columns: MetricColumns
    parts: Mapping[int, Partition]
    """By row: the params and their values; empty where values compare everywhere."""


def _groups(view: View, columns: MetricColumns) -> list[_Group]:
    """As the definitions say; a param that no run has parts nothing. What compares everywhere comes last."""
    names = {name for column in columns.values() for name in column.target.partition}
    values = {name: found for name in sorted(names) if (found := dict(view.runs.values(PARAMS, name)))}
    by_names: dict[tuple[str, ...], dict[str, MetricColumn]] = {}
    for metric, column in columns.items():
        within = tuple(sorted(values.keys() & set(column.target.partition)))
        by_names.setdefault(within, {})[metric] = column
    ordered = sorted(by_names.items(), reverse=True)
    return [_Group(columns=mine, parts=_partitions(view, within, values)) for within, mine in ordered]


def _partitions(
    view: View, names: Sequence[str], values: Mapping[str, Mapping[int, Json]]
) -> dict[int, Partition]:
    rows = view.runs.rows if names else ()
    return {row: tuple((name, as_text(values[name].get(row))) for name in names) for row in rows}


def as_text(value: Json) -> str:
    """Text as it is, all else as JSON: lists can't be keys, and true is not 1."""
    return value if isinstance(value, str) else compact(value)


def _parted(
    members: Sequence[tuple[Attachment, Sequence[int]]], parts: Mapping[int, Partition]
) -> list[tuple[Partition, Sequence[tuple[Attachment, Sequence[int]]]]]:
    """The runs of a commit by partition, in a fixed order; all together where there is none."""
    if not parts or not members:
        return [((), members)]
    found: dict[Partition, list[tuple[Attachment, Sequence[int]]]] = {}
    for attachment, rows in members:
        mine: dict[Partition, list[int]] = {}
        for row in rows:
            mine.setdefault(parts[row], []).append(row)
        for partition, group in mine.items():
            found.setdefault(partition, []).append((attachment, group))
    return sorted(found.items(), key=lambda item: repr(item[0]), reverse=True)


def _row(
    view: View,
    commit: CodeCommit,
    members: Sequence[tuple[Attachment, Sequence[int]]],
    columns: MetricColumns,
    older: dict[str, float],
    partition: Partition,
) -> LogRow:
    exact, inexact = _by_exactness(members)
    found = {
        name: _cell(view, name, exact or inexact, column, older.get(name)) for name, column in columns.items()
    }
    cells = {name: cell for name, cell in found.items() if cell}
    older.update(
        (name, cell.value) for name, cell in cells.items() if cell.comparable and cell.value is not None
    )
    attached = _attached(members, cells.values(), exact=bool(exact))
    return LogRow(
        commit=commit,
        level=attached.level,
        of=attached.of,
        rows=(*exact, *inexact),
        inexact=len(inexact) if exact else 0,
        cells=cells,
        partition=partition,
    )


def _attached(
    members: Sequence[tuple[Attachment, Sequence[int]]], cells: Iterable[LogCell], *, exact: bool
) -> Attachment:
    """How sure the row is: the least sure of the runs whose values are shown. Exact ones are all as good."""
    if len(members) == 1:
        return members[0][0]
    if exact:
        return min((attachment for attachment, _ in members), key=_doubt)
    shown = {cell.row for cell in cells}
    meant = [one for one, rows in members if None in shown or not shown.isdisjoint(rows)]
    return max(meant or [one for one, _ in members], key=_doubt, default=UNATTACHED)


def _by_exactness(
    members: Sequence[tuple[Attachment, Sequence[int]]],
) -> tuple[Sequence[int], Sequence[int]]:
    """Rows of runs that were measured on exactly this code, and of the others."""
    if len(members) == 1:
        attachment, rows = members[0]
        return (rows, ()) if attachment.level in EXACT_LEVELS else ((), rows)
    exact = _joined([rows for attachment, rows in members if attachment.level in EXACT_LEVELS])
    return exact, _joined([rows for attachment, rows in members if attachment.level not in EXACT_LEVELS])


_LEVELS = tuple(Level)


def _doubt(attachment: Attachment) -> int:
    return _LEVELS.index(attachment.level)


def _joined(groups: Sequence[Sequence[int]]) -> Sequence[int]:
    return groups[0] if len(groups) == 1 else sorted(row for group in groups for row in group)


def _cell(
    view: View, name: str, rows: Sequence[int], column: MetricColumn, older: float | None
) -> LogCell | None:
    held, mine = column.of(rows)
    others = [(row, column.rest[row]) for row in rows if row in column.rest] if column.rest else []
    if not mine:
        return _incomparable(view, name, others)
    value = AGGREGATES[column.aggregate](view, held, mine, column.target.direction)
    grade = column.grade(held)
    shown = held[mine.index(value)] if value in mine else None
    return LogCell(
        value=value,
        recorded=value if grade is Grade.IDENTICAL else None,
        grade=grade,
        count=len(mine),
        minimum=min(mine),
        maximum=max(mine),
        mean=mean(mine),
        delta=None if older is None else change(older, value),
        left_out=len(others),
        frame=column.frame,
        row=shown,
    )


def behind(view: View, name: str, cell: LogCell) -> tuple[Metric, str]:
    """What was recorded as the value of a cell, and the reason of its grade."""
    if cell.row is None or not cell.comparable or cell.grade is Grade.IDENTICAL:
        return cell.recorded, cell.reason
    return view.behind(cell.row, name)


def _incomparable(view: View, name: str, others: Sequence[tuple[int, Cell]]) -> LogCell | None:
    """A commit none of whose values can be compared shows the last of them, marked; null is no value."""
    if not others:
        return None
    valued = (other for other in reversed(others) if other[1].grade not in NO_VALUE)
    row, cell = next(valued, others[-1])
    plan = view.plan(row, name)
    return LogCell(
        value=cell.value if cell.comparable else None,
        recorded=cell.recorded,
        grade=cell.grade,
        reason=cell.reason,
        left_out=len(others),
        frame=plan.frame or f"? {plan.grade}",
        row=row,
        aside=cell.aside,
        own=cell.own,
    )
