"""Columns are computed to the bit as single values are."""

from __future__ import annotations

import json
import math
import random
import struct
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema.doubles import bits

from ledger.schema.expression import Expression, parse
from ledger.schema.kernels import Evaluated, apply_affine, evaluate
from ledger.schema.outcome import Undefined
from ledger.schema.units import Affine, affine

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "expressions.json").read_bytes())
EDGES = (
    *(0.0, 1.0, 0.5, 2.0, 87.3, 5e-324, 2.2250738585072014e-308, 1e-9, 1e154, 1e308, 1.7976931348623157e308),
    *(-0.0, -1.0, -0.5, -5e-324, -1e308, 710.0, -745.2, math.nan, math.inf, -math.inf),
)
EXPRESSIONS = (
    *VECTORS["accepted"],
    "p+r",
    "p-r",
    "p*r",
    "p/r",
    "-p",
    "abs(p)",
    "sqrt(p)",
    "exp(p)",
    "log(p)",
    "log2(p)",
    "log10(p)",
    "p**0 + r**1",
    "p**3 - r**8",
    "min(p, r)",
    "max(r, 0, p)",
    "max(0, 1, r)",
    "clip(p, r, 1)",
    "where(p < r, p, r)",
    "where(p == r, p, 1)",
    "where(p != r, 0, 1)",
    "where(p >= 0, sqrt(p), log(r))",
    "where(r > 0, p/r, 0)",
    "where(1/r > p, log(p), sqrt(r))",
    "where(1 > 0, p, r)",
    "where(1 > 2, p, 5)",
    "where(log(p) < 1/r, where(p <= r, exp(p), 1/p), exp(r))",
    "1/p + log(r) + exp(r)",
    "log(r) + 1/p",
    "p + 1/0",
    "3/4",
    "1/0",
    "where(p > 0, 1/0, r)",
    "exp(exp(p)) / (1 + r)",
)

Cell = float | None


def cell_bits(value: Cell) -> bytes | None:
    return None if value is None else bits(value)


def rows(result: Evaluated) -> list[tuple[bytes | None, str | None]]:
    values = map(cell_bits, result.values.to_pylist())
    reasons = [None] * len(result.values) if result.reasons is None else result.reasons.to_pylist()
    return list(zip(values, reasons, strict=True))


def scalar(
    expression: Expression, p: Cell, r: Cell, on_div0: float | None
) -> tuple[bytes | None, str | None]:
    values = {"p": p, "r": r}
    present = {name: value for name, value in values.items() if value is not None}
    if not expression.names <= present.keys():
        return None, None
    result = expression.evaluate(present, on_div0=on_div0)
    return (None, result.reason) if isinstance(result, Undefined) else (bits(result), None)


def check(text: str, p: Sequence[Cell], r: Sequence[Cell], on_div0: float | None = None) -> Evaluated:
    """Compares columns with one value at a time."""
    expression = parse(text, ("p", "r"))
    columns = {"p": pa.array(p, pa.float64()), "r": pa.array(r, pa.float64())}
    result = evaluate(expression, columns, on_div0=on_div0)
    assert rows(result) == [scalar(expression, *pair, on_div0) for pair in zip(p, r, strict=True)]
    assert result.values.type == pa.float64()
    return result


def doubles(count: int, seed: int) -> list[float]:
    """Any bits at all, and some of every size that metrics have."""
    source = random.Random(seed)
    wild: list[float] = [struct.unpack("<d", source.randbytes(8))[0] for _ in range(count // 4)]
    return [*wild, *(source.uniform(-2, 2) * 10 ** source.uniform(-8, 3) for _ in range(count - len(wild)))]


@pytest.mark.parametrize("on_div0", [None, 0.25])
@pytest.mark.parametrize("text", EXPRESSIONS)
def test_columns_have_the_bits_of_single_values(text: str, on_div0: float | None) -> None:
    pairs = [(p, r) for p in (*EDGES, None) for r in (*EDGES, None)]
    check(text, [p for p, _ in pairs], [r for _, r in pairs], on_div0)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_random_doubles_have_the_bits_of_single_values(text: str) -> None:
    check(text, doubles(2000, 1), doubles(2000, 2))


cells = st.one_of(st.none(), st.floats(), st.sampled_from(EDGES))
parts = st.recursive(
    st.sampled_from(["p", "r", "0", "1", "2.5", "1e308"]),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
        st.builds("{}({})".format, st.sampled_from(["abs", "sqrt", "exp", "log", "-"]), inner),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), inner, inner),
        st.builds(
            "where({} {} {}, {}, {})".format, inner, st.sampled_from(["<", ">=", "=="]), inner, inner, inner
        ),
    ),
    max_leaves=8,
)


@given(parts, st.lists(st.tuples(cells, cells), max_size=8), st.sampled_from([None, 0.0]))
def test_any_expression_has_the_bits_of_single_values(
    text: str, pairs: list[tuple[Cell, Cell]], on_div0: float | None
) -> None:
    check(text, [p for p, _ in pairs], [r for _, r in pairs], on_div0)


def test_a_long_column_is_like_its_rows() -> None:
    result = check("2*p*r/(p+r)", [index % 5 / 4 for index in range(20_000)], [0.0, 0.5] * 10_000)
    assert result.undefined == 2_000


