"""Of the points that were logged for one step the last one counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.store import history
from ledger.store.history.table import shaped

Row = tuple[str, str | None, int | None, int | None]
"""Metric, context, step, attempt; the value is the place of the row."""


def table(rows: Sequence[Row]) -> Any:
    metric, context, step, attempt = (list(column) for column in zip(*rows, strict=True))
    return shaped(
        {
            "metric": pa.array(metric, pa.string()).dictionary_encode(),
            "context": pa.array(context, pa.string()).dictionary_encode(),
            "step": pa.array(step, pa.int64()),
            "attempt": pa.array(attempt, pa.int64()),
            "value": pa.array(range(len(rows)), pa.float64()),
        }
    )


def expected(rows: Sequence[Row]) -> list[float]:
    """Row by row, in plain Python."""
    last: dict[Any, tuple[int, int]] = {}
    for place, (metric, context, step, attempt) in enumerate(rows):
        key = (metric, context, step) if step is not None else place
        last[key] = max(last.get(key, (0, 0)), (attempt or 1, place))
    return [float(place) for place in sorted(place for _, place in last.values())]


ROWS = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from([None, "train", "test"]),
    st.sampled_from([None, 0, 1, 2, 2**62]),
    st.sampled_from([None, 1, 2, 2**62]),
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=12))
def test_the_last_of_a_step_counts(rows: list[Row]) -> None:
    assert history.latest(table(rows)).column("value").to_pylist() == expected(rows)


ONCE: dict[str, list[Row]] = {
    "one": [("a", None, 1, None)],
    "series by series": [("a", None, 1, None), ("a", None, 2, None), ("b", None, 1, None)],
    "step by step": [("a", None, 1, None), ("b", None, 1, None), ("a", None, 2, None)],
    "in no order": [("b", None, 2, None), ("a", None, 5, None), ("b", None, 1, None)],
    "without steps": [("a", None, None, None), ("a", None, None, None)],
}


@pytest.mark.parametrize("name", ONCE)
def test_a_table_without_repeated_steps_stays_as_it_is(name: str) -> None:
    whole = table(ONCE[name])
    assert history.latest(whole) is whole


def test_no_rows() -> None:
    assert history.latest(history.from_values([])).num_rows == 0
