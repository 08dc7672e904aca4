"""A plan: how values recorded under one schema become values under one target definition.

Plans are made once for each recorded schema and target (`lineage`), and applied to raw recorded values only. The
program is a list of instructions, each of which reads what was recorded or the results of earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ledger.frozen import frozen
from ledger.model import Grade, Json
from ledger.schema.definition import Definition

if TYPE_CHECKING:
    from ledger.schema.affine import Affine
    from ledger.schema.expression import Expression
    from ledger.schema.instructions import Instruction

Values = Mapping[str, Json]
"""What one run recorded, by name; a name that is not there was not recorded, None is computed without a value."""


@frozen(kw_only=False)
class Outcome:
    """A value under the target definition, or why there is none.

    Where the grade is incomparable or undeclared, the value is the recorded one.
    """

    value: Json
    grade: Grade
    reason: str = ""


@frozen(kw_only=False)
class Gap:
    """No value so far, and why. `null`: it was computed without a value."""

    grade: Grade
    reason: str
    null: bool = False


Result: TypeAlias = "Json | Gap"


@frozen(kw_only=False)
class Read:
    """What was recorded under a name."""

    name: str

    def run(self, _results: Sequence[Result], values: Values) -> Result:
        value = values.get(self.name, _ABSENT)
        if value is _ABSENT:
            return Gap(Grade.MISSING, f"missing {self.name}")
        return Gap(Grade.UNDEFINED, "computed without a value", null=True) if value is None else value  # type: ignore[return-value]


_ABSENT = object()


@frozen()
class Step:
    """One operation on the way, for people."""

    op: str
    sources: tuple[str, ...]
    """Names of the metrics that it starts from."""
    target: str
    does: str
    """The exact factors, the expression, or empty where the value stays what it is."""
    backward: bool
    """The inverse of what the migration says."""
    reason: str
    asserted: bool
    """Somebody's word (`same`, `default`), which nothing checks."""
    migration: str
    file: str


_VALUED = frozenset({Grade.IDENTICAL, Grade.EXACT, Grade.APPROXIMATE, Grade.INCOMPARABLE, Grade.UNDECLARED})


@frozen()
class Plan:
    """How values of one recorded schema look under `target`.

    `grade` is that of every value this plan gives; a single run may still be missing, undefined, ambiguous, or
    undeclared. A plan that is missing or ambiguous gives no value to any run.
    """

    target: Definition
    grade: Grade
    reason: str = ""
    source: Definition | None = None
    """The recorded definition, where there is exactly one that the value comes from."""
    frame: str = ""
    """Equal for plans whose values convert exactly into one another; breaks lie between different ones."""
    own: Definition | None = None
    """What values are under where they are incomparable: the newest definition of their own frame."""
    own_steps: tuple[Step, ...] = ()
    """What leads there."""
    steps: tuple[Step, ...] = ()
    breaks: tuple[Step, ...] = ()
    """What lies between the recorded definition and the target, where they do not compare."""
    program: tuple[Instruction, ...] = ()
    sources: tuple[str, ...] = ()
    """Recorded names that the value is made of, sorted."""
    fallback: str | None = None
    """Name that this schema does not declare: where it was recorded and the plan finds nothing, it is undeclared."""
    fallback_first: bool = False
    """The plan only assumes a value, so that whatever was recorded under `fallback` counts instead."""
    instead: tuple[Plan, ...] = ()
    """Where an input is missing: what the run has under another name or definition, which does not compare."""

    @property
    def names(self) -> frozenset[str]:
        """Recorded names that matter: what the value is made of, and what is shown where there is none."""
        own = {*self.sources, *(name for one in self.instead for name in one.sources)}
        return frozenset(own | {name for name in (self.fallback, self.source and self.source.name) if name})

    @property
    def asserted(self) -> bool:
        """Whether it rests on somebody's word."""
        return any(step.asserted for step in self.steps)

    @property
    def is_plain(self) -> bool:
        """Whether values stay as they stand recorded under one name."""
        return len(self.program) == 1 and isinstance(self.program[0], Read)

    @property
    def affine(self) -> Affine | None:
        """The one exact map from the one recorded name in `sources`; None where it takes more than that."""
        if not self.program or not isinstance(self.program[0], Read) or len(self.program) > 2:  # noqa: PLR2004
            return None
        from ledger.schema.affine import IDENTITY, Affine
        from ledger.schema.instructions import Convert

        rest = self.program[1:]
        if not rest:
            return IDENTITY
        chain = rest[0].chain if isinstance(rest[0], Convert) else ()
        return chain[0] if len(chain) == 1 and isinstance(chain[0], Affine) else None

    @property
    def expression(self) -> Expression | None:
        """The expression that the value is computed by, if it ends in one."""
        from ledger.schema.instructions import Compute

        last = self.program[-1] if self.program else None
        return last.function.expression if isinstance(last, Compute) else None

    def apply(self, values: Values) -> Outcome:
        """One run's value under the target."""
        found = self._own(values)
        serving = self.serving(values) if found.grade is Grade.MISSING else self
        if serving is self:
            return found
        told = serving.apply(values)
        if told.grade is not Grade.INCOMPARABLE:
            return told
        return Outcome(told.value, told.grade, "; ".join(filter(None, (told.reason, found.reason))))

    def _own(self, values: Values) -> Outcome:
        if self.fallback_first and values.get(self.fallback or "") is not None:
            return self._undeclared(values)
        if self.grade not in _VALUED:
            return self._otherwise(self.grade, self.reason, values)
        results: list[Result] = []
        for instruction in self.program:
            results.append(instruction.run(results, values))
        last = results[-1]
        if isinstance(last, Gap):
            return self._otherwise(last.grade, last.reason, values)
        return Outcome(last, self.grade, self.reason)

    def serving(self, values: Values) -> Plan:
        """The plan that a run's value comes from: this one, or what it turns to where an input is missing."""
        if not self.instead or self._own(values).grade is not Grade.MISSING:
            return self
        there = (one for one in self.instead if any(values.get(name) is not None for name in one.sources))
        return next(there, self)

    def _otherwise(self, grade: Grade, reason: str, values: Values) -> Outcome:
        if grade is Grade.MISSING and values.get(self.fallback or "") is not None:
            return self._undeclared(values)
        return Outcome(None, grade, reason)

    def _undeclared(self, values: Values) -> Outcome:
        return Outcome(
            values[self.fallback or ""],
            Grade.UNDECLARED,
            f"recorded without a definition, wanted as d1:{self.target.short}",
        )
