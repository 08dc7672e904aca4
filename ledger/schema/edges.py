"""What an operation becomes: an edge that relates definitions by id (`did`).

`Iso` works both ways, `Hyper` one way, `Break` only explains.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from ledger.frozen import frozen
from ledger.model import Grade, Json

if TYPE_CHECKING:
    from ledger.schema.expression import Expression
    from ledger.schema.transform import Link, Table


@frozen()
class Iso:
    """`link` turns values under `source` into values under `target`, and its inverse turns them back."""

    op: str
    source: str
    target: str
    link: Link
    reason: str = ""
    evidence: str = ""
    """What shows that a `same` holds."""


@frozen()
class Derive:
    """An expression over all inputs, `names` in their order."""

    expression: Expression
    text: str = field(compare=False)
    """As people wrote it."""
    names: tuple[str, ...]
    on_div0: float | None
    """Value of a division by zero; None: undefined."""


@frozen()
class Coalesce:
    """Whichever inputs there are, if they agree."""


@frozen()
class Lookup:
    """A table that has no inverse."""

    table: Table
    otherwise: Json = field(compare=False)
    """What becomes of a value that is not listed: `keep`, `error`, or another value inside an object."""


@frozen()
class Cast:
    kind: str


@frozen()
class Default:
    value: Json


Function = Derive | Coalesce | Lookup | Cast | Default


@frozen()
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


@frozen()
class Break:
    """Values under `source` do not compare with those under `target`; without a target the metric ended."""

    op: str
    source: str
    target: str | None
    reason: str


Edge = Iso | Hyper | Break
