"""Migration files: what they may hold, how they prove themselves, and what is said about broken ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema.migrations import data, define, defines, document, migrate

from ledger import canonical
from ledger.schema import formats, locks, migration, units
from ledger.schema.codes import CODES, MigrationError
from ledger.schema.definition import Definition
from ledger.schema.edges import Iso
from ledger.schema.lines import line_of
from ledger.schema.operations import OPERATIONS

MS, S = ({"type": "number", "unit": unit, "direction": "lower"} for unit in ("ms", "s"))
OLD = defines({"lat": MS, "acc": {"type": "number", "unit": "%", "direction": "higher"}})
NEW = defines({"lat": S, "acc": {"type": "number", "unit": "1", "direction": "higher"}})
CONVERT = {"op": "convert", "from": "lat", "to": "lat"}


def refused(text: bytes) -> MigrationError:
    with pytest.raises(MigrationError) as caught:
        migration.parse(text, what="m.json")
    return caught.value


def changed(change: Callable[[dict[str, Any]], object], *operations: dict[str, Any]) -> bytes:
    """A good document, changed."""
    body = document(OLD, NEW, operations or (CONVERT,))
    change(body)
    return json.dumps(body, indent=1).encode()


def test_what_is_drafted_can_be_read() -> None:
    made = migrate(OLD, NEW, CONVERT, labels=("1", "2"))
    assert (made.file, made.schema, made.summary, made.labels) == ("m.json", "test", "test", ("1", "2"))
    assert made.short == made.id[:15]
    assert made.definition(OLD["lat"].did) == OLD["lat"]
    [edge] = made.edges
    assert (edge.op, edge.target) == ("convert", NEW["lat"].did)


def test_an_id_is_of_what_a_migration_does() -> None:
    derive = {"op": "derive", "to": "acc", "inputs": {"a": "acc", "b": "lat"}, "expr": "a/b"}
    first = migrate(OLD, NEW, CONVERT, derive)
    again = {
        **derive,
        "inputs": {"x": "acc", "y": "lat"},
        "expr": " x / y # the same",
        "note": "n",
        "reason": "r",
    }
    assert migrate(OLD, NEW, again, CONVERT, what="other.json").id == first.id
    assert migrate(OLD, NEW, CONVERT, {**derive, "expr": "b/a"}).id != first.id
    assert migrate(OLD, NEW, CONVERT).id != first.id


def test_an_id_may_be_left_out() -> None:
    made = migration.parse(changed(lambda body: body.pop("id")), what="m.json")
    assert made.id == migrate(OLD, NEW, CONVERT).id


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "number"},
        {"type": ["number", "integer", "null"], "unit": "{token}/s", "kind": "delta", "epoch": 2},
        {"type": "number", "summary": "best", "direction": "higher", "how": {"x": [1, 2.0, 1e21, "ä\x7f"]}},
        {"type": "integer", "values": [1, 2], "on": {"dataset": "imdb", "n": 2**60}},
        {"type": "string"},
    ],
)
def test_a_lock_holds_all_of_an_identity(fields: dict[str, Any]) -> None:
    one = define("m", fields)
    lock = json.loads(canonical.dumps(locks.lock(one)))
    assert locks.unlock(lock).did == one.did
    assert locks.unlock(lock).direction == one.direction
    assert locks.proves(one.did, lock)
    assert not locks.proves(one.did, {**lock, "unit": "other"})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=8,
)


@given(json_values)
def test_the_fast_hash_is_that_of_rfc_8785(value: Any) -> None:
    stated = locks.hash_of("d1", value)
    assert locks.is_hash(stated, value)
    assert not locks.is_hash(f"d1:{'0' * 64}", value)


BROKEN = [
    ("op twice", lambda b: b["metrics"].append(CONVERT), "OP_DUPLICATE_TARGET", 0),
    ("unknown name", lambda b: b["metrics"][0].update({"from": "loss"}), "OP_UNKNOWN_NAME", "from"),
    ("unknown target", lambda b: b["metrics"][0].update({"to": "loss"}), "OP_UNKNOWN_NAME", "to"),
    ("unknown op", lambda b: b["metrics"][0].update({"op": "python"}), "MIGRATION_INVALID", "op"),
    ("unknown key", lambda b: b["metrics"][0].update({"when": "x"}), "MIGRATION_INVALID", "when"),
    ("unknown word", lambda b: b.update({"script": "x"}), "MIGRATION_INVALID", "script"),
    ("to do", lambda b: b["metrics"][0].update({"todo": "ask Ana"}), "TODO_UNRESOLVED", "todo"),
    ("to do at the top", lambda b: b.update({"todo": "ask Ana"}), "TODO_UNRESOLVED", "todo"),
    ("no reason", lambda b: b["metrics"][0].update({"op": "redefine"}), "REDEFINE_NO_REASON", 0),
    ("blank reason", lambda b: b["metrics"][0].update({"op": "redefine", "reason": " "}), "REDEFINE_NO_REASON", 0),
    ("default", lambda b: b["metrics"].append({"op": "default", "to": "acc", "value": 0}), "METRIC_DEFAULT_ASSUMED", 0),
    ("changed def", lambda b: b["defs"][OLD["lat"].did].update({"unit": "us"}), "DEF_HASH_MISMATCH", OLD["lat"].did),
    ("no def", lambda b: b["defs"].pop(OLD["lat"].did), "DEF_HASH_MISMATCH", "metrics"),
    ("other def", lambda b: b["from"]["metrics"].update(acc=OLD["lat"].did), "DEF_HASH_MISMATCH", "metrics"),
    ("changed op", lambda b: b["metrics"][0].update({"op": "affine", "scale": "1/1000"}), "MIGRATION_ID_MISMATCH", "id"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "name", "key"), [pytest.param(*case[1:], id=case[0]) for case in BROKEN])
def test_what_is_wrong_is_named_with_its_line(
    change: Callable[[Any], object], name: str, key: object
) -> None:
    text = changed(change)
    [found] = refused(text).findings
    assert (found.name, found.code, found.file) == (name, CODES[name].code, "m.json")
    assert found.line is not None
    if isinstance(key, str):
        assert f'"{key}"' in text.decode().splitlines()[found.line - 1]


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ({"op": "affine", "scale": "0"}, "AFFINE_SCALE_ZERO"),
        ({"op": "affine", "scale": "1e999"}, "AFFINE_OUT_OF_RANGE"),
        ({"op": "affine", "scale": "1/0"}, "AFFINE_NOT_A_NUMBER"),
        ({"op": "affine", "scale": "nan"}, "AFFINE_NOT_A_NUMBER"),
        ({"op": "affine", "scale": "9" * 10_000}, "AFFINE_NUMBER_TOO_LONG"),
        ({"op": "affine", "scale": "1/10"}, "UNIT_SCALE_MISMATCH"),
        ({"op": "affine", "scale": "-1/1000"}, "DIRECTION_SIGN_MISMATCH"),
        ({"op": "same", "reason": "r"}, "UNIT_SCALE_MISMATCH"),
        ({"op": "rename"}, "RENAME_CHANGES_DEFINITION"),
    ],
)
def test_numbers_that_can_not_be(operation: dict[str, Any], name: str) -> None:
    error = refused(data(OLD, NEW, {"from": "lat", "to": "lat", **operation}))
    assert [one.name for one in error.findings] == [name]
    assert error.findings[0].metric == "lat"
    assert name in error.message


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("__import__('os')", "EXPR_FORBIDDEN"),
        ("a +", "EXPR_SYNTAX"),
        ("q", "EXPR_UNKNOWN_NAME"),
        ("log(a, 2)", "EXPR_ARITY"),
        ("9" * 400, "EXPR_FORBIDDEN"),
        ("a" * 501, "EXPR_TOO_LONG"),
        ("(" * 100 + "a" + ")" * 100, "EXPR_TOO_COMPLEX"),
    ],
)
def test_expressions_that_can_not_be(expression: str, name: str) -> None:
    operation = {"op": "derive", "to": "lat", "inputs": {"a": "acc"}, "expr": expression}
    [found] = refused(data(OLD, NEW, operation)).findings
    assert (found.name, found.code, found.metric) == (name, "LS409", "lat")


def test_convert_needs_two_units_of_one_kind_and_nothing_else_to_differ() -> None:
    bare = defines({"lat": {"type": "number"}})
    assert refused(data(OLD, bare, CONVERT)).findings[0].message.endswith("`to` has none")
    sizes = defines({"lat": {"type": "number", "unit": "By"}})
    assert refused(data(OLD, sizes, CONVERT)).findings[0].name == "UNIT_INCOMMENSURABLE"
    other = defines({"lat": {**S, "how": "p99"}})
    assert refused(data(OLD, other, CONVERT)).findings[0].name == "RENAME_CHANGES_DEFINITION"


def test_the_units_of_the_project_count() -> None:
    custom = units.project_units({"[tick]": {"unit": "ms", "scale": "10"}})
    ticks = defines({"lat": {**MS, "unit": "[tick]"}})
    text = data(ticks, NEW, CONVERT)
    assert refused(text).findings[0].name == "UNIT_INCOMMENSURABLE"
    [edge] = migration.parse(text, what="m.json", custom_units=custom).edges
    assert isinstance(edge, Iso)
    assert edge.link == units.affine("1/100")


def test_everything_that_is_wrong_is_told_at_once() -> None:
    operations = [{"op": "rename", "from": "lat", "to": "lat"}, {"op": "convert", "from": "x", "to": "acc"}]
    error = refused(data(OLD, NEW, *operations))
    assert [one.name for one in error.findings] == ["RENAME_CHANGES_DEFINITION", "OP_UNKNOWN_NAME"]
    assert error.message == "m.json: not a migration, 2 faults"
    assert len(error.details) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "empty"),
        (b"[]", "a JSON object"),
        (b"{", "not JSON at line 1"),
        (b'{"format": 1, "format": 1}', "stands twice"),
        (b'{"format": 2}', "format 2 is newer"),
        (b'{"format": true}', "exactly 1"),
        (b"\xff", "not UTF-8"),
        (b'{"x": "\\ud800"}', "half a character"),
        (b'{\n<<<<<<< HEAD\n"format": 1\n=======\n"format": 1\n>>>>>>> x\n}', "m.json:2: LS412 MIGRATION_INVALID: a merge"),
        (b" " * (migration.MAX_BYTES + 1), "larger than 1,048,576 bytes"),
        (b"[" * 1_000_000, "nested more than 24"),
        (b'{"x":' * 30 + b"1" + b"}" * 30, "nested more than 24"),
        (b'{"x": 1e999}', "too large"),
    ],
)  # fmt: skip
def test_files_that_are_no_migrations(text: bytes, said: str) -> None:
    error = refused(text)
    assert [one.name for one in error.findings] == ["MIGRATION_INVALID"] * len(error.findings)
    assert said in "\n".join((error.message, *error.details))


@pytest.mark.slow
def test_too_many_operations() -> None:
    many = defines({f"m{place}": MS for place in range(501)})
    after = defines({f"m{place}": S for place in range(501)})
    found = refused(
        data(many, after, *({"op": "convert", "from": name, "to": name} for name in many))
    ).findings
    assert {one.name for one in found} == {"MIGRATION_INVALID"}


def test_a_broken_file_stops_no_other() -> None:
    good = data(OLD, NEW, CONVERT)
    loaded = migration.load({"b.json": b"{", "a.json": good, "c.json": changed(lambda body: body.pop("to"))})
    assert [one.file for one in loaded.migrations] == ["a.json"]
    assert {one.file for one in loaded.faults} == {"b.json", "c.json"}


def test_a_definition_proven_in_one_file_is_not_believed_in_another() -> None:
    did = OLD["lat"].did
    loaded = migration.load(
        {
            "a.json": data(OLD, NEW, CONVERT),
            "b.json": changed(lambda body: body["defs"][did].update(unit="us")),
        }
    )
    assert [one.name for one in loaded.faults] == ["DEF_HASH_MISMATCH"]


def test_params_are_apart_from_metrics() -> None:
    both: dict[str, Definition] = {"x": define("x", {"type": "string"})}
    body = document(both, both, [{"op": "rename", "from": "x", "to": "x"}])
    body["metrics"], body["params"] = body["params"], []
    assert refused(json.dumps(body).encode()).findings[0].name == "OP_UNKNOWN_NAME"


def test_every_operation_is_described_in_the_format_and_nothing_else() -> None:
    body = canonical.loads(formats.load("migration"), what="migration")
    for part in ("metrics", "params"):
        listed = body["properties"][part]["items"]["properties"]["op"]["enum"]
        assert set(listed) == {name for name, kind in OPERATIONS.items() if part in kind.parts}
        assert set(listed) <= body["$defs"].keys()


def test_codes_are_told_apart() -> None:
    shared = {"LS214", "LS409"}
    single = [code.code for code in CODES.values() if code.code not in shared]
    assert len(set(single)) == len(single)
    assert all(code.when.endswith((".", "?")) for code in CODES.values())


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("$", 1),
        ("$.a", 2),
        ("$.b[0]", 3),
        ("$.b[1].c", 5),
        ("$.b[1].missing", 4),
        ("$['x y']", 7),
        ("$.nope", 1),
    ],
)
def test_lines(path: str, line: int) -> None:
    text = '{\n "a": 1,\n "b": [ [],\n  {\n "c": "}\\"]"\n }],\n "x y": {}\n}'
    assert line_of(text, path) == line


def test_no_line_of_what_is_not_json() -> None:
    assert line_of("{", "$.a") is None
