"""Filters against a small evaluator in plain Python: three-valued logic, on any rows."""

import fnmatch
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import UsageError
from ledger.trace.tokens import quoted
from ledger.trace.where import matches, names, parse, select

# --- against a small evaluator in plain Python ----------------------------------------------------------------

Row = dict[str, Any]
Answer = bool | None


@dataclass(frozen=True)
class Case:
    text: str
    answer: Callable[[Row], Answer]


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NUMBERS, TEXTS = ("x", "metrics.val/y", "i"), ("s", "d")

floats = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 2.5, -1e300]), st.floats(allow_nan=False, allow_infinity=False)
)
integers = st.integers(-(2**52), 2**52)
words = st.text(st.sampled_from("ab*?%_.'\"\\\n\u00e9\u65e5"), max_size=4)


def known(value: object) -> bool:
    return value is not None and value == value  # noqa: PLR0124 - NaN differs from itself


def text_of(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def comparing(name: str, sign: str, written: str, value: Callable[[Row], Any]) -> Case:
    def answer(row: Row) -> Answer:
        left, right = row[name], value(row)
        return OPERATORS[sign](left, right) if known(left) and known(right) else None

    return Case(f"{quoted(name)} {sign} {written}", answer)


def constant_comparison(name: str, sign: str, value: Any) -> Case:
    return comparing(name, sign, text_of(value) if isinstance(value, str) else repr(value), lambda _: value)


def column_comparison(name: str, sign: str, other: str) -> Case:
    return comparing(name, sign, quoted(other), lambda row: row[other])


def membership(name: str, values: list[Any]) -> Case:
    written = ", ".join(text_of(value) if isinstance(value, str) else repr(value) for value in values)
    return Case(
        f"{quoted(name)} in ({written})", lambda row: row[name] in values if known(row[name]) else None
    )


def like(name: str, pattern: str) -> Case:
    plain = pattern.replace("\\", "")
    regex = re.compile(fnmatch.translate(plain.replace("[", "[[]")))
    return Case(
        f"{name} like {text_of(plain)}",
        lambda row: regex.match(row[name]) is not None if known(row[name]) else None,
    )


def is_null(name: str) -> Case:
    return Case(f"{quoted(name)} is null", lambda row: not known(row[name]))


def negation(case: Case) -> Case:
    def answer(row: Row) -> Answer:
        inner = case.answer(row)
        return None if inner is None else not inner

    return Case(f"not ({case.text})", answer)


def joined(word: str, cases: list[Case], decisive: bool) -> Case:
    def answer(row: Row) -> Answer:
        answers = [case.answer(row) for case in cases]
        return decisive if decisive in answers else None if None in answers else not decisive

    return Case(f" {word} ".join(f"({case.text})" for case in cases), answer)


signs = st.sampled_from(sorted(OPERATORS))
conditions = st.one_of(
    st.builds(constant_comparison, st.sampled_from(NUMBERS), signs, st.one_of(floats, integers)),
    st.builds(constant_comparison, st.sampled_from(TEXTS), signs, words),
    st.builds(column_comparison, st.sampled_from(NUMBERS), signs, st.sampled_from(NUMBERS)),
    st.builds(column_comparison, st.sampled_from(TEXTS), signs, st.sampled_from(TEXTS)),
    st.builds(
        membership, st.sampled_from(NUMBERS), st.lists(st.one_of(floats, integers), min_size=1, max_size=3)
    ),
    st.builds(membership, st.sampled_from(TEXTS), st.lists(words, min_size=1, max_size=3)),
    st.builds(like, st.sampled_from(TEXTS), words),
    st.builds(is_null, st.sampled_from((*NUMBERS, *TEXTS, "b", "n"))),
    st.just(Case("b", lambda row: row["b"])),
    st.just(Case("n > 1", lambda _: None)),
)
filters = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.builds(negation, inner),
        st.builds(joined, st.just("and"), st.lists(inner, min_size=2, max_size=3), st.just(False)),
        st.builds(joined, st.just("or"), st.lists(inner, min_size=2, max_size=3), st.just(True)),
    ),
    max_leaves=6,
)
any_float = st.one_of(st.none(), st.just(math.nan), st.just(math.inf), st.just(-math.inf), floats)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "x": any_float,
            "metrics.val/y": any_float,
            "i": st.one_of(st.none(), integers),
            "s": st.one_of(st.none(), words),
            "d": st.one_of(st.none(), words),
            "b": st.sampled_from([None, True, False]),
        }
    ),
    max_size=6,
)


def table_of(data: list[Row]) -> pa.Table:
    def column(name: str, kind: Any) -> Any:
        return pa.array([row[name] for row in data], kind)

    return pa.table(
        {
            "x": column("x", pa.float64()),
            "metrics.val/y": column("metrics.val/y", pa.float64()),
            "i": column("i", pa.int64()),
            "s": column("s", pa.string()),
            "d": column("d", pa.string()).dictionary_encode(),
            "b": column("b", pa.bool_()),
            "n": pa.nulls(len(data)),
        }
    )


@given(case=filters, data=rows)
def test_agrees_with_three_valued_logic(case: Case, data: list[Row]) -> None:
    data = [{**row, "n": None} for row in data]
    expression = parse(case.text)
    table = table_of(data)
    answers = [case.answer(row) for row in data]
    assert matches(expression, table).to_pylist() == answers
    selection = select(expression, table)
    assert selection.table.num_rows == answers.count(True)
    assert selection.unknown == answers.count(None)


@given(st.text(st.sampled_from("ab.`'\"()<>=!,0 19e-+\\\n\u00e9"), max_size=30))
def test_any_text_is_a_filter_or_a_usage_error(text: str) -> None:
    try:
        expression = parse(text)
    except UsageError as error:
        assert len(error.details) == 2  # noqa: PT017 - either outcome is right
    else:
        assert names(expression)


@given(st.text(max_size=10).filter(lambda name: name.isprintable() and "." not in name and name != ""))
def test_a_quoted_name_is_read_as_itself(name: str) -> None:
    assert names(parse(f"{quoted('metrics.' + name)} > 1 and {quoted(name)} > 1")) == {
        f"metrics.{name}",
        name,
    }
