"""Two engines that must agree, and schemas as runs recorded them: read leniently, never a crash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema.documents import schema_of

from ledger.errors import ConfigError, FormatError
from ledger.model import Json, Metric
from ledger.schema import document
from ledger.schema.definition import from_property

# --- the two engines agree -----------------------------------------------------------------------------------------

_numbers = st.integers(-5, 5) | st.floats(-5, 5, allow_nan=False).map(lambda value: round(value, 2))
_nodes = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["number", "integer", ["number", "null"]]),
        "minimum": _numbers,
        "maximum": _numbers,
        "exclusiveMinimum": _numbers,
        "exclusiveMaximum": _numbers,
        "enum": st.lists(_numbers, min_size=1, max_size=3, unique=True),
        "multipleOf": st.sampled_from([1, 2, 0.5, 0.1, 0.01, 3]),
    },
)
_param_nodes = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "number", "boolean", "object", "array", ["string", "null"]]),
        "minLength": st.integers(0, 3),
        "enum": st.lists(st.text("ab", max_size=2) | st.booleans() | st.none(), min_size=1, max_size=3),
        "minItems": st.integers(0, 2),
        "properties": st.dictionaries(st.sampled_from("ab"), _nodes, max_size=2),
        "additionalProperties": st.just(value=False) | _nodes,
        "required": st.lists(st.sampled_from("ab"), unique=True),
        "anyOf": st.lists(_nodes, min_size=1, max_size=2),
    },
)
_names = st.sampled_from(["a", "b", "val/f1@5"])
_values = st.recursive(
    st.none() | st.booleans() | _numbers | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=5,
)


@given(
    metrics=st.dictionaries(_names, _nodes, max_size=3),
    params=st.dictionaries(_names, _param_nodes, max_size=3),
    strict=st.booleans(),
    measured=st.dictionaries(_names, st.none() | _numbers, max_size=3),
    settings=st.dictionaries(_names, _values, max_size=3),
)
def test_both_engines_agree_on_finite_documents(
    metrics: dict[str, Any],
    params: dict[str, Any],
    strict: bool,
    measured: dict[str, Metric],
    settings: dict[str, Json],
) -> None:
    schema = schema_of(metrics, params, **{"x-ledger": {"strict": strict}})
    rules = document._rules(schema.data, schema.strict)
    instance = {"params": settings, "metrics": measured}
    slow = rules.faults(instance, file=lambda _path: "", known={})
    assert rules.accept(instance) == (slow == ())


# --- recorded schemas ----------------------------------------------------------------------------------------------


def test_a_recorded_schema_is_read_leniently() -> None:
    body = {
        "x-ledger": {"format": 1, "version": 7, "later": True},
        "properties": {
            "metrics": {
                "properties": {
                    "f1": {"type": "number", "pattern": "(", "x-ledger": {"unit": "1", "later": "word"}}
                }
            }
        },
    }
    schema = document.recorded(json.dumps(body).encode(), name="old")
    assert (schema.name, schema.version) == ("old", None)
    assert (
        schema.metrics["f1"].did
        == from_property("f1", {"type": "number", "x-ledger": {"unit": "1"}}, "metric").did
    )


@pytest.mark.parametrize(
    "body",
    [
        {"properties": []},
        {"properties": {"metrics": 3}},
        {"properties": {"metrics": {"properties": {"f1": []}}}},
        {"properties": {"metrics": {"properties": {"f1": {"x-ledger": {"unit": 1}}}}}},
        {"properties": {"metrics": {"properties": {"f1": {"$ref": "#/nowhere"}}}}},
        {"properties": {"metrics": {"properties": {"f1": {"$ref": 5}}}}},
        {"$ref": "#"},
        {"properties": {"metrics": {"properties": {"\ud800": {}}}}},
    ],
)
def test_a_recorded_schema_that_makes_no_sense_is_a_format_error(body: object) -> None:
    with pytest.raises(FormatError):
        document.recorded(json.dumps(body).encode())


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text("a#/$", max_size=3)
    | st.sampled_from(["#", "#/properties", "#/$defs/a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "properties",
                    "params",
                    "metrics",
                    "$ref",
                    "x-ledger",
                    "format",
                    "type",
                    "enum",
                    "how",
                    "$defs",
                    "a",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_json)
def test_no_recorded_bytes_crash(body: object) -> None:
    try:
        schema = document.recorded(json.dumps(body).encode())
    except FormatError:
        return
    assert isinstance(body, dict)
    assert all(definition.did.startswith("d1:") for definition in schema.metrics.values())


@given(st.dictionaries(st.sampled_from(["properties", "$defs", "allOf", "$ref", "x-ledger"]), _json))
def test_no_document_crashes_the_parser(body: dict[str, Any]) -> None:
    try:
        schema = document.parse(json.dumps(body).encode(), name="s", what="s.json")
    except ConfigError:
        return
    assert document.recorded(schema.data).metrics == schema.metrics
