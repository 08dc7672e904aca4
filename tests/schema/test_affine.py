"""Affine maps: exact, composed exactly, rounded once."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema.doubles import bits

from ledger.schema.affine import Affine, UnitError, affine
from ledger.schema.outcome import OVERFLOW, PRECISION

rationals = st.fractions(max_denominator=10**6)
maps = st.builds(
    lambda scale, ln2, offset: Affine(scale=scale, ln2=ln2).compose(Affine(offset=offset)),
    rationals.filter(bool),
    st.integers(-3, 3),
    rationals,
)


@given(maps, maps, maps)
def test_composition_is_associative_and_inverses_undo_it(
    first: Affine, second: Affine, third: Affine
) -> None:
    assert first.compose(second).compose(third) == first.compose(second.compose(third))
    chain = first.compose(second).compose(third)
    assert chain.compose(chain.inverse()).is_identity
    assert chain.inverse().compose(chain).is_identity


@given(rationals.filter(bool), rationals, rationals.filter(bool), rationals, st.integers(-(10**6), 10**6))
def test_composition_is_one_map_after_the_other(
    scale: Fraction, offset: Fraction, then_scale: Fraction, then_offset: Fraction, value: int
) -> None:
    both = Affine(scale=scale, offset=offset).compose(Affine(scale=then_scale, offset=then_offset))
    assert both.scale * value + both.offset == then_scale * (scale * value + offset) + then_offset


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 10**6))
def test_dividing_is_rounded_once(value: float, divisor: int) -> None:
    result = Affine(scale=Fraction(1, divisor)).apply(value)
    assert bits(result) == bits(value / divisor)


def test_the_identity_leaves_whole_numbers_alone() -> None:
    result = affine("1").apply(2**53 + 1)
    assert result == 2**53 + 1
    assert isinstance(result, int)


@pytest.mark.parametrize(
    ("scale", "offset", "value", "expected"),
    [
        ("2", "0", 2**53 + 1, PRECISION),
        ("2", "0", -(2**53) - 1, PRECISION),
        ("1", "1", 10**400, PRECISION),
        ("2", "0", 2**53, 2.0**54),
        ("1000", "0", 1e308, OVERFLOW),
        ("1", "1.7e308", 1e308, OVERFLOW),
        ("-1", "0", 0.0, -0.0),
        ("-2", "5", math.inf, -math.inf),
        ("1/3", "0", -math.inf, -math.inf),
        ("1/100", "0", math.nan, math.nan),
        ("1/3", "1/7", 1.0, 1 / 3 + 1 / 7),
    ],
)
def test_evaluation(scale: str, offset: str, value: float, expected: object) -> None:
    result = affine(scale, offset).apply(value)
    if isinstance(expected, float):
        assert bits(result) == bits(expected)
    else:
        assert result == expected


@pytest.mark.parametrize(
    ("scale", "value", "expected"),
    [
        (Fraction(10) ** 400, 1.0, OVERFLOW),
        (Fraction(1, 10**400), 1.0, 0.0),
        (Fraction(10) ** 400, 0.0, OVERFLOW),
    ],
)
def test_factors_beyond_a_double_end_no_program(scale: Fraction, value: float, expected: object) -> None:
    assert Affine(scale=scale).apply(value) == expected
    assert len(str(Affine(scale=scale**20))) < 40


@pytest.mark.parametrize("power", [-5000, 5000])
def test_powers_beyond_a_double_end_no_program(power: int) -> None:
    assert Affine(ln2=power, offset_ln2=((-power, Fraction(1)),)).apply(1.0) in (OVERFLOW, 0.0)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100", Fraction(100)),
        ("-1", Fraction(-1)),
        ("+0.5", Fraction(1, 2)),
        ("1/100", Fraction(1, 100)),
        ("-22/7", Fraction(-22, 7)),
        ("1e-3", Fraction(1, 1000)),
        ("0.1", Fraction(1, 10)),
    ],
)
def test_exact_numbers_from_text(text: str, value: Fraction) -> None:
    assert affine(text) == Affine(scale=value)
    assert affine("1", text).offset == value


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0", "AFFINE_SCALE_ZERO"),
        ("-0.0", "AFFINE_SCALE_ZERO"),
        ("0/5", "AFFINE_SCALE_ZERO"),
        ("1e999", "AFFINE_OUT_OF_RANGE"),
        ("1e-999", "AFFINE_OUT_OF_RANGE"),
        ("1" + "0" * 399, "AFFINE_OUT_OF_RANGE"),
        ("1e99999", "AFFINE_NOT_A_NUMBER"),
        ("9" * 401, "AFFINE_NUMBER_TOO_LONG"),
        ("1/0", "AFFINE_NOT_A_NUMBER"),
        ("1/00", "AFFINE_NOT_A_NUMBER"),
        ("", "AFFINE_NOT_A_NUMBER"),
        ("nan", "AFFINE_NOT_A_NUMBER"),
        ("inf", "AFFINE_NOT_A_NUMBER"),
        (" 1", "AFFINE_NOT_A_NUMBER"),
        ("1\n", "AFFINE_NOT_A_NUMBER"),
        ("1_000", "AFFINE_NOT_A_NUMBER"),
        ("1/2/3", "AFFINE_NOT_A_NUMBER"),
        ("\u0661", "AFFINE_NOT_A_NUMBER"),
    ],
)
def test_numbers_that_are_refused(text: str, code: str) -> None:
    with pytest.raises(UnitError) as caught:
        affine(text)
    assert caught.value.code == code
