"""A series in a few characters."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.render.spark import sparkline


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇█"),
        ([8, 1], "█▁"),
        ([0.5, 0.5, 0.5], "▄▄▄"),
        ([1, None, math.nan, 2], "▁  █"),
        ([None, None], "  "),
        ([1, math.inf, 2, -math.inf], "▁██▁"),
        ([math.inf], "█"),
        ([-1e308, 0, 1e308], "▁▅█"),
        ([5e-324, 0.0], "▄▄"),
        ([82.4 / 100, 0.824], "▄▄"),
        ([-0.824, -82.4 / 100], "▄▄"),
        ([-1e-9, 0.0, 1e-9], "▁▅█"),
    ],
)
def test_series(values: list[float | None], line: str) -> None:
    assert sparkline(values) == line


def test_ascii() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8, None], unicode=False) == ".:-=+*#@ "


def test_a_long_series_is_averaged() -> None:
    assert sparkline([1, 1, 8, 8], width=2) == "▁█"
    assert sparkline([*range(1000)], width=8) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, None, 3, None, None, None], width=3) == "▁█ "
    assert sparkline([1, 2], width=0) == ""


@given(st.lists(st.one_of(st.none(), st.floats())), st.integers(0, 30))
def test_any_series_fits(values: list[float | None], width: int) -> None:
    assert len(sparkline(values, width=width)) == min(len(values), width)
