"""The quick reader of migrations against the careful one: what it reads is the same, and nothing wrong gets through."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema.migrations import defines, document

from ledger import canonical
from ledger.schema import careful_reader, units
from ledger.schema.codes import MigrationError
from ledger.schema.lowered import Migration
from ledger.schema.quick_reader import QuickReader

NUMBER = {"type": "number", "direction": "higher"}
OLD = defines(
    {
        "acc": {**NUMBER, "unit": "%", "how": {"average": "macro", "n": 1}, "on": {"data": "sha256:9d"}},
        "lat": {"type": "number", "unit": "ms", "direction": "lower", "epoch": 2},
        "loss": {"type": "number"},
        "p": {**NUMBER, "unit": "1"},
        "r": {**NUMBER, "unit": "1", "kind": "point", "summary": "max"},
        "bleu": {"type": "number"},
        "a": NUMBER,
        "b": NUMBER,
        "opt": {"type": "string", "values": ["adam", "sgd"]},
    }
)
NEW = defines(
    {
        "acc": {**NUMBER, "unit": "1", "how": {"average": "macro", "n": 1}, "on": {"data": "sha256:9d"}},
        "lat": {"type": "number", "unit": "s", "direction": "lower", "epoch": 2},
        "train_loss": {"type": "number"},
        "p": {**NUMBER, "unit": "1", "how": {"fn": "p"}},
        "r": {**NUMBER, "unit": "%", "summary": "max"},
        "f1": {**NUMBER, "unit": "1"},
        "ab": NUMBER,
        "opt": {"type": "string", "values": ["AdamW", "SGD"]},
    }
)
OPERATIONS: tuple[dict[str, Any], ...] = (
    {"op": "affine", "from": "acc", "to": "acc", "scale": "1/100"},
    {"op": "convert", "from": "lat", "to": "lat", "note": "n"},
    {"op": "rename", "from": "loss", "to": "train_loss", "reason": "clearer"},
    {"op": "same", "from": "p", "to": "p", "reason": "moved", "evidence": "golden"},
    {"op": "redefine", "from": "r", "to": "r", "reason": "other data", "cause": "data", "see": "https://x"},
    {
        "op": "derive", "to": "f1", "inputs": {"p": "p", "q": "acc"}, "expr": "2*p*q/(p+q)",
        "exactness": "exact", "on_div0": 0, "error": {"abs": 0.01},
    },
    {"op": "coalesce", "from": ["a", "b"], "to": "ab"},
    {"op": "drop", "from": "bleu", "reason": "unused"},
)  # fmt: skip
PARAMS: tuple[dict[str, Any], ...] = (
    {"op": "map", "from": "opt", "to": "opt", "values": {"adam": "AdamW", "sgd": "SGD"}},
)
VECTORS = Path(__file__).parents[1] / "vectors" / "meaning.json"


def conversion(before: str, after: str, kind: str) -> units.Affine:
    return units.conversion(units.parse(before), units.parse(after), kind=kind)


def text(one: Migration) -> str:
    """Also what no comparison looks at."""
    return f"{one!r} {one.defs!r}"


def careful(data: bytes) -> str | None:
    try:
        return text(careful_reader.read(data, "m.json", conversion))
    except MigrationError:
        return None


@cache
def whole() -> dict[str, Any]:
    return document(OLD, NEW, OPERATIONS, labels=("1", "2"))


def read_by_both(body: Mapping[str, Any], reader: QuickReader | None = None) -> tuple[str | None, str | None]:
    data = json.dumps(body).encode("utf-8", "surrogatepass")
    found = (reader or QuickReader(conversion)).read(data, "m.json")
    return text(found) if found else None, careful(data)


@pytest.mark.parametrize("operations", [*((one,) for one in OPERATIONS), OPERATIONS])
def test_every_operation_on_metrics_is_read_quickly(operations: tuple[dict[str, Any], ...]) -> None:
    for change in ({}, {"id": None}):
        body = {**document(OLD, NEW, operations), **change}
        quick, slow = read_by_both({key: value for key, value in body.items() if value is not None})
        assert quick == slow is not None


def test_what_maps_params_is_left_to_the_careful_reader() -> None:
    quick, slow = read_by_both(document(OLD, NEW, (*OPERATIONS, *PARAMS)))
    assert quick is None
    assert slow is not None


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, 1.0, -1, 1e300, 10**40, "", " ", "x", "\ufeff", "todo", "m1:x", [], {}, ["x"], ["x", "x"],
    {"abs": True}, {"x": 1}, {"op": "rename"}, "error", "undefined", "\ud800", [[[[[[[[[[1]]]]]]]]]],
)  # fmt: skip
NAMES = (
    "from",
    "to",
    "op",
    "reason",
    "todo",
    "else",
    "values",
    "unit",
    "epoch",
    "role",
    "version",
    "when",
    "id",
)


def changed(body: Any, path: tuple[Any, ...], change: Any) -> Any:
    """A document with another value at one place, without it, or with one more key there."""
    if not path:
        return change if change is not ... else {}
    body = copy.deepcopy(body)
    parent = body
    for key in path[:-1]:
        parent = parent[key]
    if change is ...:
        del parent[path[-1]]
    elif isinstance(change, tuple) and isinstance(parent[path[-1]], dict):
        parent[path[-1]][change[0]] = change[1]
    else:
        parent[path[-1]] = change[1] if isinstance(change, tuple) else change
    return body


@given(st.data())
def test_no_fault_gets_through(source: st.DataObject) -> None:
    """One reader for all files, as a command has it: what another file proved must not help."""
    reader = QuickReader(conversion)
    body = whole()
    assert read_by_both(body, reader)[0] is not None
    for _ in range(source.draw(st.integers(1, 2))):
        path = source.draw(st.sampled_from(list(places(body))))
        odd = st.sampled_from(ODD)
        body = changed(body, path, source.draw(odd | st.just(...) | st.tuples(st.sampled_from(NAMES), odd)))
        quick, slow = read_by_both(body, reader)
        assert quick is None or quick == slow


@pytest.mark.long
@pytest.mark.parametrize("path", list(places(whole())), ids=str)
def test_a_change_in_any_one_place_is_seen_by_both(path: tuple[Any, ...]) -> None:
    reader = QuickReader(conversion)
    assert read_by_both(whole(), reader)[0] is not None
    changes: tuple[Any, ...] = (..., True, "x", ("todo", "x"))
    for change in changes:
        quick, slow = read_by_both(changed(whole(), path, change), reader)
        assert quick is None or quick == slow


def test_an_equal_number_of_another_type_is_another_definition() -> None:
    """Python takes 1 for true."""
    reader = QuickReader(conversion)
    body = copy.deepcopy(document(OLD, NEW, OPERATIONS[:1]))
    assert read_by_both(body, reader)[0] is not None
    for did in body["defs"]:
        body["defs"][did]["how"]["n"] = True
    assert read_by_both(body, reader) == (None, None)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"{", b'{"a":1,"a":1}', b"\xff", b"[" * 5000, b'{"from":[],"to":{},"defs":{}}'],
)
def test_what_is_no_migration_is_in_doubt(data: bytes) -> None:
    assert QuickReader(conversion).read(data, "m.json") is None


def test_a_key_that_stands_twice_is_in_doubt() -> None:
    data = canonical.dumps(whole())
    assert QuickReader(conversion).read(data, "m.json") is not None
    twice = data.replace(b'"schema": "test"', b'"schema": "test", "schema": "test"')
    assert twice != data
    assert QuickReader(conversion).read(twice, "m.json") is None