def test_chunks_may_lie_anywhere() -> None:
    p, r = [1.0, None, 0.0, 4.0, -1.0], [2.0, 2.0, 0.0, None, 1.0]
    expression = parse("where(p > r, sqrt(p), p/r)", ("p", "r"))
    flat = evaluate(expression, {"p": pa.array(p, pa.float64()), "r": pa.array(r, pa.float64())})
    for cut, other in ((0, 5), (1, 3), (5, 2)):
        chunked = evaluate(
            expression,
            {
                "p": pa.chunked_array([p[:cut], p[cut:]], pa.float64()),
                "r": pa.chunked_array([r[:other], r[other:]], pa.float64()),
            },
        )
        assert rows(chunked) == rows(flat)


def test_whole_numbers_become_doubles_or_are_told() -> None:
    big = 2**53
    column = pa.array([3, None, big, big + 1, -big - 1, -(2**63)], pa.int64())
    result = evaluate(parse("p+0", ("p",)), {"p": column})
    assert result.values.to_pylist() == [3.0, None, 2.0**53, None, None, None]
    assert result.reasons is not None
    assert result.reasons.to_pylist() == [None, None, None, "precision", "precision", "precision"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2, None], pa.int8()),
        pa.array([1, 2, None], pa.uint64()),
        pa.array([1, 2, None], pa.float32()),
    ],
)
def test_numbers_of_any_width(column: pa.Array) -> None:
    assert evaluate(parse("p*2", ("p",)), {"p": column}).values.to_pylist() == [2.0, 4.0, None]
    assert apply_affine(affine("2"), column).values.to_pylist() == [2.0, 4.0, None]


def test_a_column_of_nothing_stays_missing() -> None:
    result = evaluate(parse("1/p", ("p",)), {"p": pa.nulls(3)})
    assert rows(result) == [(None, None)] * 3


def test_text_is_no_column_of_numbers() -> None:
    with pytest.raises(TypeError, match="string"):
        evaluate(parse("p", ("p",)), {"p": pa.array(["1"])})


# Affine maps

MAPS = (
    affine("1/100"),
    affine("100"),
    affine("9/5", "32"),
    affine("-1", "1"),
    affine("1", "273.15"),
    affine("1/3", "1/7"),
    affine("1e300"),
    Affine(ln2=1),
    Affine(ln2=-1, offset_ln2=((1, Fraction(1, 3)),)),
    Affine(scale=Fraction(10) ** 400),
)


def check_map(step: Affine, values: Sequence[Cell]) -> None:
    expected = []
    for value in values:
        result = None if value is None else step.apply(value)
        expected.append((None, result.reason) if isinstance(result, Undefined) else (cell_bits(result), None))
    assert rows(apply_affine(step, pa.array(values, pa.float64()))) == expected


@pytest.mark.parametrize("step", MAPS)
def test_maps_over_columns_have_the_bits_of_single_values(step: Affine) -> None:
    check_map(step, [*EDGES, None, *doubles(5000, 3)])


@given(st.fractions().filter(bool), st.fractions(), st.integers(-2, 2), st.lists(cells, max_size=8))
def test_any_map_has_the_bits_of_single_values(
    scale: Fraction, offset: Fraction, ln2: int, values: list[Cell]
) -> None:
    check_map(Affine(scale=scale, offset=offset, ln2=ln2), values)


def test_the_identity_returns_the_column_itself() -> None:
    column = pa.array([2**53 + 1, None])
    result = apply_affine(Affine.identity(), column)
    assert result.values is column
    assert result.undefined == 0


def test_infinities_and_nan_are_values() -> None:
    column = pa.array([87.3, None, math.nan, math.inf, -math.inf, 0.0])
    result = apply_affine(affine("1/100"), column)
    assert result.reasons is None
    assert [cell_bits(value) for value in result.values.to_pylist()] == [
        cell_bits(value) for value in (0.873, None, math.nan, math.inf, -math.inf, 0.0)
    ]


def test_what_overflows_is_told() -> None:
    result = apply_affine(affine("1000"), pa.chunked_array([[1e308, 1.0], [None, math.inf]]))
    assert result.values.to_pylist() == [None, 1000.0, None, math.inf]
    assert result.reasons is not None
    assert result.reasons.to_pylist() == ["overflow", None, None, None]


def test_whole_numbers_that_would_be_rounded_are_told() -> None:
    result = apply_affine(affine("1/2"), pa.array([2**53 + 1, 4]))
    assert rows(result) == [(None, "precision"), (cell_bits(2.0), None)]


def best_of_five(work: Callable[[], object]) -> float:
    """Seconds."""

    def once() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return min(once() for _ in range(5))


@pytest.mark.bench
def test_a_million_rows_take_milliseconds() -> None:
    p, r = (pa.array([0.25, 0.5, 0.75, 1.0] * 250_000) for _ in range(2))
    f1 = parse("2*p*r/(p+r)", ("p", "r"))
    assert best_of_five(lambda: apply_affine(affine("1/1000"), p)) <= 0.015
    assert best_of_five(lambda: evaluate(f1, {"p": p, "r": r})) <= 0.060
