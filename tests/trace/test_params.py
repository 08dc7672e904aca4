"""Params read through migrations: renamed, moved, mapped, cast, merged and assumed, wherever params are shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import Ledger, Repo
from projects import Project

F1: dict[str, Any] = {"unit": "1", "direction": "higher", "how": {"fn": "f1"}, "on": {"dataset": "imdb"}}
NUMBER, TEXT, WHOLE = {"type": "number"}, {"type": "string"}, {"type": "integer"}


def declare(project: Project, version: str, params: dict[str, Any]) -> dict[str, str]:
    """Write a schema with these params, nested ones too; the ids of all of them."""
    project.declare(version, {"f1": F1})
    path = project.repo.path / ".ledger/schemas/main.json"
    body = json.loads(path.read_text())
    body["properties"]["params"] = {"type": "object", "properties": params}
    path.write_text(json.dumps(body, indent=1))
    (shown,) = project.ledger.json("schema", "show")
    return {name: one["did"] for name, one in shown["params"].items()}


def migrate(
    project: Project, old: dict[str, str], new: dict[str, str], locks: dict[str, Any], *operations: Any
) -> None:
    sides = [{name: did for name, did in side.items() if did in locks} for side in (old, new)]
    body = {
        "format": 1, "from": {"params": sides[0]}, "to": {"params": sides[1]}, "params": [*operations], "defs": locks,
    }  # fmt: skip
    project.repo.write(".ledger/migrations/main/params.json", json.dumps(body, indent=1))


def lock(name: str, **words: Any) -> dict[str, Any]:
    return {"name": name, "role": "param", **words}


def record(project: Project, params: dict[str, Any], value: float = 0.5) -> str:
    project.repo.write("params.json", json.dumps(params))
    return project.ledger("record", "-q", "--params", "params.json", "-m", f"f1={value}").strip()


def column(project: Project, name: str, *words: str) -> list[Any]:
    """Values of a param, oldest run first."""
    return [
        one.get(f"params.{name}")
        for one in reversed(project.ledger.json("runs", "--columns", f"params.{name}", *words))
    ]


@pytest.mark.slow
def test_a_param_that_moved_into_others_is_one_column(project: Project, ledger: Ledger) -> None:
    old = declare(project, "1", {"lr": NUMBER, "batch": TEXT})
    project.commit("v1")
    first = record(project, {"lr": 0.1, "batch": "32"})
    second = record(project, {"lr": 0.2, "batch": "many"})
    optimizer = {"type": "object", "properties": {"learning_rate": NUMBER}}
    new = declare(project, "2", {"optimizer": optimizer, "batch": WHOLE})
    assert {"optimizer", "optimizer.learning_rate", "batch"} == new.keys()
    locks = {
        old["lr"]: lock("lr", type="number"),
        new["optimizer.learning_rate"]: lock("optimizer.learning_rate", type="number"),
        old["batch"]: lock("batch", type="string"),
        new["batch"]: lock("batch", type="integer"),
    }
    move = {"op": "rename", "from": "/lr", "to": "/optimizer/learning_rate"}
    migrate(project, old, new, locks, move, {"op": "cast", "from": "batch", "to": "batch"})
    project.commit("v2")
    third = record(project, {"optimizer": {"learning_rate": 0.3}, "batch": 64})
    assert project.findings() == []
    assert column(project, "optimizer.learning_rate") == [0.1, 0.2, 0.3]
    assert column(project, "batch") == [32, None, 64], "a word is no whole number"
    assert column(project, "lr") == [None, None, None], "its values are in the column of now"
    found = ledger.json("runs", "--where", "params.optimizer.learning_rate < 0.25 and params.batch >= 32")
    assert [one["run_id"] for one in found] == [first]
    order = ledger.json("runs", "--sort", "params.optimizer.learning_rate")
    assert {one["run_id"] for one in order} == {first, second, third}
    assert ledger.json("show", first)["params"] == {"lr": 0.1, "batch": "32"}, "what was recorded stays"
    both = {one["name"]: (one["a"], one["b"]) for one in ledger.json("diff", first, third)["params"]}
    assert both == {"optimizer.learning_rate": (0.1, 0.3), "batch": (32, 64)}
    text = ledger("runs", "--columns", "params.optimizer.learning_rate")
    assert "0.1" in text


@pytest.mark.slow
def test_values_are_mapped_and_names_merged(project: Project) -> None:
    named = {"type": "string", "enum": ["adamw", "sgd"]}
    old = declare(project, "1", {"optimizer": named, "seed": WHOLE, "random_state": WHOLE})
    project.commit("v1")
    record(project, {"optimizer": "adamw", "seed": 1})
    record(project, {"optimizer": "sgd", "random_state": 2})
    record(project, {"optimizer": "sgd", "seed": 1, "random_state": 2})
    new = declare(
        project,
        "2",
        {"optimizer": {"type": "string", "enum": ["AdamW", "SGD"]}, "rng": WHOLE, "amp": {"type": "boolean"}},
    )
    locks = {
        old["optimizer"]: lock("optimizer", type="string", values=["adamw", "sgd"]),
        new["optimizer"]: lock("optimizer", type="string", values=["AdamW", "SGD"]),
        old["seed"]: lock("seed", type="integer"),
        old["random_state"]: lock("random_state", type="integer"),
        new["rng"]: lock("rng", type="integer"),
        new["amp"]: lock("amp", type="boolean"),
    }
    migrate(
        project, old, new, locks,
        {"op": "map", "from": "optimizer", "to": "optimizer", "values": {"adamw": "AdamW", "sgd": "SGD"}},
        {"op": "coalesce", "from": ["seed", "random_state"], "to": "rng"},
        {"op": "default", "to": "amp", "value": False, "reason": "hard-coded then"},
    )  # fmt: skip
    project.commit("v2")
    record(project, {"optimizer": "AdamW", "rng": 7, "amp": True})
    assert project.findings() == []
    assert column(project, "optimizer") == ["AdamW", "SGD", "SGD", "AdamW"]
    assert column(project, "rng") == [1, 2, None, 7], "two that differ are undefined"
    assert column(project, "amp") == [None, None, None, True], "an assumption counts only when asked for"
    assert column(project, "amp", "--approx") == [False, False, False, True]


def test_what_came_to_mean_something_else_is_left_out(project: Project, ledger: Ledger) -> None:
    second = {"type": "number", "x-ledger": {"unit": "s"}}
    steps = {"type": "number", "x-ledger": {"unit": "{step}"}}
    old = declare(project, "1", {"warmup": second, "other": NUMBER})
    project.commit("v1")
    record(project, {"warmup": 10, "other": 1, "free": "text"})
    new = declare(project, "2", {"warmup": steps, "other": NUMBER})
    locks = {
        old["warmup"]: lock("warmup", type="number", unit="s"),
        new["warmup"]: lock("warmup", type="number", unit="{step}"),
    }
    migrate(
        project, old, new, locks, {"op": "redefine", "from": "warmup", "to": "warmup", "reason": "steps now"}
    )
    project.commit("v2")
    run = record(project, {"warmup": 100, "other": 2})
    assert column(project, "warmup") == [None, 100]
    assert column(project, "other") == [1, 2]
    assert column(project, "free") == ["text", None]
    assert [one["run_id"] for one in ledger.json("runs", "--where", "params.warmup > 1")] == [run]


def test_an_unknown_pointer_is_named(project: Project, ledger: Ledger) -> None:
    old = declare(project, "1", {"lr": NUMBER})
    project.commit("v1")
    migrate(
        project,
        old,
        old,
        {old["lr"]: lock("lr", type="number")},
        {"op": "rename", "from": "/a/lr", "to": "/lr"},
    )
    text = ledger("schema", "check", code=5)
    assert ".ledger/migrations/main/params.json:" in text
    assert 'LS404 error: rename of /lr: "/a/lr" is not in `from`' in text


@pytest.mark.usefixtures("project")
@pytest.mark.slow
def test_a_schema_that_nests_without_end_is_read(repo: Repo, ledger: Ledger) -> None:
    repo.write(
        ".ledger/schemas/main.json",
        json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$defs": {
                    "n": {"type": "object", "properties": {c: {"$ref": "#/$defs/n"} for c in "abcdefgh"}}
                },
                "properties": {"params": {"properties": {"x": {"$ref": "#/$defs/n"}, "y": NUMBER}}},
            }
        ),
    )
    (shown,) = ledger.json("schema", "show")
    assert {"x", "y", "x.a", "x.h"} <= shown["params"].keys()
    assert len(shown["params"]) < 6_000
