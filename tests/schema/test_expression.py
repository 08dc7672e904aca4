"""Expressions: what is accepted, its bits, and every fault by name and place."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema.doubles import bits

from ledger.schema.expression import FUNCTIONS, MAX_LENGTH, ExpressionError, parse
from ledger.schema.outcome import DIVISION_BY_ZERO, DOMAIN, OVERFLOW, PRECISION, Undefined

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "expressions.json").read_bytes())
ACCEPTED = [(text, case) for text, cases in VECTORS["accepted"].items() for case in cases]
INPUTS = ("p", "r")


def at(text: str, *, on_div0: float | None = None, **values: float) -> float | Undefined:
    return parse(text, values).evaluate(values, on_div0=on_div0)


# The vectors


def test_the_vectors_hold_cases() -> None:
    assert len(VECTORS["rejected"]) == 31
    assert len(ACCEPTED) == 10


@pytest.mark.parametrize("text", VECTORS["rejected"])
def test_what_the_vectors_refuse_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ExpressionError) as caught:
        parse(text, INPUTS)
    assert time.process_time() - began < 0.5
    assert caught.value.code == "LS409"
    assert 0 <= caught.value.position <= min(len(text), MAX_LENGTH)
    assert "\n" not in caught.value.message
    assert "\x00" not in caught.value.message


@pytest.mark.parametrize(("text", "case"), ACCEPTED)
def test_what_the_vectors_accept_has_their_bits(text: str, case: dict[str, float | str]) -> None:
    values = {name: float(case[name]) for name in INPUTS}
    result = parse(text, INPUTS).evaluate(values)
    expected = case["expect"]
    if isinstance(result, Undefined):
        assert f"undefined: {result.reason}" == expected
    else:
        assert bits(result) == bits(float(expected))


# Reading


@pytest.mark.parametrize(
    ("text", "rule", "position"),
    [
        ("p +", "EXPR_SYNTAX", 3),
        ("(p", "EXPR_SYNTAX", 2),
        ("p)", "EXPR_SYNTAX", 1),
        ("p r", "EXPR_SYNTAX", 2),
        ("2p", "EXPR_SYNTAX", 1),
        ("007", "EXPR_SYNTAX", 1),
        ("1_000", "EXPR_SYNTAX", 1),
        ("0x10", "EXPR_SYNTAX", 1),
        ("p end", "EXPR_SYNTAX", 2),
        ("p number", "EXPR_SYNTAX", 2),
        ("min(p,)", "EXPR_SYNTAX", 6),
        ("min p", "EXPR_UNKNOWN_NAME", 0),
        ("# nothing", "EXPR_SYNTAX", 9),
        ("p//r", "EXPR_SYNTAX", 2),
        ("p % r", "EXPR_FORBIDDEN", 2),
        ("p @ r", "EXPR_FORBIDDEN", 2),
        ("p**r", "EXPR_FORBIDDEN", 3),
        ("p**-1", "EXPR_SYNTAX", 3),
        ("p**2.0", "EXPR_FORBIDDEN", 3),
        ("p**(1+1)", "EXPR_FORBIDDEN", 3),
        ("p**2**2", "EXPR_FORBIDDEN", 3),
        ("p > r", "EXPR_SYNTAX", 2),
        ("where(p < r < 1, p, r)", "EXPR_SYNTAX", 12),
        ("where((p < r), p, r)", "EXPR_SYNTAX", 9),
        ("max(p < r, p)", "EXPR_SYNTAX", 6),
        ("max(p)", "EXPR_ARITY", 0),
        ("1 + clip(p, 0)", "EXPR_ARITY", 4),
        ("where(p < r, p)", "EXPR_ARITY", 0),
        ("abs()", "EXPR_SYNTAX", 4),
        ("p(r)", "EXPR_FORBIDDEN", 0),
        ("9007199254740993", "EXPR_FORBIDDEN", 0),
        ("p # \x1b[31m", "EXPR_FORBIDDEN", 4),
        ("p # \ud800", "EXPR_FORBIDDEN", 4),
        ("p\r", "EXPR_FORBIDDEN", 1),
        ("\N{GREEK SMALL LETTER PI}", "EXPR_FORBIDDEN", 0),
        ("\N{FULLWIDTH LATIN SMALL LETTER P}", "EXPR_FORBIDDEN", 0),
        (" " * 501, "EXPR_TOO_LONG", 500),
        ("+".join("p" * 51), "EXPR_TOO_COMPLEX", 101),
        ("(" * 21 + "p" + ")" * 21, "EXPR_TOO_COMPLEX", 21),
        ("abs(" * 21 + "p" + ")" * 21, "EXPR_TOO_COMPLEX", 83),
    ],
)
def test_faults_have_a_name_and_a_place(text: str, rule: str, position: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text, INPUTS)
    assert (caught.value.name, caught.value.position) == (rule, position)


@given(st.text(alphabet="pr019.e+-*/(),<>=! \t#wheremaxlog\n\x00'[]", max_size=500))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        expression = parse(text, INPUTS)
    except ExpressionError as error:
        refused: ExpressionError | None = error
    else:
        refused = None
        assert isinstance(expression.evaluate({"p": 0.5, "r": -2.0}), float | Undefined)
    assert refused is None or 0 <= refused.position <= len(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("p+r*p", "(+ p (* r p))"),
        ("(p+r)*p", "(* (+ p r) p)"),
        ("p-r-p", "(- (- p r) p)"),
        ("p/r/p", "(/ (/ p r) p)"),
        ("-p**2", "(neg (** p 2))"),
        ("(-p)**2", "(** (neg p) 2)"),
        ("2*-p", "(* 2 (neg p))"),
        ("--p", "(neg (neg p))"),
        ("+p", "p"),
        ("p**(2)", "(** p 2)"),
        ("1.50", "1.5"),
        ("1.", "1"),
        (".5e1", "5"),
        ("1e-7 ", "1e-7"),
        ("clip( p ,0,1 )", "(clip p 0 1)"),
        ("where(p != r, p, where(p<=1, r, 0))", "(where (!= p r) p (where (<= p 1) r 0))"),
        ("((p)) \t# p + r", "p"),
        ("9007199254740992", "9007199254740992"),
    ],
)
def test_the_canonical_form_forgets_spaces_brackets_and_comments(text: str, canonical: str) -> None:
    expression = parse(text, INPUTS)
    assert expression.canonical == canonical


def test_the_inputs_that_are_read() -> None:
    assert parse("where(p > 1, max(p, 2), p**2) # r", INPUTS).names == {"p"}
    assert parse("1 + 2", INPUTS).names == frozenset()


def test_a_flat_sum_may_be_long() -> None:
    assert at("+".join("p" * 50), p=0.5) == 25.0


def test_twenty_levels_are_allowed() -> None:
    assert at("(" * 20 + "p" + ")" * 20, p=0.5) == 0.5
    assert at("-" * 20 + "p", p=0.5) == 0.5


def test_an_input_may_be_called_like_a_function() -> None:
    assert at("min(min, end)", min=2.0, end=1.0) == 1.0


def test_the_hint_names_every_function() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("sin(p)", INPUTS)
    assert all(function in caught.value.hint for function in FUNCTIONS)


# Evaluating


@pytest.mark.parametrize(
    ("text", "p", "r", "expected"),
    [
        ("p-r", 3.0, 1.0, 2.0),
        ("-p", 0.0, 0.0, -0.0),
        ("abs(p)", -2.5, 0.0, 2.5),
        ("sqrt(p)", 2.0, 0.0, math.sqrt(2.0)),
        ("log2(p)", 8.0, 0.0, 3.0),
        ("log10(p)", 1000.0, 0.0, math.log10(1000.0)),
        ("log(p)", math.inf, 0.0, math.inf),
        ("exp(p)", -math.inf, 0.0, 0.0),
        ("p**0", math.inf, 0.0, 1.0),
        ("p**0", math.nan, 0.0, math.nan),
        ("p**1", 0.1, 0.0, 0.1),
        ("p**3", 0.1, 0.0, 0.1 * 0.1 * 0.1),
        ("p**8", 2.0, 0.0, 256.0),
        ("min(p, r)", math.nan, 1.0, math.nan),
        ("min(r, p)", math.nan, 1.0, math.nan),
        ("max(1, p, r)", math.nan, 1.0, math.nan),
        ("max(p, r)", 0.0, -0.0, 0.0),
        ("min(p, r, -1)", 3.0, 2.0, -1.0),
        ("clip(p, 0, 1)", 1.5, 0.0, 1.0),
        ("clip(p, 0, 1)", -0.5, 0.0, 0.0),
        ("clip(p, 0, 1)", math.nan, 0.0, math.nan),
        ("where(p == r, 1, 2)", 0.0, -0.0, 1.0),
        ("where(p >= r, 1, 2)", 1.0, 1.0, 1.0),
        ("where(p < r, 1, 2)", 1.0, 1.0, 2.0),
        ("where(p != p, 1, 2)", math.nan, 0.0, math.nan),
        ("where(r > 0, p/r, 0)", 1.0, 0.0, 0.0),
        ("where(r > 0, log(r), -1)", 1.0, -3.0, -1.0),
        ("p/r", math.inf, 2.0, math.inf),
        ("p-r", math.inf, math.inf, math.nan),
        ("p*r", 1e308, -math.inf, -math.inf),
    ],
)
def test_values(text: str, p: float, r: float, expected: float) -> None:
    result = at(text, p=p, r=r)
    assert isinstance(result, float)
    assert bits(result) == bits(expected)


@pytest.mark.parametrize(
    ("text", "p", "r", "expected"),
    [
        ("p/r", 1.0, 0.0, DIVISION_BY_ZERO),
        ("p/r", 1.0, -0.0, DIVISION_BY_ZERO),
        ("p/r", 0.0, 0.0, DIVISION_BY_ZERO),
        ("sqrt(p)", -1.0, 0.0, DOMAIN),
        ("log(p)", -math.inf, 0.0, DOMAIN),
        ("log2(p)", 0.0, 0.0, DOMAIN),
        ("log10(p)", -1.0, 0.0, DOMAIN),
        ("exp(p)", 1000.0, 0.0, OVERFLOW),
        ("1/(1+exp(p))", 1000.0, 0.0, OVERFLOW),
        ("p*r", 1e308, 10.0, OVERFLOW),
        ("p**8", 1e300, 0.0, OVERFLOW),
        ("p/r", 1e308, 1e-10, OVERFLOW),
        ("log(p)/r", 0.0, 0.0, DOMAIN),
        ("1/r + log(p)", 0.0, 0.0, DIVISION_BY_ZERO),
        ("where(1/r > 0, p, p)", 0.0, 0.0, DIVISION_BY_ZERO),
        ("where(p > 0, p, 1/r)", 0.0, 0.0, DIVISION_BY_ZERO),
        ("min(p, 1/r)", math.nan, 0.0, DIVISION_BY_ZERO),
        ("p+r", 2**53 + 1, 0.0, PRECISION),
        ("p+r", 10**400, 0.0, PRECISION),
    ],
)
def test_undefined(text: str, p: float, r: float, expected: Undefined) -> None:
    assert at(text, p=p, r=r) == expected


def test_whole_numbers_up_to_the_limit_are_exact() -> None:
    assert at("p+0", p=2**53) == 2.0**53


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2*p*r/(p+r)", 0.25),
        ("2/(1/p+1/r)", 0.25),
        ("1/p + log(r)", 0.25),
        ("log(r) + 1/p", DOMAIN),
        ("where(p > 0, 1/p, 7)", 7.0),
    ],
)
def test_a_value_for_division_by_zero_is_that_of_the_whole(text: str, expected: object) -> None:
    assert at(text, on_div0=0.25, p=0.0, r=0.0) == expected
