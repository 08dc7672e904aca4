"""Two runs side by side: what differs, and which metrics got better, where that can be said at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.errors import GitError
from ledger.model import Json, Metric
from ledger.schema.definition import Definition
from ledger.store.segment import METRICS, PARAMS, flatten
from ledger.trace import disputes, targets
from ledger.trace.aggregates import change
from ledger.trace.detail import Detail
from ledger.trace.params import of_run
from ledger.trace.runset import ABSENT, same
from ledger.trace.view import MISSING, Cell, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One name in both runs; ABSENT where a run has none."""

    name: str
    a: Json
    b: Json

    @property
    def differs(self) -> bool:
        return not same(self.a, self.b)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPair:
    name: str
    a: Cell
    b: Cell
    target: Definition
    delta: Metric = None
    """b - a; only where both compare, and are finite."""
    better: bool | None = None
    """Whether b is better by the declared direction; None where nobody can say, or nothing changed."""
    reason: str = ""
    """Why there is no delta."""

    @property
    def differs(self) -> bool:
        pairs = ((self.a.value, self.b.value), (self.a.recorded, self.b.recorded))
        return not all(same(one, other) for one, other in pairs) or self.a.grade is not self.b.grade


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePair:
    a: str | None
    b: str | None
    only_a: int | None
    """Commits that a's code has and b's has not; None where one of the commits is not here."""
    only_b: int | None
    dirty_a: bool
    dirty_b: bool
    compare_a: str | None
    """What to give `git diff`: the snapshot of a dirty run, else its commit."""
    compare_b: str | None

    @property
    def differs(self) -> bool:
        return self.a != self.b or self.dirty_a or self.dirty_b


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Each part in the order of names; equal pairs are there too."""

    a: Detail
    b: Detail
    params: tuple[Pair, ...]
    metrics: tuple[MetricPair, ...]
    code: CodePair
    environment: tuple[Pair, ...]
    artifacts: tuple[Pair, ...]
    """By role and name; the values are sha256 hashes, or sizes and URIs where there is no hash."""
    disputed: Mapping[str, Sequence[str]]
    """Run → the params and metrics (`params.lr`, `metrics.f1`) on which edits of it disagree."""


def compare(view: View, a: Detail, b: Detail) -> Comparison:
    params = _pairs(*(of_run(view, run.row, run.params) for run in (a, b)))
    metrics = tuple(_metric(view, name, a, b) for name in sorted(a.metrics.keys() | b.metrics.keys()))
    columns = [
        f"{group}.{one.name}" for group, pairs in ((PARAMS, params), (METRICS, metrics)) for one in pairs
    ]
    disputed = disputes.columns_of(view, (a.row, b.row), columns)
    return Comparison(
        a=a,
        b=b,
        params=params,
        metrics=metrics,
        disputed={view.run_ids[row]: names for row, names in disputed.items()},
        code=_code(view, a.run, b.run),
        environment=_pairs(_environment(a.run), _environment(b.run)),
        artifacts=_pairs(_artifacts(a.run), _artifacts(b.run)),
    )


def _pairs(one: Mapping[str, Json], other: Mapping[str, Json]) -> tuple[Pair, ...]:
    return tuple(
        Pair(name=name, a=one.get(name, ABSENT), b=other.get(name, ABSENT)) for name in sorted({*one, *other})
    )


def _metric(view: View, name: str, a: Detail, b: Detail) -> MetricPair:
    target = view.target(name)
    one, other = (_cell(view, name, run) for run in (a, b))
    reason = _why_not(view, target, (one, a), (other, b))
    pair = MetricPair(name=name, a=one, b=other, target=target, reason=reason)
    if reason or one.value is None or other.value is None:
        return pair
    delta = change(one.value, other.value)
    better = (delta > 0) == (target.direction == "higher") if delta and target.direction else None
    return MetricPair(name=name, a=one, b=other, target=target, delta=delta, better=better)


def _cell(view: View, name: str, run: Detail) -> Cell:
    """What a run has under a name that one of the two is shown with; nothing where another name took over."""
    if name in run.metrics:
        return run.metrics[name].cell
    return MISSING if targets.taken_over(view, run.row, name) else view.cell(run.row, name) or MISSING


def _why_not(view: View, target: Definition, *sides: tuple[Cell, Detail]) -> str:
    """Why a difference would say nothing; empty where it says something."""
    for cell, run in sides:
        if not cell.comparable or cell.value is None:
            return f"{run.id[:8]}: {cell.reason or cell.grade.value}"
        if not math.isfinite(cell.value):
            return f"{run.id[:8]}: not finite"
    params = [of_run(view, run.row, run.params) for _, run in sides] if target.partition else []
    for name in target.partition:
        if not same(*(values.get(name, ABSENT) for values in params)):
            return f"measured with another {name}: values compare only within one"
    return ""


def _environment(run: Mapping[str, Any]) -> dict[str, Json]:
    return flatten(run.get("environment", {}))


def _artifacts(run: Mapping[str, Any]) -> dict[str, Json]:
    return {f"{item['role']} {item['name']}": _content(item) for item in run.get("artifacts", ())}


def _content(item: Mapping[str, Any]) -> str:
    hashes = [
        item.get("sha256"),
        *(f"{name}:{text}" for name, text in sorted(item.get("hashes", {}).items())),
    ]
    return next((text for text in hashes if text), f"{item['uri']} {item.get('size', '')}".strip())


def _code(view: View, a: Mapping[str, Any], b: Mapping[str, Any]) -> CodePair:
    one, other = a.get("code") or {}, b.get("code") or {}
    counts = _between(view, one.get("commit"), other.get("commit"))
    return CodePair(
        a=one.get("commit"),
        b=other.get("commit"),
        only_a=counts[0] if counts else None,
        only_b=counts[1] if counts else None,
        dirty_a=bool(one.get("dirty")),
        dirty_b=bool(other.get("dirty")),
        compare_a=one.get("snapshot") or one.get("commit"),
        compare_b=other.get("snapshot") or other.get("commit"),
    )


def _between(view: View, a: str | None, b: str | None) -> tuple[int, int] | None:
    if not a or not b:
        return None
    if a == b:
        return 0, 0
    words = ("rev-list", "--count", "--left-right", "--end-of-options", f"{a}...{b}", "--")
    try:
        left, right = view.workspace.repository.git(*words).split()
    except GitError:  # one of them was recorded elsewhere and is not here
        return None
    return int(left), int(right)
