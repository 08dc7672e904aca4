"""Links between clones: each learns what the others know, and nothing that readers would pass over is passed on."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import pytest
from conftest import Repo
from rewriting import HOOK
from share.clones import Hub, exists
from store.plumbing import blob, tree

from ledger.git.process import discover
from ledger.store import link_log

pytestmark = pytest.mark.slow

REF = link_log.REF


def levels(hub: Hub, repo: Repo, *words: str) -> list[str]:
    found = hub.ledger.json("-C", str(repo.path), "log", "--metric", "f1", *words)
    return [row["level"] for row in found["rows"]]


def amended(hub: Hub, repo: Repo, text: str) -> None:
    """A run of a commit that is then amended, with the hook at work; the work tree stays at the new one."""
    hooks = repo.path / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    shutil.copy(HOOK, hooks / "post-rewrite")
    repo.commit("a try", train__py=f"{text}\n")
    hub.record(repo)
    repo.write("train.py", f"{text}, better\n")
    repo.git("commit", "-q", "-a", "--amend", "-m", f"{text}, better")


def test_an_amend_here_is_known_there(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    amended(hub, one, "one")
    hub.push(one)
    one.git("push", "-q", "origin", "main")
    other.git("pull", "-q", "origin", "main")
    hub.fetch(other)
    assert not exists(other, REF), "a fetch moves nothing of one's own"
    hub.pull(other)
    assert levels(hub, other, "main") == ["rewritten"]


def test_two_clones_end_with_the_union_whoever_pushes_first(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    amended(hub, one, "one")
    amended(hub, other, "other")
    hub.push(one)
    hub.push(other)
    hub.push(one)
    tips = {repo.git("rev-parse", REF) for repo in (one, other, hub.repo)}
    assert len(tips) == 1
    known = link_log.load(discover(one.path, os.environ))
    assert len(known.rewritten) == 2
    assert levels(hub, one, "main") == ["rewritten"]
    assert levels(hub, other, "main") == ["rewritten"]
    before = one.git("for-each-ref")
    assert hub.push(one)["experiments"] == []
    assert one.git("for-each-ref") == before


def test_what_is_no_log_of_links_is_told_and_left_alone(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    amended(hub, other, "other")
    hub.record(one)
    entries = [("100644", "0" * 32 + ".json", blob(one, b"{}")), ("100644", "evil", blob(one, b"x"))]
    hostile = one.git("commit-tree", tree(one, entries), "-m", "hostile")
    one.git("push", "-q", "origin", f"{hostile}:{REF}")
    hub.pull(other)
    assert levels(hub, other, "main") == ["rewritten"]
    text = hub.ledger("-C", str(other.path), "pull", "--json")
    assert "evil" in text
    hub.push(other)
    assert hub.repo.git("rev-parse", REF) == hostile, "nobody's links are replaced"
    assert len(hub.runs()) == 1, "runs are published all the same"


@pytest.mark.long
@pytest.mark.parametrize("left_by", ["a killed push", "somebody, an hour ago"])
def test_a_lock_that_the_dead_left_is_in_nobody_s_way(hub: Hub, left_by: str) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    amended(hub, one, "one")
    hub.record(other)
    lock = one.path / ".git" / f"{REF}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    held = hub.push(one, code=4)
    assert "links.lock" in held["trouble"]
    assert len(hub.runs()) == 1, "runs are published all the same"
    if left_by == "a killed push":
        note = one.path / ".git/ledger/sync.lock"
        note.write_text(note.read_text().replace('"open": false', '"open": true'))
    else:
        os.utime(lock, (time.time() - 3600,) * 2)
    assert hub.push(one)["trouble"] is None
    assert exists(hub.repo, REF)
    assert not lock.exists()
    assert not list((one.path / ".git/ledger/rewritten").glob("*.pairs"))


def test_links_that_a_server_refuses_are_sent_the_next_time(hub: Hub) -> None:
    one = hub.clone("one")
    amended(hub, one, "one")
    hub.hook("update", f'test "$1" != {REF}')
    report = hub.push(one, code=4)
    assert "refuses" in report["trouble"]
    assert not exists(hub.repo, REF)
    (hub.repo.path / "hooks" / "update").unlink()
    hub.push(one)
    assert exists(hub.repo, REF)
    done = subprocess.run(["git", "fsck", "--strict"], cwd=hub.repo.path, capture_output=True, check=False)
    assert done.returncode == 0
