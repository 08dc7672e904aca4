"""What recorded values say about definitions and migrations: findings of `ledger schema check` that need runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from heapq import nlargest
from statistics import median

from ledger.model import COMPARABLE, Grade
from ledger.schema import lint
from ledger.schema.claims import name_of, of
from ledger.schema.codes import Finding, finding
from ledger.schema.definition import Definition
from ledger.schema.document import Schema
from ledger.schema.edges import Break, Edge, Hyper, Iso
from ledger.schema.lowered import Migration
from ledger.store.segment import METRICS, PARAMS
from ledger.trace import identities
from ledger.trace.meaning import SCHEMAS
from ledger.trace.runset import ABSENT
from ledger.trace.view import View

_NEWEST, _BEFORE, _LOOKED_AT = 5, 8, 200
"""Runs that a slip of the unit is looked for in, the least that come before them, and the most."""
_NEAR_POWER = 0.2
"""How far from a power of ten, in powers of ten."""
_DECIMALS = 6
"""Values with more are not rounded by people: they agree to a part in a million, as single precision does."""
_CONVERTED = COMPARABLE | {Grade.APPROXIMATE}
_NAMED = 8
"""Digits of a run's id."""


def check(view: View, others: Iterable[Schema] = ()) -> Iterator[Finding]:
    """All findings, whichever schema they concern; `others` are schemas of other branches, whose runs may come."""
    if not view.runs.rows:
        return
    case = _Case(view, tuple(others))
    for rule in _RULES:
        yield from rule(case)


@dataclass(frozen=True)
class _Case:
    view: View
    others: tuple[Schema, ...]

    def edges(self) -> Iterator[tuple[Edge, Migration]]:
        return ((edge, one) for one in self.view.lineage.migrations for edge in one.edges)

    @cached_property
    def rows(self) -> Mapping[int, list[int]]:
        """Number of a recorded schema → its runs."""
        found: dict[int, list[int]] = {}
        for row in self.view.runs.rows:
            found.setdefault(self.view.schema_codes[row], []).append(row)
        return found

    def holding(self, *dids: str) -> Iterator[tuple[Schema, list[int]]]:
        """Recorded schemas that hold all of these metrics, with their runs."""
        for schema, held, rows in self._recorded:
            if held.issuperset(dids):
                yield schema, rows

    @cached_property
    def _recorded(self) -> list[tuple[Schema, frozenset[str], list[int]]]:
        pairs = ((self.view.recorded_schemas[code], rows) for code, rows in self.rows.items())
        return [
            (schema, frozenset(one.did for one in schema.metrics.values()), rows)
            for schema, rows in pairs
            if schema
        ]

    def values(self, row: int, names: Mapping[str, object]) -> dict[str, float] | None:
        """Finite numbers under every name, or nothing."""
        found = {name: self.view.runs.value(row, METRICS, name) for name in names}
        return found if all(map(_is_finite, found.values())) else None  # type: ignore[return-value]


