"""How recorded values relate to the definition they are to be shown under, through all migrations.

A `Lineage` is built once for a set of migrations; `plan` answers for one recorded schema and one target, and the plan
does the rest. Without migrations a value is under the very same definition, or it does not compare.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from ledger.frozen import frozen
from ledger.model import Grade
from ledger.schema.definition import Definition, undeclared
from ledger.schema.differences import differences
from ledger.schema.document import Schema
from ledger.schema.native import Recorded, native
from ledger.schema.plan import Plan
from ledger.uncollected import uncollected

if TYPE_CHECKING:
    from ledger.schema.codes import Finding
    from ledger.schema.edges import Break, Edge
    from ledger.schema.graph import Graph, Union
    from ledger.schema.locks import Lock
    from ledger.schema.lowered import Migration

__all__ = ["Comparison", "Lineage", "Renamed", "compare", "differences", "target_of"]


@frozen()
class Renamed:
    """A name that took over from an older one, and the operation that says so."""

    name: str
    op: str
    migration: str
    file: str


class Lineage:
    """All definitions and migrations that are known, and what follows from them."""

    def __init__(self, migrations: Iterable[Migration], definitions: Mapping[str, Definition]) -> None:
        self._given = tuple(migrations)
        self._definitions = dict(definitions)
        self._plans: dict[tuple[frozenset[str], str], Plan] = {}

    @classmethod
    def build(cls, definitions: Iterable[Definition] = (), migrations: Iterable[Migration] = ()) -> Lineage:
        """Relate everything. Migrations count once each, without those that others supersede, in any order."""
        return cls(migrations, {definition.did: definition for definition in definitions})

    @cached_property
    def graph(self) -> Graph:
        """All edges. What works on them is imported here: a project without migrations starts without it."""
        from ledger.schema.graph import Graph, in_order

        with uncollected():
            return Graph(in_order(self._given))

    @property
    def migrations(self) -> tuple[Migration, ...]:
        """Those that count, by file name."""
        return self.graph.migrations if self._given else ()

    @property
    def faults(self) -> tuple[Finding, ...]:
        """Contradictions between migrations; what they touch is ambiguous, all else is as it was."""
        return self.graph.faults if self._given else ()

    def plan(self, recorded: Mapping[str, Definition] | None, target: Definition) -> Plan:
        """How values under one schema's definitions (`metrics` or `params`; None: no schema) look under `target`."""
        given = recorded or {}
        key = (frozenset(one.did for one in given.values()), target.did)
        if key not in self._plans:
            self._definitions.setdefault(target.did, target)
            self._plans[key] = self._planned(Recorded.of(given, target), target)
        return self._plans[key]

    def _planned(self, have: Recorded, target: Definition) -> Plan:
        if have.holds(target):
            return native(target, self.frame(target))
        from ledger.schema import planner

        return planner.make(self.graph, self.definition, have, target)

    def definition(self, did: str) -> Definition:
        """A definition that is recorded or that a migration holds. Raises KeyError."""
        if did not in self._definitions:
            from ledger.schema.locks import unlock

            self._definitions[did] = unlock(self._locks[did])
        return self._definitions[did]

    def frame(self, definition: Definition) -> str:
        """Equal just for definitions that convert exactly into one another."""
        return self.graph.frame(definition.did) if self._given else definition.did

    def connected(self, one: Definition, other: Definition) -> bool:
        """Whether any operations, breaks too, lead from one to the other."""
        return self._islands.find(one.did) == self._islands.find(other.did)

    def explains(self, one: Definition, other: Definition) -> bool:
        """Whether a migration says what became of values under `one` in the eyes of `other`.

        A `derive` says it for the name that it makes: values that it can't make from what a run has stay apart.
        """
        return self.connected(one, other) or (one.name == other.name and other.did in self._derived)

    def leads_on(self, definition: Definition) -> bool:
        """Whether any operation starts from it."""
        return definition.did in self._started

    def leads_to(self, definition: Definition) -> bool:
        """Whether any operation ends at it."""
        return definition.did in self._ended

    def converts_to(self, definition: Definition) -> bool:
        """Whether any operation makes values under it; a `redefine` makes none."""
        return definition.did in self._made

    def dropped(self, definition: Definition) -> Break | None:
        """The `drop` that ended a definition."""
        return self._drops.get(definition.did)

    def forward_names(self, name: str) -> tuple[Renamed, ...]:
        """The names that took over from `name`, directly or in turn, nearest first."""
        found: dict[str, Renamed] = {}
        queue = deque([name])
        while queue:
            for renamed in self._renames.get(queue.popleft(), ()):
                if renamed.name != name and renamed.name not in found:
                    found[renamed.name] = renamed
                    queue.append(renamed.name)
        return tuple(found.values())

    @cached_property
    def _locks(self) -> Mapping[str, Lock]:
        return {did: fields for migration in self.migrations for did, fields in migration.defs.items()}

    @cached_property
    def _edges(self) -> Collection[tuple[Edge, Migration]]:
        return [(edge, migration) for migration in self.migrations for edge in migration.edges]

    @cached_property
    def _islands(self) -> Union:
        from ledger.schema.graph import Union

        islands = Union()
        for edge, _ in self._edges:
            for source in _starts(edge):
                islands.join(source, edge.target or source)
        return islands

    @cached_property
    def _started(self) -> frozenset[str]:
        return frozenset(source for edge, _ in self._edges for source in _starts(edge))

    @cached_property
    def _ended(self) -> frozenset[str]:
        return frozenset(edge.target for edge, _ in self._edges if edge.target is not None)

    @cached_property
    def _made(self) -> frozenset[str]:
        return frozenset(
            edge.target for edge, _ in self._edges if edge.op not in ("redefine", "drop") and edge.target
        )

    @cached_property
    def _derived(self) -> frozenset[str]:
        return frozenset(hyper.target for hyper, _ in self.graph.hypers if hyper.op == "derive")

    @cached_property
    def _drops(self) -> Mapping[str, Break]:
        return {edge.source: edge for edge, _ in self.graph.breaks if edge.target is None}

    @cached_property
    def _renames(self) -> Mapping[str, list[Renamed]]:
        renames: dict[str, list[Renamed]] = {}
        for edge, migration in self._edges:
            for old, new in _taken_over(edge, migration):
                renamed = Renamed(name=new, op=edge.op, migration=migration.id, file=migration.file)
                renames.setdefault(old, []).append(renamed)
        return renames


