"""Frames and their coherence: the algebra of exact maps, over graphs of every shape."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from schema.migrations import define, defines, lineage, migrate

from ledger.model import Grade
from ledger.schema import units
from ledger.schema.affine import Affine
from ledger.schema.codes import Finding
from ledger.schema.definition import Definition
from ledger.schema.edges import Iso
from ledger.schema.graph import Graph, Union, in_order
from ledger.schema.lineage import Lineage
from ledger.schema.locks import Lock
from ledger.schema.migration import Migration

COUNT = 6
factors = (
    st.fractions(max_denominator=1000)
    .filter(bool)
    .map(lambda value: value.limit_denominator(1000))
    .filter(bool)
)
maps = st.tuples(factors, st.fractions(min_value=-1000, max_value=1000, max_denominator=100))
steps = st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1))
Edges = Sequence[tuple[int, int, Affine]]


@cache
def node(place: int) -> Definition:
    return define("x", {"type": "number", "how": {"k": place}})


def step(place: int, source: int, target: int, link: Affine) -> Migration:
    """One edge as a migration, without the detour over a file."""
    edge = Iso(op="affine", source=node(source).did, target=node(target).did, link=link)
    defs: dict[str, Lock] = {node(one).did: {"name": "x", "how": {"k": one}} for one in (source, target)}
    return Migration(
        id=f"m1:{place:064}",
        file=f"{place:03}.json",
        summary="",
        schema="",
        labels=("", ""),
        supersedes=(),
        edges=(edge,),
        defs=defs,
    )


def built(edges: Edges) -> Lineage:
    return Lineage.build((), [step(place, *edge) for place, edge in enumerate(edges)])


def consistent(pairs: Sequence[tuple[int, int]], places: Sequence[tuple[Fraction, Fraction]]) -> Edges:
    """Edges that agree, since every definition has a map to one hidden scale."""
    hidden = [Affine(scale=scale, offset=offset) for scale, offset in places]
    return [(a, b, hidden[a].compose(hidden[b].inverse())) for a, b in pairs if a != b]


graphs = st.tuples(st.lists(steps, max_size=14), st.lists(maps, min_size=COUNT, max_size=COUNT))


@given(graphs)
@settings(max_examples=settings().max_examples // 2)
def test_there_and_back_is_the_identity(
    given_graph: tuple[list[tuple[int, int]], list[tuple[Fraction, Fraction]]],
) -> None:
    edges = consistent(*given_graph)
    lineage_ = built(edges)
    assert lineage_.faults == ()
    for a in range(COUNT):
        for b in range(COUNT):
            there, back = (_map(lineage_, *ends) for ends in ((a, b), (b, a)))
            joined = lineage_.frame(node(a)) == lineage_.frame(node(b))
            assert (there is not None) == (back is not None) == joined
            if there is not None and back is not None:
                assert there.compose(back).is_identity


def _map(lineage_: Lineage, source: int, target: int) -> Affine | None:
    plan = lineage_.plan({"x": node(source)}, node(target))
    return plan.affine if plan.grade in {Grade.EXACT, Grade.IDENTICAL} else None


@given(graphs, maps, st.randoms(use_true_random=False))
@settings(max_examples=settings().max_examples // 3)
def test_no_order_changes_a_plan(
    given_graph: tuple[list[tuple[int, int]], list[tuple[Fraction, Fraction]]],
    stray: tuple[Fraction, Fraction],
    shuffle: random.Random,
) -> None:
    """With an edge that contradicts, and without."""
    edges = [*consistent(*given_graph), (0, 1, Affine(scale=stray[0], offset=stray[1]))]
    migrations = [step(place, *edge) for place, edge in enumerate(edges)]
    first = Lineage.build((), migrations)
    shuffle.shuffle(migrations)
    second = Lineage.build((), migrations)
    assert _told(first.faults) == _told(second.faults)
    for a in range(COUNT):
        for b in range(COUNT):
            one, other = (each.plan({"x": node(a)}, node(b)) for each in (first, second))
            assert (one.grade, one.affine, one.frame) == (other.grade, other.affine, other.frame)
    edges_only = Graph([step(place, *edge) for place, edge in reversed(list(enumerate(edges)))])
    assert bool(edges_only.faults) == bool(first.faults)


def _told(faults: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(fault.name, fault.message) for fault in faults]


def test_a_contradiction_touches_its_frame_only_and_never_what_was_recorded_so() -> None:
    half, third = units.affine("1/2"), units.affine("1/3")
    known = built([(0, 1, half), (1, 2, half), (0, 2, third), (3, 4, half)])
    [fault] = known.faults
    assert (fault.name, fault.file) == ("GRAPH_INCOHERENT", "002.json")
    assert "1/3, and 000.json, 001.json by" in fault.message
    assert "1/4" in fault.message
    assert known.plan({"x": node(0)}, node(1)).grade is Grade.AMBIGUOUS
    assert known.plan({"x": node(0)}, node(0)).grade is Grade.IDENTICAL
    assert known.plan({"x": node(3)}, node(4)).grade is Grade.EXACT


def test_the_same_step_twice_is_no_contradiction() -> None:
    half = units.affine("1/2")
    assert built([(0, 1, half), (0, 1, half), (1, 0, units.affine("2")), (2, 2, Affine())]).faults == ()


def test_a_step_onto_itself_that_changes_values_is_a_contradiction() -> None:
    known = built([(0, 0, units.affine("2"))])
    assert [fault.name for fault in known.faults] == ["GRAPH_INCOHERENT"]


def test_tables_contradict_too() -> None:
    old, new = (defines({"opt": {"type": "string", "unit": unit}}) for unit in ("1", "2"))
    there = migrate(old, new, _table({"a": "x", "b": "y"}))
    back = migrate(new, old, _table({"x": "a", "y": "b"}), what="n.json")
    wrong = migrate(new, old, _table({"x": "b", "y": "a"}), what="n.json")
    assert lineage(there, back).faults == ()
    assert [fault.metric for fault in lineage(there, wrong).faults] == ["opt"]


def _table(values: dict[str, str]) -> dict[str, object]:
    return {"op": "map", "from": "opt", "to": "opt", "values": values}


def test_what_is_superseded_does_not_count() -> None:
    old, new = defines({"x": {"type": "number", "how": "a"}}), defines({"x": {"type": "number", "how": "b"}})
    wrong = migrate(old, new, {"op": "affine", "from": "x", "to": "x", "scale": "10"}, what="a.json")
    right = {"op": "affine", "from": "x", "to": "x", "scale": "100"}
    fixed = migrate(old, new, right, what="b.json", supersedes=[wrong.id])
    assert [one.file for one in in_order([wrong, fixed])] == ["b.json"]
    assert lineage(wrong, fixed).plan(old, new["x"]).apply({"x": 1.0}).value == 100.0
    assert lineage(wrong, migrate(old, new, right, what="b.json")).faults


def test_one_migration_in_two_places_counts_once() -> None:
    old, new = defines({"x": {"type": "number"}}), defines({"y": {"type": "number"}})
    rename = {"op": "rename", "from": "x", "to": "y"}
    copies = [migrate(old, new, rename, what=name) for name in ("b.json", "a.json")]
    assert [one.file for one in in_order(copies)] == ["a.json"]


def test_factors_with_digits_without_end_are_not_followed() -> None:
    """200 steps of 600 bits each: what would take minutes is ambiguous at once, and a circle of it incoherent."""
    chain = [(place, place + 1, Affine(scale=Fraction(3**200, 2**301 + place))) for place in range(200)]
    plan = built(chain).plan({"x": node(0)}, node(200))
    assert plan.grade is Grade.AMBIGUOUS
    assert "digits" in plan.reason
    [fault] = built([*chain, (200, 0, Affine())]).faults
    assert "more digits than can be followed" in fault.message


def test_union() -> None:
    union = Union()
    assert union.join("b", "c")
    assert union.join("c", "a")
    assert not union.join("a", "b")
    assert [union.find(item) for item in "abcd"] == ["a", "a", "a", "d"]
