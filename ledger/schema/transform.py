"""What an invertible step does to a value, and chains of them: joined exactly, applied once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from functools import reduce

from ledger import canonical
from ledger.frozen import frozen
from ledger.model import Json
from ledger.schema.affine import Affine
from ledger.schema.outcome import Undefined


@frozen(kw_only=False)
class Table:
    """A map between listed values; `pairs` are (old, new)."""

    pairs: tuple[tuple[Json, Json], ...] = field(hash=False)
    _new: dict[str, Json] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_new", {canonical.compact(old): new for old, new in self.pairs})

    @property
    def injective(self) -> bool:
        return len({canonical.compact(new) for new in self._new.values()}) == len(self.pairs)

    def apply(self, value: Json) -> Json | Undefined:
        return self._new.get(canonical.compact(value), Undefined(reason=f"unmapped {value!r}"))

    def inverse(self) -> Table:
        return Table(tuple((new, old) for old, new in self.pairs))

    def __str__(self) -> str:
        return ", ".join(f"{canonical.compact(old)} → {canonical.compact(new)}" for old, new in self.pairs)


Link = Affine | Table
Chain = tuple[Link, ...]
"""Links from left to right; empty is the identity. No link is the identity, and no two affine links are neighbours."""


MAX_BITS = 8192
"""Size of an exact factor. Units never come near it; made-up factors without end would take minutes to compose."""


class UnwieldyError(Exception):
    """A chain whose exact factor has more digits than `MAX_BITS` holds."""


def joined(links: Iterable[Link]) -> Chain:
    """Compose links, the first one first. Raises UnwieldyError."""
    return reduce(_append, links, ())


def _append(chain: Chain, link: Link) -> Chain:
    if isinstance(link, Affine):
        if chain and isinstance(last := chain[-1], Affine):
            return _append(chain[:-1], _composed(last, link))
        return chain if link.is_identity else (*chain, link)
    if chain and isinstance(last := chain[-1], Table):
        through = ((old, link.apply(middle)) for old, middle in last.pairs)
        return (
            *chain[:-1],
            Table(tuple((old, new) for old, new in through if not isinstance(new, Undefined))),
        )
    return (*chain, link)


def _composed(one: Affine, other: Affine) -> Affine:
    whole = one.compose(other)
    size = max(
        number.bit_length()
        for part in (whole.scale, whole.offset)
        for number in (part.numerator, part.denominator)
    )
    if size > MAX_BITS:
        raise UnwieldyError
    return whole


def inverted(chain: Iterable[Link]) -> Chain:
    """The chain that undoes `chain`."""
    return tuple(link.inverse() for link in reversed(tuple(chain)))


def applied(chain: Chain, value: Json) -> Json | Undefined:
    """The value at the end of the chain; the identity returns it untouched."""
    for link in chain:
        if isinstance(link, Affine) and (isinstance(value, bool) or not isinstance(value, (int, float))):
            return Undefined(reason="not a number")
        moved = link.apply(value)  # type: ignore[arg-type]
        if isinstance(moved, Undefined):
            return moved
        value = moved
    return value


def agree(one: Chain, other: Chain) -> bool:
    """Whether two chains are one map; chains with tables are compared at every value that both know."""
    if one == other or not any(isinstance(link, Table) for link in (*one, *other)):
        return one == other
    listed = (link for chain in (one, other) for link in chain[:1] if isinstance(link, Table))
    values = [old for table in listed for old, _ in table.pairs]
    pairs = ((applied(one, value), applied(other, value)) for value in values)
    return all(isinstance(a, Undefined) or isinstance(b, Undefined) or a == b for a, b in pairs)


_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<real>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")
_MAX_DIGITS = 300


def _integer(value: Json) -> Json | None:
    """Whole numbers, and texts that JSON would read as one: not `007`, `1e2`, `32.0`, ` 32`."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        return int(value) if value != "-0" and (found := _number_text(value)) and not found["real"] else None
    return value if isinstance(value, int) else None


def _number(value: Json) -> Json | None:
    if isinstance(value, str) and (found := _number_text(value)):
        number = float(value) if found["real"] else int(value)
        return number if math.isfinite(number) else None
    return value if isinstance(value, (int, float)) else None


def _number_text(value: str) -> re.Match[str] | None:
    return _NUMBER.fullmatch(value) if len(value) <= _MAX_DIGITS else None


def _string(value: Json) -> Json | None:
    return value if isinstance(value, str) else canonical.compact(value).strip('"')


def _boolean(value: Json) -> Json | None:
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None


CASTS: Mapping[str, Callable[[Json], Json | None]] = {
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "string": _string,
}


def cast(value: Json, kind: str) -> Json | Undefined:
    """The value as another type, strictly: what would have to be guessed is undefined."""
    if isinstance(value, bool) and kind == "boolean":
        return value
    plain = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    result = CASTS[kind](value) if plain else None
    return Undefined(reason=f"{canonical.compact(value)} is no {kind}") if result is None else result
