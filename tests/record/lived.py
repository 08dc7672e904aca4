"""What stands of a live run, and programs that make one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from conftest import Ledger, Repo

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "metrics": {
            "type": "object",
            "required": ["f1"],
            "properties": {
                "f1": {
                    "type": "number",
                    "maximum": 1,
                    "x-ledger": {"direction": "higher", "summary": "best"},
                },
                "loss": {"type": "number", "x-ledger": {"direction": "lower", "summary": "best"}},
                "speed": {"type": "number", "x-ledger": {"summary": "mean"}},
            },
        }
    },
}
"""Of the fixture `schema`: f1 is required and at most 1."""

Points = list[tuple[str, int | None, float | None]]


def shown(ledger: Ledger, run: str) -> dict[str, Any]:
    found: dict[str, Any] = ledger.json("show", run)
    return found


def points(ledger: Ledger, run: str) -> Points:
    return [(one["metric"], one["step"], one["value"]) for one in ledger.json("show", run, "--history")]


def metrics(ledger: Ledger, run: str) -> dict[str, Any]:
    return {name: one["value"] for name, one in shown(ledger, run)["metrics"].items()}


def events(repo: Repo) -> list[dict[str, Any]]:
    """Of the last record of main."""
    text = repo.git("show", "refs/runs/main:events.jsonl")
    return [json.loads(line) for line in text.splitlines()]


def journals(repo: Repo) -> list[str]:
    folder = repo.path / ".git/ledger/journal"
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def program(repo: Repo, text: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import ledger, os, sys, time\n{text}"],
        cwd=repo.path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
    )


_FORKED = """
with ledger.start() as run:
    {parent}
    child = os.fork()
    if not child:
        {child}
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    {parent}
print(code, run.id)
"""


def forked(repo: Repo, *, parent: str, child: str) -> tuple[int, str]:
    """A run whose process forks, and says `parent` before and after that: the child's exit code, the run's id."""
    done = program(repo, _FORKED.format(parent=parent, child=child))
    assert done.returncode == 0, done.stderr
    code, run = done.stdout.split()
    return int(code), run
