"""The acceptance vectors of schema evolution, each turned into real schema and migration documents."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from schema import migrations

from ledger import canonical
from ledger.schema import document, lint, migration, packed
from ledger.schema.codes import MigrationError
from ledger.schema.definition import Definition, undeclared
from ledger.schema.document import DIALECT, Schema
from ledger.schema.lineage import Lineage
from ledger.schema.migration import Migration

_FILE = Path(__file__).parent.parent / "vectors" / "meaning.json"
CASES: Sequence[Mapping[str, Any]] = json.loads(_FILE.read_bytes())["cases"]


def _schema(version: str, fields: Mapping[str, Mapping[str, Any]]) -> Schema:
    """A schema document, read as the project reads its own."""
    parts: dict[str, dict[str, Any]] = {"metrics": {}, "params": {}}
    for name, one in fields.items():
        words = {key: value for key, value in one.items() if key not in {"type", "values", "description"}}
        for key in {"how", "on"} & words.keys():
            words[key] = words[key] if isinstance(words[key], dict) else {"fn": words[key]}
        node = {"type": one["type"], **({"x-ledger": words} if words else {})}
        node |= {"enum": one["values"]} if "values" in one else {}
        node |= {"description": one["description"]} if "description" in one else {}
        parts["params" if one["type"] in migrations.PARAM_TYPES else "metrics"][name] = node
    body = {
        "$schema": DIALECT,
        "x-ledger": {"format": 1, "version": version},
        "properties": {part: {"type": "object", "properties": nodes} for part, nodes in parts.items()},
    }
    return document.parse(canonical.dumps(body), name="test", what=f"{version}.json")


def _all(schema: Schema) -> dict[str, Definition]:
    return {**schema.params, **schema.metrics}


def _migrations(case: Mapping[str, Any], schemas: Mapping[str, Schema]) -> dict[str, Migration]:
    """By the id that the vectors give them. Files are named in the order of the case."""
    found = {}
    for place, given in enumerate(case["migrations"]):
        operations = [
            {key: "approximate" if value == "approx" else value for key, value in words.items()}
            for words in given["ops"]
        ]
        data = migrations.data(_all(schemas[given["from"]]), _all(schemas[given["to"]]), *operations)
        found[given.get("id", str(place))] = migration.parse(data, what=f"{place:03}.json")
    return found


def _lineage(case: Mapping[str, Any]) -> tuple[dict[str, Schema], dict[str, Migration], Lineage]:
    schemas = {version: _schema(version, fields) for version, fields in case["schemas"].items()}
    made = _migrations(case, schemas)
    definitions = [one for schema in schemas.values() for one in _all(schema).values()]
    return schemas, made, Lineage.build(definitions, reversed(made.values()))


def _of(*keys: str) -> list[Any]:
    return [pytest.param(case, id=case["case"]) for case in CASES if all(case.get(key) for key in keys)]


@pytest.mark.parametrize("case", _of("views"))
def test_grades_and_values(case: Mapping[str, Any]) -> None:
    schemas, _, lineage = _lineage(case)
    for view in case["views"]:
        target = _all(schemas[view["target_schema"]])[view["metric"]]
        recorded = schemas.get(view["run_schema"])
        part = {} if recorded is None else recorded.params if target.role == "param" else recorded.metrics
        values = {name: canonical.number(value) for name, value in view["recorded"].items()}
        got = lineage.plan(part, target).apply(values)  # type: ignore[arg-type]
        expect = view["expect"]
        assert (got.grade, _bits(got.value)) == (expect["grade"], _bits(canonical.number(expect["value"])))


def _bits(value: object) -> tuple[str, str]:
    """Tells -0.0 from 0.0, and 1 from 1.0."""
    return type(value).__name__, "NaN" if isinstance(value, float) and math.isnan(value) else repr(value)


@pytest.mark.parametrize("case", _of("load_error"))
def test_load_errors(case: Mapping[str, Any]) -> None:
    with pytest.raises(MigrationError) as caught:
        _lineage(case)
    assert [finding.name for finding in caught.value.findings] == [case["load_error"]]
    assert caught.value.findings[0].file == "000.json"
    assert caught.value.findings[0].line


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["case"]) for case in CASES if not case.get("load_error")]
)
def test_graph_errors(case: Mapping[str, Any]) -> None:
    _, made, lineage = _lineage(case)
    files = {one.file: name for name, one in made.items()}
    assert [[fault.name, files[fault.file]] for fault in lineage.faults] == case.get("graph_errors", [])


@pytest.mark.parametrize("case", _of("lints"))
def test_lints(case: Mapping[str, Any]) -> None:
    """What a careful schema would also say (LS5xx) is not what these vectors are about."""
    schemas, _, lineage = _lineage(case)
    for given in case["lints"]:
        found = lint.check(schemas[given["previous"]], schemas[given["current"]], lineage, ())
        meant = [[one.name, one.metric] for one in found if not one.code.startswith("LS5")]
        assert meant == given["expect"]


def test_a_name_that_no_vector_declares_is_compared_by_name() -> None:
    plan = Lineage.build().plan(None, undeclared("x"))
    assert plan.apply({"x": 1.0}).value == 1.0


@pytest.mark.parametrize("case", [case for case in _of("migrations") if not case.values[0].get("load_error")])
def test_migrations_are_the_same_after_they_were_packed(case: Mapping[str, Any]) -> None:
    _, made, _ = _lineage(case)
    kept = packed.Packed(packed.pack(made))
    again = {name: kept.migration(name, one.file) for name, one in made.items()}
    assert again == made
    assert repr(again) == repr(made)
    assert [list(one.defs.items()) for one in again.values() if one] == [
        list(one.defs.items()) for one in made.values()
    ]
