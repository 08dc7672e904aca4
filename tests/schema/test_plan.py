"""Plans: what one run's values become, and the same for whole columns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema.migrations import define, defines, lineage, migrate

from ledger.model import Grade
from ledger.schema import columns
from ledger.schema.plan import Outcome, Plan

THOUSANDTH = "\N{MULTIPLICATION SIGN}1/1000"
NUMBER = {"type": "number", "unit": "1", "direction": "higher"}
MS, S = ({"type": "number", "unit": unit, "direction": "lower"} for unit in ("ms", "s"))


def plan_of(
    before: Mapping[str, Any], after: Mapping[str, Any], target: str, *operations: Mapping[str, Any]
) -> Plan:
    old, new = defines(before), defines(after)
    return lineage(migrate(old, new, *operations)).plan(old, new[target])


def f1(**words: Any) -> Plan:
    before = {"precision": NUMBER, "recall": NUMBER}
    derive = {"op": "derive", "to": "f1", "inputs": {"p": "precision", "r": "recall"}, "expr": "2*p*r/(p+r)"}
    return plan_of(before, {"f1": {**NUMBER, "how": "f1"}}, "f1", {**derive, **words})


def coalesced() -> Plan:
    before = {"val_loss": MS, "valid_loss": MS}
    operation = {"op": "coalesce", "from": ["val_loss", "valid_loss"], "to": "loss"}
    return plan_of(before, {"loss": MS}, "loss", operation)


def twins() -> Plan:
    """Two recorded names that both became one."""
    a, b, new = defines({"a": MS}), defines({"b": S}), defines({"lat": S})
    both = {**a, **b}
    first = migrate(both, new, {"op": "convert", "from": "a", "to": "lat"})
    second = migrate(both, new, {"op": "rename", "from": "b", "to": "lat"}, what="n.json")
    return lineage(first, second).plan(both, new["lat"])


def test_a_chain_is_one_map() -> None:
    plan = plan_of({"lat": MS}, {"latency": S}, "latency", {"op": "convert", "from": "lat", "to": "latency"})
    assert (plan.grade, plan.sources, str(plan.affine)) == (Grade.EXACT, ("lat",), THOUSANDTH)
    [step] = plan.steps
    assert (step.op, step.sources, step.target, step.does, step.backward, step.file) == (
        "convert", ("lat",), "latency", THOUSANDTH, False, "m.json",
    )  # fmt: skip
    assert step.migration.startswith("m1:")


def test_an_untouched_value_is_returned_as_it_is() -> None:
    plan = plan_of(
        {"n": {"type": "integer"}}, {"m": {"type": "integer"}}, "m", {"op": "rename", "from": "n", "to": "m"}
    )
    assert plan.apply({"n": 2**53 + 1}) == Outcome(2**53 + 1, Grade.EXACT)
    assert plan.affine is not None
    assert plan.affine.is_identity


def test_an_expression_has_no_affine() -> None:
    plan = f1(exactness="exact")
    assert plan.affine is None
    assert plan.expression is not None
    assert plan.sources == ("precision", "recall")


@pytest.mark.parametrize(
    ("words", "grade"),
    [
        ({}, Grade.APPROXIMATE),
        ({"exactness": "exact"}, Grade.EXACT),
        ({"exactness": "approximate"}, Grade.APPROXIMATE),
    ],
)
def test_a_derivation_is_approximate_unless_it_says_exact(words: dict[str, Any], grade: Grade) -> None:
    assert f1(**words).grade is grade


def test_derived_from_a_best_value_is_at_most_approximate() -> None:
    before = {"precision": {**NUMBER, "summary": "max"}, "recall": NUMBER}
    derive = {
        "op": "derive",
        "to": "f1",
        "inputs": {"p": "precision", "r": "recall"},
        "expr": "p*r",
        "exactness": "exact",
    }
    assert plan_of(before, {"f1": NUMBER}, "f1", derive).grade is Grade.APPROXIMATE


def test_null_is_not_a_value() -> None:
    plan = plan_of({"a": NUMBER}, {"b": NUMBER}, "b", {"op": "rename", "from": "a", "to": "b"})
    assert plan.apply({"a": None}) == Outcome(None, Grade.UNDEFINED, "computed without a value")
    assert plan.apply({}) == Outcome(None, Grade.MISSING, "missing a")


def test_two_recorded_names_of_one_frame_must_agree() -> None:
    plan = twins()
    assert plan.apply({"a": 250.0, "b": 0.25}) == Outcome(0.25, Grade.EXACT)
    assert plan.apply({"a": 250.0}) == Outcome(0.25, Grade.EXACT)
    clash = plan.apply({"a": 250.0, "b": 0.3})
    assert (clash.value, clash.grade) == (None, Grade.AMBIGUOUS)


def test_an_undeclared_value_is_shown_where_the_plan_finds_nothing() -> None:
    outcome = f1().apply({"f1": 0.9})
    assert (outcome.value, outcome.grade) == (0.9, Grade.UNDECLARED)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ("32", 32), ("32.0", None), (" 32", None), ("1e2", None), (True, None), (32.0, 32), (32.5, None),
        ("007", None), ("-1", -1), (math.nan, None), ("-0", None), (2**70, 2**70),
    ],
)  # fmt: skip
def test_casts_never_guess(recorded: Any, expected: int | None) -> None:
    before, after = define("batch", {"type": "string"}), _param("batch", "integer")
    made = migrate({"batch": before}, {"batch": after}, {"op": "cast", "from": "batch", "to": "batch"})
    outcome = lineage(made).plan({"batch": before}, after).apply({"batch": recorded})
    assert outcome.value == expected
    assert outcome.grade is (Grade.UNDEFINED if expected is None else Grade.EXACT)


def _param(name: str, kind: str) -> Any:
    from ledger.schema.definition import from_property

    return from_property(name, {"type": kind}, "param")


OPTIMIZERS = {"adamw": "AdamW", "sgd": "SGD"}


def mapped(fields: Mapping[str, Any] | None = None, **words: Any) -> tuple[Plan, Plan]:
    """There, and back."""
    old, new = (
        defines({"opt": {"type": "string", **(fields or {})}}),
        defines({"opt": {"type": "string", "values": ["AdamW", "SGD"]}}),
    )
    known = lineage(
        migrate(old, new, {"op": "map", "from": "opt", "to": "opt", "values": OPTIMIZERS, **words})
    )
    return known.plan(old, new["opt"]), known.plan(new, old["opt"])


def test_a_map_that_is_one_to_one_goes_both_ways() -> None:
    there, back = mapped()
    assert there.apply({"opt": "adamw"}) == Outcome("AdamW", Grade.EXACT)
    assert back.apply({"opt": "AdamW"}) == Outcome("adamw", Grade.EXACT)
    assert there.apply({"opt": "lion"}) == Outcome(None, Grade.UNDEFINED, "unmapped 'lion'")


@pytest.mark.parametrize(
    ("words", "recorded", "value"),
    [
        ({"else": "keep"}, "AdamW", "AdamW"),
        ({"else": {"value": "other"}}, "lion", "other"),
        ({"values": {"adam": "AdamW", "ADAM": "AdamW"}}, "ADAM", "AdamW"),
    ],
)
def test_a_map_that_is_not_goes_one_way(words: dict[str, Any], recorded: str, value: str) -> None:
    there, back = mapped(**words)
    assert there.apply({"opt": recorded}) == Outcome(value, Grade.APPROXIMATE)
    assert back.grade is Grade.INCOMPARABLE


def test_what_is_kept_of_known_values_is_one_to_one() -> None:
    there, back = mapped({"values": ["adamw", "sgd", "lion"]}, **{"else": "keep"})
    assert there.apply({"opt": "lion"}) == Outcome("lion", Grade.EXACT)
    assert back.apply({"opt": "lion"}) == Outcome("lion", Grade.EXACT)


def test_a_default_is_assumed_and_gives_way_to_what_was_recorded() -> None:
    target = {"seed": _param("seed", "integer")}
    made = migrate({}, target, {"op": "default", "to": "seed", "value": 0, "reason": "hard-coded before"})
    plan = lineage(made).plan({}, target["seed"])
    assert plan.apply({}) == Outcome(0, Grade.APPROXIMATE, "asserted: hard-coded before")
    assert plan.apply({"seed": 7}).grade is Grade.UNDECLARED
    assert plan.asserted


numbers = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0, 1.0, 1e308]))


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20), st.integers(min_value=0, max_value=4))
def test_columns_are_what_runs_are(rows: list[tuple[float | None, float | None]], which: int) -> None:
    plan = (f1(), f1(on_div0=0), coalesced(), twins(), _scaled())[which]
    names = {"a": 0, "b": 1, "precision": 0, "recall": 1, "val_loss": 0, "valid_loss": 1}
    given_columns = {
        name: pa.array([row[names[name]] for row in rows], pa.float64()) for name in plan.sources
    }
    got = columns.evaluate(plan, given_columns, len(rows))
    for index, row in enumerate(rows):
        values = {name: row[names[name]] for name in plan.sources if row[names[name]] is not None}
        assert _cell(plan, got, index) == _bits(plan.apply(values))


def _scaled() -> Plan:
    return plan_of({"a": MS}, {"b": S}, "b", {"op": "convert", "from": "a", "to": "b"})


def _cell(plan: Plan, got: columns.Columns, index: int) -> tuple[str, Grade]:
    value = got.values[index].as_py()
    if value is not None:
        return repr(value), plan.grade
    if got.ambiguous is not None and got.ambiguous[index].as_py():
        return "None", Grade.AMBIGUOUS
    undefined = got.reasons is not None and got.reasons[index].as_py()
    return "None", Grade.UNDEFINED if undefined else Grade.MISSING


def _bits(outcome: Outcome) -> tuple[str, Grade]:
    return repr(outcome.value), outcome.grade


def test_columns_of_whole_numbers_stay_whole() -> None:
    plan = plan_of(
        {"n": {"type": "integer"}}, {"m": {"type": "integer"}}, "m", {"op": "rename", "from": "n", "to": "m"}
    )
    got = columns.evaluate(plan, {"n": pa.array([2**53 + 1, None], pa.int64())}, 2)
    assert got.values.to_pylist() == [2**53 + 1, None]


def test_whole_numbers_beside_doubles_are_never_rounded() -> None:
    given_columns = {"val_loss": pa.array([2**53 + 1, 3], pa.int64()), "valid_loss": pa.array([None, 3.0])}
    got = columns.evaluate(coalesced(), given_columns, 2)
    assert got.values.to_pylist() == [None, 3.0]
    assert got.reasons is not None
    assert got.reasons.to_pylist() == ["precision", None]


def test_columns_that_nobody_recorded_are_missing() -> None:
    assert columns.evaluate(f1(), {}, 2).values.to_pylist() == [None, None]


def test_a_plan_without_a_program_gives_nothing() -> None:
    a, b = defines({"x": {"type": "number", "how": "A"}}), defines({"x": {"type": "number", "how": "B"}})
    there = migrate(a, b, {"op": "affine", "from": "x", "to": "x", "scale": "2"})
    back = migrate(b, a, {"op": "affine", "from": "x", "to": "x", "scale": "2"}, what="n.json")
    plan = lineage(there, back).plan(a, b["x"])
    assert plan.grade is Grade.AMBIGUOUS
    assert columns.evaluate(plan, {"x": pa.array([1.0])}, 1).values.to_pylist() == [None]
    assert plan.apply({"x": 1.0}).value is None


def test_tables_are_not_for_columns() -> None:
    with pytest.raises(TypeError, match="for params"):
        columns.evaluate(mapped()[0], {"opt": pa.array(["adamw"])}, 1)
