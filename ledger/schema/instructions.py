"""What the program of a plan consists of, beside reading a recorded value: conversions, expressions, choices."""

from __future__ import annotations

from collections.abc import Sequence

from ledger import canonical
from ledger.frozen import frozen
from ledger.model import Grade, Json
from ledger.schema.edges import Cast, Default, Derive, Lookup
from ledger.schema.outcome import Undefined
from ledger.schema.plan import Gap, Read, Result, Values
from ledger.schema.transform import Chain, applied, cast


@frozen(kw_only=False)
class Convert:
    """One exact conversion, however many steps it is made of."""

    source: int
    chain: Chain

    def run(self, results: Sequence[Result], _values: Values) -> Result:
        value = results[self.source]
        return value if isinstance(value, Gap) else _settled(applied(self.chain, value))


@frozen(kw_only=False)
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


@frozen(kw_only=False)
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


@frozen(kw_only=False)
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
        if not isinstance(found, Undefined):
            return found
        otherwise = self.function.otherwise
        if isinstance(otherwise, dict):
            return otherwise["value"]
        return value if otherwise == "keep" else _settled(found)


@frozen(kw_only=False)
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
