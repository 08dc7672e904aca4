"""Doubts that the text of an operation raises by itself."""

from __future__ import annotations

from typing import Any

import pytest
from schema.migrations import data, defines, lineage, migrate

from ledger.schema import claims, migration
from ledger.schema.codes import CODES, MigrationError
from ledger.schema.definition import undeclared

F1: dict[str, Any] = {"type": "number", "unit": "1", "how": {"fn": "f1"}, "on": {"dataset": "imdb"}}


def found(before: dict[str, Any], after: dict[str, Any], words: dict[str, Any]) -> list[tuple[str, str, str]]:
    known = lineage(migrate(defines(before), defines(after), words))
    return [(one.code, one.metric, one.hint) for one in claims.check(known)]


def test_same_across_another_way_to_compute_it_wants_evidence() -> None:
    moved = {**F1, "how": {"fn": "other.f1"}}
    words = {"op": "same", "from": "f1", "to": "f1", "reason": "the module moved"}
    [(code, metric, hint)] = found({"f1": F1}, {"f1": moved}, words)
    assert (code, metric) == (CODES["SAME_NO_EVIDENCE"].code, "f1") == ("LS112", "f1")
    assert '"evidence"' in hint
    assert found({"f1": F1}, {"f1": moved}, {**words, "evidence": "tests/test_f1.py"}) == []
    assert found({"f1": F1}, {"f1": {**F1, "type": "integer"}}, words) == [], "only the type changed"
    bare = lineage(migrate({"f1": undeclared("f1")}, defines({"f1": F1}), words))
    assert [*claims.check(bare)] == [], "a bare name never said how"


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        ("0.016666666666666666", '"1/60" is exact'),
        ("0.3010299956639812", "if it is a rounded fraction"),
        ("1/60", None),
        ("0.001", None),
        ("1/16777216", None),
        ("1000000000000000000", None),
        ("0.123456789012345", None),
    ],
)
def test_a_decimal_of_more_digits_than_a_double_holds_was_rounded(number: str, hint: str | None) -> None:
    plain = {"type": "number", "how": {"fn": "x"}}
    for word in ("scale", "offset"):
        words = {"op": "affine", "from": "a", "to": "b", word: number}
        listed = found({"a": plain}, {"b": plain}, words)
        assert [one[:2] for one in listed] == ([("LS213", "b")] if hint else [])
        assert not hint or hint in listed[0][2]


@pytest.mark.parametrize(
    ("words", "lossy"),
    [
        ({"values": {"a": "x", "b": "x"}}, True),
        ({"values": {"a": "x"}, "else": {"value": "y"}}, True),
        ({"values": {"a": "b"}, "else": "keep"}, True),
        ({"values": {"a": "x", "b": "y"}}, False),
        ({"values": {"a": "x"}, "else": "keep"}, False),
    ],
)
def test_a_map_that_loses_values_can_not_say_that_it_is_exact(words: dict[str, Any], *, lossy: bool) -> None:
    sides = defines({"p": {"type": "string", "values": ["a", "b"]}}), defines({"p": {"type": "string"}})
    operation = {"op": "map", "from": "p", "to": "p", **words}
    migrate(*sides, operation)
    written = data(*sides, {**operation, "exactness": "exact"})
    if not lossy:
        migration.parse(written, what="m.json")
        return
    with pytest.raises(MigrationError) as caught:
        migration.parse(written, what="m.json")
    [one] = caught.value.findings
    assert (one.code, one.metric, one.file) == ("LS212", "p", "m.json")
    assert one.line
