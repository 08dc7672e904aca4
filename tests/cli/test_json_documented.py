"""docs/json.md is the contract: what the commands print is named there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger
from projects import Project

CONTRACT = (Path(__file__).parents[2] / "docs/json.md").read_text()
NAMED = ("params", "metrics", "tags", "grade", "recorded")
"""Parts of flat names that end in a name of the data."""
COMMANDS: dict[str, tuple[str, ...]] = {
    "runs": ("runs",),
    "show RUN": ("show", "RUN"),
    "log --metric …": ("log", "--metric", "f1"),
    "drift METRIC": ("drift", "f1"),
    "explain RUN METRIC": ("explain", "RUN", "f1"),
    "schema show": ("schema", "show"),
    "schema diff": ("schema", "diff", "HEAD"),
    "schema history METRIC": ("schema", "history", "f1"),
    "schema matrix METRIC": ("schema", "matrix", "f1"),
    "schema starters": ("schema", "starters"),
    "diff A B": ("diff", "RUN", "RUN"),
    "experiments": ("experiments",),
    "status": ("status",),
    "recover": ("recover",),
    "verify": ("verify",),
    "doctor": ("doctor",),
    "hooks list": ("hooks", "list"),
    "tag": ("tag", "RUN", "a=b"),
}


def row(command: str) -> str:
    """The line of the table that tells of a command."""
    (found,) = [line for line in CONTRACT.splitlines() if line.startswith("| ") and _names(line, command)]
    return found


def _names(line: str, command: str) -> bool:
    return f"`{command}`" in line.split(" | ", maxsplit=1)[0].removeprefix("| ").split(", ")


def keys(document: Any) -> set[str]:
    """The keys of a document, or of the items of a list; names of the data left out."""
    if isinstance(document, list):
        return {key for item in document for key in keys(item)}
    return {
        f"{key.partition('.')[0]}.<name>" if key.partition(".")[1] and key.split(".")[0] in NAMED else key
        for key in document
    }


@pytest.fixture
def run_id(project: Project, ledger: Ledger) -> str:
    source = "train.py:f1"
    project.repo.write("train.py", "def f1():\n    return 1\n")
    project.declare("1", {"f1": {"unit": "1", "direction": "higher", "source": source}})
    project.commit("declared")
    return str(ledger.json("record", "-m", "f1=0.5", "-p", "lr=0.1", "--tag", "a=c")["id"])


def test_every_key_is_documented(run_id: str, ledger: Ledger) -> None:
    missing = {}
    for name, words in COMMANDS.items():
        documented = row("record" if name == "tag" else name)
        printed = keys(ledger.json(*(run_id if word == "RUN" else word for word in words)))
        assert printed, name
        absent = {key for key in printed if not re.search(rf"[\"` ,]{re.escape(key)}[\"`,}}\]]", documented)}
        if absent:
            missing[name] = sorted(absent)
    assert not missing
