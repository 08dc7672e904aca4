"""Repositories to measure in: real git, a linear history, a schema that declares every name, and runs to record."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ledger
from bench.clock import environment

PARAMS = tuple(f"param_{i:02d}" for i in range(20))
METRICS = tuple(f"metric_{i:02d}" for i in range(20))
_OPTIMIZERS = ("adam", "adamw", "sgd", "lion")
_BATCH = 1_000


def git(folder: Path, *words: str, stdin: bytes | None = None) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, env=environment(), input=stdin, capture_output=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"git {' '.join(words)}: {done.stderr.decode('utf-8', 'replace')}")
    return done.stdout.decode().strip()


def program(name: str) -> str:
    """A console script of the installation that runs this benchmark."""
    return str(Path(sys.executable).parent / name)


def repository(folder: Path, *, commits: int = 1) -> Path:
    """A work tree whose branch `main` has a linear history, and a schema."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "Ada Bench")
    git(folder, "config", "user.email", "ada@example.com")
    git(folder, "fast-import", "--quiet", stdin=b"".join(_history(commits)))
    git(folder, "reset", "-q", "--hard", "main")
    return folder


def _history(commits: int) -> Iterator[bytes]:
    yield from _commit(1, {".ledger/schemas/bench.json": json.dumps(schema()), "train.py": "step = 1\n"})
    for number in range(2, commits + 1):
        yield from _commit(number, {"train.py": f"step = {number}\n"})


def _commit(number: int, files: dict[str, str]) -> Iterator[bytes]:
    message = f"Step {number}: try another thing"
    yield b"commit refs/heads/main\ncommitter Ada Bench <ada@example.com> %d +0000\n" % (
        1_700_000_000 + 600 * number
    )
    yield b"data %d\n%s\n" % (len(message), message.encode())
    for name, text in files.items():
        yield b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(text), text.encode())


def schema() -> dict[str, Any]:
    """Declares every param and metric with a type, as a careful project does."""
    params = {name: {"type": ["number", "string"]} for name in PARAMS}
    metric = {"type": ["number", "null"], "x-ledger": {"unit": "1", "direction": "higher"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "x-ledger": {"format": 1, "version": "1", "strict": True},
        "type": "object",
        "properties": {
            "params": {"type": "object", "properties": params, "required": list(PARAMS)},
            "metrics": {
                "type": "object",
                "properties": dict.fromkeys(METRICS, metric),
                "required": list(METRICS),
            },
        },
    }


def params(source: random.Random) -> dict[str, Any]:
    """As a sweep makes them: a few choices each."""
    kinds = (
        lambda: source.choice((0.1, 0.03, 0.01, 0.003, 0.001)),
        lambda: source.choice((16, 32, 64, 128)),
        lambda: source.randrange(10),
        lambda: source.choice(_OPTIMIZERS),
    )
    return {name: kinds[i % len(kinds)]() for i, name in enumerate(PARAMS)}


def metrics(source: random.Random) -> dict[str, float]:
    """Full-precision numbers, of which no two are alike: the worst case for size."""
    return {name: source.random() for name in METRICS}


def run(source: random.Random) -> dict[str, Any]:
    return {"params": params(source), "metrics": metrics(source)}


def fill(folder: Path, runs: int, *, seed: int = 1) -> None:
    """Record many runs, spread evenly over the commits of `main`."""
    source = random.Random(seed)
    commits = git(folder, "rev-list", "--reverse", "main").split()
    for start in range(0, runs, _BATCH):
        numbers = range(start, min(start + _BATCH, runs))
        batch = [{**run(source), "code": commits[number * len(commits) // runs]} for number in numbers]
        ledger.record_many([{**item, "experiment": "main"} for item in batch], repository=folder)
