"""Drafts of migrations from two sets of definitions: what is complete, what is asked, what is left to decide."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from schema.migrations import define, migrate

from ledger import canonical
from ledger.errors import ConfigError
from ledger.schema import document, migration
from ledger.schema.definition import Definition, undeclared
from ledger.schema.document import Schema
from ledger.schema.lineage import Lineage
from ledger.trace.drafting import Before, Draft, Known, draft, of_square, rename_candidates
from ledger.trace.identities import proposals

F1 = {"type": "number", "unit": "1", "direction": "higher", "how": {"average": "macro"}, "on": {"data": "a"}}
PLAIN = {"type": "number", "unit": "1"}


def schema(
    metrics: Mapping[str, Mapping[str, Any]] | None = None, params: Mapping[str, Any] | None = None
) -> Schema:
    def node(words: Mapping[str, Any]) -> dict[str, Any]:
        beside = {key: words[key] for key in ("type", "enum", "maximum") if key in words}
        return {**beside, "x-ledger": {key: words[key] for key in words if key not in beside}}

    parts = {"metrics": metrics or {}, "params": params or {}}
    body = {
        "properties": {
            part: {"properties": {k: node(v) for k, v in one.items()}} for part, one in parts.items()
        }
    }
    return document.parse(canonical.dumps(body), name="main", what="main.json")


def before(one: Schema) -> Before:
    return Before(label="v1", version="1", metrics=one.metrics, params=one.params)


def made(old: Schema, new: Schema, *, renames: Mapping[str, str | None] | None = None, **known: Any) -> Draft:
    known.setdefault("lineage", Lineage.build())
    (found,) = draft(before(old), new, Known(**known), renames=renames)
    return found


def operations(found: Draft) -> list[dict[str, Any]]:
    return [{key: value for key, value in words.items() if key != "todo"} for words in found.operations]


def change(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    found = made(schema({"m": old}), schema({"m": new}))
    (words,) = operations(found)
    return words, found.complete


ENDS = {"from": "m", "to": "m"}


@pytest.mark.parametrize(
    ("old", "new", "words", "complete"),
    [
        ({**F1, "unit": "%"}, F1, {"op": "convert"}, True),
        ({**PLAIN, "unit": "ms"}, {**PLAIN, "unit": "s", "type": "integer"}, {"op": "convert"}, True),
        (F1, {**F1, "how": {"average": "micro"}}, {"op": "redefine", "reason": "", "cause": "method"}, False),
        (F1, {**F1, "on": {"data": "b"}}, {"op": "redefine", "reason": "", "cause": "data"}, False),
        (F1, {**F1, "epoch": 2}, {"op": "redefine", "reason": ""}, False),
        ({**PLAIN, "unit": "s"}, {**PLAIN, "unit": "By"}, {"op": "redefine", "reason": ""}, False),
        ({"type": "number"}, PLAIN, {"op": "redefine", "reason": ""}, False),
        (
            {**PLAIN, "type": "integer"}, PLAIN,
            {"op": "same", "reason": "whole numbers before, any numbers now: the same values"}, True,
        ),
        (PLAIN, {**PLAIN, "type": "integer"}, {"op": "redefine", "reason": ""}, False),
    ],
)  # fmt: skip
def test_what_a_change_becomes(
    old: dict[str, Any], new: dict[str, Any], words: dict[str, Any], complete: bool
) -> None:
    assert change(old, new) == ({**words, **ENDS}, complete)


def test_what_did_not_change_or_is_explained_needs_nothing() -> None:
    old, new = schema({"f1": F1}), schema({"f1": {**F1, "unit": "%"}})
    assert draft(before(old), old, Known(lineage=Lineage.build())) == ()
    known = Lineage.build(
        (), [migrate(old.metrics, new.metrics, {"op": "convert", "from": "f1", "to": "f1"})]
    )
    assert draft(before(old), new, Known(lineage=known)) == ()


def test_a_complete_draft_is_a_migration_and_reads_from_the_top() -> None:
    found = made(schema({"f1": {**F1, "unit": "%"}}), schema({"f1": F1}))
    parsed = migration.parse(found.data, what="x.json")
    assert parsed.id == found.document["id"]
    assert [edge.op for edge in parsed.edges] == ["convert"]
    assert list(json.loads(found.data)) == [
        "format",
        "id",
        "summary",
        "schema",
        "from",
        "to",
        "metrics",
        "defs",
    ]
    assert found.file("2026-11-21").startswith("2026-11-21-f1-")
    assert found.file("x") == made(schema({"f1": {**F1, "unit": "%"}}), schema({"f1": F1})).file("x")


def test_a_rename_is_a_question_until_it_is_decided() -> None:
    old, new = schema({"loss": PLAIN}), schema({"train_loss": PLAIN, "other": PLAIN})
    known = Known(lineage=Lineage.build())
    assert rename_candidates(before(old), new, known) == {"loss": ("train_loss",)}
    asked = made(old, new)
    assert operations(asked) == [{"op": "rename", "from": "loss", "to": "train_loss"}]
    assert not asked.complete
    assert made(old, new, renames={"loss": "train_loss"}).complete
    refused = made(old, new, renames={"loss": None})
    assert operations(refused) == [{"op": "drop", "from": "loss", "reason": ""}]
    assert "train_loss" in str(refused.operations[0]["todo"])


def test_another_name_and_another_unit() -> None:
    old, new = schema({"lat_ms": {**PLAIN, "unit": "ms"}}), schema({"latency": {**PLAIN, "unit": "s"}})
    found = made(old, new, renames={"lat_ms": "latency"})
    assert operations(found) == [{"op": "convert", "from": "lat_ms", "to": "latency"}]
    assert found.complete


def test_a_name_that_went_on_to_mean_something_else() -> None:
    """What it meant is called otherwise now: that was said, and is drafted, beside the break of the name."""
    macro, weighted = {**F1, "how": {"average": "macro"}}, {**F1, "how": {"average": "weighted"}}
    old, new = schema({"f1": macro}), schema({"f1": weighted, "f1_macro": macro})
    assert operations(made(old, new, renames={"f1": "f1_macro"})) == [
        {"op": "rename", "from": "f1", "to": "f1_macro"},
        {"op": "redefine", "from": "f1", "to": "f1", "reason": "", "cause": "method"},
    ]


def test_a_name_that_ended_needs_no_break_when_it_begins_anew() -> None:
    old, new = schema({"f1": F1}), schema({"f1": {**F1, "epoch": 2}})
    ended = migrate(old.metrics, {}, {"op": "drop", "from": "f1", "reason": "never used"})
    assert draft(before(old), new, Known(lineage=Lineage.build((), [ended]))) == ()


def test_two_metrics_that_exchanged_their_names() -> None:
    one, other = {**F1, "how": {"average": "macro"}}, {**F1, "how": {"average": "weighted"}}
    old, new = schema({"a": one, "b": other}), schema({"a": other, "b": one})
    found = made(old, new, renames={"a": "b", "b": "a"})
    assert operations(found) == [
        {"op": "rename", "from": "a", "to": "b"},
        {"op": "rename", "from": "b", "to": "a"},
    ]
    assert found.complete


@pytest.mark.parametrize(
    "new",
    [
        {"loss2": {**PLAIN, "unit": "By"}},
        {"loss2": {**PLAIN, "direction": "higher"}},
        {"zzz": PLAIN},
        {"loss2": {**PLAIN, "how": {"x": 1}}},
    ],
)
def test_what_is_no_likely_rename(new: dict[str, Any]) -> None:
    old = schema({"loss": {**PLAIN, "direction": "lower"}})
    assert rename_candidates(before(old), schema(new), Known(lineage=Lineage.build())) == {}
    (words,) = operations(made(old, schema(new)))
    assert words["op"] == "drop"


def test_one_new_name_is_offered_once() -> None:
    words = operations(made(schema({"loss_a": F1, "loss_b": F1}), schema({"loss_c": F1})))
    assert [one["op"] for one in words] == ["rename", "drop"]


def test_undeclared_values_become_a_same_and_percent_is_told() -> None:
    new = schema({"f1": {**F1, "maximum": 1}})
    bare = Before(label="nothing", metrics={"f1": undeclared("f1")})
    known = Known(lineage=Lineage.build(), largest=lambda _name: 91.5)
    (found,) = draft(bare, new, known)
    assert operations(found) == [{"op": "same", "from": "f1", "to": "f1", "reason": ""}]
    (proposal,) = found.proposals
    assert proposal.operation == {"op": "affine", "from": "f1", "to": "f1", "scale": "1/100"}
    assert "up to 91.5" in proposal.holds
    (percent,) = draft(bare, new, known, take=["f1"])
    assert (operations(percent), percent.complete) == ([proposal.operation], True)
    (fits,) = draft(bare, new, Known(lineage=Lineage.build(), largest=lambda _name: 0.9))
    assert fits.proposals == ()


def test_params_are_cast_and_mapped() -> None:
    old = schema(
        params={
            "n": {"type": "string"},
            "opt": {"enum": ["adamw", "sgd", "x"]},
            "t": {"type": "number", "unit": "s"},
        }
    )
    new = schema(
        params={
            "n": {"type": "integer"},
            "opt": {"enum": ["AdamW", "sgd"]},
            "t": {"type": "number", "unit": "ms"},
        }
    )
    found = made(old, new)
    cast, mapped, convert = operations(found)
    assert (cast["op"], convert["op"]) == ("cast", "convert")
    assert mapped == {
        "op": "map",
        "from": "opt",
        "to": "opt",
        "values": {"adamw": "AdamW", "x": "AdamW"},
        "else": "keep",
    }
    assert "guessed" in str(found.operations[1]["todo"])
    more = schema(params={"opt": {"enum": ["adamw", "sgd", "x", "more"]}})
    assert draft(before(old), more, Known(lineage=Lineage.build())) == ()


def find(*names: str, **units: str) -> Any:
    known = {
        name: define(name, {"type": "number", "unit": units.get(name, "1")}) for name in (*names, *units)
    }
    return known.get


@pytest.mark.parametrize(
    ("name", "recorded", "words"),
    [
        ("val/f1", find("val/precision", "val/recall"), {"expr": "2*p*r/(p+r)", "inputs": {"p": "val/precision", "r": "val/recall"}}),
        ("f1_weighted", find("precision_weighted", "recall_weighted"), {"expr": "2*p*r/(p+r)"}),
        ("error", find("accuracy"), {"op": "affine", "from": "accuracy", "scale": "-1", "offset": "1"}),
        ("test_ppl", find(test_loss="nat"), {"expr": "exp(x)", "inputs": {"x": "test_loss"}}),
        ("rmse", find(mse="m2"), {"expr": "sqrt(x)"}),
        ("f1", find("precision"), None),
        ("ppl", find(loss="bit"), None),
        ("error", find(accuracy="%"), None),
        ("f1", find(precision="%", recall="%"), {"expr": "2*p*r/(p+r)/100"}),
        ("f1", find(precision="%", recall="1"), None),
        ("f1", find(precision="s", recall="s"), None),
        ("offset1", find("precision", "recall"), None),
    ],
)  # fmt: skip
def test_known_identities(name: str, recorded: Any, words: dict[str, Any] | None) -> None:
    found = list(proposals(define(name, {"type": "number", "unit": "1"}), recorded))
    assert bool(found) == (words is not None)
    if words is not None:
        assert {key: found[0].operation[key] for key in words} == words
        assert found[0].operation["to"] == name


def test_what_is_computed_from_a_summary_is_drafted_as_approximate() -> None:
    parts = {"precision": {**PLAIN, "summary": "max"}, "recall": PLAIN}
    old, new = schema(parts), schema({**parts, "f1": PLAIN})
    known = Known(lineage=Lineage.build(), recorded=old.metrics.get)
    (found,) = draft(before(old), new, known, take=["f1"])
    (words,) = found.operations
    assert (words["exactness"], words["reason"]) == ("approximate", "")
    assert "precision is its max" in str(words["todo"])
    assert not found.complete


def test_what_goes_on_as_its_complement_did_not_end() -> None:
    old, new = schema({"accuracy": PLAIN}), schema({"error": PLAIN})
    known = Known(lineage=Lineage.build(), recorded=old.metrics.get)
    (asked,) = draft(before(old), new, known)
    assert [one["op"] for one in asked.operations] == ["drop"]
    (taken,) = draft(before(old), new, known, take=["error"])
    assert operations(taken) == [
        {"op": "affine", "from": "accuracy", "to": "error", "scale": "-1", "offset": "1"}
    ]
    assert taken.complete


def test_an_alternative_is_drafted_beside_a_redefinition_when_asked_for() -> None:
    old = schema({"f1": F1, "precision": PLAIN, "recall": PLAIN})
    new = schema({"f1": {**F1, "how": {"average": "micro"}}, "precision": PLAIN, "recall": PLAIN})
    known = Known(lineage=Lineage.build(), recorded=old.metrics.get)
    (only,) = draft(before(old), new, known)
    assert [one.operation["op"] for one in only.proposals] == ["derive"]
    with pytest.raises(ConfigError, match="LS408"):
        migration.parse(only.data, what="x")
    redefined, derived = draft(before(old), new, known, take=["f1"])
    assert operations(redefined) == operations(only)
    assert redefined.proposals == ()
    (edge,) = migration.parse(derived.data, what="x").edges
    assert edge.op == "derive"


def test_a_new_metric_may_come_from_recorded_ones() -> None:
    old, new = schema({"mse": PLAIN}), schema({"mse": PLAIN, "rmse": PLAIN})
    known = Known(lineage=Lineage.build(), recorded=old.metrics.get)
    assert draft(before(old), new, known) == ()
    (found,) = draft(before(old), new, known, take=["rmse"])
    assert found.complete
    assert [one["op"] for one in operations(found)] == ["derive"]
    (other,) = draft(before(old), schema({"mse": {**PLAIN, "unit": "m2"}, "rmse": PLAIN}), known)
    assert [one.operation["to"] for one in other.proposals] == ["rmse"]


def side(**words: Any) -> Schema:
    return schema({"f1": {**F1, **words}})


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "redefine", "reason": "support was not recorded"},
        {"op": "same", "reason": "only the words changed", "evidence": "golden"},
        {"op": "affine", "scale": "1", "offset": "1/3"},
    ],
)
def test_one_side_of_a_merge_uses_what_the_other_said(operation: dict[str, str]) -> None:
    micro = {"average": "micro"}
    base, one, other, merged = side(unit="%"), side(unit="%", how=micro), side(), side(how=micro)
    known = Lineage.build((), [migrate(base.metrics, one.metrics, {**operation, "from": "f1", "to": "f1"})])
    reuse = of_square(base, one, known)
    found = made(other, merged, lineage=known, reuse=reuse)
    assert operations(found) == [{**operation, "from": "f1", "to": "f1"}]
    assert found.complete
    assert reuse(one.metrics["f1"], merged.metrics["f1"]) is None


def test_hostile_names_make_a_harmless_file_name() -> None:
    name = "../../x/\N{SNOWMAN} y"
    found = made(schema({name: {**F1, "unit": "%"}}), schema({name: F1}))
    assert "/" not in found.file("d")
    assert isinstance(next(iter(schema({name: F1}).metrics.values())), Definition)
