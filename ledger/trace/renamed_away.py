"""Values under a name that was given up: what a run recorded so without a definition is shown under the new name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ledger.model import Grade
from ledger.schema.definition import undeclared
from ledger.schema.plan import Plan, Read
from ledger.store.segment import METRICS
from ledger.trace import targets

if TYPE_CHECKING:
    from ledger.schema.definition import Definition
    from ledger.schema.document import Schema
    from ledger.trace.view import View


def by_new_name(view: View) -> Mapping[str, Sequence[str]]:
    """Recorded names that are called something else now, by what they are called."""
    found: dict[str, list[str]] = {}
    if view.meaning.migrations:
        for old in view.runs.index.names(METRICS):
            if renamed := targets.forward(view, old):
                found.setdefault(renamed.name, []).append(old)
    return found


def beside(plans: Sequence[Plan], schemas: Sequence[Schema | None], olds: Sequence[str]) -> list[Plan]:
    """The plans of one metric by recorded schema, which turn to old names that it does not declare.

    Those that are one stay one: what is done for each plan over whole columns is done as often as before.
    """
    known: dict[tuple[int, tuple[str, ...]], Plan] = {}
    found = []
    for plan, schema in zip(plans, schemas, strict=True):
        declared: Mapping[str, Definition] = schema.metrics if schema else {}
        left = tuple(old for old in olds if old not in declared and old not in plan.sources)
        others = tuple(_undeclared(plan.target, old) for old in left)
        found.append(
            known.setdefault((id(plan), left), replace(plan, instead=(*plan.instead, *others)))
            if left
            else plan
        )
    return found


def _undeclared(target: Definition, old: str) -> Plan:
    source = undeclared(old)
    return Plan(
        target=target,
        grade=Grade.UNDECLARED,
        reason=f"recorded as {old} without a definition, which is {target.name} now",
        source=source,
        frame=source.did,
        program=(Read(old),),
        sources=(old,),
    )
