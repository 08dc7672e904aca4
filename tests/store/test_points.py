"""Observations as columns: what goes in comes out, series by series, in its order."""

from __future__ import annotations

import math
import struct
from array import array
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.store import points
from ledger.store.points import NO_STEP, NO_VALUE, Calls, Key, Layout, Series, is_no_value

_NAMES = st.lists(st.sampled_from(["loss", "acc", "val/f1@5", "ä"]), min_size=1, max_size=3, unique=True)
_LAYOUTS = st.builds(Layout, _NAMES.map(tuple), st.sampled_from([None, "val", '{"rank": 1}']))
_VALUES = st.floats(width=64) | st.just(NO_VALUE)
_STEPS = st.integers(-(2**62), 2**62) | st.just(NO_STEP)


_Call = tuple[Layout, int, int, float | list[float]]


@st.composite
def _calls(draw: st.DrawFn) -> list[_Call]:
    layouts = draw(st.lists(_LAYOUTS, min_size=1, max_size=4))
    return [
        (layout, draw(_STEPS), draw(st.integers(0, 2**60)), draw(_numbers(len(layout.metrics))))
        for layout in draw(st.lists(st.sampled_from(layouts), min_size=1, max_size=20))
    ]


def _numbers(count: int) -> st.SearchStrategy[float | list[float]]:
    """What `log` hands over: a single value may stand alone."""
    lists = st.lists(_VALUES, min_size=count, max_size=count)
    return lists if count > 1 else _VALUES | lists


def _columns(calls: list[_Call]) -> Calls:
    return Calls.of([item for call in calls for item in call])


def _gathered(*blocks: list[bytes]) -> dict[Key, Series]:
    found: dict[Key, Series] = {}
    for pieces in blocks:
        points.gather(memoryview(b"".join(pieces)), found)
    return found


def _bits(value: float) -> bytes:
    return struct.pack("<d", value)


@given(_calls(), st.integers(0, 20))
def test_what_is_encoded_comes_back_in_order(calls: list[_Call], cut: int) -> None:
    wanted = defaultdict(list)
    for layout, step, time, values in calls:
        for metric, value in zip(
            layout.metrics, [values] if isinstance(values, float) else values, strict=True
        ):
            wanted[metric, layout.context].append((step, time // 1000, _bits(value)))
    found = _gathered(*(points.encode(_columns(part)) for part in (calls[:cut], calls[cut:]) if part))
    assert found.keys() == wanted.keys()
    for key, series in found.items():
        rows = zip(series.steps, series.times, map(_bits, series.values), strict=True)
        assert list(rows) == wanted[key]


def test_a_series_at_once_is_one_of_many_calls() -> None:
    layout = Layout(("loss",))
    steps, times, values = array("q", [1, 2]), array("q", [10, 20]), array("d", [0.5, math.inf])
    rows = list(zip(steps, times, values, strict=True))
    together = points.encode_series(layout, steps, times, values)
    assert together == points.encode(
        _columns([(layout, step, time * 1000, [value]) for step, time, value in rows])
    )
    assert together == points.encode(
        _columns([(layout, step, time * 1000 + 999, value) for step, time, value in rows])
    )


@pytest.mark.parametrize("cut", range(0, 90, 7))
def test_a_block_that_is_too_short_is_refused(cut: int) -> None:
    whole = b"".join(points.encode(Calls.of([Layout(("loss", "acc")), 1, 2, [3.0, 4.0]] * 2)))
    with pytest.raises((ValueError, LookupError, struct.error)):
        points.gather(memoryview(whole[:cut]), {})


def test_an_absent_value_is_no_other_nan() -> None:
    assert is_no_value(NO_VALUE)
    assert not any(map(is_no_value, (math.nan, -math.nan, 0.0, math.inf)))


def test_thinning_keeps_the_first_and_the_last() -> None:
    series: dict[Key, Series] = {
        ("a", None): Series(array("q", range(10)), array("q", range(10)), array("d", range(10)))
    }
    assert points.thinned(series, 10) == (series, 1)
    kept, share = points.thinned(series, 4)
    assert share == 3
    assert list(kept["a", None].steps) == [0, 3, 6, 9]
    assert list(points.thinned(series, 5)[0]["a", None].values) == [0, 2, 4, 6, 8, 9]
