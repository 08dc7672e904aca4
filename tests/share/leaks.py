"""Runs with a value that must not stay, and where it may still stand."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from conftest import Repo
from share.clones import Hub

SECRET = "hunter2-correct-horse"
PLACE = "params.json:/auth/pass"


def leak(hub: Hub, repo: Repo, *words: str) -> str:
    """Record a run that holds the value; its id."""
    repo.write("p.json", json.dumps({"auth": {"pass": SECRET, "user": "ada"}, "lr": 0.1}))
    return hub.record(repo, "--params", str(repo.path / "p.json"), *words)


def leaked_into_two(hub: Hub) -> tuple[Repo, Repo, str]:
    """Two clones with a published run that holds the value, and its id."""
    one, stale = hub.clone("one"), hub.clone("stale")
    leaked = leak(hub, one)
    hub.push(one)
    hub.pull(stale)
    return one, stale, leaked


def redact(hub: Hub, repo: Repo, run: str, place: str = PLACE) -> Any:
    words = ("redact", run[:8], "--path", place, "--reason", "it leaked")
    return hub.ledger.json("-C", str(repo.path), *words)


def everything(repo: Repo) -> bytes:
    """Every object that git still has, after it was told to forget."""
    repo.git("reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    words = ["git", "cat-file", "--batch", "--batch-all-objects"]
    return subprocess.run(words, cwd=repo.path, capture_output=True, check=True).stdout


def beside(repo: Repo) -> bytes:
    """Every byte that ledger keeps beside git."""
    folder = Path(repo.git("rev-parse", "--path-format=absolute", "--git-common-dir")) / "ledger"
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def assert_forgotten(repo: Repo) -> None:
    assert SECRET.encode() not in everything(repo)
    assert SECRET.encode() not in beside(repo)
