"""A project with a schema that changes: schemas, drafts and runs, all through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conftest import Ledger, Repo

MACRO: dict[str, Any] = {"unit": "1", "direction": "higher", "how": {"average": "macro"}}
PERCENT = {**MACRO, "unit": "%"}
WEIGHTED = {**MACRO, "how": {"average": "weighted"}}
LOSS: dict[str, Any] = {"unit": "nat", "direction": "lower"}

HIGHER: dict[str, Any] = {"unit": "1", "direction": "higher"}
LOWER: dict[str, Any] = {"direction": "lower"}
BY_MACHINE: dict[str, Any] = {**LOWER, "on": {"machine": "param:machine"}}

BESIDE = frozenset({"type", "enum", "minimum", "maximum", "description"})
"""Keys of a property that stand beside `x-ledger`."""


class Project:
    """A real repository and the command line in it."""

    def __init__(self, repo: Repo, ledger: Ledger) -> None:
        self.repo = repo
        self.ledger = ledger

    def declare(
        self,
        version: str,
        metrics: dict[str, dict[str, Any]],
        params: dict[str, dict[str, Any]] | None = None,
        *,
        name: str = "main",
    ) -> None:
        """Write a schema into the work tree."""
        body = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "x-ledger": {"format": 1, "version": version},
            "properties": {
                "metrics": {"properties": {key: _node("number", words) for key, words in metrics.items()}},
                "params": {"properties": {key: _node(None, words) for key, words in (params or {}).items()}},
            },
        }
        self.repo.write(f".ledger/schemas/{name}.json", json.dumps(body, indent=2))

    def record(self, **metrics: float) -> str:
        """Record a run; its id."""
        words = [word for name, value in metrics.items() for word in ("-m", f"{name}={value}")]
        run: str = self.ledger.json("record", *words)["id"]
        return run

    def drafts(self, *words: str, code: int = 0) -> list[Path]:
        """Draft migrations; the files."""
        return [
            self.repo.path / line for line in self.ledger("schema", "migrate", *words, code=code).splitlines()
        ]

    def migrate(self, *words: str, reason: str = "because") -> list[Path]:
        """Draft migrations and complete them with one reason."""
        paths = self.drafts(*words)
        for path in paths:
            complete(path, reason)
        return paths

    def findings(self, *words: str) -> list[tuple[str, str]]:
        """(code, metric) of the errors that `schema check` reports."""
        code = 5 if words and words[-1] == "fails" else 0
        words = tuple(word for word in words if word != "fails")
        found = self.ledger.json("schema", "check", *words, code=code)["findings"]
        return [(one["code"], one["metric"]) for one in found if one["severity"] == "error"]

    def rows(self, metric: str, *words: str) -> list[tuple[str, Any]]:
        """(grade, value, or what was recorded where it does not compare) along the history, newest first."""
        found = self.ledger.json("log", "--metric", metric, *words)["rows"]
        cells = [row["metrics"][metric] for row in found]
        return [
            (cell["grade"], cell["recorded"] if cell["value"] is None else cell["value"]) for cell in cells
        ]

    def commit(self, message: str = "change") -> str:
        """Commit everything, with a change of the code, so that runs before and after have rows of their own."""
        count = self.repo.git("rev-list", "--count", "--all")
        return self.repo.commit(message, code__py=f"{message} {count}")


def _node(kind: str | None, words: dict[str, Any]) -> dict[str, Any]:
    beside = {key: value for key, value in words.items() if key in BESIDE}
    own = {key: value for key, value in words.items() if key not in BESIDE}
    return {**({"type": kind} if kind else {}), **beside, **({"x-ledger": own} if own else {})}


def complete(path: Path, reason: str = "because") -> None:
    """Do what a draft leaves to do."""
    body = json.loads(path.read_text())
    for words in (*body.get("metrics", []), *body.get("params", [])):
        words.pop("todo", None)
        if words.get("reason") == "":
            words["reason"] = reason
    path.write_text(json.dumps(body, indent=2))


def percent_to_fraction(project: Project, before: float, after: float) -> tuple[str, str]:
    """f1 in percent, then as a fraction, a migration between them and a run under each; their ids."""
    project.declare("1", {"f1": PERCENT})
    project.commit("percent")
    old = project.record(f1=before)
    project.declare("2", {"f1": MACRO})
    project.migrate()
    project.commit("fraction")
    return old, project.record(f1=after)
