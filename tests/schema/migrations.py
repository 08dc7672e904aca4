"""Migrations for tests, made as the drafting command makes them: from definitions, with ids and locks filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ledger import canonical
from ledger.schema import migration
from ledger.schema.definition import Definition, from_property
from ledger.schema.lineage import Lineage
from ledger.schema.migration import Migration

PARAM_TYPES = frozenset({"string", "boolean"})
_BESIDE = ("type", "values", "description", "minimum", "maximum")


def define(name: str, fields: Mapping[str, Any]) -> Definition:
    """A definition from flat fields; text and truth are params, and a bare `how` is a function's name."""
    words = {key: value for key, value in fields.items() if key not in _BESIDE}
    for key in ("how", "on"):
        if key in words and not isinstance(words[key], dict):
            words[key] = {"fn": words[key]}
    node = {"enum" if key == "values" else key: fields[key] for key in _BESIDE if key in fields}
    role: Any = "param" if str(fields.get("type")) in PARAM_TYPES else "metric"
    return from_property(name, {**node, "x-ledger": words}, role)


def defines(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Definition]:
    return {name: define(name, one) for name, one in fields.items()}


def document(
    before: Mapping[str, Definition],
    after: Mapping[str, Definition],
    operations: Sequence[Mapping[str, Any]],
    **more: Any,
) -> dict[str, Any]:
    """The document of a migration between two sets of definitions."""
    sides = [{f"{role}s": _of(role, side) for role in ("metric", "param")} for side in (before, after)]
    params = {one.name for side in (before, after) for one in side.values() if one.role == "param"}
    listed: dict[str, list[Mapping[str, Any]]] = {"metrics": [], "params": []}
    for words in operations:
        listed["params" if words.get("to", words.get("from")) in params else "metrics"].append(words)
    return migration.draft(
        schema="test", summary="test", before=sides[0], after=sides[1], operations=listed, **more
    )


def _of(role: str, side: Mapping[str, Definition]) -> dict[str, Definition]:
    return {name: one for name, one in side.items() if one.role == role}


def data(
    before: Mapping[str, Definition],
    after: Mapping[str, Definition],
    *operations: Mapping[str, Any],
    **more: Any,
) -> bytes:
    return canonical.dumps(document(before, after, operations, **more))


def migrate(
    before: Mapping[str, Definition],
    after: Mapping[str, Definition],
    *operations: Mapping[str, Any],
    what: str = "m.json",
    **more: Any,
) -> Migration:
    """The migration itself. Raises MigrationError."""
    return migration.parse(data(before, after, *operations, **more), what=what)


def lineage(*migrations: Migration) -> Lineage:
    return Lineage.build((), migrations)
