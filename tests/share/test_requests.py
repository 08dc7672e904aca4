"""Runs of a pull request that was squashed and whose branch is gone: its head is fetched from where forges keep it."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Repo
from share.clones import Hub, tip


def _change(repo: Repo, *numbers: int) -> str:
    """A file of 20 lines, with some of them changed."""
    lines = [f"line {n}, changed\n" if n in numbers else f"line {n}\n" for n in range(1, 21)]
    return repo.commit(f"change {numbers}", model__py="".join(lines))


def merged(hub: Hub, ref: str = "refs/pull/7/head", subject: str = "Better model (#7)") -> str:
    """A run on the first of two commits of a request that main has as one, mended by hand. The commit on main."""
    one = hub.clone("one")
    _change(one)
    one.git("push", "-q", "origin", "main")
    one.git("checkout", "-q", "-b", "exp")
    _change(one, 3)
    hub.record(one)
    _change(one, 3, 5)
    one.git("push", "-q", "origin", f"exp:{ref}")
    one.git("checkout", "-q", "main")
    one.commit("main moves on", other__py="x = 1\n")
    _change(one, 3, 5, 6)
    one.git("commit", "-q", "--amend", "-m", subject)
    one.git("push", "-q", "origin", "main")
    hub.push(one)
    return tip(one, "main")


def levels(hub: Hub, repo: Repo) -> dict[str, str]:
    """Level by commit, of what `ledger log` shows of main."""
    found = hub.ledger.json("-C", str(repo.path), "log", "--metric", "f1", "main")
    return {row["commit"]: row["level"] for row in found["rows"]}


def requests_of(repo: Repo) -> list[str]:
    return repo.git("for-each-ref", "--format=%(refname)", "refs/ledger/requests/").split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ref", "subject"),
    [
        ("refs/pull/7/head", "Better model (#7)"),
        ("refs/merge-requests/7/head", "Better model (!7)"),
    ],
)
def test_a_pull_brings_the_head_of_what_was_squashed(hub: Hub, ref: str, subject: str) -> None:
    made = merged(hub, ref, subject)
    reader = hub.clone("reader")
    config = (reader.path / ".git/config").read_bytes()
    assert hub.pull(reader)["requests"] == 1
    assert requests_of(reader) == ["refs/ledger/requests/origin/7"]
    assert levels(hub, reader) == {made: "pull-request"}
    assert (reader.path / ".git/config").read_bytes() == config
    before = reader.git("for-each-ref")
    assert hub.fetch(reader)["requests"] == 0
    assert reader.git("for-each-ref") == before
    assert hub.ledger.json("-C", str(reader.path), "verify")["faults"] == []


@pytest.mark.slow
def test_nothing_is_fetched_where_nobody_needs_it(hub: Hub) -> None:
    merged(hub)
    off = hub.clone("off")
    off.git("config", "ledger.fetchRequests", "false")
    assert hub.pull(off)["requests"] == 0
    assert levels(hub, off) == {}
    off.git("config", "ledger.fetchRequests", "true")
    off.git("fetch", "-q", "origin", "+refs/pull/*/head:refs/remotes/origin/pull/*")
    assert hub.pull(off)["requests"] == 0, "the user fetches them"

    shallow = hub.clone("shallow", "--depth=1")
    assert hub.pull(shallow, "--whole")["requests"] == 0
    partial = hub.clone("partial", "--filter=blob:none", "--no-checkout")
    hub.repo.git("config", "uploadpack.allowFilter", "true")
    assert hub.pull(partial)["requests"] == 0
    for clone in (shallow, partial):
        assert requests_of(clone) == []

    branched = hub.clone("branched")
    branched.git("fetch", "-q", "origin", "refs/pull/7/head:refs/heads/still-here")
    assert hub.pull(branched)["requests"] == 0, "all runs are on branches"


@pytest.mark.slow
def test_a_remote_without_any_is_asked_once_until_a_ref_moves(hub: Hub, tmp_path: Path) -> None:
    merged(hub)
    hub.repo.git("update-ref", "-d", "refs/pull/7/head")
    reader = hub.clone("reader")
    count, service = tmp_path / "count", tmp_path / "upload-pack"
    service.write_text(f'#!/bin/sh\necho x >> {count}\nexec git upload-pack "$@"\n')
    service.chmod(0o755)
    hub.pull(reader)
    reader.git("config", "remote.origin.uploadpack", str(service))
    for looks in (1, 2):
        hub.pull(reader)
        assert len(count.read_text().split()) == looks, "for runs alone"
    reader.git("branch", "moved")
    hub.pull(reader)
    assert len(count.read_text().split()) == 4


@pytest.mark.slow
def test_so_many_at_once_and_only_those_that_were_merged(hub: Hub) -> None:
    merged(hub)
    one = Repo(hub.folder / "one")
    head = tip(one, "exp")
    for number in range(1_000, 1_130):
        hub.repo.git("update-ref", f"refs/pull/{number}/head", head)
    for number in range(1_000, 1_120):
        one.git("commit", "-q", "--allow-empty", "-m", f"nothing (#{number})")
    one.git("push", "-q", "origin", "main")
    reader = hub.clone("reader")
    counts = [hub.pull(reader)["requests"], hub.pull(reader)["requests"]]
    assert counts == [100, 0], "its run is on a request that is here now"
    assert not any(ref.endswith("/1125") for ref in requests_of(reader))


@pytest.mark.slow
def test_a_remote_of_runs_alone_has_no_requests(hub: Hub) -> None:
    made = merged(hub)
    runs = Repo(hub.folder / "runs.git")
    hub.repo.git("init", "-q", "--bare", str(runs.path))
    hub.repo.git("push", "-q", str(runs.path), "refs/runs/*:refs/runs/*")
    reader = hub.clone("reader")
    reader.git("remote", "add", "runs", f"file://{runs.path}")
    reader.git("config", "ledger.remote", "runs")
    assert hub.pull(reader)["requests"] == 1
    assert levels(hub, reader) == {made: "pull-request"}
    reader.git("update-ref", "-d", "refs/ledger/requests/origin/7")
    reader.git("remote", "set-url", "origin", f"file://{hub.folder}/gone.git")
    done = hub.pull(reader)
    assert "no pull requests of origin" in done["said"][0], "runs came all the same"
