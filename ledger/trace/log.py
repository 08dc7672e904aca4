"""A metric along the history of the code: one row a commit, newest first, and what was left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

from ledger.canonical import compact
from ledger.git import history
from ledger.git.history import CodeCommit, Range
from ledger.model import Grade, Json, Level, Metric
from ledger.schema.definition import Definition
from ledger.schema.plan import Step
from ledger.store.segment import PARAMS
from ledger.trace.attach import Attacher, Attachment
from ledger.trace.view import Cell, View

Partition: TypeAlias = tuple[tuple[str, str], ...]
"""Names of params and their values as text, by name."""

EXACT_LEVELS = frozenset({Level.COMMIT, Level.TREE})
"""Levels at which a run was measured on exactly the code of the commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to trace: metrics, and revisions, paths and filters as `git log` takes them."""

    metrics: tuple[str, ...]
    revisions: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    everything: bool = False
    options: tuple[str, ...] = ()
    """git's own, from a closed list: --first-parent, --since=..., --author=..., -n..."""
    aggregate: str | None = None
    """best, last, mean, median, min or max; None: best where the metric has a direction, else last."""
    only_valued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCell:
    """A metric at a commit: `value` sums up `count` comparable runs.

    Without one, `grade` and `recorded` are those of the last run, and `value` is NaN, infinite or None.
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
    drift: bool | None = None
    """Whether the code behind the metric is another than at the newest commit; None where no source is declared."""

    @property
    def comparable(self) -> bool:
        return self.count > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Between two neighbours of one column, values stop being comparable."""

    metric: str
    newer: str
    older: str
    reason: str
    migration: str | None = None
    """Id of the migration that says so."""
    file: str | None = None
    partition: Partition = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    out_of_range: int = 0
    unattached: int = 0
    no_value: int = 0
    incomparable: int = 0
    inexact: int = 0
    """Runs that were not measured on exactly the code of their commit although others of it were."""
    compared: int = 0
    """Runs whose values were compared: not left out, but what the others are counted against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    metrics: tuple[str, ...]
    targets: Mapping[str, Definition]
    aggregates: Mapping[str, str]
    """What stands for several runs of one commit, by metric."""
    rows: tuple[LogRow, ...]
    breaks: tuple[Break, ...]
    left_out: LeftOut
    unattached_rows: tuple[int, ...] = ()

    def series(self, metric: str) -> dict[Partition, list[float | None]]:
        """Comparable values, oldest first, within each partition: what sparklines show."""
        found: dict[Partition, list[float | None]] = {}
        for row in reversed(self.rows):
            cell = row.cells.get(metric)
            if cell and cell.comparable and cell.value is not None:
                found.setdefault(row.partition, []).append(float(cell.value))
        return found


def trace(view: View, query: Query) -> Log:
    """Walk the history and hang the runs on it. Raises NotFoundError, UsageError."""
    repository = view.workspace.repository
    span = history.resolve_range(repository, query.revisions, everything=query.everything)
    reached = history.walk(
        repository, Range(include=span.include), options=("--topo-order",) if query.everything else ()
    )
    narrowed = bool(span.exclude or query.paths or query.options)
    shown = history.walk(repository, span, options=query.options, paths=query.paths) if narrowed else reached
    attacher = Attacher(repository, reached, view.workspace.config.code_paths)
    members = _members(view, attacher)
    columns = {name: _column(view, query, name) for name in query.metrics}
    rows = _with_drift(view, _rows(view, query, shown, members, columns), columns)
    shown_ids = {commit.id for commit in shown}
    return Log(
        metrics=query.metrics,
        targets={name: column.target for name, column in columns.items()},
        aggregates={name: column.aggregate for name, column in columns.items()},
        rows=tuple(row for row in rows if row.cells or not query.only_valued),
        breaks=tuple(_breaks(view, rows, query.metrics)),
        left_out=_left_out(members, shown_ids, rows, columns),
        unattached_rows=tuple(sorted(row for _, group in members.get(None, ()) for row in group)),
    )


_Members = Mapping[str | None, Sequence[tuple[Attachment, Sequence[int]]]]


def _members(view: View, attacher: Attacher) -> _Members:
    """Runs by the commit that they belong to; None: unattached."""
    hidden = view.runs.superseded
    found: dict[str | None, list[tuple[Attachment, Sequence[int]]]] = {}
    for attachment, rows in attacher.groups(view.runs):
        kept = [row for row in rows if row not in hidden] if hidden else rows
        if kept:
            found.setdefault(attachment.commit, []).append((attachment, kept))
    return found


@dataclass(frozen=True, slots=True)
class _Column:
    """One metric of all runs."""

    target: Definition
    aggregate: str
    """What stands for several runs of one commit."""
    numbers: list[float | None]
    """By row: what is comparable and finite."""
    rest: dict[int, Cell]
    """By row: all else that was recorded."""
    grades: tuple[Grade, ...]
    """By schema code: of values that are comparable."""


_Columns = Mapping[str, _Column]


def _column(view: View, query: Query, name: str) -> _Column:
    target = view.target(name)
    asked = query.aggregate or "best"
    # Without a direction nothing is best.
    aggregate = "last" if asked == "best" and target.direction is None else asked
    grades = tuple(plan.grade for plan in view.plans(name))
    found = _Column(target, aggregate, [None] * len(view.runs.index), {}, grades)
    for item in view.numbers(name):
        if len(item) == 3:  # noqa: PLR2004 - a whole segment
            _take(found, *item)
        else:
            _take_one(found, *item)
    return found


def _take_one(found: _Column, row: int, cell: Cell) -> None:
    if not cell.comparable or cell.value is None:
        found.rest[row] = cell
    elif math.isfinite(cell.value):
        found.numbers[row] = cell.value
    else:
        found.rest[row] = _not_finite(cell.value)


def _not_finite(value: float) -> Cell:
    return Cell(value, value, Grade.IDENTICAL, "not finite")


def _take(found: _Column, start: int, rows: Sequence[int], values: Sequence[float]) -> None:
    """All values of a segment, most often one for each of its rows."""
    numbers: list[float | None] = list(values)
    odd = [] if all(map(math.isfinite, values)) else [i for i, v in enumerate(values) if not math.isfinite(v)]
    for position in odd:
        found.rest[start + rows[position]] = _not_finite(values[position])
        numbers[position] = None
    if rows and rows[-1] - rows[0] + 1 == len(rows):
        found.numbers[start + rows[0] : start + rows[-1] + 1] = numbers
    else:
        for row, number in zip(rows, numbers, strict=True):
            found.numbers[start + row] = number


def _rows(
    view: View, query: Query, shown: Sequence[CodeCommit], members: _Members, columns: _Columns
) -> list[LogRow]:
    """One for each commit, newest first. They are made oldest first, since each change is one to the older value."""
    older: dict[Partition, dict[str, float]] = {}
    parts = _partitions(view, columns)
    rows = []
    for commit in reversed(shown):
        for partition, mine in _parted(members.get(commit.id, ()), parts):
            before = older.setdefault(partition, {})
            rows.append(_row(view, query, commit, mine, columns, before, partition))
    return rows[::-1]


def _with_drift(view: View, rows: Sequence[LogRow], columns: _Columns) -> list[LogRow]:
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


def _partitions(view: View, columns: _Columns) -> dict[int, Partition]:
    """By row: what values are comparable within, as the definitions of the metrics say; empty without any."""
    names = sorted({name for column in columns.values() for name in column.target.partition})
    values = {name: dict(view.runs.values(PARAMS, name)) for name in names}
    rows = view.runs.rows if names else ()
    return {row: tuple((name, _as_text(values[name].get(row))) for name in names) for row in rows}


def _as_text(value: Json) -> str:
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
    query: Query,
    commit: CodeCommit,
    members: Sequence[tuple[Attachment, Sequence[int]]],
    columns: _Columns,
    older: dict[str, float],
    partition: Partition,
) -> LogRow:
    exact = _joined([rows for attachment, rows in members if attachment.level in EXACT_LEVELS])
    inexact = _joined([rows for attachment, rows in members if attachment.level not in EXACT_LEVELS])
    found = {
        name: _cell(view, name, exact or inexact, columns[name], older.get(name)) for name in query.metrics
    }
    cells = {name: cell for name, cell in found.items() if cell}
    older.update(
        (name, cell.value) for name, cell in cells.items() if cell.comparable and cell.value is not None
    )
    levels = {attachment.level: attachment.of for attachment, _ in members}
    level = next((level for level in Level if level in levels), Level.UNATTACHED)
    return LogRow(
        commit=commit,
        level=level,
        of=levels.get(level, 1),
        rows=(*exact, *inexact),
        inexact=len(inexact) if exact else 0,
        cells=cells,
        partition=partition,
    )


def _joined(groups: Sequence[Sequence[int]]) -> Sequence[int]:
    return groups[0] if len(groups) == 1 else sorted(row for group in groups for row in group)


def _cell(view: View, name: str, rows: Sequence[int], column: _Column, older: float | None) -> LogCell | None:
    numbers = [column.numbers[row] for row in rows]
    mine = [number for number in numbers if number is not None]
    others = [(row, column.rest[row]) for row in rows if row in column.rest] if column.rest else []
    if not mine:
        return _incomparable(view, name, others)
    held = rows if len(mine) == len(rows) else [row for row in rows if column.numbers[row] is not None]
    value = _AGGREGATES[column.aggregate](view, held, mine, column.target.direction)
    grade = _grade(view, column, held)
    shown = next((row for row, number in zip(held, mine, strict=True) if number == value), None)
    cell = view.cell(shown, name) if shown is not None and grade is not Grade.IDENTICAL else None
    return LogCell(
        value=value,
        recorded=cell.recorded if cell else (value if grade is Grade.IDENTICAL else None),
        grade=grade,
        reason=cell.reason if cell else "",
        count=len(mine),
        minimum=min(mine),
        maximum=max(mine),
        mean=_mean(mine),
        delta=None if older is None else value - older,
        left_out=len(others),
        frame=view.lineage.frame(column.target),
        row=shown,
    )


def _grade(view: View, column: _Column, rows: Sequence[int]) -> Grade:
    """The least sure of the grades of some comparable values."""
    if all(grade is Grade.IDENTICAL for grade in column.grades):
        return Grade.IDENTICAL
    order = (Grade.APPROXIMATE, Grade.EXACT)
    found = {column.grades[view.schema_codes[row]] for row in rows}
    return next((grade for grade in order if grade in found), Grade.IDENTICAL)


def _incomparable(view: View, name: str, others: Sequence[tuple[int, Cell]]) -> LogCell | None:
    """A commit none of whose values can be compared shows the last of them, marked; null is no value."""
    if not others:
        return None
    valued = (other for other in reversed(others) if other[1].grade is not Grade.UNDEFINED)
    row, cell = next(valued, others[-1])
    plan = view.plans(name)[view.schema_codes[row]]
    return LogCell(
        value=cell.value if cell.comparable else None,
        recorded=cell.recorded,
        grade=cell.grade,
        reason=cell.reason,
        left_out=len(others),
        frame=plan.frame or f"? {plan.grade}",
        row=row,
    )


_Aggregate = Callable[[View, Sequence[int], Sequence[float], str | None], float]
"""(all runs, rows, their values, direction) → the value that stands for them."""


def _best(_view: View, _rows: Sequence[int], values: Sequence[float], direction: str | None) -> float:
    return max(values) if direction == "higher" else min(values)


def _last(view: View, rows: Sequence[int], values: Sequence[float], _direction: str | None) -> float:
    """The value of the run that finished last; among equals the one that was recorded later."""
    if len(values) == 1:
        return values[0]
    finished, recorded = view.finished, view.recorded  # of one call to record many both are equal: row by row
    return max(
        (finished[row] or 0, recorded[row] or 0, row, value) for row, value in zip(rows, values, strict=True)
    )[3]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _median(values: Sequence[float]) -> float:
    from statistics import median

    return median(values)


_AGGREGATES: Mapping[str, _Aggregate] = {
    "best": _best,
    "last": _last,
    "mean": lambda _view, _rows, values, _direction: _mean(values),
    "median": lambda _view, _rows, values, _direction: _median(values),
    "min": lambda _view, _rows, values, _direction: min(values),
    "max": lambda _view, _rows, values, _direction: max(values),
}
AGGREGATES = tuple(_AGGREGATES)


_APART = frozenset({Grade.INCOMPARABLE, Grade.UNDECLARED})


def _breaks(view: View, rows: Sequence[LogRow], metrics: Sequence[str]) -> Iterable[Break]:
    """Neighbours of a column, within one partition, of which at least one stands in another frame than the target."""
    for name in metrics:
        for partition in dict.fromkeys(row.partition for row in rows):
            mine = [
                (row, row.cells[name]) for row in rows if row.partition == partition and name in row.cells
            ]
            valued = [(row, cell) for row, cell in mine if cell.comparable or cell.grade in _APART]
            for (newer, one), (older, other) in pairwise(valued):
                if one.frame != other.frame and not (one.comparable and other.comparable):
                    yield _break(view, name, newer, older)


def _break(view: View, name: str, newer: LogRow, older: LogRow) -> Break:
    """What lies between two neighbours: the breaks that the older one has and the newer one has not."""
    after, before = (_steps(view, name, row.cells[name]) for row in (newer, older))
    between = [step for step in before if step not in after] or list(after)
    apart = older.cells[name] if not older.cells[name].comparable else newer.cells[name]
    return Break(
        metric=name,
        newer=newer.commit.id,
        older=older.commit.id,
        reason="; ".join(dict.fromkeys(step.reason for step in between if step.reason)) or apart.reason,
        migration=between[-1].migration if between else None,
        file=between[-1].file if between else None,
        partition=newer.partition,
    )


def _steps(view: View, name: str, cell: LogCell) -> tuple[Step, ...]:
    if cell.comparable or cell.row is None:
        return ()
    return view.plans(name)[view.schema_codes[cell.row]].breaks


def _left_out(members: _Members, shown: set[str], rows: Sequence[LogRow], columns: _Columns) -> LeftOut:
    outside = (groups for commit, groups in members.items() if commit is not None and commit not in shown)
    counted = [row for line in rows for row in line.rows[: len(line.rows) - line.inexact]]
    unvalued = counted
    for column in columns.values():
        unvalued = [row for row in unvalued if column.numbers[row] is None]
    incomparable = sum(any(_stands_apart(column, row) for column in columns.values()) for row in unvalued)
    return LeftOut(
        out_of_range=sum(len(group) for groups in outside for _, group in groups),
        unattached=sum(len(group) for _, group in members.get(None, ())),
        no_value=len(unvalued) - incomparable,
        incomparable=incomparable,
        inexact=sum(line.inexact for line in rows),
        compared=len(counted) - len(unvalued),
    )


def _stands_apart(column: _Column, row: int) -> bool:
    """Whether a run recorded a number that is not comparable, or not finite; null says that there is none."""
    return row in column.rest and column.rest[row].grade is not Grade.UNDEFINED
