from __future__ import annotations

from typing import Any

import pytest

from ledger.model import Grade
from ledger.schema import document
from ledger.schema.definition import Definition, from_property, undeclared
from ledger.schema.lineage import Comparison, compare, target_of


def f1(**words: Any) -> Definition:
    how = {"fn": "sklearn.metrics.f1_score", "average": "macro"}
    return from_property("f1", {"type": "number", "x-ledger": {"unit": "%", "how": how, **words}}, "metric")


def test_one_definition_is_identical_whatever_is_said_beside_it() -> None:
    assert compare(f1(), f1(direction="higher", source="eval.py:f1")) == Comparison(grade=Grade.IDENTICAL)


@pytest.mark.parametrize("recorded", [None, undeclared("f1")])
@pytest.mark.parametrize("target", [None, undeclared("f1")])
def test_undeclared_names_are_compared_by_name(
    recorded: Definition | None, target: Definition | None
) -> None:
    assert compare(recorded, target) == Comparison(
        grade=Grade.IDENTICAL, reason="not declared, compared by name"
    )


@pytest.mark.parametrize("bare", [None, undeclared("f1")])
def test_declared_against_undeclared_is_undeclared_either_way(bare: Definition | None) -> None:
    short = f1().short
    assert compare(bare, f1()) == Comparison(
        grade=Grade.UNDECLARED, reason=f"recorded without a definition, wanted as d1:{short}"
    )
    assert compare(f1(), bare) == Comparison(
        grade=Grade.UNDECLARED, reason=f"recorded as d1:{short}, which is not declared here"
    )


def test_a_changed_definition_is_incomparable_and_says_what_changed() -> None:
    other = f1(unit="1", how={"fn": "sklearn.metrics.f1_score", "average": "weighted", "zero_division": 0})
    assert compare(f1(), other) == Comparison(
        grade=Grade.INCOMPARABLE,
        reason="unit % → 1; how.average macro → weighted; how.zero_division (none) → 0; no migration",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"epoch": 2}, "epoch 1 → 2"),
        ({"kind": "delta"}, "kind point → delta"),
        ({"summary": "best", "direction": "higher"}, "summary last → max"),
        ({"on": {"dataset": "imdb"}}, "on.dataset (none) → imdb"),
        ({"on": {"sizes": [1, True]}}, "on.sizes (none) → [1,true]"),
    ],
)
def test_each_identifying_word_is_named(words: dict[str, Any], said: str) -> None:
    assert compare(f1(), f1(**words)).reason == f"{said}; no migration"


def test_types_and_values_are_named() -> None:
    number = from_property("m", {"type": "number"}, "metric")
    other = from_property("m", {"type": ["integer", "number", "null"], "enum": [1, 2]}, "metric")
    assert (
        compare(number, other).reason
        == "type number → integer or number; values (none) → 1 or 2; no migration"
    )


def test_another_name_is_another_metric() -> None:
    comparison = compare(undeclared("loss"), undeclared("train_loss"))
    assert (comparison.grade, comparison.reason) == (
        Grade.INCOMPARABLE,
        "name loss → train_loss; no migration",
    )


def test_the_target_is_what_the_schema_declares_or_the_bare_name() -> None:
    schema = document.parse(
        b'{"properties": {"metrics": {"properties": {"f1": {"type": "number"}}}}}', name="s", what="s"
    )
    assert target_of("f1", schema) == schema.metrics["f1"]
    assert target_of("other", schema) == target_of("other", None) == undeclared("other")
