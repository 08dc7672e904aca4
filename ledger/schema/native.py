"""The plan of values that stand under their target already: what most runs have, and it needs no migrations."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.frozen import frozen
from ledger.model import Grade
from ledger.schema.definition import Definition
from ledger.schema.plan import Plan, Read


@frozen(kw_only=False)
class Recorded:
    """What one schema declares, as far as it says anything about a name."""

    by_name: Mapping[str, Definition]
    by_id: Mapping[str, Definition]

    @classmethod
    def of(cls, recorded: Mapping[str, Definition], target: Definition) -> Recorded:
        """The definitions (by name) that are of the target's kind."""
        declared = {name: one for name, one in recorded.items() if one.declared and one.role == target.role}
        return cls(declared, {one.did: one for one in declared.values()})

    def holds(self, definition: Definition) -> bool:
        """Declared by this very definition, or not at all where the definition is that of a bare name."""
        return definition.did in self.by_id or (
            not definition.declared and definition.name not in self.by_name
        )


def native(target: Definition, frame: str) -> Plan:
    """What was recorded, as it was recorded."""
    return Plan(
        target=target,
        grade=Grade.IDENTICAL,
        reason="" if target.declared else "not declared, compared by name",
        source=target,
        frame=frame,
        program=(Read(target.name),),
        sources=(target.name,),
    )
