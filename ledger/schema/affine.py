"""Affine maps over exact rationals and powers of ln 2: composed exactly, applied once.

A map is x ↦ scale·(ln 2)^ln2·x + offset. ln 2 is transcendental, so two maps are equal just if their
coefficients are, and bit → nat → bit is the identity.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from fractions import Fraction
from types import MappingProxyType

from ledger.errors import LedgerError
from ledger.frozen import frozen
from ledger.schema.outcome import EXACT_LIMIT, OVERFLOW, PRECISION, Undefined

_OPERATIONS: Mapping[str, Callable[[float, float], float]] = MappingProxyType(
    {"multiply": operator.mul, "divide": operator.truediv, "add": operator.add}
)
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<decimal>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?|[0-9]+/[0-9]+)", re.ASCII
)
_MAX_DIGITS = 400
_MAX_DOUBLE = Fraction(1.7976931348623157e308)
_MIN_DOUBLE = Fraction(5e-324)
_LN2 = math.log(2.0)
_TIMES = "\N{MULTIPLICATION SIGN}"


class UnitError(LedgerError):
    """A unit, a scale or an offset that can't be used; `code` is the name of the lint."""

    kind = "config"

    def __init__(self, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


@frozen()
class Affine:
    """x ↦ scale·(ln 2)^ln2·x + offset + Σ c·(ln 2)^k over the (k, c) of `offset_ln2`; `scale` is never 0."""

    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    ln2: int = 0
    offset_ln2: tuple[tuple[int, Fraction], ...] = ()
    """Terms of the offset with a power of ln 2 other than 0, sorted by power, no coefficient 0."""
    _program: tuple[tuple[str, float], ...] | None = field(
        default=None, init=False, compare=False, repr=False
    )
    """`steps`, once they were asked for."""

    @staticmethod
    def identity() -> Affine:
        """The map that changes nothing, also as the constant `IDENTITY`."""
        return IDENTITY

    @property
    def is_identity(self) -> bool:
        return self._is_scale and not self.ln2 and self.scale == 1

    @property
    def _is_scale(self) -> bool:
        """Whether there is no offset: nearly all units differ by a factor alone."""
        return not self.offset_ln2 and self.offset.numerator == 0

    def compose(self, then: Affine) -> Affine:
        """`then` after this map: `a.compose(b)` is x ↦ b(a(x))."""
        if self._is_scale and then._is_scale:
            return Affine(scale=then.scale * self.scale, ln2=self.ln2 + then.ln2)
        moved = ((power + then.ln2, then.scale * term) for power, term in self._offsets())
        return _affine(then.scale * self.scale, self.ln2 + then.ln2, (*moved, *then._offsets()))

    def inverse(self) -> Affine:
        """The map that undoes this one: `a.compose(a.inverse())` is the identity."""
        if self._is_scale:
            return Affine(scale=1 / self.scale, ln2=-self.ln2)
        moved = ((power - self.ln2, -term / self.scale) for power, term in self._offsets())
        return _affine(1 / self.scale, -self.ln2, moved)

    @property
    def linear(self) -> Affine:
        """The same scale without the offset: what applies to differences."""
        return Affine(scale=self.scale, ln2=self.ln2)

    @property
    def steps(self) -> tuple[tuple[str, float], ...]:
        """The rounded operations, in order: multiply by p, divide by q, the power of ln 2, add the offset.

        With scale p/q reduced; operations that change nothing are left out. Scalars and columns both run these.
        """
        if self._program is None:
            object.__setattr__(self, "_program", self._rounded())
        return self._program or ()

    def _rounded(self) -> tuple[tuple[str, float], ...]:
        numerator, denominator = _ratio(self.scale)
        wanted = (
            ("multiply", numerator, 1.0),
            ("divide", denominator, 1.0),
            (*_ln2_step(self.ln2), 1.0),
            ("add", self._double_offset(), 0.0),
        )
        return tuple((name, constant) for name, constant, neutral in wanted if constant != neutral)

    def apply(self, value: float) -> float | Undefined:
        """The map at one value. The identity returns it as it is, whole numbers stay whole.

        NaN stays NaN and infinities stay infinite. Undefined are a finite value that overflows, and a whole
        number beyond 2^53, which would be rounded before anything is done with it.
        """
        steps = self.steps
        if not steps and self.is_identity:
            return value
        if isinstance(value, int) and abs(value) > EXACT_LIMIT:
            return PRECISION
        result = float(value)
        for name, constant in steps:
            result = _OPERATIONS[name](result, constant)
        return OVERFLOW if math.isfinite(value) and not math.isfinite(result) else result

    def __str__(self) -> str:
        """The exact factors, for people: times 1/100, times 9/5 + 32, times ln 2."""
        factors = [_rational_text(self.scale)] if self.scale != 1 or not self.ln2 else []
        product = "·".join([*factors, *_ln2_text(self.ln2)])
        terms = (
            f" {'-' if term < 0 else '+'} {'·'.join([_rational_text(abs(term)), *_ln2_text(power)])}"
            for power, term in self._offsets()
        )
        return f"{_TIMES}{product}{''.join(terms)}"

    def _offsets(self) -> tuple[tuple[int, Fraction], ...]:
        return (*(((0, self.offset),) if self.offset else ()), *self.offset_ln2)

    def _double_offset(self) -> float:
        """The offset without powers of ln 2 is rounded just once."""
        return sum(
            (_double(term) * _ln2_power(power) for power, term in self.offset_ln2), _double(self.offset)
        )


IDENTITY = Affine()
"""Returns every value untouched."""


def affine(scale: str = "1", offset: str = "0") -> Affine:
    """Affine map of two exact numbers as text: a whole number, a decimal, or `p/q`. Raises UnitError."""
    factor = rational(scale, what="scale")
    if not factor:
        raise UnitError(
            "scale is 0, which maps every value to one",
            code="AFFINE_SCALE_ZERO",
            hint="give the factor that the old values are multiplied by",
        )
    return Affine(scale=factor, offset=rational(offset, what="offset"))


def rational(text: str, *, what: str) -> Fraction:
    """An exact number in the range of a double; `what` names it in messages. Raises UnitError."""
    if len(text) > _MAX_DIGITS:
        raise UnitError(
            f"{what}: {len(text):,} characters, the limit is {_MAX_DIGITS}", code="AFFINE_NUMBER_TOO_LONG"
        )
    found = _NUMBER.fullmatch(text)
    if not found or re.search(r"/0+$", text):
        raise UnitError(
            f"{what}: {text!r} is not an exact number",
            code="AFFINE_NOT_A_NUMBER",
            hint='write it as text: "100", "0.01" or "1/100"',
        )
    value = Fraction(text)
    if value and not _MIN_DOUBLE <= abs(value) <= _MAX_DOUBLE:
        raise UnitError(f"{what}: {text!r} is beyond the range of a double", code="AFFINE_OUT_OF_RANGE")
    return value


def _affine(scale: Fraction, ln2: int, offsets: Iterable[tuple[int, Fraction]]) -> Affine:
    terms: dict[int, Fraction] = {}
    for power, term in offsets:
        terms[power] = terms.get(power, Fraction(0)) + term
    offset = terms.pop(0, Fraction(0))
    rest = tuple(sorted((power, term) for power, term in terms.items() if term))
    return Affine(scale=scale, offset=offset, ln2=ln2, offset_ln2=rest)


def _ratio(scale: Fraction) -> tuple[float, float]:
    """Numerator and denominator as doubles; where one is beyond a double, their quotient, rounded once."""
    numerator, denominator = scale.numerator, scale.denominator
    if max(abs(numerator), denominator) < 2**1023:
        return float(numerator), float(denominator)
    return _double(scale), 1.0


def _double(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _ln2_power(power: int) -> float:
    """Powers that leave the range of a double become 0 or infinity."""
    with_sign = _LN2 ** abs(power)
    if power >= 0:
        return with_sign
    return 1.0 / with_sign if with_sign else math.inf


def _ln2_step(power: int) -> tuple[str, float]:
    divisor = _LN2 ** abs(power)
    return ("divide", divisor) if power < 0 and divisor else ("multiply", _ln2_power(power))


def _ln2_text(power: int) -> list[str]:
    if not power:
        return []
    return ["ln 2" if power == 1 else f"(ln 2)^{power}"]


def _rational_text(value: Fraction) -> str:
    """Digits of absurd length are cut to the size of the number: Python refuses to print them."""
    if max(abs(value.numerator), value.denominator).bit_length() <= 1024:  # noqa: PLR2004 - a screenful
        return str(value)
    return f"~{_double(value):g}"