def _is_finite(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is not ABSENT and number and math.isfinite(value)  # type: ignore[arg-type]


def _slipped(case: _Case) -> Iterator[Finding]:
    """A metric whose newest values are a power of ten away from all before, with nothing in between."""
    for schema in case.view.schemas.values():
        for name, one in sorted(schema.metrics.items()):
            if case.view.target(name).did != one.did:
                continue
            for values in _by_partition(case.view, one):
                new, old = values[:_NEWEST], values[_NEWEST:]
                power = _power(new, old) if len(old) >= _BEFORE else 0
                if power:
                    message = (
                        f"{name}: the newest {len(new)} runs are about {_times(power)} those before: "
                        f"{median(new):.4g} after {median(old):.4g}"
                    )
                    hint = "was another unit recorded? `ledger amend` corrects runs, a new definition explains them"
                    yield finding(
                        "RECORDED_OUTSIDE_UNIT", message, metric=name, hint=hint, file=_file(schema)
                    )


def _by_partition(view: View, one: Definition) -> Iterator[list[float]]:
    """Finite values that compare, newest first, of each partition."""
    found: dict[tuple[str, ...], list[tuple[int, int, float]]] = {}
    finished, hidden, partition = view.finished, view.runs.superseded, one.partition
    for row, value in _comparable(view, one.name):
        if row not in hidden and math.isfinite(value):
            key = tuple(str(view.runs.value(row, PARAMS, param)) for param in partition)
            found.setdefault(key, []).append((finished[row] or 0, row, value))
    for listed in found.values():
        yield [value for _, _, value in nlargest(_LOOKED_AT, listed)]


def _comparable(view: View, name: str) -> Iterator[tuple[int, float]]:
    for piece in view.numbers(name):
        if len(piece) == 3:  # noqa: PLR2004 - many rows at once
            start, rows, numbers = piece
            yield from ((start + row, number) for row, number in zip(rows, numbers, strict=True))
        elif piece[1].comparable and isinstance(piece[1].value, (int, float)):
            yield piece[0], piece[1].value


def _power(new: list[float], old: list[float]) -> int:
    """The power of ten between two groups of numbers that lie wholly apart; 0 where it is none of a hundred or more."""
    small, large = sorted((sorted(map(abs, new)), sorted(map(abs, old))), key=median)
    if not median(small) or small[-1] * 10 > large[0]:
        return 0
    power = math.log10(median(large) / median(small))
    whole = round(power)
    if whole < 2 or abs(power - whole) > _NEAR_POWER:  # noqa: PLR2004 - ten times is what training does
        return 0
    return whole if median(map(abs, new)) > median(map(abs, old)) else -whole


def _times(power: int) -> str:
    return f"{10**power:,} times" if power > 0 else f"1/{10**-power:,} of"


def _contradicted(case: _Case) -> Iterator[Finding]:
    """Operations that runs which recorded both sides disagree with."""
    for edge, migration in case.edges():
        if isinstance(edge, Break) or "role" in migration.defs[edge.target]:
            continue
        inputs = (edge.source,) if isinstance(edge, Iso) else edge.inputs
        bound = edge.error if isinstance(edge, Hyper) else None
        if not inputs or (isinstance(edge, Hyper) and edge.grade is Grade.APPROXIMATE and bound is None):
            continue
        given = {one.name: one for one in map(migration.definition, inputs)}
        target = migration.definition(edge.target)
        both = [row for _, rows in case.holding(*inputs, edge.target) for row in rows]
        found = list(_disagreeing(case, given, target, both, bound))
        if found:
            (row, recorded, computed), count = max(found, key=lambda one: abs(one[1] - one[2])), len(found)
            message = (
                f"{edge.op} of {target.name}: {count} of {len(both)} runs that recorded both sides disagree, most of all "
                f"{case.view.run_ids[row][:_NAMED]}: {recorded:.6g} recorded, {computed:.6g} computed"
            )
            hint = (
                'correct it, or say how much is fine: "error": {"abs": 0.005}'
                if isinstance(edge, Hyper)
                else "correct it"
            )
            yield of(migration, edge, "DERIVE_CONTRADICTED", message, hint)


def _disagreeing(
    case: _Case, given: Mapping[str, Definition], target: Definition, rows: list[int], bound: float | None
) -> Iterator[tuple[int, float, float]]:
    """Rows, each with what was recorded and what is computed."""
    plan = case.view.lineage.plan(given, target)
    for row in rows:
        values = case.values(row, {**given, target.name: target})
        outcome = plan.apply({name: values[name] for name in given}) if values else None
        if not values or outcome is None or outcome.grade not in _CONVERTED or not _is_finite(outcome.value):
            continue
        recorded, computed = values[target.name], float(outcome.value)  # type: ignore[arg-type]
        allowed = _rounding(values.values(), recorded) if bound is None else bound
        if abs(recorded - computed) > allowed:
            yield row, recorded, computed


def _rounding(values: Iterable[float], recorded: float) -> float:
    """Two units of the last decimal that any of the values has; of unrounded ones a millionth."""
    decimals = max(map(_decimals, values))
    return 1e-6 * max(1.0, abs(recorded)) if decimals > _DECIMALS else 2 * 10.0**-decimals


def _decimals(value: float) -> int:
    text = repr(value)
    return _DECIMALS + 1 if "e" in text else len(text.partition(".")[2])


def _avoidable(case: _Case) -> Iterator[Finding]:
    """Redefinitions of what could be computed from what the runs of then recorded."""
    for edge, migration in _redefinitions(case):
        new = migration.definition(edge.target or "")
        if _is_derived(case, new):
            continue
        for schema, rows in case.holding(edge.source):
            proposal = next(identities.proposals(new, partial(_recorded, case, schema, rows)), None)
            if proposal:
                inputs = " and ".join(one.name for one in proposal.inputs)
                message = (
                    f"{new.name} could be computed from {inputs}, which runs recorded, if {proposal.holds}"
                )
                hint = f"`ledger schema migrate --take {new.name}` drafts that beside it"
                yield of(migration, edge, "REDEFINE_AVOIDABLE", message, hint)
                break


def _redefinitions(case: _Case) -> Iterator[tuple[Break, Migration]]:
    for edge, migration in case.edges():
        is_metric = isinstance(edge, Break) and edge.target and "role" not in migration.defs[edge.target]
        if isinstance(edge, Break) and is_metric:
            yield edge, migration


def _is_derived(case: _Case, one: Definition) -> bool:
    return any(isinstance(edge, Hyper) and edge.target == one.did for edge, _ in case.edges())


def _recorded(case: _Case, schema: Schema, rows: list[int], name: str) -> Definition | None:
    """The definition of a name that any of these runs has a value under."""
    one = schema.metrics.get(name)
    return one if one and any(case.values(row, {name: one}) for row in rows) else None


def _unbridged(case: _Case) -> Iterator[Finding]:
    """Redefinitions of which both sides were recorded, and by no run together."""
    for edge, migration in _redefinitions(case):
        sides = [migration.definition(did) for did in (edge.source, edge.target or "")]
        if all(_has_values(case, one) for one in sides) and not _bridged(case, sides):
            message = f"no run has a value on both sides of the redefinition of {name_of(edge, migration)}"
            hint = "runs that record both, under two names, would show how far apart they are"
            yield of(migration, edge, "BREAK_WITHOUT_BRIDGE", message, hint)


def _bridged(case: _Case, sides: Iterable[Definition]) -> bool:
    """Whether a run has a value in the frame of each side: the old meaning may have another name by now."""
    frame = case.view.lineage.frame
    frames = [frame(one) for one in sides]
    for schema, rows in case.holding():
        known = {name: frame(one) for name, one in schema.metrics.items()}
        both = [[name for name, one in known.items() if one == side] for side in frames]
        if all(both) and any(all(_any_value(case, row, names) for names in both) for row in rows):
            return True
    return False


def _any_value(case: _Case, row: int, names: Iterable[str]) -> bool:
    return any(case.values(row, {name: None}) for name in names)


def _has_values(case: _Case, one: Definition) -> bool:
    return any(case.values(row, {one.name: one}) for _, rows in case.holding(one.did) for row in rows)


def _left_behind(case: _Case) -> Iterator[Finding]:
    """Errors and widths of metrics that were converted since some run."""
    names = case.view.runs.column("schema_name")
    for code, rows in case.rows.items():
        current = case.view.schemas.get(names[rows[0]] or "")
        if current:
            yield from lint.companions(case.view.recorded_schemas[code], current, case.view.lineage)


def _dead(case: _Case) -> Iterator[Finding]:
    """Operations that nothing leads to: neither a run, nor a schema under which one may still be recorded."""
    alive = {
        one.did
        for schema in (*case.view.recorded_schemas, *case.view.schemas.values(), *case.others)
        for part in ((schema.metrics, schema.params) if schema else ())
        for one in part.values()
    }
    edges = [(edge, migration, _inputs(edge)) for edge, migration in case.edges()]
    alive |= {
        did for _, one, dids in edges for did in dids if _is_bare_and_recorded(case, one.definition(did))
    }
    before = -1
    while len(alive) != before:
        before = len(alive)
        for edge, _, inputs in edges:
            if not isinstance(edge, Break) and alive.issuperset(inputs):
                alive.add(edge.target)
            if isinstance(edge, Iso) and edge.target in alive:
                alive.add(edge.source)
    for edge, migration, inputs in edges:
        if not alive.issuperset(inputs):
            message = f"{edge.op} of {name_of(edge, migration)}: no run and no schema has what it starts from"
            yield of(migration, edge, "DEAD_OP", message, "fine if its runs are elsewhere; else it can go")


def _inputs(edge: Edge) -> tuple[str, ...]:
    return edge.inputs if isinstance(edge, Hyper) else (edge.source,)


def _is_bare_and_recorded(case: _Case, one: Definition) -> bool:
    if one.declared:
        return False
    group = METRICS if one.role == "metric" else PARAMS
    return any(True for _ in case.view.runs.values(group, one.name))


def _file(schema: Schema) -> str:
    return f"{SCHEMAS}/{schema.name}.json"


_RULES: tuple[Callable[[_Case], Iterator[Finding]], ...] = (
    _slipped,
    _contradicted,
    _avoidable,
    _unbridged,
    _left_behind,
    _dead,
)
