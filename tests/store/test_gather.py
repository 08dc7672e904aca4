"""Records become columns, each name one."""

from __future__ import annotations

import math

import pytest

from ledger.store.gather import BOOLEAN, FLOAT, INTEGER, JSON, NULL, TEXT, Gathered


def test_one_column_a_name_whatever_names_a_record_has() -> None:
    gathered = Gathered()
    gathered.add(0, {"a": 0.5, "b": 1.5})
    gathered.add(1, {"a": 0.25})
    gathered.add(2, {"b": 2.5, "a": 0.125})
    gathered.add(4, {"a": 4.0, "b": 4.5})
    columns = gathered.columns(as_metrics=True)
    assert list(columns["a"].rows) == [0, 1, 2, 4]
    assert list(columns["a"].numbers) == [0.5, 0.25, 0.125, 4.0]
    assert list(columns["b"].rows) == [0, 2, 4]
    assert list(columns["b"].numbers) == [1.5, 2.5, 4.5]


@pytest.mark.parametrize(
    ("value", "kind", "number", "text"),
    [
        (0.5, FLOAT, 0.5, None),
        (3, INTEGER, 3.0, None),
        (2**53 + 1, INTEGER, 2.0**53, str(2**53 + 1)),
        (10**400, INTEGER, math.inf, str(10**400)),
        (True, BOOLEAN, 1.0, None),
        ("adam", TEXT, 0.0, "adam"),
        (None, NULL, 0.0, None),
        ([1, "x"], JSON, 0.0, '[1, "x"]'),
    ],
)
@pytest.mark.parametrize("beside", [(), (0.5,), (1, "text", None)])
def test_a_value_is_held_alike_alone_and_beside_others(
    value: object, kind: int, number: float, text: str | None, beside: tuple[object, ...]
) -> None:
    gathered = Gathered()
    for row, each in enumerate((*beside, value)):
        gathered.add(row, {"name": each})
    column = gathered.columns(as_metrics=False)["name"]
    last = len(beside)
    assert (column.kinds[last], column.numbers[last], column.texts.get(last)) == (kind, number, text)
    assert list(column.rows) == list(range(last + 1))


def test_texts_stay_with_their_rows_when_columns_interleave() -> None:
    gathered = Gathered()
    for row in range(6):
        gathered.add(row, {"opt": f"o{row}"} if row % 2 else {"opt": f"o{row}", "lr": 0.1})
    column = gathered.columns(as_metrics=False)["opt"]
    assert [column.texts[position] for position in range(6)] == [f"o{row}" for row in column.rows]
    assert list(column.rows) == list(range(6))


def test_the_words_for_non_finite_numbers_are_numbers_in_metrics_only() -> None:
    gathered = Gathered()
    for row, value in enumerate(["NaN", "Infinity", "-Infinity", 0.5]):
        gathered.add(row, {"loss": value})
    metrics = gathered.columns(as_metrics=True)["loss"]
    assert set(metrics.kinds) == {FLOAT}
    assert [str(number) for number in metrics.numbers] == ["nan", "inf", "-inf", "0.5"]
    assert list(gathered.columns(as_metrics=False)["loss"].kinds) == [TEXT, TEXT, TEXT, FLOAT]
