"""`ledger schema check`: each finding where it belongs, and silence where all is explained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from schema.migrations import defines, lineage, migrate

from ledger import canonical
from ledger.errors import ConfigError
from ledger.schema import document, lint, units
from ledger.schema.codes import CODES, Finding, finding
from ledger.schema.definition import Definition, undeclared
from ledger.schema.document import Schema
from ledger.schema.lineage import Lineage

FULL = {
    "type": "number", "unit": "1", "direction": "higher", "how": {"fn": "f1", "average": "macro"}, "on": {"dataset": "imdb"},
}  # fmt: skip
NOTHING = Lineage.build()


def schema(
    metrics: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    version: str = "1",
    required: tuple[str, ...] = (),
) -> Schema:
    body = {
        "$schema": document.DIALECT,
        "x-ledger": {"format": 1, "version": version},
        "properties": {
            "metrics": {"properties": {name: _node(one) for name, one in (metrics or {}).items()}},
            "params": {"properties": dict(params or {}), "required": [*required]},
        },
    }
    return document.parse(canonical.dumps(body), name="test", what="test.json")


def _node(fields: Mapping[str, Any]) -> dict[str, Any]:
    plain = {
        key: value
        for key, value in fields.items()
        if key in {"type", "description", "minimum", "maximum", "enum"}
    }
    return {**plain, "x-ledger": {key: value for key, value in fields.items() if key not in plain}}


def names(*args: Any, known: Lineage = NOTHING, used: tuple[Definition, ...] = ()) -> list[tuple[str, str]]:
    previous, current = args
    return [(one.name, one.metric) for one in lint.check(previous, current, known, used)]


def f1(**words: Any) -> Schema:
    return schema({"f1": {**FULL, **words}}, version=str(words))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"how": {"fn": "f1", "average": "weighted"}}, "DEF_CHANGED_NO_MIGRATION"),
        ({"epoch": 2}, "DEF_CHANGED_NO_MIGRATION"),
        ({"unit": "%"}, "UNIT_CHANGED_NO_CONVERSION"),
        ({"type": "integer"}, "METRIC_TYPE_CHANGED"),
        ({"direction": "lower"}, "DIRECTION_FLIPPED"),
        ({"description": "other"}, "DESCRIPTION_CHANGED"),
    ],
)
def test_a_change_has_one_name(words: dict[str, Any], code: str) -> None:
    assert names(f1(), f1(**words)) == [(code, "f1")]
    [found] = lint.check(f1(), f1(**words), NOTHING, ())
    assert (found.code, found.severity, found.file) == (
        CODES[code].code,
        CODES[code].severity,
        ".ledger/schemas/test.json",
    )


def test_no_change_is_no_finding() -> None:
    assert names(f1(), f1()) == names(None, f1()) == []


def test_what_a_migration_explains_is_no_finding() -> None:
    before, after = f1(), f1(unit="%")
    known = lineage(migrate(before.metrics, after.metrics, {"op": "convert", "from": "f1", "to": "f1"}))
    assert names(before, after, known=known) == []


def test_a_derivation_of_a_changed_metric_explains_it() -> None:
    inputs = {"precision": FULL, "recall": FULL}
    before = schema({"f1": FULL, **inputs})
    after = schema({"f1": {**FULL, "epoch": 2}, "other": FULL, **inputs}, version="2")
    derive = {
        "op": "derive", "to": "f1", "inputs": {"p": "precision", "r": "recall"}, "expr": "2*p*r/(p+r)", "exactness": "exact",
    }  # fmt: skip
    known = lineage(migrate(before.metrics, after.metrics, derive))
    used = (before.metrics["f1"],)
    assert names(before, after) == [("DEF_CHANGED_NO_MIGRATION", "f1")]
    assert names(before, after, known=known) == names(None, after, known=known, used=used) == []
    beside = {**derive, "to": "other"}
    known = lineage(migrate(before.metrics, after.metrics, beside))
    assert names(before, after, known=known) == [("DEF_CHANGED_NO_MIGRATION", "f1")], (
        "it makes another metric"
    )


def test_names_that_were_exchanged_are_explained_by_renames() -> None:
    weighted = {**FULL, "how": {"fn": "f1", "average": "weighted"}}
    before, after = schema({"a": FULL, "b": weighted}), schema({"a": weighted, "b": FULL}, version="2")
    there = {"op": "rename", "from": "a", "to": "b"}
    back = {"op": "rename", "from": "b", "to": "a"}
    used = tuple(before.metrics.values())
    known = lineage(migrate(before.metrics, after.metrics, there, back))
    assert names(before, after, known=known, used=used) == []
    assert names(None, after, known=known, used=used) == []
    half = lineage(migrate(before.metrics, after.metrics, there))
    assert ("DEF_CHANGED_NO_MIGRATION", "a") in names(before, after, known=half)


def test_a_name_that_was_given_to_something_else_needs_a_word() -> None:
    """The old meaning goes on as `f1_macro`; what `f1` is since then, nobody said."""
    weighted = {**FULL, "how": {"fn": "f1", "average": "weighted"}}
    before, after = schema({"f1": FULL}), schema({"f1": weighted, "f1_macro": FULL}, version="2")
    rename = {"op": "rename", "from": "f1", "to": "f1_macro"}
    known = lineage(migrate(before.metrics, after.metrics, rename))
    assert names(before, after, known=known) == [("DEF_CHANGED_NO_MIGRATION", "f1")]


def test_a_merge_that_nobody_had_is_found_against_both_parents() -> None:
    """One branch changed `how`, the other the unit, and git merged the text."""
    weighted = {"fn": "f1", "average": "weighted"}
    base, one, other, merged = f1(unit="%"), f1(unit="%", how=weighted), f1(), f1(how=weighted)
    known = lineage(
        migrate(base.metrics, one.metrics, {"op": "redefine", "from": "f1", "to": "f1", "reason": "r"}),
        migrate(base.metrics, other.metrics, {"op": "convert", "from": "f1", "to": "f1"}, what="n.json"),
    )
    assert names(one, merged, known=known) == [("UNIT_CHANGED_NO_CONVERSION", "f1")]
    assert names(other, merged, known=known) == [("DEF_CHANGED_NO_MIGRATION", "f1")]


def test_removed() -> None:
    assert names(f1(), schema()) == [("METRIC_REMOVED_NO_OP", "f1")]
    known = lineage(migrate(f1().metrics, {}, {"op": "drop", "from": "f1", "reason": "r"}))
    assert names(f1(), schema(), known=known) == []
    assert names(schema(), f1(), known=known) == [("TOMBSTONE_REUSE", "f1")]
    assert names(f1(), f1(), known=known) == []


def test_a_name_that_ended_may_begin_anew_as_something_else() -> None:
    """`drop` says what became of the old meaning: nothing leads to the new one, and nobody is asked why."""
    known = lineage(migrate(f1().metrics, {}, {"op": "drop", "from": "f1", "reason": "r"}))
    again = f1(epoch=2)
    assert names(f1(), again, known=known, used=tuple(f1().metrics.values())) == []
    assert names(f1(unit="%"), again, known=known) == [("DEF_CHANGED_NO_MIGRATION", "f1")]


def test_every_definition_that_a_run_used_leads_here() -> None:
    old = defines({"f1": {**FULL, "epoch": 7}, "loss": FULL})
    used = (*old.values(), undeclared("f1"))
    assert names(None, f1(), used=used) == [("RUN_DEF_UNREACHABLE", "f1"), ("RUN_DEF_UNREACHABLE", "loss")]
    known = lineage(
        migrate(old, f1().metrics, {"op": "redefine", "from": "f1", "to": "f1", "reason": "r"}),
        migrate(old, {}, {"op": "drop", "from": "loss", "reason": "r"}, what="n.json"),
    )
    assert names(None, f1(), known=known, used=used) == []


def test_what_the_comparison_shows_is_not_said_again() -> None:
    used = tuple(f1().metrics.values())
    assert names(f1(), f1(epoch=2), used=used) == [("DEF_CHANGED_NO_MIGRATION", "f1")]


def test_bounds_that_moved_by_powers_of_ten() -> None:
    assert names(f1(maximum=100), f1(maximum=1)) == [("RANGE_SCALE_SUSPECT", "f1")]
    assert names(f1(maximum=100), f1(maximum=90)) == []
    assert (
        names(f1(maximum=1), f1())
        == names(f1(maximum=-1), f1(maximum=10))
        == names(f1(maximum=0), f1(maximum=1))
        == []
    )


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ({"type": "string"}, {"type": "integer"}, "PARAM_TYPE_CHANGED_NO_CAST"),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, "PARAM_ENUM_VALUE_REMOVED"),
        ({"type": "number", "x-ledger": {"unit": "s"}}, {"type": "number", "x-ledger": {"unit": "ms"}}, "UNIT_CHANGED_NO_CONVERSION"),
    ],
)  # fmt: skip
def test_params(before: dict[str, Any], after: dict[str, Any], code: str) -> None:
    assert names(schema(params={"p": before}), schema(params={"p": after}, version="2")) == [(code, "p")]


def test_more_values_of_a_param_are_fine() -> None:
    assert (
        names(schema(params={"p": {"enum": ["a"]}}), schema(params={"p": {"enum": ["a", "b"]}}, version="2"))
        == []
    )


def test_a_new_required_param() -> None:
    now = schema(params={"seed": {"type": "integer"}}, required=("seed",), version="2")
    assert names(schema(), now) == [("PARAM_REQUIRED_NO_DEFAULT", "seed")]
    default = {"op": "default", "to": "seed", "value": 0, "reason": "hard-coded"}
    assert names(schema(), now, known=lineage(migrate({}, now.params, default))) == []


def test_one_label_for_two_schemas() -> None:
    assert names(schema({"f1": FULL}), schema({"f1": FULL, "recall": FULL})) == [("LABEL_DUPLICATE", "")]
    assert names(schema({"f1": FULL}), schema({"f1": FULL, "recall": FULL}, version="2")) == []


def test_what_a_careful_schema_says() -> None:
    bare = schema({"f1": {"type": "number"}})
    assert names(None, bare) == [
        (f"METRIC_NO_{what}", "f1") for what in ("UNIT", "DIRECTION", "HOW", "EVALSET")
    ]
    assert names(None, f1(unit="parsec_typo")) == [("UNKNOWN_UNIT", "f1")]
    custom = units.project_units({"[img]": {}})
    assert lint.check(None, f1(unit="[img]"), NOTHING, (), custom_units=custom) == ()


def test_an_aggregate_says_of_what() -> None:
    whole = {key: value for key, value in FULL.items() if key != "how"}
    found = names(None, schema({"mmlu": whole, "mmlu/law": FULL, "mmlu/physics": FULL}))
    assert found == [("METRIC_NO_HOW", "mmlu"), ("AGGREGATE_UNVERSIONED", "mmlu")]


def test_claims_of_migrations() -> None:
    before = defines({"a": FULL, "b": FULL})
    after = defines({"t": {**FULL, "on": {"dataset": "other"}}})
    words = {"op": "derive", "to": "t", "inputs": {"a": "a", "b": "b"}}
    known = lineage(
        migrate(before, after, {**words, "expr": "a*b"}),
        migrate(before, after, {**words, "expr": "a+b"}, what="n.json"),
    )
    assert names(None, schema(), known=known) == [
        ("APPROX_NO_REASON", "t"),
        ("APPROX_NO_REASON", "t"),
        ("AMBIGUOUS_DERIVATION", "t"),
    ]


@pytest.mark.parametrize(
    ("more", "expected"), [({}, [("EVALSET_CHANGED", "f1")]), ({"evidence": "golden"}, [])]
)
def test_same_across_other_data_needs_evidence(more: dict[str, str], expected: list[tuple[str, str]]) -> None:
    old, new = defines({"f1": FULL}), defines({"f1": {**FULL, "on": {"dataset": "imdb", "digest": "x"}}})
    known = lineage(migrate(old, new, {"op": "same", "from": "f1", "to": "f1", "reason": "r", **more}))
    assert names(None, schema(), known=known) == expected


def test_a_bare_name_said_nothing_about_its_data() -> None:
    same = {"op": "same", "from": "f1", "to": "f1", "reason": "r"}
    known = lineage(migrate({"f1": undeclared("f1")}, defines({"f1": FULL}), same))
    assert names(None, f1(), known=known) == []


def test_what_tells_the_error_of_a_converted_metric_is_converted_too() -> None:
    percent = {**FULL, "unit": "%"}
    error = {**percent, "kind": "delta"}
    before = schema({"f1": percent, "f1_stderr": error, "f1x": error, "f1/n": percent})
    after = schema({"f1": FULL, "f1_stderr": error, "f1x": error, "f1/n": percent}, version="2")
    convert = {"op": "convert", "from": "f1", "to": "f1"}
    known = lineage(migrate(before.metrics, after.metrics, convert))
    assert names(before, after, known=known) == [("COMPANION_NOT_CONVERTED", "f1_stderr")]
    both = schema({"f1": FULL, "f1_stderr": {**FULL, "kind": "delta"}}, version="2")
    also = {"op": "convert", "from": "f1_stderr", "to": "f1_stderr"}
    known = lineage(migrate(before.metrics, both.metrics, convert, also))
    assert not [one for one in names(before, both, known=known) if one[0] == "COMPANION_NOT_CONVERTED"]
    renamed = schema({"g": percent, "f1_stderr": error}, version="2")
    known = lineage(migrate(before.metrics, renamed.metrics, {"op": "rename", "from": "f1", "to": "g"}))
    assert ("COMPANION_NOT_CONVERTED", "f1_stderr") not in names(before, renamed, known=known)


def test_contradictions_are_findings() -> None:
    old, new = defines({"f1": FULL}), defines({"f1": {**FULL, "epoch": 2}})
    known = lineage(
        *(
            migrate(
                old,
                new,
                {"op": "affine", "from": "f1", "to": "f1", "scale": "1", "offset": offset},
                what=offset,
            )
            for offset in "12"
        )
    )
    assert names(None, f1(), known=known) == [("GRAPH_INCOHERENT", "f1")]


def test_a_published_migration_that_was_edited() -> None:
    old, new = defines({"x": {**FULL, "unit": "%"}}), defines({"x": FULL})
    convert = {"op": "convert", "from": "x", "to": "x"}
    published, changed = (
        migrate(old, new, convert),
        migrate(old, new, {**convert, "op": "affine", "scale": "1/100"}),
    )
    [found] = lint.edited([published], lineage(changed))
    assert (found.name, found.file) == ("MIGRATION_EDITED", "m.json")
    assert published.id in found.hint
    superseding = migrate(old, new, {**convert, "op": "affine", "scale": "1/100"}, supersedes=[published.id])
    assert (
        lint.edited([published], lineage(superseding)) == lint.edited([published], lineage(published)) == ()
    )


def test_a_schema_that_can_not_be_used() -> None:
    with pytest.raises(ConfigError) as caught:
        document.parse(b'{"$ref": "https://example.org/x"}', name="s", what="s.json")
    found = lint.broken(caught.value, "s.json")
    assert (found.code, found.name) == ("LS306", "SCHEMA_INVALID")
    assert "example.org" in found.message


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ({"file": "a.json", "line": 3}, "a.json:3: LS401 GRAPH_INCOHERENT: m (h)"),
        ({"file": "a.json"}, "a.json: LS401 GRAPH_INCOHERENT: m (h)"),
        ({}, "LS401 GRAPH_INCOHERENT: m (h)"),
    ],
)
def test_a_finding_on_one_line(place: dict[str, Any], shown: str) -> None:
    one: Finding = finding("GRAPH_INCOHERENT", "m", hint="h", **place)
    assert str(one) == shown
    assert one.headline == shown.removesuffix(" (h)")
