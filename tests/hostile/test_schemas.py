"""Schemas of somebody else: their expressions end, they refer to nothing outside, and they validate no other run."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import canonical
from ledger.errors import ConfigError
from ledger.schema import document, patterns
from ledger.store.verify import content

ENDLESS = ("(a+)+$", "^(a|a)*$", "(a|aa)+$", r"^(a|b|ab)*\1?#$", r"^((a+)\2?)+$")
"""The last keeps the compiled engine busy as well: only its limit ends it."""
TEXT = "a" * 60 + "!"
RUN = {
    "format": 1, "id": "a" * 32, "record": "b" * 32, "recorded": "2026-11-21T02:57:05.000001Z", "experiment": "e",
    "status": "finished", "author": {"name": "Ada", "email": "a@b"}, "schema": {"name": "main", "version": "1"},
}  # fmt: skip


def schema(params: dict[str, Any]) -> bytes:
    return canonical.dumps({"properties": {"params": params, "metrics": {}}})


def said(params: dict[str, Any], values: dict[str, Any]) -> list[str]:
    found = document.parse(schema(params), name="main", what="main.json")
    return [fault.path for fault in document.validate(found, values, {}, origin=lambda *_: "run")]


@pytest.mark.parametrize("expression", ENDLESS)
@pytest.mark.parametrize(
    "params",
    [
        lambda one: {"properties": {"m": {"pattern": one}}},
        lambda one: {"patternProperties": {one: {"type": "number"}}, "required": ["x"]},
        lambda one: {"patternProperties": {one: {}}, "additionalProperties": False},
        lambda one: {"allOf": [{"patternProperties": {one: {}}}], "unevaluatedProperties": False},
        lambda one: {"propertyNames": {"pattern": one}},
    ],
    ids=["pattern", "patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames"],
)
def test_an_endless_expression_ends(expression: str, params: Any) -> None:
    """Python's own engine would take longer than a life for the first of them."""
    assert said(params(expression), {"m": TEXT, TEXT: 1})


def test_verify_of_a_run_with_such_a_schema_ends() -> None:
    files = {
        "run.json": canonical.dumps(RUN),
        "params.json": canonical.dumps({"m": TEXT}),
        "metrics.json": b"{}\n",
        "schema.json": schema({"properties": {"m": {"pattern": ENDLESS[0]}}}),
    }
    assert any("breaks the run's schema" in what for _, what in content.content(files).wrong)


@pytest.mark.parametrize(
    ("expression", "text", "found"),
    [
        ("^v", "v1", True),
        ("v$", "v1", False),
        ("^(?=a).b", "ab", True),
        ("é", "é", True),
        ("x", "\ud800", False),
    ],
)
def test_expressions_mean_what_they_say(expression: str, text: str, found: bool) -> None:
    assert patterns.matches(expression, text) is found


@pytest.mark.parametrize(
    ("params", "values", "wrong"),
    [
        ({"patternProperties": {"^n": {"type": "number"}}}, {"n1": "x", "m": "x"}, ["$.params.n1"]),
        ({"patternProperties": {"^n": {}}, "additionalProperties": False}, {"n1": 1, "m": 1}, ["$.params.m"]),
        ({"properties": {"a": {}}, "additionalProperties": {"type": "number"}}, {"a": "x", "m": "x"}, ["$.params.m"]),
        ({"$ref": "#/$defs/n", "unevaluatedProperties": False}, {"n1": 1, "m": 1}, ["$.params.m"]),
        ({"anyOf": [{"required": ["x"], "properties": {"x": {}}}, {"properties": {"m": {}}}], "unevaluatedProperties": False},
         {"m": 1, "x": 1, "y": 1}, ["$.params.y"]),
        ({"if": {"required": ["m"]}, "then": {"properties": {"m": {}}}, "else": {"properties": {"x": {}}},
          "unevaluatedProperties": False}, {"m": 1, "x": 1}, ["$.params.x"]),
        ({"dependentSchemas": {"m": {"properties": {"m": {}, "x": {}}}}, "unevaluatedProperties": False},
         {"m": 1, "x": 1, "y": 1}, ["$.params.y"]),
    ],
)  # fmt: skip
def test_names_that_are_looked_at_are_those_of_the_specification(
    params: dict[str, Any], values: dict[str, Any], wrong: list[str]
) -> None:
    body = {
        "$defs": {"n": {"patternProperties": {"^n": {}}}},
        "properties": {"params": params, "metrics": {}},
    }
    found = document.parse(canonical.dumps(body), name="main", what="main.json")
    assert [f.path for f in document.validate(found, values, {}, origin=lambda *_: "run")] == wrong
    fitting = {name: value for name, value in values.items() if f"$.params.{name}" not in wrong}
    assert not document.validate(found, fitting, {}, origin=lambda *_: "run")


@pytest.mark.parametrize("word", ["$ref", "$dynamicRef"])
@pytest.mark.parametrize("place", ["https://example.com/x.json", "file:///etc/passwd", "other.json#/x"])
def test_nothing_outside_is_fetched(word: str, place: str) -> None:
    with pytest.raises(ConfigError):
        document.parse(schema({"properties": {"m": {word: place}}}), name="main", what="main.json")
