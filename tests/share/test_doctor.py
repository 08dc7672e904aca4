from __future__ import annotations

import json
import os
import time

import pytest
from conftest import Repo
from share.clones import Hub

pytestmark = pytest.mark.slow


def _codes(hub: Hub, repo: Repo, code: int) -> list[str]:
    found = json.loads(hub.ledger("-C", str(repo.path), "doctor", "--json", code=code))
    assert all(one["hint"] for one in found["problems"])
    return [one["code"] for one in found["problems"]]


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("remote.origin.fetch", "+refs/*:refs/*", "fetch-overwrites-runs"),
        ("remote.origin.fetch", "+refs/runs/main:refs/runs/main", "fetch-overwrites-runs"),
        ("remote.origin.push", "+refs/runs/*:refs/runs/*", "push-overwrites-runs"),
        ("remote.origin.mirror", "true", "push-mirrors"),
        ("gc.pruneExpire", "now", "prunes-at-once"),
        ("ledger.pushCode", "perhaps", "push-code"),
    ],
)
def test_settings_that_endanger_runs(hub: Hub, key: str, value: str, code: str) -> None:
    one = hub.clone("one")
    assert _codes(hub, one, 0) == []
    one.git("config", "--add", key, value)
    assert _codes(hub, one, 1) == [code]
    assert code in hub.ledger("-C", str(one.path), "doctor", code=1)


def test_what_dead_processes_left(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    lock = one.path / ".git/refs/runs/main.lock"
    lock.touch()
    assert _codes(hub, one, 0) == [], "it may be at work"
    os.utime(lock, (time.time() - 3600,) * 2)
    one.git("symbolic-ref", "refs/runs/strange", "refs/heads/main")
    assert _codes(hub, one, 1) == ["stale-lock", "no-chain"]
