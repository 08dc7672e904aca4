"""What is said of a run after a redaction stays; edits that still carry the value lose it; other places are named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import Repo
from share.clones import REF, Hub, tip
from share.leaks import PLACE, SECRET, assert_forgotten, everything, leak, leaked_into_two, redact

import ledger as api


def _show(hub: Hub, repo: Repo, run: str) -> dict[str, Any]:
    found: dict[str, Any] = hub.ledger.json("-C", str(repo.path), "show", run[:8])
    return found


@pytest.mark.slow
def test_a_later_edit_is_no_fault_and_survives_the_next_redaction(hub: Hub) -> None:
    one = hub.clone("one")
    leaked = leak(hub, one, "--note", SECRET)
    redact(hub, one, leaked)
    at = ("-C", str(one.path))
    hub.ledger(*at, "amend", leaked[:8], "-p", "auth.pass=none", "--reason", "revoked")
    hub.ledger(*at, "verify")
    redact(hub, one, leaked, "run.json:/note")
    assert _show(hub, one, leaked)["params"]["auth"]["pass"] == "none"
    assert_forgotten(one)


@pytest.mark.long
def test_later_edits_of_the_same_field_survive(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    leaked = leak(hub, one, "--note", SECRET)
    hub.ledger("-C", str(one.path), "tag", leaked[:8], f"t={SECRET}")
    hub.push(one)
    hub.pull(other)
    redact(hub, one, leaked)
    for place in ("run.json:/note", "run.json:/tags/t"):
        redact(hub, one, leaked, place)
    at = ("-C", str(one.path))
    hub.ledger(*at, "amend", leaked[:8], "-p", "auth.pass=none", "--reason", "revoked")
    hub.ledger(*at, "note", leaked[:8], "harmless")
    hub.ledger(*at, "tag", leaked[:8], "t=fine")
    hub.ledger(*at, "verify")
    hub.push(one, "--redacted")
    hub.push(one)
    hub.pull(other)
    for clone in (one, other):
        shown = _show(hub, clone, leaked)
        assert shown["params"]["auth"]["pass"] == "none"
        assert (shown["run"]["note"], shown["run"]["tags"]["t"]) == ("harmless", "fine")
        hub.ledger("-C", str(clone.path), "verify")
    assert SECRET.encode() not in everything(hub.repo)
    assert_forgotten(one)
    assert_forgotten(other)
    assert tip(one) == tip(other) == tip(hub.repo)


@pytest.mark.long
def test_a_stale_edit_of_another_param_loses_the_value_and_one_of_the_same_param_stays(hub: Hub) -> None:
    one, stale, leaked = leaked_into_two(hub)
    redact(hub, one, leaked)
    hub.push(one, "--redacted")
    at = ("-C", str(stale.path))
    hub.ledger(*at, "amend", leaked[:8], "-p", "lr=0.2", "--reason", "typo")
    hub.push(stale)
    shown = _show(hub, stale, leaked)["params"]
    assert shown["auth"]["pass"].startswith("[redacted ")
    assert shown["lr"] == 0.2
    hub.ledger(*at, "amend", leaked[:8], "-p", "auth.pass=other", "--reason", "rotated")
    hub.push(stale)
    hub.pull(one)
    assert _show(hub, one, leaked)["params"]["auth"]["pass"] == "other"
    assert_forgotten(stale)
    assert SECRET.encode() not in everything(hub.repo)


@pytest.mark.long
def test_an_edit_in_an_inbox_is_known_by_the_file_it_comes_to(hub: Hub) -> None:
    one, stale, leaked = leaked_into_two(hub)
    hub.ledger("-C", str(stale.path), "amend", leaked[:8], "-p", "lr=0.2", "--reason", "typo")
    late = stale.git("commit-tree", f"{REF}^{{tree}}", "-m", stale.git("log", "-1", "--format=%B", REF))
    redact(hub, one, leaked)
    hub.push(one, "--redacted")
    one.git("reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all")
    one.git("gc", "-q", "--prune=now")
    stale.git("push", "-q", "origin", f"{late}:refs/ledger/inbox/{'0' * 16}.main")
    hub.push(one)
    shown = _show(hub, one, leaked)["params"]
    assert (shown["auth"]["pass"][:10], shown["lr"]) == ("[redacted ", 0.2)
    assert SECRET.encode() not in everything(one)


@pytest.mark.long
def test_every_place_that_holds_the_value_is_named_and_can_be_taken_out(hub: Hub) -> None:
    one = hub.clone("one")
    with api.start(params={"auth": {"pass": SECRET}, "lr": 0.1}, repository=one.path) as run:
        run.event("start")
        run.event(f"with {SECRET}")
        run.event("end")
    leaked = run.id
    hub.ledger("-C", str(one.path), "tag", leaked[:8], f"t={SECRET}")
    sibling = hub.record(one, "-p", f"token={SECRET}")
    places = {place.split(" ")[2] for place in redact(hub, one, leaked)["elsewhere"]}
    assert places == {"events.jsonl:/1/message", "run.json:/tags/t", "params.json:/token"}
    at = ("-C", str(one.path))
    for place in ("events.jsonl:/1/message", "run.json:/tags/t"):
        redact(hub, one, leaked, place)
    redact(hub, one, sibling, "params.json:/token")
    messages = [json.loads(line)["message"] for line in one.git("show", f"{REF}~1:events.jsonl").splitlines()]
    assert (messages[0], messages[1][:10], messages[2]) == ("start", "[redacted ", "end")
    hub.ledger(*at, "verify")
    assert_forgotten(one)
    hub.ledger(*at, "redact", leaked[:8], "--path", "events.jsonl:", "--reason", "all of it")
    assert len(one.git("show", f"{REF}~1:events.jsonl").splitlines()) == 1


def test_a_reason_that_says_the_value_is_refused(hub: Hub) -> None:
    one = hub.clone("one")
    leaked = leak(hub, one)
    before = tip(one)
    words = ("redact", leaked[:8], "--path", PLACE, "--reason", f"{SECRET} leaked")
    hub.ledger("-C", str(one.path), *words, code=1)
    assert "the reason holds the value" in hub.ledger.err
    assert tip(one) == before
    assert not one.git("for-each-ref", "refs/ledger/redactions")
