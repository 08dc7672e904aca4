"""Edits that disagree on a param which is called something else by now: its new name is marked."""

from __future__ import annotations

import csv
import io
import json

import pytest
from conftest import Repo
from share.clones import Hub

NUMBER = {"type": "number"}


def declare(repo: Repo, version: str, name: str) -> None:
    repo.write(
        ".ledger/schemas/main.json",
        json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "x-ledger": {"format": 1, "version": version},
                "properties": {"params": {"type": "object", "properties": {name: NUMBER}}},
            }
        ),
    )


def rename(hub: Hub, repo: Repo) -> None:
    """From `lr` to `learning_rate`."""
    at = ("-C", str(repo.path))
    (before,) = hub.ledger.json(*at, "schema", "show")
    declare(repo, "2", "learning_rate")
    (after,) = hub.ledger.json(*at, "schema", "show")
    old, new = before["params"]["lr"]["did"], after["params"]["learning_rate"]["did"]
    body = {
        "format": 1,
        "from": {"params": {"lr": old}},
        "to": {"params": {"learning_rate": new}},
        "params": [{"op": "rename", "from": "lr", "to": "learning_rate"}],
        "defs": {
            did: {"name": name, "role": "param", "type": "number"}
            for did, name in ((old, "lr"), (new, "learning_rate"))
        },
    }
    repo.write(".ledger/migrations/main/1.json", json.dumps(body))


@pytest.mark.slow
@pytest.mark.parametrize("renamed", [False, True])
def test_a_param_that_clones_disagree_on_is_marked(hub: Hub, renamed: bool) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    for repo in (one, other):
        declare(repo, "1", "lr")
    run = hub.record(one, "-p", "lr=0.1")
    hub.push(one)
    hub.pull(other)
    hub.ledger("-C", str(one.path), "amend", run[:8], "-p", "lr=0.2", "--reason", "typo")
    hub.push(one)
    at = ("-C", str(other.path))
    hub.ledger(*at, "amend", run[:8], "-p", "lr=0.3", "--reason", "typo")
    hub.push(other)
    if renamed:
        rename(hub, other)
    name = "params.learning_rate" if renamed else "params.lr"
    (row,) = hub.ledger.json(*at, "runs")
    assert (row[name], row.get("conflicts")) == (0.3, [name])
    (line,) = csv.DictReader(io.StringIO(hub.ledger(*at, "runs", "--csv", "-c", name)))
    assert (line[name], line["conflicts"]) == ("0.3", name)
    hub.ledger(*at, "show", run[:8])
    assert "0.2" in hub.ledger(*at, "show", run[:8])
