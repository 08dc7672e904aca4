"""A metric along the history of the code: one row a commit, newest first, and what was left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, median

from ledger.git import history
from ledger.git.history import CodeCommit, Range
from ledger.model import Grade, Level, Metric
from ledger.schema.definition import Definition
from ledger.trace.attach import Attacher, Attachment
from ledger.trace.view import Cell, View

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
    """A metric at a commit. `value` sums up `count` comparable runs; without one it is the last value, with its grade."""

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
    definition: str | None = None

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Between two neighbours of one column, values stop being comparable."""

    metric: str
    newer: str
    older: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    out_of_range: int = 0
    unattached: int = 0
    no_value: int = 0
    incomparable: int = 0


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

    def series(self, metric: str) -> list[float | None]:
        """Comparable values, oldest first: what a sparkline shows."""
        cells = (row.cells.get(metric) for row in reversed(self.rows))
        return [float(cell.value) for cell in cells if cell and cell.comparable and cell.value is not None]


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
    attachments = attacher.rows(view.runs)
    valued = {name: _values(view, name) for name in query.metrics}
    members = _members(view, attachments)
    rows = [
        row
        for commit in shown
        if (row := _row(view, query, commit, members.get(commit.id, ()), valued)).cells
        or not query.only_valued
    ]
    rows = _with_deltas(rows, query.metrics)
    shown_ids = {commit.id for commit in shown}
    return Log(
        metrics=query.metrics,
        targets={name: view.target(name) for name in query.metrics},
        aggregates={name: _aggregate(view, query, name) for name in query.metrics},
        rows=tuple(rows),
        breaks=tuple(_breaks(rows, query.metrics)),
        left_out=_left_out(members, shown_ids, rows, valued),
        unattached_rows=tuple(row for attachment, row in members.get(None, ())),
    )


_Members = Mapping[str | None, Sequence[tuple[Attachment, int]]]


def _members(view: View, attachments: Sequence[Attachment]) -> dict[str | None, list[tuple[Attachment, int]]]:
    """Runs by the commit that they belong to; None: unattached."""
    found: dict[str | None, list[tuple[Attachment, int]]] = {}
    for row in view.runs.rows:
        attachment = attachments[row]
        try:
            found[attachment.commit].append((attachment, row))
        except KeyError:
            found[attachment.commit] = [(attachment, row)]
    return found


_Valued = Mapping[str, tuple[dict[int, float], dict[int, Cell]]]


def _values(view: View, name: str) -> tuple[dict[int, float], dict[int, Cell]]:
    """Row → comparable finite number, and row → cell for all else that was recorded."""
    numbers: dict[int, float] = {}
    rest: dict[int, Cell] = {}
    for item in view.numbers(name):
        if len(item) == 3:  # noqa: PLR2004 - a whole segment
            start, rows, found = item
            numbers.update(zip((start + row for row in rows) if start else rows, found, strict=True))
        else:
            row, cell = item
            if cell.comparable and cell.value is not None:
                numbers[row] = cell.value
            else:
                rest[row] = cell
    for row in [row for row, number in numbers.items() if not math.isfinite(number)]:
        rest[row] = Cell(numbers[row], numbers[row], Grade.IDENTICAL, "not finite")
        del numbers[row]
    return numbers, rest


def _row(
    view: View, query: Query, commit: CodeCommit, members: Sequence[tuple[Attachment, int]], valued: _Valued
) -> LogRow:
    exact = [row for attachment, row in members if attachment.level in EXACT_LEVELS]
    inexact = [row for attachment, row in members if attachment.level not in EXACT_LEVELS]
    counted = exact or inexact
    cells = {
        name: cell for name in query.metrics if (cell := _cell(view, query, name, counted, valued[name]))
    }
    levels = {attachment.level: attachment.of for attachment, _ in members}
    level = next((level for level in Level if level in levels), Level.UNATTACHED)
    return LogRow(
        commit=commit,
        level=level,
        of=levels.get(level, 1),
        rows=(*exact, *inexact),
        inexact=len(inexact) if exact else 0,
        cells=cells,
    )


