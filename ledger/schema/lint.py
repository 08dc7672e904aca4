"""`ledger schema check`: what changed in a schema that nobody explained, and what a careful schema would also say.

Codes are in `codes`; each rule here is one small function, listed in one table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from ledger.errors import ConfigError
from ledger.schema import claims, references, units
from ledger.schema.codes import Finding, finding
from ledger.schema.definition import Definition
from ledger.schema.derivation import alike
from ledger.schema.differences import changed_fields, differences
from ledger.schema.document import Schema
from ledger.schema.lineage import Lineage
from ledger.schema.lowered import Migration
from ledger.schema.units import Unit, UnitError

_NO_UNITS: Mapping[str, Unit] = {}
_MIGRATE = "`ledger schema migrate` drafts a migration"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """All that a rule may look at."""

    previous: Schema | None
    current: Schema
    lineage: Lineage
    used: tuple[Definition, ...]
    custom_units: Mapping[str, Unit]

    @property
    def file(self) -> str:
        return _file(self.current)

    def metrics(self) -> Iterator[tuple[Definition, Definition]]:
        """(before, now) of every metric that both schemas declare."""
        return _both(self.previous.metrics if self.previous else {}, self.current.metrics)

    def params(self) -> Iterator[tuple[Definition, Definition]]:
        return _both(self.previous.params if self.previous else {}, self.current.params)

    def found(self, name: str, one: Definition, message: str, hint: str = "") -> Finding:
        return finding(name, message, metric=one.name, hint=hint, file=self.file)


def _file(schema: Schema) -> str:
    return f".ledger/schemas/{schema.name}.json"


def _both(
    before: Mapping[str, Definition], now: Mapping[str, Definition]
) -> Iterator[tuple[Definition, Definition]]:
    return ((before[name], now[name]) for name in sorted(before.keys() & now.keys()))


def check(
    previous: Schema | None,
    current: Schema,
    lineage: Lineage,
    used: Iterable[Definition],
    *,
    custom_units: Mapping[str, Unit] = _NO_UNITS,
) -> tuple[Finding, ...]:
    """Everything there is to say about `current`, in the order of the table of rules.

    `previous` is the schema to compare with (each parent of a merge in turn), `used` the definitions that recorded
    runs carry. Files that could not be read are findings of `migration.load` and `broken`.
    """
    case = _Case(
        previous=previous,
        current=current,
        lineage=lineage,
        used=tuple(used),
        custom_units=custom_units,
    )
    return tuple(dict.fromkeys(found for rule in _RULES for found in rule(case)))


def broken(error: ConfigError, file: str) -> Finding:
    """The finding that a schema file can't be used."""
    details = "".join(f"; {detail}" for detail in error.details)
    return finding("SCHEMA_INVALID", f"{error.message}{details}", hint=error.hint, file=file)


def edited(published: Iterable[Migration], lineage: Lineage) -> tuple[Finding, ...]:
    """Migrations that were published and are gone or changed, though none that counts supersedes them."""
    known = {old for one in lineage.migrations for old in (one.id, *one.supersedes)}
    return tuple(
        finding(
            "MIGRATION_EDITED",
            f"{one.short} was published, and is gone or does something else now",
            hint=f'put "{one.id}" into `supersedes` of the migration that stands in for it',
            file=one.file,
        )
        for one in published
        if one.id not in known
    )


def _changed(case: _Case) -> Iterator[Finding]:
    """Definitions that changed; the plainest name for each: only its unit, only its type, or anything else."""
    for before, now in case.metrics():
        if before.did == now.did or not before.declared or _explained(case, before, now):
            continue
        name = _CHANGES.get(changed_fields(before, now), "DEF_CHANGED_NO_MIGRATION")
        yield case.found(name, now, f"{now.name}: {'; '.join(differences(before, now))}", _MIGRATE)


def _explained(case: _Case, before: Definition, now: Definition) -> bool:
    """By a way to the new meaning, by the end of the old one, or by another name that goes on with it."""
    lineage = case.lineage
    return lineage.explains(before, now) or bool(lineage.dropped(before)) or _exchanged(case, before, now)


def _exchanged(case: _Case, before: Definition, now: Definition) -> bool:
    """Whether the old meaning goes on under another name, and the name was given to what another one meant."""
    others = (one for one in case.current.metrics.values() if one.did != now.did)
    return case.lineage.leads_to(now) and any(case.lineage.connected(before, one) for one in others)


_CHANGES: Mapping[frozenset[str], str] = {
    frozenset({"unit"}): "UNIT_CHANGED_NO_CONVERSION",
    frozenset({"type"}): "METRIC_TYPE_CHANGED",
}


