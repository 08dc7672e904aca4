"""Units as text → exact conversions between them.

Codes are UCUM's (`ms`, `MiBy`, `{token}/s`, `W.h`); `unit_table` lists them and says where they differ. What isn't
known is opaque: it converts to nothing but itself, which is something to warn about and never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

from ledger import canonical
from ledger.errors import ConfigError, InputError
from ledger.schema.affine import IDENTITY, Affine, UnitError, affine, rational
from ledger.schema.unit_table import BINARY_PREFIXES, BINARY_UNITS, PREFIXES, UNITS

__all__ = [
    "Affine",
    "Unit",
    "UnitError",
    "affine",
    "conversion",
    "is_known",
    "load",
    "parse",
    "project_units",
]

MAX_LENGTH = 128
_MAX_POWER = 99
_MAX_FILE_BYTES = 1024 * 1024

_ATOM = r"(?:[^\W\d_]|[%_'\"°*^]|\[[^\[\]{}\s]+\])+"
_COMPONENT = re.compile(
    rf"(?P<number>[0-9]+)(?![*^0-9])|(?P<base>10[*^]|{_ATOM}|\{{[^{{}}]+\}})(?P<power>[+-]?[0-9]{{1,2}})?"
    r"(?P<note>\{[^{}]+\})?"
)

_Dimension = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit: what it measures, and how its numbers become numbers of the base units."""

    code: str
    base: Affine = IDENTITY
    """Number in this unit → number in the base units of `dimension`."""
    dimension: _Dimension = ()
    """Base units and their powers, sorted; annotations and unknown units are base units of their own."""
    unknown: tuple[str, ...] = ()
    """The parts of the code that the table doesn't have; all of it where it can't be read at all."""


class _UnreadableError(Exception):
    """Not the grammar of UCUM."""


_NO_UNITS: Mapping[str, Unit] = MappingProxyType({})


def parse(code: str, custom: Mapping[str, Unit] = _NO_UNITS) -> Unit:
    """The unit that a code names; `custom` holds a project's own units (`project_units`).

    Raises UnitError only for what no unit looks like: nothing, control characters, more than 128 characters.
    """
    if not code or len(code) > MAX_LENGTH or not code.isprintable():
        raise UnitError(
            f"unit {canonical.compact(code[:40])}: a unit is 1 to {MAX_LENGTH} printable characters",
            code="UNIT_UNREADABLE",
            hint="use UCUM where it has one: 1, %, s, ms, By, {token}/s",
        )
    return _parse(code, custom) if custom else _built_in(code)


def is_known(unit: Unit) -> bool:
    """Whether every part of it is in the table, a project's own unit, or an annotation."""
    return not unit.unknown


def conversion(source: Unit, target: Unit, *, kind: str = "point") -> Affine:
    """The exact map from numbers in `source` to numbers in `target`; for `delta` without offsets.

    Raises UnitError (`UNIT_INCOMMENSURABLE`) where they measure different things.
    """
    if source.dimension != target.dimension:
        raise UnitError(
            f"{source.code} does not convert to {target.code}",
            code="UNIT_INCOMMENSURABLE",
            hint=_why(source, target),
        )
    exact = source.base.compose(target.base.inverse())
    return exact.linear if kind == "delta" else exact


def load(data: bytes, *, what: str = ".ledger/units.json") -> Mapping[str, Unit]:
    """Read a project's units file; `what` names it in messages. Raises ConfigError that lists every fault."""
    if len(data) > _MAX_FILE_BYTES:
        raise ConfigError(f"{what}: larger than {_MAX_FILE_BYTES:,} bytes")
    try:
        document = canonical.loads(data, what=what, max_bytes=_MAX_FILE_BYTES)
    except InputError as error:
        raise ConfigError(error.message, hint=error.hint, details=error.details) from error
    from ledger.schema import formats

    if faults := formats.check("units", document, file=what):
        raise ConfigError(f"{what}: not a file of units", details=tuple(map(str, faults)))
    return project_units(document["units"], what=what)


def project_units(
    rows: Mapping[str, Mapping[str, str]], *, what: str = ".ledger/units.json"
) -> Mapping[str, Unit]:
    """Units of a project, code → `{"unit", "scale", "offset"}`, as `schemas/units.json` has them.

    They may build on one another in any order. Raises ConfigError.
    """
    _check_codes(rows, what)
    resolved: dict[str, Unit] = {}
    waiting = dict(rows)
    while waiting:
        ready = dict(_resolvable(waiting, resolved, what))
        if not ready:
            raise _unresolved(waiting, resolved, what)
        resolved |= ready
        waiting = {code: row for code, row in waiting.items() if code not in ready}
    return MappingProxyType(resolved)


def _why(source: Unit, target: Unit) -> str:
    if source.unknown or target.unknown:
        names = ", ".join(dict.fromkeys((*source.unknown, *target.unknown)))
        return f"not a known unit: {names}; describe it in .ledger/units.json"
    return f"{source.code} is {_text(source.dimension)}, {target.code} is {_text(target.dimension)}"


def _text(dimension: _Dimension) -> str:
    return ".".join(base if power == 1 else f"{base}^{power}" for base, power in dimension) or "a pure number"


def _check_codes(rows: Mapping[str, object], what: str) -> None:
    for code in rows:
        found = _COMPONENT.fullmatch(code) if len(code) <= MAX_LENGTH else None
        if not found or found["base"] != code or code.startswith("{") or "*" in code or "^" in code:
            raise ConfigError(
                f"{what}: {canonical.compact(code[:40])} can't be the code of a unit",
                hint="letters, or any text in square brackets: [img]",
            )
        if is_known(parse(code)):
            raise ConfigError(
                f"{what}: {code} is a unit already", hint=f"put it in square brackets: [{code}]"
            )


