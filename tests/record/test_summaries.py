"""One value for a series, by each rule."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import pytest

from ledger.record.summaries import summaries, summary
from ledger.schema import document
from ledger.store.points import NO_STEP, NO_VALUE, Key, Series

NAN, INF = math.nan, math.inf


def series(values: Sequence[float], steps: Sequence[int] | None = None) -> Series:
    at = array("q", range(len(values)) if steps is None else steps)
    return Series(at, array("q", [0]) * len(values), array("d", values))


@pytest.mark.parametrize(
    ("rule", "values", "steps", "wanted"),
    [
        ("last", [1, 2, 3], None, 3),
        ("last", [1, 2, 3], [0, 9, 5], 2),
        ("last", [1, 2, 3], [7, 7, 7], 3),
        ("last", [1, 2, 3], [9, NO_STEP, NO_STEP], 3),
        ("last", [1, NAN], None, NAN),
        ("last", [1, NO_VALUE], None, 1),
        ("last", [NO_VALUE], None, None),
        ("min", [3, 1, 2], None, 1),
        ("min", [3, NAN, 2], None, 2),
        ("min", [NAN, NAN], None, NAN),
        ("max", [3, -INF, INF], None, INF),
        ("max", [3, 9, 2], [0, 1, 1], 3),
        ("mean", [1, 2, 6], None, 3),
        ("mean", [1, NAN], None, NAN),
        ("mean", [1, INF], None, INF),
        ("mean", [1, NO_VALUE, 3], None, 2),
        ("mean", [1, 5, 3], [0, 0, 1], 4),
        ("median", [1, 9, 2], None, 2),
        ("median", [1, NAN], None, NAN),
        ("median", [NO_VALUE], None, None),
    ],
)
def test_rules(rule: str, values: list[float], steps: list[int] | None, wanted: float | None) -> None:
    found = summary(series(values, steps), rule)
    assert (found is wanted is None) or (found == pytest.approx(wanted, nan_ok=True))


def test_a_metric_may_sum_up_another_series() -> None:
    body = b"""{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {"metrics": {
        "type": "object", "properties": {"best_loss": {"type": "number", "x-ledger": {
            "direction": "lower", "summary": "best", "series": "val/loss"}}}}}}"""
    schema = document.parse(body, name="task", what="task.json")
    found, unsure = summaries({("val/loss", None): series([3, 1, 2])}, {}, schema)
    assert found == {"val/loss": 2, "best_loss": 1}
    assert unsure == ()


def test_points_without_a_context_stand_for_the_metric() -> None:
    given: dict[Key, Series] = {
        ("a", None): series([1]),
        ("a", "val"): series([2]),
        ("b", "val"): series([3]),
    }
    several: dict[Key, Series] = {("c", "val"): series([4]), ("c", "train"): series([5])}
    assert summaries({**given, **several}, {}, None) == ({"a": 1, "b": 3}, ("c",))
    assert summaries(several, {"c": 6}, None) == ({"c": 6}, ())
