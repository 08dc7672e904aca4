"""Schema documents: what is read, what is refused, what a run breaks."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from typing import Any

import pytest
from schema.documents import faults_of, schema_of

from ledger import canonical
from ledger.errors import ConfigError, FormatError
from ledger.model import Json
from ledger.schema import document
from ledger.schema.definition import from_property


def details(body: object) -> str:
    with pytest.raises(ConfigError) as caught:
        document.parse(json.dumps(body).encode(), name="test", what="test.json")
    return "\n".join((caught.value.message, *caught.value.details, caught.value.hint))


STRICT = {"x-ledger": {"format": 1, "version": "3", "strict": True}}


# --- reading -------------------------------------------------------------------------------------------------------


def test_a_document_gives_label_definitions_and_canonical_bytes() -> None:
    words = {"unit": "1", "direction": "higher"}
    schema = schema_of({"f1": {"type": "number", "x-ledger": words}}, {"lr": {"type": "number"}}, **STRICT)
    assert (schema.name, schema.version, schema.strict) == ("test", "3", True)
    assert schema.metrics == {"f1": from_property("f1", {"type": "number", "x-ledger": words}, "metric")}
    assert schema.params["lr"].role == "param"
    assert canonical.dumps(schema.body) == schema.data


def test_any_json_schema_will_do() -> None:
    schema = document.parse(b"{}", name="empty", what="empty.json")
    assert (schema.version, schema.strict, dict(schema.metrics)) == (None, False, {})
    assert faults_of(schema, {"f1": 0.5}, {"lr": "any"}) == ()


def test_formatting_is_not_identity() -> None:
    loose = b'{"properties":\t{"metrics":{"properties":{"f1":{"x-ledger":{"unit":"1"},"type":"number"}}}}}'
    tidy = canonical.dumps(json.loads(loose))
    assert document.parse(loose, name="s", what="s") == document.parse(tidy, name="s", what="s")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"true", b"{", b'{"a": 1, "a": 2}', b"\xff", b'{"a": NaN}', b'{"a": "\\ud800"}']
)
def test_what_is_not_a_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"s\.json|half a character"):
        document.parse(data, name="s", what="s.json")
    with pytest.raises(FormatError):
        document.recorded(data if data != b'{"a": "\\ud800"}' else b"[]")


def test_a_merge_conflict_is_called_that() -> None:
    with pytest.raises(ConfigError, match=r"m\.json: a merge conflict is not resolved, at line 2") as caught:
        document.parse(b"{\n<<<<<<< HEAD\n}\n=======\n}\n>>>>>>> other\n", name="m", what="m.json")
    assert caught.value.hint == "keep one side"


def test_a_newer_format_asks_for_an_upgrade_before_anything_else() -> None:
    data = b'{"x-ledger": {"format": 2, "new": "word"}, "type": "from the future"}'
    with pytest.raises(ConfigError) as caught:
        document.parse(data, name="s", what="s.json")
    assert caught.value.hint == "upgrade ledger"
    with pytest.raises(FormatError) as recorded:
        document.recorded(data)
    assert recorded.value.hint == "upgrade ledger"


def test_all_faults_of_a_document_come_at_once() -> None:
    said = details(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "x-ledger": {"version": 3, "srtict": True},
            "properties": {
                "params": {"properties": {"lr": {"x-ledger": {"direction": "lower"}}, "o": {"pattern": "("}}},
                "metrics": {
                    "properties": {
                        "f1": {"type": "float", "x-ledger": {"unti": "1", "how": {}}},
                        "name": {"type": "string"},
                        "best": {"x-ledger": {"summary": "best"}},
                        "far": {"$ref": "https://example.org/f1.json"},
                    }
                },
            },
        }
    )
    assert "test.json: not a schema, " in said
    for part in (
        '$["$schema"]'.replace('["', "['").replace('"]', "']"),
        """$['x-ledger'].version = 3: type string (write it in quotes: "3")""",
        """did you mean "strict"?""",
        """$.properties.params.properties.lr['x-ledger'].direction = "lower": no such name is declared""",
        "$.properties.params.properties.o.pattern",
        '$.properties.metrics.properties.f1.type = "float"',
        'did you mean "unit"?',
        "f1['x-ledger'].how = {}: minProperties 1",
        '$.properties.metrics.properties.name.type = "string"',
        "best['x-ledger'].direction: required",
        "a reference must stay inside the document",
    ):
        assert part in said


# --- references ----------------------------------------------------------------------------------------------------


def test_a_local_reference_defines_and_validates() -> None:
    defs = {
        "ratio": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "x-ledger": {"unit": "1", "direction": "higher"},
        }
    }
    how = {"how": {"fn": "sklearn.metrics.f1_score"}}
    schema = schema_of({"f1": {"$ref": "#/$defs/ratio", "x-ledger": how}}, **{"$defs": defs})
    plain = {"type": "number", "x-ledger": {"unit": "1", **how}}
    assert schema.metrics["f1"].did == from_property("f1", plain, "metric").did
    assert schema.metrics["f1"].direction == "higher"
    assert [fault.rule for fault in faults_of(schema, {"f1": 2.0})] == ["maximum 1"]
    assert document.recorded(schema.data).metrics == schema.metrics


def test_references_go_through_references_and_escaped_names() -> None:
    defs = {"a/b": {"$ref": "#/$defs/c~d"}, "c~d": {"type": "integer"}}
    schema = schema_of({"n": {"$ref": "#/$defs/a~1b"}}, **{"$defs": defs})
    assert schema.metrics["n"].type == ("integer",)


def test_all_metrics_may_stand_behind_a_reference() -> None:
    body = {
        "properties": {"metrics": {"$ref": "#/$defs/metrics"}},
        "$defs": {"metrics": {"properties": {"f1": {"type": "number"}}}},
        **STRICT,
    }
    schema = document.parse(canonical.dumps(body), name="s", what="s")
    assert list(schema.metrics) == ["f1"]
    assert faults_of(schema, {"f1": 0.5}) == ()
    assert [fault.hint for fault in faults_of(schema, {"F1": 0.5})] == ['did you mean "f1"?']


def test_words_behind_a_reference_are_checked_too() -> None:
    body = {
        "properties": {"metrics": {"properties": {"f1": {"$ref": "#/$defs/f1"}}}},
        "$defs": {"f1": {"x-ledger": {"unti": "1"}}},
    }
    assert 'did you mean "unit"?' in details(body)


@pytest.mark.parametrize(
    ("node", "rule"),
    [
        ({"$ref": "https://example.org/schema.json"}, "inside the document"),
        ({"$ref": "file:///etc/passwd"}, "inside the document"),
        ({"$ref": "other.json#/$defs/x"}, "inside the document"),
        ({"$ref": "#/$defs/none"}, "leads to no schema"),
        ({"$ref": "#/x-ledger"}, "leads to no schema"),
        ({"$dynamicRef": "#x"}, "not supported"),
        ({"$id": "https://example.org/", "$ref": "#/$defs/a"}, "not supported"),
        ({"$ref": "#/$defs/a"}, "leads back to itself"),
        ({"$ref": "#/$defs/b"}, "leads back to itself"),
        ({"allOf": [{"$ref": "#/properties/metrics/properties/m"}]}, "leads back to itself"),
        ({"patternProperties": {"[": True}}, "not a regular expression"),
    ],
)
def test_references_that_leave_or_never_end_are_refused(node: dict[str, Any], rule: str) -> None:
    defs = {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}
    body = {
        "properties": {"metrics": {"properties": {"m": node}}},
        "$defs": defs if "#/$defs/" in str(node) else {},
    }
    assert rule in details(body)


def test_recursion_into_a_value_is_fine() -> None:
    tree = {"type": "object", "additionalProperties": {"$ref": "#/$defs/tree"}}
    schema = schema_of(params={"model": {"$ref": "#/$defs/tree"}}, **{"$defs": {"tree": tree}})
    assert faults_of(schema, params={"model": {"a": {"b": {}}}}) == ()
    assert [fault.path for fault in faults_of(schema, params={"model": {"a": {"b": 1}}})] == [
        "$.params.model.a.b"
    ]


def test_a_property_may_be_called_ref() -> None:
    schema = schema_of(params={"$ref": {"type": "string", "enum": ["$ref"]}})
    assert faults_of(schema, params={"$ref": "$ref"}) == ()


# --- what a run may hold -------------------------------------------------------------------------------------------


def test_every_fault_names_file_path_value_rule_and_hint() -> None:
    ratio = {"type": "number", "minimum": 0, "maximum": 1, "x-ledger": {"unit": "1"}}
    schema = schema_of(
        {"val/f1@5": ratio, "loss": {"type": "number"}},
        {
            "lr": {"type": "number"},
            "optimizer": {"enum": ["AdamW", "SGD"]},
            "layers": {"items": {"type": "integer"}},
        },
        required=["params", "metrics"],
    )
    faults = faults_of(
        schema,
        {"val/f1@5": 91.2, "loss": None},
        {"lr": "0.1", "optimizer": "adamw", "layers": [1, "x" * 100]},
    )
    assert [str(fault) for fault in faults] == [
        """metrics/loss: $.metrics.loss = null: type number (leave it out, or let its type be ["number", "null"])""",
        "metrics/val/f1@5: $.metrics['val/f1@5'] = 91.2: maximum 1 (a percentage? the unit is 1)",
        f'params/layers: $.params.layers[1] = "{"x" * 58}…: type integer',
        'params/lr: $.params.lr = "0.1": type number (write it without quotes: 0.1)',
        'params/optimizer: $.params.optimizer = "adamw": one of "AdamW", "SGD" (did you mean "AdamW"?)',
    ]


def test_a_missing_name_suggests_the_one_that_was_meant() -> None:
    body = {
        "properties": {
            "params": {"properties": {"learning_rate": {}, "seed": {}}, "required": ["learning_rate", "seed"]}
        }
    }
    schema = document.parse(canonical.dumps(body), name="s", what="s")
    faults = faults_of(schema, params={"learning-rate": 0.1})
    assert [(fault.path, fault.value, fault.rule, fault.hint) for fault in faults] == [
        ("$.params.learning_rate", "", "required", 'is "learning-rate" meant?'),
        ("$.params.seed", "", "required", ""),
    ]


def test_undeclared_names_are_kept_unless_the_schema_is_strict() -> None:
    declared = {"f1": {"type": "number"}, "accuracy": {"type": "number"}}
    given = {"f1": 0.5, "acuracy": 0.5, "zzz": 1.0}
    assert faults_of(schema_of(declared), given) == ()
    faults = faults_of(schema_of(declared, **STRICT), given, {"lr": 1})
    assert [(fault.path, fault.value, fault.rule, fault.hint) for fault in faults] == [
        ("$.metrics.acuracy", "0.5", "no such name is declared", 'did you mean "accuracy"?'),
        ("$.metrics.zzz", "1.0", "no such name is declared", ""),
        ("$.params.lr", "1", "no such name is declared", ""),
    ]


def test_strict_lets_patterns_declare_names() -> None:
    body = {"properties": {"metrics": {"patternProperties": {"^f1@[0-9]+$": {"type": "number"}}}}, **STRICT}
    schema = document.parse(canonical.dumps(body), name="s", what="s")
    assert faults_of(schema, {"f1@5": 0.5}) == ()
    assert len(faults_of(schema, {"f1@x": 0.5})) == 1


def test_additional_properties_false_names_each() -> None:
    body = {
        "properties": {
            "params": {"properties": {"model": {"properties": {"depth": {}}, "additionalProperties": False}}}
        }
    }
    schema = document.parse(canonical.dumps(body), name="s", what="s")
    faults = faults_of(schema, params={"model": {"dept": 3, "width": 4}})
    assert [(fault.path, fault.hint) for fault in faults] == [
        ("$.params.model.dept", 'did you mean "depth"?'),
        ("$.params.model.width", ""),
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("node", "fits"),
    [
        ({"type": "number"}, True),
        ({"type": ["number", "null"]}, True),
        ({}, True),
        ({"type": "number", "minimum": 0, "maximum": 1, "exclusiveMinimum": 0, "exclusiveMaximum": 1}, True),
        ({"enum": [1, 2]}, True),
        ({"const": 1}, True),
        ({"type": "number", "multipleOf": 0.5}, True),
        ({"type": "integer"}, False),
        ({"x-ledger": {"finite": True}}, False),
        ({"type": "number", "x-ledger": {"finite": True}}, False),
    ],
)
def test_non_finite_numbers_are_numbers_outside_all_bounds(
    value: float, node: dict[str, Any], fits: bool
) -> None:
    schema = schema_of({"m": node})
    assert (faults_of(schema, {"m": value, "other": 1.0}) == ()) is fits


def test_bounds_apply_to_all_others_beside_them() -> None:
    schema = schema_of({"a": {"maximum": 1}, "b": {"maximum": 1}})
    assert [fault.path for fault in faults_of(schema, {"a": math.inf, "b": 2.0})] == ["$.metrics.b"]


@pytest.mark.parametrize(
    ("node", "fits"), [({}, True), ({"type": ["number", "null"]}, True), ({"type": "number"}, False)]
)
def test_null_needs_a_type_that_says_so(node: dict[str, Any], fits: bool) -> None:
    assert (faults_of(schema_of({"m": node}), {"m": None}) == ()) is fits


def test_forms_are_put_into_one_rule() -> None:
    schema = schema_of(params={"lr": {"anyOf": [{"type": "number"}, {"enum": ["auto"]}]}, "x": False})
    faults = faults_of(schema, params={"lr": "atuo", "x": 1})
    assert [(fault.rule, fault.hint) for fault in faults] == [
        ('type number or one of "auto"', 'did you mean "auto"?'),
        ("nothing is allowed here", ""),
    ]


def test_exact_integers_and_decimals_are_compared_as_written() -> None:
    schema = schema_of({"n": {"maximum": 2**53}, "step": {"multipleOf": 0.01}})
    assert [fault.path for fault in faults_of(schema, {"n": 2**53 + 1})] == ["$.metrics.n"]
    assert faults_of(schema, {"step": 19.99}) == ()
    assert faults_of(schema, {"step": 19.99, "nan": math.nan}) == ()


def test_values_that_json_cannot_hold_do_not_crash() -> None:
    schema = schema_of(params={"p": {"type": "string"}})
    assert faults_of(schema, params={"p": "\ud800"}) == ()
    assert len(faults_of(schema, params={"p": time.gmtime})) == 1  # type: ignore[dict-item]


@pytest.mark.slow
def test_endless_nesting_is_a_fault_and_no_crash() -> None:
    tree = {"additionalProperties": {"$ref": "#/$defs/tree"}}
    schema = schema_of(params={"model": {"$ref": "#/$defs/tree"}}, **{"$defs": {"tree": tree}})
    deep: Json = {}
    for _ in range(100_000):
        deep = {"a": deep}
    assert [fault.rule for fault in faults_of(schema, params={"model": deep})] == ["at most 64 levels deep"]


@pytest.mark.slow
def test_thousands_of_faults_stay_quick() -> None:
    schema = schema_of({f"m{i}": {"type": "number"} for i in range(20)}, **STRICT)
    begun = time.process_time()
    assert len(faults_of(schema, {f"x{i}": 1.0 for i in range(3_000)})) == 3_000
    assert time.process_time() - begun < 6


def test_a_valid_run_never_imports_the_reference_engine() -> None:
    program = """
import sys
from ledger.schema import document
schema = document.parse(b'{"properties": {"metrics": {"properties": {"f1": {"maximum": 1}}}}}', name="s", what="s")
assert document.validate(schema, {"lr": 1}, {"f1": 0.5}, origin=lambda part, name: name) == ()
assert "jsonschema" not in sys.modules
assert len(document.validate(schema, {}, {"f1": 2.0}, origin=lambda part, name: name)) == 1
assert "jsonschema" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
