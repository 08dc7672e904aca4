"""Params through migrations: what runs of older schemas recorded, under the names and in the terms of now.

A param that no migration is about stays as it was recorded. Of one that a migration is about, a value that converts
counts, one that does not (a `redefine`, a `cast` of what can't be) is null, and filters leave its run out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from ledger.frozen import frozen
from ledger.model import Grade, Json
from ledger.store.segment import PARAMS, flatten
from ledger.trace.runset import ABSENT

if TYPE_CHECKING:
    from ledger.schema.definition import Definition
    from ledger.schema.plan import Plan
    from ledger.trace.view import View


def through(view: View) -> View:
    """The view with params read through its migrations; the same view where they say nothing of params."""
    touches = any(
        fields.get("role") == "param" for one in view.meaning.migrations for fields in one.defs.values()
    )
    return replace(view, runs=replace(view.runs, params=Params(view).overrides)) if touches else view


def of_run(view: View, row: int, recorded: Mapping[str, Json]) -> dict[str, Json]:
    """All params of a run by their dotted names, through migrations; `recorded` is nested as it was recorded."""
    flat = flatten(dict(recorded))
    if view.runs.params is None:
        return flat
    declared = {name for schema in view.schemas.values() for name in schema.params}
    changed = {name: view.runs.params(name) for name in {*flat, *declared}}
    shown = {**flat, **{name: rows[row] for name, rows in changed.items() if row in rows}}
    return {name: value for name, value in shown.items() if value is not ABSENT}


@frozen(kw_only=False, slots=False)
class Params:
    """What a view of raw params makes of them."""

    view: View

    def overrides(self, name: str) -> Mapping[int, Json]:
        """Row → value, or ABSENT where it is shown under its new name, or None where it does not convert."""
        if name not in self._known:
            self._known[name] = dict(self._found(name))
        return self._known[name]

    def behind(self, row: int, name: str) -> frozenset[str]:
        """The recorded names that a run's param comes from."""
        plan = self._plans.get(name, {}).get(self.view.schema_codes[row])
        return plan.names | {name} if plan else frozenset({name})

    @cached_property
    def _known(self) -> dict[str, Mapping[int, Json]]:
        return {}

    def _found(self, name: str) -> Iterator[tuple[int, Json]]:
        if name in self._plans:
            yield from self._made[name].items()
        elif name not in self._targets:
            for target in self._took_over.get(name, ()):
                yield from ((row, ABSENT) for row, value in self._made[target].items() if value is not None)

    @cached_property
    def _targets(self) -> Mapping[str, Definition]:
        """The params that are declared now; the configured schema's definition counts before others."""
        schemas = dict(sorted(self.view.schemas.items(), reverse=True))
        own = schemas.pop(self.view.workspace.config.schema or "", None)
        ordered = (*schemas.values(), *([own] if own else []))
        return {name: one for schema in ordered for name, one in schema.params.items()}

    @cached_property
    def _plans(self) -> Mapping[str, Mapping[int, Plan]]:
        """Param of now → number of a recorded schema → plan, where a migration has a say."""
        recorded = self.view.recorded_schemas
        found: dict[str, dict[int, Plan]] = {}
        for name, target in self._targets.items():
            for code, schema in enumerate(recorded):
                plan = self.view.lineage.plan(schema.params if schema else None, target)
                if plan.steps or plan.breaks:
                    found.setdefault(name, {})[code] = plan
        return found

    @cached_property
    def _took_over(self) -> Mapping[str, Collection[str]]:
        """Old name → names of now that are made of it."""
        found: dict[str, set[str]] = {}
        for name, plans in self._plans.items():
            for source in {source for plan in plans.values() for source in plan.sources} - {name}:
                found.setdefault(source, set()).add(name)
        return found

    @cached_property
    def _made(self) -> Mapping[str, Mapping[int, Json]]:
        return {name: dict(self._converted(name, plans)) for name, plans in self._plans.items()}

    def _converted(self, name: str, plans: Mapping[int, Plan]) -> Iterator[tuple[int, Json]]:
        runs, codes = self.view.runs, self.view.schema_codes
        for row in runs.rows:
            plan = plans.get(codes[row])
            if plan is None:
                continue
            values = {source: runs.value(row, PARAMS, source) for source in (*plan.sources, name)}
            present = {source: value for source, value in values.items() if value is not ABSENT}
            outcome = plan.apply(present)
            if outcome.grade in self.view.grades:
                yield row, outcome.value
            elif present and outcome.grade not in (Grade.MISSING, Grade.UNDECLARED):
                yield row, None
