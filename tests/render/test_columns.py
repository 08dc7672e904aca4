"""By columns the text is the same as by rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.render.columns import csv_columns, json_columns
from ledger.render.document import Value, csv_document, json_chunks
from ledger.render.format import number, numbers

KINDS: dict[str, Sequence[Value]] = {
    "value": [0.1, math.nan, math.inf, -math.inf, -0.0, None, 1e300, 5e-324],
    "finite": [1.5, 1e16, 1e15, 123456.7, 1234567.8, 3.0, 2.0, 1.0],
    "step": [0, -1, 2**62, 4, 5, 6, 7, 8],
    "some": [None, 1, None, 3, 4, 5, 6, 7],
    "none": [None] * 8,
    "time": [f"2026-11-21T02:57:03.00000{digit}Z" for digit in range(8)],
    "text": ["null", "NaN", None, "=1+1", 'a "b", c', "Infinity", "\x1b[31mé\u202e\n", ""],
    "context": ['{"split": "val"}', None, "-5", "-x", "a\\b", "100 %s", "\ud800", " "],
    "mixed": [True, None, 1, 1.5, "x", math.nan, False, ""],
    "per %s cent": ["same"] * 8,
}


def by_rows(kinds: dict[str, Sequence[Value]]) -> list[tuple[Value, ...]]:
    return list(zip(*kinds.values(), strict=True))


def agree(kinds: dict[str, Sequence[Value]], times: int) -> None:
    names, rows = list(kinds), by_rows(kinds) * times
    chunks = [{name: list(values) for name, values in kinds.items()}] * times
    objects = [dict(zip(names, row, strict=True)) for row in rows]
    for flag in (False, True):
        assert "".join(csv_columns(names, chunks, escaped=flag)) == "".join(
            csv_document(names, rows, escaped=flag)
        )
        assert "".join(json_columns(names, chunks, ascii_only=flag)) == "".join(
            json_chunks(iter(objects), ascii_only=flag)
        )


@pytest.mark.parametrize("times", [0, 1, 2])
def test_every_kind_of_value(times: int) -> None:
    agree(KINDS, times)


COLUMN = st.one_of(
    st.lists(st.floats() | st.none(), min_size=3, max_size=3),
    st.lists(st.integers() | st.none(), min_size=3, max_size=3),
    st.lists(st.text(max_size=5) | st.none(), min_size=3, max_size=3),
    st.lists(st.floats() | st.text(max_size=3) | st.booleans() | st.none(), min_size=3, max_size=3),
)


@given(st.lists(COLUMN, min_size=2, max_size=4))
def test_any_values(columns: list[list[Value]]) -> None:
    agree({f"c{place}": column for place, column in enumerate(columns)}, 1)


@pytest.mark.parametrize("name", ["value", "finite", "step", "some", "none"])
def test_short_numbers(name: str) -> None:
    values: list[float | None] = [value for value in KINDS[name] if not isinstance(value, str)]
    assert numbers(values) == [number(value) for value in values]
    for value in values:
        assert numbers([value]) == [number(value)]