def _resolvable(
    rows: Mapping[str, Mapping[str, str]], resolved: Mapping[str, Unit], what: str
) -> Iterator[tuple[str, Unit]]:
    for code, row in rows.items():
        try:
            base = parse(row["unit"], resolved) if "unit" in row else _base_unit(code)
            own = affine(row.get("scale", "1"), row.get("offset", "0"))
        except UnitError as error:
            raise ConfigError(f"{what}: {code}: {error.message}", hint=error.hint) from error
        if is_known(base):
            yield code, replace(base, code=code, base=own.compose(base.base))


def _unresolved(
    rows: Mapping[str, Mapping[str, str]], resolved: Mapping[str, Unit], what: str
) -> ConfigError:
    faults = (
        f"{code} is a multiple of {row['unit']}, of which {', '.join(parse(row['unit'], resolved).unknown)} is not known"
        for code, row in rows.items()
    )
    return ConfigError(
        f"{what}: units that rest on nothing",
        hint="each must lead to known units, and not back to itself; without `unit` it stands for itself",
        details=tuple(faults),
    )


@lru_cache(maxsize=4096)
def _built_in(code: str) -> Unit:
    return _parse(code, _NO_UNITS)


def _parse(code: str, custom: Mapping[str, Unit]) -> Unit:
    try:
        unit, end = _term(code, 0, custom)
    except _UnreadableError:
        unit, end = None, 0
    if unit is None or end != len(code) or any(abs(power) > _MAX_POWER for _, power in unit.dimension):
        return Unit(code=code, dimension=((code, 1),), unknown=(code,))
    return replace(unit, code=code)


def _term(code: str, start: int, custom: Mapping[str, Unit]) -> tuple[Unit, int]:
    """Product from `start` to the end or a closing bracket: `/` divides by the next component alone."""
    if code[start : start + 1] == "/":
        result, position = _ONE, start
    else:
        result, position = _component(code, start, custom)
    while code[position : position + 1] in {".", "/"}:
        factor, following = _component(code, position + 1, custom)
        result = _product(result, factor, -1 if code[position] == "/" else 1)
        position = following
    return result, position


def _component(code: str, start: int, custom: Mapping[str, Unit]) -> tuple[Unit, int]:
    if code[start : start + 1] == "(":
        inner, end = _term(code, start + 1, custom)
        if code[end : end + 1] != ")":
            raise _UnreadableError
        return inner, end + 1
    found = _COMPONENT.match(code, start)
    if not found or found["power"] in {"0", "+0", "-0"}:
        raise _UnreadableError
    if found["number"]:
        return _number(int(found["number"])), found.end()
    unit = _atom(found["base"], custom)
    if found["power"]:
        unit = _product(_ONE, unit, int(found["power"]))
    if found["note"]:
        unit = _product(unit, _base_unit(found["note"]), 1)
    return unit, found.end()


def _number(value: int) -> Unit:
    if not value:
        raise _UnreadableError
    return Unit(code=str(value), base=Affine(scale=Fraction(value)))


def _atom(text: str, custom: Mapping[str, Unit]) -> Unit:
    """A unit of the table, with a prefix or without, or one of the project; else opaque."""
    if text.startswith("{"):
        return _base_unit(text)
    if text in {"10*", "10^"}:
        return _number(10)
    if text in custom:
        return custom[text]
    return _listed(text) or _with_prefix(text) or replace(_base_unit(text), unknown=(text,))


@lru_cache(maxsize=256)
def _listed(code: str) -> Unit | None:
    row = UNITS.get(code)
    if row is None:
        return None
    if not row.unit:
        return _base_unit(code)
    unit = _built_in(row.unit)
    own = Affine(scale=rational(row.scale, what=code), ln2=row.ln2, offset=rational(row.offset, what=code))
    return replace(unit, code=code, base=own.compose(unit.base))


def _with_prefix(text: str) -> Unit | None:
    for length in (2, 1):
        prefix, rest = text[:length], text[length:]
        factor = _factor(prefix, rest)
        unit = _listed(rest) if factor else None
        if factor and unit:
            return replace(unit, base=Affine(scale=factor).compose(unit.base))
    return None


def _factor(prefix: str, rest: str) -> Fraction | None:
    if rest not in UNITS or not UNITS[rest].prefixed:
        return None
    return PREFIXES.get(prefix) or (BINARY_PREFIXES.get(prefix) if rest in BINARY_UNITS else None)


def _base_unit(code: str) -> Unit:
    return Unit(code=code, dimension=((code, 1),))


def _product(left: Unit, right: Unit, power: int) -> Unit:
    """Within a product a unit stands for a difference, so that its zero doesn't matter: `W/Cel` is `W/K`."""
    powers = dict(left.dimension)
    for base, exponent in right.dimension:
        powers[base] = powers.get(base, 0) + power * exponent
    return Unit(
        code="",
        base=Affine(
            scale=left.base.scale * right.base.scale**power, ln2=left.base.ln2 + power * right.base.ln2
        ),
        dimension=tuple(sorted((base, exponent) for base, exponent in powers.items() if exponent)),
        unknown=(*left.unknown, *(part for part in right.unknown if part not in left.unknown)),
    )


_ONE = Unit(code="1")
