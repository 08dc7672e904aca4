"""What single operations of migrations claim, as far as the file alone shows that it is doubtful."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

from ledger.model import Grade
from ledger.schema.affine import Affine
from ledger.schema.codes import Finding, finding
from ledger.schema.edges import Break, Edge, Hyper, Iso
from ledger.schema.lineage import Lineage
from ledger.schema.locks import Lock
from ledger.schema.lowered import Migration

_DIGITS = 15
"""Decimal digits that every double holds."""
_SIMPLE = 10**6
"""Largest denominator of a fraction that people would mean."""
_CLOSE = Fraction(1, 10**12)
_BESIDE = frozenset({"name", "role", "direction"})


def check(lineage: Lineage) -> Iterator[Finding]:
    """Findings about every operation that counts."""
    for migration in lineage.migrations:
        for edge in migration.edges:
            for rule in _RULES:
                yield from rule(edge, migration)


def name_of(edge: Edge, migration: Migration) -> str:
    """The name that an operation makes; of a `drop` the one that ends."""
    did = edge.source if isinstance(edge, Break) and edge.target is None else edge.target
    return str(migration.defs[did or ""]["name"])


def of(migration: Migration, edge: Edge, name: str, message: str, hint: str) -> Finding:
    """A finding about one operation."""
    return finding(name, message, metric=name_of(edge, migration), hint=hint, file=migration.file)


def _no_reason(edge: Edge, migration: Migration) -> Iterator[Finding]:
    approximate = isinstance(edge, Hyper) and edge.grade is Grade.APPROXIMATE
    if approximate and edge.op == "derive" and not edge.reason:
        message = f"derive of {name_of(edge, migration)} is approximate and does not say why"
        yield of(migration, edge, "APPROX_NO_REASON", message, 'add "reason"')


def _moved_data(edge: Edge, migration: Migration) -> Iterator[Finding]:
    if isinstance(edge, Break) or edge.op == "derive" or (isinstance(edge, Iso) and edge.evidence):
        return
    target = migration.defs[edge.target]
    sources = (edge.source,) if isinstance(edge, Iso) else edge.inputs
    if any(_differ("on", migration.defs[source], target) for source in sources):
        message = f"{edge.op} of {name_of(edge, migration)} across a change of `on`"
        yield of(migration, edge, "EVALSET_CHANGED", message, "use `redefine`, or `same` with `evidence`")


def _differ(word: str, source: Lock, target: Lock) -> bool:
    """A bare name never said how or on what it was computed."""
    return bool(source.keys() - _BESIDE) and source.get(word, {}) != target.get(word, {})


def _no_evidence(edge: Edge, migration: Migration) -> Iterator[Finding]:
    if not isinstance(edge, Iso) or edge.op != "same" or edge.evidence:
        return
    if _differ("how", migration.defs[edge.source], migration.defs[edge.target]):
        message = f"same of {name_of(edge, migration)} across a change of `how`, asserted without evidence"
        hint = 'name a test or runs that show it: "evidence": "tests/test_f1.py: both give 0.9123"'
        yield of(migration, edge, "SAME_NO_EVIDENCE", message, hint)


def _rounded(edge: Edge, migration: Migration) -> Iterator[Finding]:
    if not isinstance(edge, Iso) or edge.op != "affine" or not isinstance(edge.link, Affine):
        return
    for word, number in (("scale", edge.link.scale), ("offset", edge.link.offset)):
        if len(_decimal(number)) > _DIGITS:
            near = number.limit_denominator(_SIMPLE)
            meant = abs(near - number) <= _CLOSE * abs(number)
            message = f"{word} of {name_of(edge, migration)} has {len(_decimal(number))} digits: {float(number):.17g}"
            hint = f'"{near}" is exact' if meant else 'if it is a rounded fraction, write that: "1/60"'
            yield of(migration, edge, "PRECISION_LITERAL", message, hint)


def _decimal(number: Fraction) -> str:
    """The significant digits of a decimal; nothing for what is no decimal, or a power of two as people write them."""
    rest = number.denominator
    twos = (rest & -rest).bit_length() - 1
    rest >>= twos
    fives = 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1 or not fives:
        return ""
    return str(abs(number.numerator) * 10 ** max(twos, fives) // number.denominator).strip("0")


_RULES: tuple[Callable[[Edge, Migration], Iterator[Finding]], ...] = (
    _no_reason,
    _moved_data,
    _no_evidence,
    _rounded,
)
