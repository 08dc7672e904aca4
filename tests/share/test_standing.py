"""What status and a plain fetch know of the remote."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Repo
from share.clones import Hub, exists


def _remote(hub: Hub, repo: Repo) -> dict[str, Any]:
    found: dict[str, Any] = hub.ledger.json("-C", str(repo.path), "status")["remote"]
    return found


@pytest.mark.slow
def test_status_counts_what_is_ahead_and_behind(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one)
    assert _remote(hub, one) == {"name": "origin", "problem": None, "shared": False, "experiments": []}
    hub.push(one)
    hub.record(one)
    hub.record(other)
    hub.push(other)
    hub.fetch(one)
    (found,) = _remote(hub, one)["experiments"]
    counts = {"unpublished": 1, "behind": 1, "quarantined": 0, "inbox": 0}
    assert found == {"experiment": "main", **counts, "rewound": False, "redacted": False}
    text = hub.ledger("-C", str(one.path), "status")
    assert "remote      origin: 1 not published (ledger push), 1 to take over (ledger pull)" in text
    hub.push(one)
    assert "up to date when it was last seen" in hub.ledger("-C", str(one.path), "status")


def test_init_has_plain_git_fetch_bring_runs_into_tracking_refs_only(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one)
    hub.push(one)
    hub.ledger("-C", str(other.path), "init", "--remote", "origin")
    other.git("fetch", "-q")
    assert exists(other, "refs/ledger/remotes/origin/main")
    assert not exists(other, "refs/runs/main")
    config = (other.path / ".git/config").read_text()
    assert "set up already" in hub.ledger("-C", str(other.path), "init", "--remote", "origin")
    assert (other.path / ".git/config").read_text() == config
    problems = hub.ledger.json("-C", str(other.path), "doctor")["problems"]
    assert {problem["code"] for problem in problems} <= {"hook-missing", "vulnerable-git"}
