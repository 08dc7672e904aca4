"""A plan: how values recorded under one schema become values under one target definition.

Plans are made once for each recorded schema and target (`lineage`), and applied to raw recorded values only. The
program is a list of instructions, each of which reads what was recorded or the results of earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ledger import canonical
from ledger.model import Grade, Json
from ledger.schema.affine import Affine
from ledger.schema.definition import Definition
from ledger.schema.edges import Cast, Default, Derive, Lookup
from ledger.schema.outcome import Undefined
from ledger.schema.transform import Chain, applied, cast

if TYPE_CHECKING:
    from ledger.schema.expression import Expression

Values = Mapping[str, Json]
"""What one run recorded, by name; a name that is not there was not recorded, None is computed without a value."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A value under the target definition, or why there is none.

    Where the grade is incomparable or undeclared, the value is the recorded one.
    """

    value: Json
    grade: Grade
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """No value so far, and why. `null`: it was computed without a value."""

    grade: Grade
    reason: str
    null: bool = False


Result: TypeAlias = "Json | Gap"


@dataclass(frozen=True, slots=True)
class Read:
    """What was recorded under a name."""

    name: str

    def run(self, _results: Sequence[Result], values: Values) -> Result:
        value = values.get(self.name, _ABSENT)
        if value is _ABSENT:
            return Gap(Grade.MISSING, f"missing {self.name}")
        return Gap(Grade.UNDEFINED, "computed without a value", null=True) if value is None else value  # type: ignore[return-value]


_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Convert:
    """One exact conversion, however many steps it is made of."""

    source: int
    chain: Chain

    def run(self, results: Sequence[Result], _values: Values) -> Result:
        value = results[self.source]
        return value if isinstance(value, Gap) else _settled(applied(self.chain, value))


@dataclass(frozen=True, slots=True)
class Compute:
    """An expression over results; `inputs` are (name in the expression, result, what people call it)."""

    function: Derive
    inputs: tuple[tuple[str, int, str], ...]

    def run(self, results: Sequence[Result], _values: Values) -> Result:
        given: dict[str, float] = {}
        gaps: list[Gap] = []
        for alias, place, name in self.inputs:
            value = results[place]
            if isinstance(value, Gap):
                gaps.append(Gap(Grade.MISSING, f"missing {name}") if value.null else value)
            elif isinstance(value, bool) or not isinstance(value, (int, float)):
                gaps.append(Gap(Grade.UNDEFINED, f"{name} is not a number"))
            else:
                given[alias] = value
        if gaps:
            return min(gaps, key=_gravity)
        return _settled(self.function.expression.evaluate(given, on_div0=self.function.on_div0))


_WORST_FIRST = (Grade.AMBIGUOUS, Grade.UNDEFINED, Grade.MISSING)


def _gravity(gap: Gap) -> int:
    return _WORST_FIRST.index(gap.grade)


@dataclass(frozen=True, slots=True)
class Either:
    """Whichever of several results there are; `conflict` is what it means that two differ."""

    sources: tuple[int, ...]
    conflict: Gap

    def run(self, results: Sequence[Result], _values: Values) -> Result:
        found = [results[place] for place in self.sources]
        gaps = [value for value in found if isinstance(value, Gap) and not value.null]
        present = [value for value in found if not isinstance(value, Gap)]
        worst = min(gaps, key=_gravity, default=None)
        if worst is not None and worst.grade is not Grade.MISSING:
            return worst
        if not present:
            return Gap(Grade.MISSING, "missing all alternatives")
        return present[0] if all(_equal(present[0], other) for other in present[1:]) else self.conflict


@dataclass(frozen=True, slots=True)
class Change:
    """One param's value through a table without an inverse, or cast to another type."""

    source: int
    function: Lookup | Cast

    def run(self, results: Sequence[Result], _values: Values) -> Result:
        value = results[self.source]
        if isinstance(value, Gap):
            return value
        if isinstance(self.function, Cast):
            return _settled(cast(value, self.function.kind))
        found = self.function.table.apply(value)
        return _settled(self.function.otherwise(value) if isinstance(found, Undefined) else found)


@dataclass(frozen=True, slots=True)
class Assume:
    """A value that nobody recorded."""

    function: Default

    def run(self, _results: Sequence[Result], _values: Values) -> Result:
        return self.function.value


Instruction = Read | Convert | Compute | Either | Change | Assume


def _settled(value: Json | Undefined) -> Result:
    return Gap(Grade.UNDEFINED, value.reason) if isinstance(value, Undefined) else value


def _equal(one: Json, other: Json) -> bool:
    """NaN is what it is."""
    return canonical.jcs(one) == canonical.jcs(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation on the way, for people."""

    op: str
    sources: tuple[str, ...]
    """Names of the metrics that it starts from; ids in `source_ids`, in the same order."""
    source_ids: tuple[str, ...]
    target: str
    target_id: str
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


@dataclass(frozen=True, slots=True, kw_only=True)
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

    @property
    def asserted(self) -> bool:
        """Whether it rests on somebody's word."""
        return any(step.asserted for step in self.steps)

    @property
    def affine(self) -> Affine | None:
        """The one exact map from the one recorded name in `sources`; None where it takes more than that."""
        if not self.program or not isinstance(self.program[0], Read) or len(self.program) > 2:  # noqa: PLR2004
            return None
        rest = self.program[1:]
        if not rest:
            return Affine()
        chain = rest[0].chain if isinstance(rest[0], Convert) else ()
        return chain[0] if len(chain) == 1 and isinstance(chain[0], Affine) else None

    @property
    def expression(self) -> Expression | None:
        """The expression that the value is computed by, if it ends in one."""
        last = self.program[-1] if self.program else None
        return last.function.expression if isinstance(last, Compute) else None

    def apply(self, values: Values) -> Outcome:
        """One run's value under the target."""
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