def _cell(
    view: View, query: Query, name: str, rows: Sequence[int], valued: tuple[dict[int, float], dict[int, Cell]]
) -> LogCell | None:
    numbers, rest = valued
    mine = {row: numbers[row] for row in rows if row in numbers}
    others = [(row, rest[row]) for row in rows if row in rest] if rest else []
    if not mine:
        return _incomparable(view, name, others)
    direction = view.target(name).direction
    value = _AGGREGATES[_aggregate(view, query, name)](view, mine, direction)
    return LogCell(
        value=value,
        recorded=value,
        grade=Grade.IDENTICAL,
        count=len(mine),
        minimum=min(mine.values()),
        maximum=max(mine.values()),
        mean=fmean(mine.values()),
        left_out=len(others),
        definition=view.target(name).did,
    )


def _aggregate(view: View, query: Query, name: str) -> str:
    """Without a direction nothing is best."""
    asked = query.aggregate or "best"
    return "last" if asked == "best" and view.target(name).direction is None else asked


def _incomparable(view: View, name: str, others: Sequence[tuple[int, Cell]]) -> LogCell | None:
    """A commit none of whose values can be compared shows the last of them, marked."""
    if not others:
        return None
    row, cell = others[-1]
    recorded = view.definition(row, name)
    return LogCell(
        value=cell.value,
        recorded=cell.recorded,
        grade=cell.grade,
        reason=cell.reason,
        left_out=len(others),
        definition=recorded.did if recorded else None,
    )


def _best(_view: View, numbers: Mapping[int, float], direction: str | None) -> float:
    return max(numbers.values()) if direction == "higher" else min(numbers.values())


def _last(view: View, numbers: Mapping[int, float], _direction: str | None) -> float:
    """The value of the run that finished last; among equals the one that was recorded later."""
    if len(numbers) == 1:
        return next(iter(numbers.values()))
    times = view.finished
    return numbers[max(numbers, key=lambda row: (times[row] or 0, row))]


_AGGREGATES: Mapping[str, Callable[[View, Mapping[int, float], str | None], float]] = {
    "best": _best,
    "last": _last,
    "mean": lambda _view, numbers, _direction: fmean(numbers.values()),
    "median": lambda _view, numbers, _direction: median(numbers.values()),
    "min": lambda _view, numbers, _direction: min(numbers.values()),
    "max": lambda _view, numbers, _direction: max(numbers.values()),
}
AGGREGATES = tuple(_AGGREGATES)


def _with_deltas(rows: Sequence[LogRow], metrics: Sequence[str]) -> list[LogRow]:
    """Each comparable value minus that of the next older row that has one."""
    older: dict[str, float] = {}
    out: list[LogRow] = []
    for row in reversed(rows):
        cells = dict(row.cells)
        for name in metrics:
            cell = cells.get(name)
            if cell is None or not cell.comparable or cell.value is None:
                continue
            if name in older:
                cells[name] = replace(cell, delta=cell.value - older[name])
            older[name] = cell.value
        out.append(replace(row, cells=cells) if cells else row)
    return out[::-1]


def _breaks(rows: Sequence[LogRow], metrics: Sequence[str]) -> Iterable[Break]:
    for name in metrics:
        valued = [(row, row.cells[name]) for row in rows if name in row.cells]
        for (newer, one), (older, other) in pairwise(valued):
            if one.definition != other.definition and Grade.INCOMPARABLE in (one.grade, other.grade):
                reason = one.reason or other.reason
                yield Break(metric=name, newer=newer.commit.id, older=older.commit.id, reason=reason)


def _left_out(members: _Members, shown: set[str], rows: Sequence[LogRow], valued: _Valued) -> LeftOut:
    outside = sum(
        len(found) for commit, found in members.items() if commit is not None and commit not in shown
    )
    inside = [row for line in rows for row in line.rows]
    named = [valued[name] for name in valued]
    silent = sum(not any(row in numbers or row in rest for numbers, rest in named) for row in inside)
    incomparable = sum(
        not any(row in numbers for numbers, _ in named) and any(row in rest for _, rest in named)
        for row in inside
    )
    return LeftOut(
        out_of_range=outside,
        unattached=len(members.get(None, ())),
        no_value=silent,
        incomparable=incomparable,
    )
