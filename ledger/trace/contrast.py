"""Experiments beside one another: what each gained over where it left the first, and which params differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ledger.errors import NotFoundError, did_you_mean
from ledger.frozen import frozen
from ledger.git import bulk, history
from ledger.git.history import CodeCommit, Range
from ledger.model import Json
from ledger.schema.definition import Definition
from ledger.store.segment import PARAMS
from ledger.trace.aggregates import change
from ledger.trace.attach import Attacher
from ledger.trace.branches import branches
from ledger.trace.experiments import by_name
from ledger.trace.log_rows import EXACT_LEVELS, Partition
from ledger.trace.merging import same
from ledger.trace.spread import Metric, Spread
from ledger.trace.view import View


@frozen()
class Side:
    """One experiment."""

    name: str
    rows: Sequence[int]
    tip: str | None
    """Of its branch; without one the code commit of its latest run."""
    base: str | None
    """Where it left the first experiment; None for that one itself, and where they share nothing."""


@frozen()
class Gain:
    """A metric in one experiment."""

    side: Side
    spread: Spread
    base: float | None = None
    """The value where it left the first experiment, or at the nearest commit below that has one."""
    base_commit: str | None = None
    delta: float | None = None
    """best - base; for the first experiment, and where there is no base, None."""
    better: bool | None = None
    """By the declared direction."""


@frozen()
class Contrast:
    """A metric in all experiments, within one partition."""

    name: str
    target: Definition
    partition: Partition
    gains: tuple[Gain, ...]


@frozen()
class ParamContrast:
    """A param whose values are not the same in all experiments."""

    name: str
    values: tuple[tuple[Json, ...], ...]
    """For each experiment its distinct values, the most frequent first; none where no run has it."""


@frozen()
class Contrasted:
    sides: tuple[Side, ...]
    metrics: tuple[Contrast, ...]
    params: tuple[ParamContrast, ...]


def contrast(view: View, names: Sequence[str], metrics: Sequence[str]) -> Contrasted:
    """Compare experiments with the first of them. Raises NotFoundError for a name without runs that is no branch."""
    found_branches = branches(view.workspace)
    standing = found_branches.tips
    sides = _sides(view, _rows(view, names, standing), standing)
    trunk = by_name(view).get(found_branches.default or "", [])
    below = _Below(view, sides, (sides[0].rows, trunk))
    read = [Metric.of(view, name) for name in metrics]
    found = [one for metric in read for one in _of_metric(metric, sides, below)]
    return Contrasted(sides=sides, metrics=tuple(found), params=tuple(_params(view, sides)))


def _rows(view: View, names: Sequence[str], standing: Mapping[str, str]) -> dict[str, list[int]]:
    known = by_name(view)
    for name in names:
        if name not in known and name not in standing:
            hint = did_you_mean(name, known, "`ledger experiments` lists them")
            raise NotFoundError(f"no experiment {name!r}", hint=hint)
    return {name: known.get(name, []) for name in names}


def _sides(view: View, rows: Mapping[str, list[int]], standing: Mapping[str, str]) -> tuple[Side, ...]:
    """The first has no base."""
    said = {name: _latest(view, mine) for name, mine in rows.items()}
    tips: dict[str, str] = {name: standing.get(name) or said[name].get("code_commit") or "" for name in rows}
    here = bulk.peeled(view.workspace.repository, filter(None, tips.values()))
    first, *others = rows
    bases: dict[str, str] = {}
    if tips[first] in here:
        asked = {tip for name in others if (tip := tips[name]) in here}
        bases = bulk.merge_bases(view.workspace.repository, asked, tips[first])
    found = {name: bases.get(tips[name]) or said[name].get("code_base") for name in others}
    return tuple(Side(name=n, rows=mine, tip=tips[n] or None, base=found.get(n)) for n, mine in rows.items())


def _latest(view: View, rows: Sequence[int]) -> Mapping[str, Any]:
    """What the latest record of some runs says of its code; nothing where there is none."""
    row = max(rows, key=lambda row: (view.recorded[row] or 0, row), default=None)
    return view.runs.record_columns(row) if row is not None else {}


def _of_metric(metric: Metric, sides: Sequence[Side], below: _Below) -> Iterable[Contrast]:
    """One for each partition that any of the experiments has runs in."""
    parted = [metric.parted(side.rows) for side in sides]
    for partition in sorted({key for part in parted for key in part}, key=repr):
        spreads = [metric.spread(part.get(partition, ())) for part in parted]
        if any(one.count or one.left_out for one in spreads):
            pairs = zip(sides, spreads, strict=True)
            gains = tuple(_gain(metric, side, spread, below, partition) for side, spread in pairs)
            target = metric.column.target
            yield Contrast(name=target.name, target=target, partition=partition, gains=gains)


def _gain(metric: Metric, side: Side, spread: Spread, below: _Below, partition: Partition) -> Gain:
    commit, base = below.value(metric, side, partition)
    if base is None or spread.best is None:
        return Gain(side=side, spread=spread, base=base, base_commit=commit)
    delta, direction = change(base, spread.best), metric.column.target.direction
    better = (delta > 0) == (direction == "higher") if delta and direction else None
    return Gain(side=side, spread=spread, base=base, base_commit=commit, delta=delta, better=better)


class _Below:
    """Runs of exactly the code that experiments left the first one at, and of what lies below.

    Those of the first experiment and, at commits where it has none, of the default branch: experiments that left at the
    same commit have runs of it, too, and say nothing of where they started.
    """

    def __init__(self, view: View, sides: Sequence[Side], told: Sequence[Sequence[int]]) -> None:
        self._told = [frozenset(rows) for rows in told]
        repository = view.workspace.repository
        bases = [side.base for side in sides if side.base]
        here = [base for base, found in bulk.peeled(repository, bases).items() if found.commit == base]
        commits = history.walk(repository, Range(include=tuple(here)))
        self._commits: dict[str, CodeCommit] = {commit.id: commit for commit in commits}
        self._rows: dict[str, list[int]] = {}
        hidden = view.runs.superseded
        attacher = Attacher(repository, commits, view.workspace.config.code_paths)
        for one, rows in attacher.groups(view.runs) if commits else ():
            if one.commit and one.level in EXACT_LEVELS:
                self._rows.setdefault(one.commit, []).extend(row for row in rows if row not in hidden)

    def value(self, metric: Metric, side: Side, partition: Partition) -> tuple[str | None, float | None]:
        """The nearest commit from a base down its first parents with a comparable value, and that value."""
        commit = self._commits.get(side.base or "")
        told = [rows.difference(side.rows) for rows in self._told]
        while commit is not None:
            at = self._rows.get(commit.id, ())
            for wanted in told:
                rows = metric.parted(sorted(wanted.intersection(at))).get(partition, ())
                found = metric.spread(rows) if rows else None
                if found and found.best is not None:
                    return commit.id, found.best
            commit = self._commits.get(commit.parents[0]) if commit.parents else None
        return None, None


def _params(view: View, sides: Sequence[Side]) -> Iterable[ParamContrast]:
    wanted = [frozenset(side.rows) for side in sides]
    for name in view.runs.index.names(PARAMS):
        values = dict(view.runs.values(PARAMS, name))
        found = tuple(_distinct(values[row] for row in sorted(rows) if row in values) for rows in wanted)
        if any(not _alike(one, found[0]) for one in found[1:]):
            yield ParamContrast(name=name, values=found)


def _distinct(values: Iterable[Json]) -> tuple[Json, ...]:
    """The most frequent first; lists can't be keys, and true is not 1."""
    counted: dict[str, tuple[Json, int]] = {}
    for value in values:
        key = repr(value)
        counted[key] = (value, counted.get(key, (value, 0))[1] + 1)
    return tuple(value for value, _ in sorted(counted.values(), key=lambda pair: -pair[1]))


def _alike(one: Sequence[Json], other: Sequence[Json]) -> bool:
    return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)
