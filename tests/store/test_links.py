"""Events of rewritten history: what is read back, what is refused, and that two logs become one."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from conftest import Repo
from store.plumbing import blob, tree

from ledger.errors import FormatError
from ledger.git import refs
from ledger.git.process import Repository, discover
from ledger.store import link_log, links
from ledger.store.links import Event, Manual, Pair, Rewritten

A, B, C, T = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)
RUN = "1" * 32
WHEN = "2026-11-01T10:00:00.000000Z"
REWRITTEN = Rewritten(by="amend", recorded=WHEN, pairs=(Pair(A, B, T), Pair(B, C)))
MANUAL = Manual(recorded=WHEN, run=RUN, commit=A, author="Ada <a@b>", reason="squashed by hand")


@pytest.fixture
def found(repo: Repo) -> Repository:
    return discover(repo.path, os.environ)


@pytest.mark.parametrize("event", [REWRITTEN, MANUAL])
def test_an_event_is_read_back(event: Event) -> None:
    name, data = links.encode(event)
    assert links.decode(name, data) == event
    assert links.is_name(name)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2}, {"format": "1"}, {"format": True, "extra": 1}, {"kind": "else"}, {"kind": ["rewritten"]},
        {"by": "magic"}, {"recorded": "yesterday"}, {"recorded": 7}, {"pairs": []}, {"pairs": {}}, {"pairs": [7]},
        {"pairs": [f"{A} {B} {T} {T}"]}, {"pairs": [f"{A} --all"]}, {"pairs": [f"{A}  {B}"]}, {"pairs": [f"{A} {B}\n"]},
        {"pairs": [f"{A} {B}"] * 5_001},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_event_is_refused(change: dict[str, Any]) -> None:
    document = {**json.loads(links.encode(REWRITTEN)[1]), **change}
    data = json.dumps(document).encode()
    with pytest.raises(FormatError, match="json"):
        links.decode(links._name(data), data)


@pytest.mark.parametrize(
    "change",
    [{"run": "1"}, {"run": "1" * 33}, {"commit": "main"}, {"author": None}, {"reason": "x" * 2_001}, {"pairs": []}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_link_by_hand_that_is_none_is_refused(change: dict[str, Any]) -> None:
    data = json.dumps({**json.loads(links.encode(MANUAL)[1]), **change}).encode()
    with pytest.raises(FormatError):
        links.decode(links._name(data), data)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b"[" * 5_000, b'{"format": 1, "format": 1}', b"\xff", b"7"]
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        links.decode(links._name(data), data)


def test_another_content_under_a_name_is_refused() -> None:
    name, _ = links.encode(REWRITTEN)
    with pytest.raises(FormatError, match="named by"):
        links.decode(name, links.encode(MANUAL)[1])


def test_what_was_said_last_of_a_run_counts() -> None:
    later = Manual(recorded="2026-11-02T10:00:00Z", run=RUN, commit=B, author="Ada")
    gone = Manual(recorded="2026-11-03T10:00:00Z", run=RUN, commit=None, author="Ada")
    assert links.gathered([later, MANUAL]).by_hand == {RUN: B}
    assert links.gathered([gone, later, MANUAL]).by_hand == {}


def test_an_event_is_on_the_log_once(found: Repository) -> None:
    assert link_log.add(found, [REWRITTEN, MANUAL])
    assert not link_log.add(found, [MANUAL])
    known = link_log.load(found)
    assert known.rewritten == {A: (B,), B: (C,)}
    assert known.trees == {A: T}
    assert known.by_hand == {RUN: A}
    assert link_log.load(found) == known, "from the cache, too"


def test_a_damaged_cache_is_not_believed(found: Repository) -> None:
    link_log.add(found, [REWRITTEN])
    known = link_log.load(found)
    path = found.folder / "cache" / "links.json"
    path.write_bytes(path.read_bytes().replace(A.encode(), C.encode()))
    assert link_log.load(found) == known


def test_a_union_reaches_both_and_is_the_same_from_either_side(found: Repository) -> None:
    tips = []
    for event in (REWRITTEN, MANUAL):
        link_log.add(found, [event])
        tip = refs.tips(found, link_log.REF)[link_log.REF].id
        refs.update(found, [refs.RefUpdate(ref=link_log.REF, new=found.zeros, old=tip)], reason="apart")
        tips.append(tip)
    made = link_log.union(found, tips)
    assert made[-1].id == link_log.union(found, tips[::-1])[-1].id
    link_log.publish(found, made, None, "both")
    assert link_log.load(found) == links.gathered([REWRITTEN, MANUAL])


def test_hostile_files_are_named_and_hide_no_others(repo: Repo, found: Repository) -> None:
    link_log.add(found, [MANUAL])
    name, data = links.encode(REWRITTEN)
    big = b" " * (links.MAX_BYTES + 1)
    mixed = [("100644", "0" * 32 + ".json", blob(repo, big)), ("100644", name, blob(repo, data))]
    link = [("120000", "2" * 32 + ".json", blob(repo, b"/etc/passwd"))]
    for entries in (mixed, link):
        commit = repo.git("commit-tree", tree(repo, entries), "-p", link_log.REF, "-m", "links")
        repo.git("update-ref", link_log.REF, commit)
    log = link_log.read(found, refs.tips(found, link_log.REF)[link_log.REF].id)
    assert set(log.events) == {MANUAL, REWRITTEN}
    assert sorted(fault.path for fault in log.faults) == ["", f"{'0' * 32}.json"]


def test_a_log_that_is_none_costs_only_links(repo: Repo, found: Repository) -> None:
    repo.git("update-ref", link_log.REF, "HEAD")
    assert not link_log.load(found)
    repo.git("update-ref", link_log.REF, "HEAD^{tree}")
    assert not link_log.load(found)


def test_a_map_of_another_tool() -> None:
    zeros = "0" * 40
    text = f"old                                      new\n{A} {B}\r\n{B} {zeros}\n{C} {C}\n\nnot a pair\n{A} {B}\n"
    assert link_log.pairs_in(text) == (Pair(A, B),)
