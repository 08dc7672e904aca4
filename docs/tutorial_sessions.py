"""The sessions of tutorial.md: one project through a year."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from session import Shell, Step

SCHEMA = ".ledger/schemas/digits.json"
ON = {"dataset": "digits", "split": "test"}
FIRST: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "x-ledger": {"version": "1"},
    "type": "object",
    "properties": {
        "metrics": {
            "type": "object",
            "properties": {
                "score": {
                    "type": "number",
                    "x-ledger": {
                        "unit": "%",
                        "direction": "higher",
                        "how": {"fn": "sklearn.metrics.f1_score", "average": "macro"},
                        "on": ON,
                    },
                },
                "latency_ms": {
                    "type": "number",
                    "x-ledger": {"unit": "ms", "direction": "lower", "how": {"stat": "p50"}, "on": ON},
                },
            },
        }
    },
}


def set_up(shell: Shell) -> None:
    """A project with a schema of its own."""
    shell.month, shell.day = "2026-01", 5
    path = shell.folder / SCHEMA
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(FIRST, indent=2) + "\n", encoding="utf-8")
    shell("git add . && git commit -qm 'Say what we measure'")


def _in(month: str, *edits: tuple[str, str]) -> Callable[[Shell], None]:
    """Time passes, and somebody edits the schema."""

    def edit(shell: Shell) -> None:
        shell.month = f"2026-{month}"
        path = shell.folder / SCHEMA
        text = path.read_text(encoding="utf-8")
        for old, new in edits:
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")

    return edit


def _work(subject: str, *metrics: str) -> Callable[[Shell], None]:
    """A code commit, trained and recorded."""

    def work(shell: Shell) -> None:
        shell.day += 1
        (shell.folder / "model.py").write_text(f"# {subject}\n", encoding="utf-8")
        shell(f"git add . && git commit -qm '{subject}'")
        shell("ledger record " + " ".join(f"-m {metric}" for metric in metrics))

    return work


def _reason(text: str) -> Callable[[Shell], None]:
    """Somebody completes the draft: the `todo` goes, the reason stays."""

    def complete(shell: Shell) -> None:
        for path in sorted((shell.folder / ".ledger/migrations/digits").glob("*.json")):
            body = json.loads(path.read_text(encoding="utf-8"))
            for operation in body["metrics"]:
                if operation.pop("todo", None) is not None:
                    operation["reason"] = text
            path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")

    return complete


SESSIONS: dict[str, tuple[Step, ...]] = {
    "january": (
        "ledger record -m score=84.2 -m latency_ms=120",
        "ledger schema show digits",
        _work("Tune", "score=87.3", "latency_ms=95"),
    ),
    "march-check": (
        _in("03", ('"version": "1"', '"version": "2"'), ('"unit": "%"', '"unit": "1"')),
        "ledger schema check",
    ),
    "march-migrate": (
        "ledger schema migrate",
        "git add .ledger && git commit -qm 'Score is a fraction'",
        "ledger schema check",
    ),
    "march-log": (
        _work("More data", "score=0.891", "latency_ms=90"),
        "ledger log --metric score",
    ),
    "march-explain": ("ledger explain $(ledger runs --ids | tail -1) score",),
    "may": (
        _in(
            "05",
            ('"version": "2"', '"version": "3"'),
            ('"score"', '"f1"'),
            ('"latency_ms"', '"latency"'),
            ('"unit": "ms"', '"unit": "s"'),
        ),
        "ledger schema migrate --rename score=f1 --rename latency_ms=latency",
        "git add .ledger && git commit -qm 'Better names'",
        _work("Prune", "f1=0.9", "latency=0.08"),
        "ledger log --metric f1 --metric latency",
    ),
    "august": (
        _in("08", ('"version": "3"', '"version": "4"'), ('"macro"', '"weighted"')),
        "ledger schema migrate",
        _reason("averaged by support now: classes became unbalanced"),
        "git add .ledger && git commit -qm 'Weight F1 by support'",
        _work("Balance classes", "f1=0.886", "latency=0.08"),
        "ledger log --metric f1",
    ),
    "november": (
        _in("11", ('"version": "4"', '"version": "5"'), ('"split": "test"', '"split": "test-2026"')),
        "ledger schema migrate",
        _reason("new test set, drawn in November"),
        "git add .ledger && git commit -qm 'Replace the test set'",
        _work("Evaluate anew", "f1=0.871", "latency=0.08"),
        "ledger log --metric f1",
    ),
    "matrix": ("ledger schema matrix f1", "ledger schema history f1"),
}
