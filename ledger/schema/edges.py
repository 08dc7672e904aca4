"""What an operation becomes: an edge that relates definitions by id (`did`).

`Iso` works both ways, `Hyper` one way, `Break` only explains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ledger.model import Grade, Json
from ledger.schema.expression import Expression
from ledger.schema.outcome import Undefined
from ledger.schema.transform import Link, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Iso:
    """`link` turns values under `source` into values under `target`, and its inverse turns them back."""

    op: str
    source: str
    target: str
    link: Link
    reason: str = ""
    evidence: str = ""
    """What shows that a `same` holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derive:
    """An expression over all inputs, `names` in their order."""

    expression: Expression
    text: str = field(compare=False)
    """As people wrote it."""
    names: tuple[str, ...]
    on_div0: float | None
    """Value of a division by zero; None: undefined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coalesce:
    """Whichever inputs there are, if they agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A table that has no inverse."""

    table: Table
    otherwise: Callable[[Json], Json | Undefined] = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    value: Json


Function = Derive | Coalesce | Lookup | Cast | Default


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyper:
    """`function` turns values under `inputs` into a value under `target`; `text` says which function, by content."""

    op: str
    inputs: tuple[str, ...]
    target: str
    function: Function
    grade: Literal[Grade.EXACT, Grade.APPROXIMATE]
    text: str
    reason: str = ""
    error: float | None = None
    """By how much results may differ from recorded values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Values under `source` do not compare with those under `target`; without a target the metric ended."""

    op: str
    source: str
    target: str | None
    reason: str


Edge = Iso | Hyper | Break