def _starts(edge: Edge) -> tuple[str, ...]:
    from ledger.schema.edges import Hyper

    return edge.inputs if isinstance(edge, Hyper) else (edge.source,)


def _taken_over(edge: Edge, migration: Migration) -> Iterator[tuple[str, str]]:
    """Old and new names of metrics; what is derived from others did not take over from them."""
    from ledger.schema.edges import Break, Coalesce, Iso

    takes_over = isinstance(edge, (Iso, Break)) or isinstance(edge.function, Coalesce)
    if edge.target is None or not takes_over:
        return
    new = str(migration.defs[edge.target]["name"])
    olds = (migration.defs[did] for did in _starts(edge))
    yield from ((str(old["name"]), new) for old in olds if old["name"] != new and "role" not in old)


@frozen()
class Comparison:
    """A grade, and in words why it is not simply identical."""

    grade: Grade
    reason: str = ""


_NOTHING = Lineage.build()


def target_of(metric: str, schema: Schema | None) -> Definition:
    """Find the definition that `schema` gives a metric, or the implicit one of its bare name."""
    declared = schema.metrics.get(metric) if schema else None
    return declared or undeclared(metric)


def compare(recorded: Definition | None, target: Definition | None) -> Comparison:
    """Grades values recorded under one definition for a view under another, without migrations; None is undeclared.

    A definition that says nothing but its name counts as undeclared. Both are of the same metric unless they
    say otherwise.
    """
    if recorded is not None and target is not None and recorded.name != target.name:
        changes = "; ".join((*differences(recorded, target), "no migration"))
        return Comparison(grade=Grade.INCOMPARABLE, reason=changes)
    name = (recorded or target or undeclared("")).name
    plan = _NOTHING.plan({name: recorded} if recorded else {}, target or undeclared(name))
    return Comparison(grade=plan.grade, reason=plan.reason)
