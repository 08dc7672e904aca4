"""What a metric means has an identity, and what is only said about it does not change that."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import ConfigError
from ledger.model import Json
from ledger.schema.definition import Definition, from_property, undeclared

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "identity.json").read_bytes())
CASES = [
    *((case["name"], schema, case["did"]) for case in VECTORS["cases"] for schema in case["same"]),
    *(
        (case["name"], other["schema"], other["did"])
        for case in VECTORS["cases"]
        for other in case["different"]
    ),
]


def test_the_vectors_hold_cases() -> None:
    assert len(CASES) == 12


@pytest.mark.parametrize(("name", "schema", "did"), CASES)
def test_identity_is_that_of_the_vectors(name: str, schema: dict[str, Any], did: str) -> None:
    assert from_property(name, schema, "metric").did == did


def test_the_short_form_is_twelve_digits() -> None:
    assert from_property("loss", {"type": "number"}, "metric").short == "8ac45f9ea3bf"


@pytest.mark.parametrize(("direction", "summary"), [("higher", "max"), ("lower", "min")])
def test_best_is_resolved_by_direction(direction: str, summary: str) -> None:
    best = from_property("m", {"x-ledger": {"summary": "best", "direction": direction}}, "metric")
    plain = from_property("m", {"x-ledger": {"summary": summary}}, "metric")
    assert best.did == plain.did


def test_best_without_direction_is_neither() -> None:
    dids = {
        from_property("m", {"x-ledger": {"summary": word}}, "metric").did
        for word in ("best", "min", "max", "last")
    }
    assert len(dids) == 4


def test_enum_is_part_of_the_identity() -> None:
    sgd = from_property("optimizer", {"enum": ["SGD"]}, "param")
    assert sgd.did != from_property("optimizer", {"enum": ["SGD", "Adam"]}, "param").did
    assert sgd.values == ("SGD",)


def test_a_param_has_no_more_than_type_unit_and_values() -> None:
    words = {"unit": "s", "how": {"fn": "f"}, "epoch": 2, "summary": "max", "kind": "delta", "on": {"a": 1}}
    assert (
        from_property("p", {"x-ledger": words}, "param").did
        == from_property("p", {"x-ledger": {"unit": "s"}}, "param").did
    )


def test_role_and_name_are_part_of_the_identity() -> None:
    assert len({undeclared("a").did, undeclared("b").did, undeclared("a", "param").did}) == 3


def test_a_bare_property_means_what_an_undeclared_name_means() -> None:
    assert from_property("m", True, "metric") == from_property("m", {}, "metric") == undeclared("m")
    assert not undeclared("m").declared
    assert from_property("m", {"type": "number"}, "metric").declared


def test_direction_bounds_and_prose_are_kept_outside_the_identity() -> None:
    node = {
        "type": "number",
        "description": "d",
        "exclusiveMinimum": 0,
        "maximum": 1,
        "x-ledger": {"direction": "higher", "source": "eval.py:f1", "series": "f1"},
    }
    made = from_property("m", node, "metric")
    assert (made.direction, made.description, made.minimum, made.maximum) == ("higher", "d", 0, 1)
    assert (made.source, made.series) == ("eval.py:f1", "f1")
    assert made.did == from_property("m", {"type": "number"}, "metric").did


def test_partition_names_the_params() -> None:
    on: dict[str, Json] = {
        "z": "param:machine",
        "a": "param:batch size",
        "again": "param:machine",
        "dataset": "imdb",
        "n": 3,
    }
    assert Definition(name="m", on=on).partition == ("batch size", "machine")


def test_a_replaced_definition_gets_its_own_identity() -> None:
    first = undeclared("m")
    assert replace(first, unit="s").did == from_property("m", {"x-ledger": {"unit": "s"}}, "metric").did


def test_definitions_can_be_members_of_sets() -> None:
    made = from_property("m", {"enum": [[1]], "x-ledger": {"how": {"fn": "f"}}}, "metric")
    assert len({made, replace(made)}) == 1


@pytest.mark.parametrize(
    ("node", "word"),
    [
        ([], "subschema"),
        ({"x-ledger": 1}, "x-ledger"),
        ({"type": 5}, "type"),
        ({"type": [5]}, "type"),
        ({"enum": "abc"}, "enum"),
        ({"x-ledger": {"unit": 5}}, "unit"),
        ({"x-ledger": {"how": "f1"}}, "how"),
        ({"x-ledger": {"epoch": True}}, "epoch"),
        ({"x-ledger": {"epoch": 1.5}}, "epoch"),
    ],
)
def test_a_word_of_the_wrong_kind_is_named(node: object, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        from_property("m", node, "metric")


_words = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("abc"),
    lambda inner: st.dictionaries(st.text("abcé"), inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", min_size=1), _words, max_size=4))
def test_key_order_never_matters(how: dict[str, Any]) -> None:
    turned = dict(reversed(how.items()))
    assert Definition(name="m", how=how).did == Definition(name="m", how=turned).did