def _unreachable(case: _Case) -> Iterator[Finding]:
    """Definitions of runs from which nothing leads here, beyond those that `previous` shows anyway."""
    now = tuple(case.current.metrics.values())
    shown = {one.did for one in case.previous.metrics.values()} if case.previous else set()
    for one in sorted(case.used, key=lambda one: (one.name, one.did)):
        ended = case.lineage.dropped(one) or any(one.did == other.did for other in now)
        if one.role != "metric" or not one.declared or one.did in shown or ended:
            continue
        if not any(case.lineage.explains(one, other) for other in now):
            message = f"runs used {one.name} as d1:{one.short}, from which nothing leads to this schema"
            yield case.found("RUN_DEF_UNREACHABLE", one, message, _MIGRATE)


def _removed(case: _Case) -> Iterator[Finding]:
    before = case.previous.metrics if case.previous else {}
    for name in sorted(before.keys() - case.current.metrics.keys()):
        if before[name].declared and not case.lineage.leads_on(before[name]):
            hint = "say what became of it: rename, redefine or drop"
            yield case.found("METRIC_REMOVED_NO_OP", before[name], f"{name} is gone", hint)


def _came_back(case: _Case) -> Iterator[Finding]:
    before = {one.did for one in case.previous.metrics.values()} if case.previous else set()
    for name, now in sorted(case.current.metrics.items()):
        dropped = case.lineage.dropped(now)
        if case.previous and dropped and now.did not in before:
            message = f"{name} was dropped ({dropped.reason}) and is back with the same words"
            hint = f'if it means something else now, set "epoch": {now.epoch + 1}; else remove the `drop`'
            yield case.found("TOMBSTONE_REUSE", now, message, hint)


def _prose(case: _Case) -> Iterator[Finding]:
    for before, now in case.metrics():
        if before.did == now.did and before.description != now.description:
            hint = "if it does mean something else, change `how`, `on` or `epoch`"
            yield case.found("DESCRIPTION_CHANGED", now, f"{now.name}: only the description changed", hint)


def _turned(case: _Case) -> Iterator[Finding]:
    for before, now in case.metrics():
        directions = {before.direction, now.direction}
        if before.did == now.did and len(directions) > 1 and None not in directions:
            message = f"{now.name}: {before.direction} was better, now {now.direction} is"
            hint = 'if its sign changed, set "epoch" and add an `affine` with a negative scale'
            yield case.found("DIRECTION_FLIPPED", now, message, hint)


def _bounds(case: _Case) -> Iterator[Finding]:
    for before, now in case.metrics():
        factor = _factor(before.maximum, now.maximum)
        if before.unit == now.unit and factor:
            message = f"{now.name}: maximum {before.maximum:g} → {now.maximum:g}, unit {now.unit or 'none'} as before"
            yield case.found("RANGE_SCALE_SUSPECT", now, message, "was the unit meant to change, % → 1?")


def _factor(before: float | None, now: float | None) -> int | None:
    """The power of ten between two bounds."""
    if not before or not now or before * now < 0:
        return None
    power = math.log10(now / before)
    return round(power) if power and math.isclose(power, round(power), abs_tol=1e-9) else None


def companions(previous: Schema | None, current: Schema, lineage: Lineage) -> Iterator[Finding]:
    """Metrics that were converted between two schemas, though what tells their error (`f1_stderr`) was not."""
    before = previous.metrics if previous else {}
    for name, one in sorted(before.items()):
        kept = [
            other
            for other in before.values()
            if other.kind == "delta" and _stands_beside(other.name, name) and other.did in _dids(current)
        ]
        for new in current.metrics.values() if kept else ():
            scale = _scale(lineage, one, new)
            for other in kept if scale else ():
                message = f"{name} is converted to {new.name} ({scale}), and {other.name} is what it was"
                hint = (
                    "change its unit too, and `convert` it; if its unit was right before, say so with `allow`"
                )
                yield finding(
                    "COMPANION_NOT_CONVERTED", message, metric=other.name, hint=hint, file=_file(current)
                )


def _stands_beside(name: str, metric: str) -> bool:
    """`f1_stderr`, `f1/ci` beside `f1`."""
    return name.startswith(metric) and name[len(metric) : len(metric) + 1] in ("_", "/", ".", "-", "@")


def _dids(schema: Schema) -> frozenset[str]:
    return frozenset(one.did for one in schema.metrics.values())


def _scale(lineage: Lineage, one: Definition, other: Definition) -> str:
    """The factor between two definitions that convert into one another; nothing where it is 1, or there is none."""
    if one.did == other.did or lineage.frame(one) != lineage.frame(other):
        return ""
    found = lineage.plan({one.name: one}, other).affine
    return str(found) if found is not None and abs(found.scale) != 1 else ""


