"""What push, pull, status and doctor say of states that only a person can mend, and that they say it once."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from conftest import Repo
from share.clones import REF, Hub, tip
from share.leaks import leak, redact


def _status(hub: Hub, repo: Repo) -> str:
    return hub.ledger("-C", str(repo.path), "status")


def _standing(hub: Hub, repo: Repo) -> dict[str, Any]:
    found = hub.ledger.json("-C", str(repo.path), "status")["remote"]["experiments"]
    return dict(found[0]) if found else {}


def _problems(hub: Hub, repo: Repo, code: int) -> list[str]:
    found = hub.ledger.json("-C", str(repo.path), "doctor", code=code)["problems"]
    return [one["code"] for one in found if one["severity"] == "error"]


@pytest.mark.long
def test_a_chain_that_is_to_be_replaced_and_one_that_was(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    leaked = leak(hub, one)
    hub.push(one)
    redact(hub, one, leaked)
    hub.record(one)
    text = _status(hub, one)
    assert "origin: 1 not published (ledger push), what was taken out of main is still there" in text
    assert "to take over" not in text
    standing = _standing(hub, one)
    assert (standing["unpublished"], standing["behind"], standing["redacted"]) == (1, 0, True)
    said = hub.ledger("-C", str(one.path), "push", "--redacted")
    assert said.startswith("origin: 1 record sent, 1 chain replaced\n")
    assert _standing(hub, one) == {}
    assert hub.push(one)["experiments"] == []


@pytest.mark.slow
def test_a_ref_that_is_no_chain_is_told_with_what_to_do(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    hub.record(one, "-e", "other")
    hub.push(one)
    one.git("update-ref", REF, "HEAD")
    done = hub.push(one, code=1)
    (problem,) = (entry["problem"] for entry in done["experiments"])
    assert f"git update-ref -d {REF} {tip(one, 'HEAD')}" in problem
    assert _problems(hub, one, 1) == ["no-chain"]
    one.git("update-ref", "-d", REF, tip(one, "HEAD"))
    hub.push(one)
    assert tip(one) == tip(hub.repo)


@pytest.mark.slow
def test_a_push_that_fails_in_order_leaves_nothing_unfinished(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    one.git("remote", "set-url", "origin", f"file://{hub.folder}/nowhere.git")
    hub.ledger("-C", str(one.path), "push", code=4)
    words = ("import os, sys; from ledger.cli.main import run; sys.exit(run(sys.argv[1:]))", "push")
    failed = subprocess.run([sys.executable, "-c", *words], cwd=one.path, capture_output=True, check=False)
    assert failed.returncode == 4
    assert _problems(hub, one, 0) == []


@pytest.mark.long
@pytest.mark.parametrize("gone", [False, True])
def test_a_rewound_remote_is_told_until_it_is_mended(hub: Hub, gone: bool) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one)
    hub.push(one)
    hub.pull(other)
    hub.record(one)
    hub.push(one)
    if gone:
        hub.repo.git("update-ref", "-d", REF)
    else:
        hub.record(other)
        other.git("push", "-q", "--force", "origin", REF)
    hub.fetch(one, code=4)
    text = _status(hub, one)
    assert "rewound there: main" in text
    assert "to take over" not in text
    assert "up to date" not in text
    assert _standing(hub, one)["rewound"] is True
    assert "rewound-remote" in _problems(hub, one, 1)
    hub.pull(one, "--accept-rewind")
    hub.push(one)
    assert "up to date when it was last seen" in _status(hub, one)
    assert _problems(hub, one, 0) == []


@pytest.mark.slow
def test_plain_fetches_are_no_rewinding(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one)
    hub.push(one)
    hub.ledger("-C", str(one.path), "init", "--remote", "origin")
    hub.record(other)
    hub.push(other)
    one.git("fetch", "-q")
    assert "origin: 1 to take over (ledger pull)" in _status(hub, one)
    assert _problems(hub, one, 0) == []


@pytest.mark.slow
def test_what_went_to_the_inbox_is_published(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    hub.push(one)
    shallow = hub.clone("shallow", "--depth", "1")
    hub.record(shallow)
    assert hub.push(shallow)["experiments"][0]["inbox"] is True
    assert "not published" not in _status(hub, shallow)


def test_before_the_first_push(hub: Hub) -> None:
    one = hub.clone("one")
    assert "remote" not in _status(hub, one)
    hub.record(one)
    assert "remote      origin: nothing seen there yet, 1 not published (ledger push)" in _status(hub, one)
    assert hub.ledger.json("-C", str(one.path), "status")["remote"]["shared"] is False


@pytest.mark.slow
def test_a_quarantine_does_not_spoil_a_pull_and_links_are_counted(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.refuse("poison")
    good = hub.record(one)
    hub.record(one, "--name", "poison")
    hub.push(one, code=1)
    hub.pull(one)
    hub.push(one, code=1)
    hub.pull(other)
    hub.ledger("-C", str(other.path), "link", good[:8], "HEAD")
    said = hub.ledger("-C", str(other.path), "push")
    assert said == "origin: 1 link of commits sent\n"
    assert hub.ledger("-C", str(other.path), "push") == "origin: up to date\n"
    assert hub.ledger("-C", str(one.path), "pull").startswith("origin: 1 link of commits new here\n")


@pytest.mark.slow
def test_an_owner_who_has_to_allow_it_is_not_asked_again(hub: Hub) -> None:
    hub.guard("update")
    one = hub.clone("one")
    leaked = leak(hub, one)
    hub.push(one)
    redact(hub, one, leaked)
    hub.ledger("-C", str(one.path), "push", "--redacted", code=1)
    assert "ledger.allowRedaction" in hub.ledger.err
    assert "its owner has to allow it" in hub.ledger.err
