"""Plans: which value becomes which, how exactly, and why not."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from schema.migrations import define, defines, lineage, migrate

from ledger.model import Grade
from ledger.schema import document
from ledger.schema.definition import Definition, from_property, undeclared
from ledger.schema.lineage import Comparison, Lineage, compare, target_of
from ledger.schema.plan import Outcome


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


NUMBER = {"type": "number", "unit": "1", "direction": "higher"}
MACRO, WEIGHTED, MICRO = (
    {"f1": {**NUMBER, "how": {"average": how}}} for how in ("macro", "weighted", "micro")
)


def redefine(reason: str, name: str = "f1") -> dict[str, Any]:
    return {"op": "redefine", "from": "f1", "to": name, "reason": reason}


def derive(target: str, expression: str, exactness: str = "exact", **inputs: str) -> dict[str, Any]:
    return {"op": "derive", "to": target, "inputs": inputs, "expr": expression, "exactness": exactness}


def test_breaks_say_why_and_where() -> None:
    macro, weighted, micro = map(defines, (MACRO, WEIGHTED, MICRO))
    first = migrate(macro, weighted, redefine("average changed"))
    second = migrate(weighted, micro, redefine("for the paper"), what="n.json")
    plan = lineage(first, second).plan(macro, micro["f1"])
    assert plan.apply({"f1": 0.8}) == Outcome(
        0.8, Grade.INCOMPARABLE, "redefined in 2 steps: average changed; for the paper"
    )
    assert [(one.op, one.reason, one.file) for one in plan.breaks] == [
        ("redefine", "average changed", "m.json"),
        ("redefine", "for the paper", "n.json"),
    ]
    assert plan.source == macro["f1"]
    assert plan.frame != lineage(first, second).plan(micro, micro["f1"]).frame


def test_a_break_leads_to_another_name_too() -> None:
    macro, weighted = defines(MACRO), defines({"f1_weighted": WEIGHTED["f1"]})
    known = lineage(migrate(macro, weighted, redefine("average changed", "f1_weighted")))
    outcome = known.plan(macro, weighted["f1_weighted"]).apply({"f1": 0.8})
    assert outcome == Outcome(0.8, Grade.INCOMPARABLE, "average changed")


def test_without_a_migration_the_differences_are_the_reason() -> None:
    macro, weighted = defines(MACRO), defines(WEIGHTED)
    plan = Lineage.build().plan(macro, weighted["f1"])
    assert (plan.grade, plan.reason) == (Grade.INCOMPARABLE, "how.average macro → weighted; no migration")


def test_a_dropped_metric_that_came_back_different_says_so() -> None:
    known = lineage(migrate(defines(MACRO), {}, {"op": "drop", "from": "f1", "reason": "unused"}))
    plan = known.plan(defines(MACRO), defines(WEIGHTED)["f1"])
    assert plan.reason == "how.average macro → weighted; dropped: unused"


def test_a_metric_that_was_not_there_is_missing() -> None:
    outcome = Lineage.build().plan(defines({"loss": NUMBER}), defines(MACRO)["f1"]).apply({"loss": 1.0})
    assert (outcome.value, outcome.grade) == (None, Grade.MISSING)


def test_undeclared_values_join_by_a_reviewed_same() -> None:
    target = defines(MACRO)
    bare = {"f1": undeclared("f1")}
    known = lineage(
        migrate(bare, target, {"op": "same", "from": "f1", "to": "f1", "reason": "as in eval.py"})
    )
    plan = known.plan(None, target["f1"])
    assert plan.apply({"f1": 0.8}) == Outcome(0.8, Grade.EXACT, "asserted: as in eval.py")
    assert plan.asserted
    assert known.plan({}, target["f1"]) == plan
    assert known.plan(target, undeclared("f1")).apply({"f1": 0.8}).grade is Grade.EXACT
    assert known.plan(None, undeclared("f1")).grade is Grade.IDENTICAL
    assert Lineage.build().plan(None, target["f1"]).apply({"f1": 0.8}).grade is Grade.UNDECLARED


def test_what_a_schema_declares_is_not_taken_for_undeclared() -> None:
    """A run of a schema that declares f1 otherwise is not let in by the word for bare names."""
    macro, weighted = defines(MACRO), defines(WEIGHTED)
    same = {"op": "same", "from": "f1", "to": "f1", "reason": "r"}
    known = lineage(migrate({"f1": undeclared("f1")}, weighted, same))
    assert known.plan(macro, weighted["f1"]).grade is Grade.INCOMPARABLE


def test_params_and_metrics_of_one_name_are_apart() -> None:
    param = define("x", {"type": "string"})
    assert Lineage.build().plan({"x": param}, define("x", NUMBER)).apply({"x": 1.0}).grade is Grade.UNDECLARED


INPUTS = defines({"a": NUMBER, "b": NUMBER})


def target(name: str = "t", **words: Any) -> dict[str, Definition]:
    return {name: define(name, {**NUMBER, **words})}


def test_the_shorter_of_two_exact_ways_counts() -> None:
    first = migrate(INPUTS, target(), derive("t", "a*b", a="a", b="b"))
    second = migrate(INPUTS, target("u"), derive("u", "a+b", a="a", b="b"), what="n.json")
    third = migrate(target("u"), target(), derive("t", "u", u="u"), what="o.json")
    assert lineage(first, second, third).plan(INPUTS, target()["t"]).apply({"a": 2.0, "b": 3.0}).value == 6.0


def test_what_is_made_of_something_ambiguous_is_ambiguous() -> None:
    first = migrate(INPUTS, target(), derive("t", "a*b", a="a", b="b"))
    second = migrate(INPUTS, target(), derive("t", "a+b", a="a", b="b"), what="n.json")
    third = migrate(target(), target("u"), derive("u", "2*t", t="t"), what="o.json")
    known = lineage(first, second, third)
    assert known.plan(INPUTS, target("u")["u"]).grade is Grade.AMBIGUOUS
    assert known.plan(target(), target("u")["u"]).apply({"t": 1.0}) == Outcome(2.0, Grade.EXACT)


def test_the_same_derivation_in_two_words_is_not_ambiguous() -> None:
    first = migrate(INPUTS, target(), derive("t", "a * b", a="a", b="b"))
    second = migrate({**INPUTS, **target("c")}, {**target(), **target("c")}, derive("t", "x*y", x="a", y="b"),
                     {"op": "rename", "from": "c", "to": "c"}, what="n.json")  # fmt: skip
    assert lineage(first, second).plan(INPUTS, target()["t"]).apply({"a": 2.0, "b": 3.0}).value == 6.0


def test_one_approximate_step_makes_all_of_it_approximate() -> None:
    first = migrate(INPUTS, target(), derive("t", "a*b", "approximate", a="a", b="b"))
    second = migrate(target(), target("u"), derive("u", "2*t", t="t"), what="n.json")
    plan = lineage(first, second).plan(INPUTS, target("u")["u"])
    assert plan.apply({"a": 2.0, "b": 3.0}) == Outcome(12.0, Grade.APPROXIMATE)
    assert [one.target for one in plan.steps] == ["t", "u"]


def test_an_incoherent_input_is_not_trusted() -> None:
    old, new = target(how="old"), target(how="new")
    there = migrate(old, new, {"op": "affine", "from": "t", "to": "t", "scale": "1"})
    wrong = migrate(
        old, new, {"op": "affine", "from": "t", "to": "t", "scale": "1", "offset": "1"}, what="n.json"
    )
    made = migrate(new, target("u"), derive("u", "2*t", t="t"), what="o.json")
    known = lineage(there, wrong, made)
    assert known.plan(old, target("u")["u"]).grade is Grade.AMBIGUOUS
    assert known.plan(new, target("u")["u"]).grade is Grade.EXACT


def test_one_of_several_may_be_derived() -> None:
    made = migrate(INPUTS, target(), derive("t", "a*b", a="a", b="b"))
    either = {"op": "coalesce", "from": ["t", "s"], "to": "u"}
    joined = migrate({**target(), **target("s")}, target("u"), either, what="n.json")
    known = lineage(made, joined)
    assert known.plan(INPUTS, target("u")["u"]).apply({"a": 2.0, "b": 3.0}).value == 6.0
    assert known.plan(target("s"), target("u")["u"]).apply({"s": 4.0}).value == 4.0


def test_a_ladder_of_derivations_is_no_explosion() -> None:
    """Each rung uses the one below twice: as a tree that has more steps than there are atoms, as a plan 300."""
    rungs = [target(f"r{place}") for place in range(301)]
    words = (derive(f"r{place + 1}", "x/2 + y/2", x=f"r{place}", y=f"r{place}") for place in range(300))
    made = [
        migrate(below, above, rung, what=f"{place}.json")
        for place, ((below, above), rung) in enumerate(zip(pairwise(rungs), words, strict=True))
    ]
    plan = lineage(*made).plan(rungs[0], rungs[-1]["r300"])
    assert plan.apply({"r0": 3.0}).value == 3.0
    assert len(plan.program) == 301


def test_old_names_lead_on() -> None:
    one, two, three = (defines({name: NUMBER}) for name in ("loss", "train_loss", "train/loss"))
    first = migrate(one, two, {"op": "rename", "from": "loss", "to": "train_loss"})
    second = migrate(two, three, {"op": "rename", "from": "train_loss", "to": "train/loss"}, what="n.json")
    known = lineage(first, second)
    assert [(one.name, one.op, one.file) for one in known.forward_names("loss")] == [
        ("train_loss", "rename", "m.json"),
        ("train/loss", "rename", "n.json"),
    ]
    assert known.forward_names("train/loss") == ()
    assert known.forward_names("nothing") == ()


def test_swapped_names_lead_to_each_other() -> None:
    old = defines({"a": {**NUMBER, "how": "A"}, "b": {**NUMBER, "how": "B"}})
    new = defines({"a": {**NUMBER, "how": "B"}, "b": {**NUMBER, "how": "A"}})
    swap = [{"op": "rename", "from": "a", "to": "b"}, {"op": "rename", "from": "b", "to": "a"}]
    known = lineage(migrate(old, new, *swap))
    assert [one.name for one in known.forward_names("a")] == ["b"]


def test_plans_are_made_once() -> None:
    known = Lineage.build()
    assert known.plan(defines(MACRO), defines(WEIGHTED)["f1"]) is known.plan(
        defines(MACRO), defines(WEIGHTED)["f1"]
    )