def _params(case: _Case) -> Iterator[Finding]:
    for before, now in case.params():
        if before.did == now.did or not before.declared or case.lineage.connected(before, now):
            continue
        fields = changed_fields(before, now)
        gone = [value for value in before.values or () if now.values is not None and value not in now.values]
        said = f"{now.name}: {'; '.join(differences(before, now))}"
        if "type" in fields:
            yield case.found("PARAM_TYPE_CHANGED_NO_CAST", now, said, _MIGRATE)
        if gone:
            yield case.found("PARAM_ENUM_VALUE_REMOVED", now, said, _MIGRATE)
        if "unit" in fields:
            yield case.found("UNIT_CHANGED_NO_CONVERSION", now, said, _MIGRATE)


def _required(case: _Case) -> Iterator[Finding]:
    if not case.previous:
        return
    for name in sorted(_required_params(case.current) - case.previous.params.keys()):
        now = case.current.params.get(name)
        if now and not case.lineage.leads_to(now):
            message = f"the param {name} is required, and older runs lack it"
            yield case.found("PARAM_REQUIRED_NO_DEFAULT", now, message, "add a `default` with a reason")


def _required_params(schema: Schema) -> frozenset[str]:
    properties = references.resolve(schema.body, schema.body).get("properties", {})
    params = properties.get("params", {}) if isinstance(properties, Mapping) else {}
    required = references.resolve(schema.body, params).get("required", ())
    return frozenset(required if isinstance(required, list) else ())


def _label(case: _Case) -> Iterator[Finding]:
    if not case.previous or not case.current.version or case.previous.version != case.current.version:
        return
    if case.previous.id != case.current.id:
        labels = f"{case.previous.label} and {case.current.label}"
        message = f"two different schemas are called version {case.current.version}: {labels}"
        yield finding("LABEL_DUPLICATE", message, hint="only people read it: choose another", file=case.file)


def _ambiguous(case: _Case) -> Iterator[Finding]:
    for pairs in case.lineage.graph.hypers_into.values():
        for (one, _), (other, migration) in combinations(pairs, 2):
            same_start = set(one.inputs) == set(other.inputs) and bool(one.inputs)
            if same_start and one.grade is other.grade and not alike(one, other):
                message = (
                    f"{claims.name_of(other, migration)} can be derived in two ways from the same metrics"
                )
                hint = "keep one, or mark one of them `exactness: approximate`"
                yield claims.of(migration, other, "AMBIGUOUS_DERIVATION", message, hint)


def _unsaid(case: _Case) -> Iterator[Finding]:
    for name, now in sorted(case.current.metrics.items()):
        for code, (is_unsaid, what) in _HYGIENE.items():
            if is_unsaid(now):
                yield case.found(code, now, f"{name}: {what}")


_HYGIENE: Mapping[str, tuple[Callable[[Definition], bool], str]] = {
    "METRIC_NO_UNIT": (lambda one: one.unit is None, "no unit (1 for a plain number)"),
    "METRIC_NO_DIRECTION": (lambda one: one.direction is None, "no direction, so that none is best"),
    "METRIC_NO_HOW": (lambda one: not one.how, "no `how`: a change of method would not be seen"),
    "METRIC_NO_EVALSET": (lambda one: not one.on, "no `on`: a change of data would not be seen"),
}


def _strange_units(case: _Case) -> Iterator[Finding]:
    for one in (*case.current.metrics.values(), *case.current.params.values()):
        if one.unit is not None and (problem := _unit_problem(one.unit, case.custom_units)):
            hint = "a UCUM code (ms, By, {token}/s), or a line in .ledger/units.json"
            yield case.found("UNKNOWN_UNIT", one, f"{one.name}: {problem}", hint)


def _unit_problem(code: str, custom: Mapping[str, Unit]) -> str:
    try:
        return "" if units.is_known(units.parse(code, custom)) else f"the unit {code} is not known"
    except UnitError as error:
        return error.message


def _aggregates(case: _Case) -> Iterator[Finding]:
    """`mmlu` beside `mmlu/law` and `mmlu/physics`."""
    metrics = case.current.metrics
    for name, now in sorted(metrics.items()):
        members = [one for other, one in metrics.items() if other.startswith(f"{name}/")]
        if len(members) > 1 and not now.how and all(one.how for one in members):
            message = f"{name} stands for {len(members)} metrics that say how they are computed"
            yield case.found("AGGREGATE_UNVERSIONED", now, message, "give it a `how` that names them")


_RULES: tuple[Callable[[_Case], Iterable[Finding]], ...] = (
    _changed,
    _unreachable,
    _removed,
    _came_back,
    _turned,
    _prose,
    _bounds,
    lambda case: companions(case.previous, case.current, case.lineage),
    _params,
    _required,
    lambda case: case.lineage.faults,
    lambda case: claims.check(case.lineage),
    _ambiguous,
    _unsaid,
    _strange_units,
    _aggregates,
    _label,
)
