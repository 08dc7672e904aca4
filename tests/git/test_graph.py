"""Beside a commit-graph: what is asked about few commits costs few, however many are not in the graph yet."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Repo
from store.plumbing import REF, recorded, workspace

from ledger.git import bulk, history
from ledger.git.process import Repository, discover
from ledger.store import index

COMMITS = 400


@pytest.fixture
def chain(repo: Repo) -> list[str]:
    """A line of commits of which a commit-graph holds the first hundred."""
    stream = b"".join(
        b"commit refs/long\nmark :%d\ncommitter Ada <ada@example.com> %d +0000\ndata 0\n"
        % (n, 1_700_000_000 + n)
        for n in range(1, COMMITS + 1)
    )
    words = ["git", "fast-import", "--quiet", "--export-marks=marks"]
    subprocess.run(words, cwd=repo.path, input=stream, check=True, capture_output=True)
    commits = [line.split()[1] for line in (repo.path / "marks").read_text(encoding="ascii").splitlines()]
    commits.sort(key=repo.git("rev-list", "--reverse", "refs/long").split().index)
    asked = f"{commits[99]}\n".encode()
    words = ["git", "commit-graph", "write", "--stdin-commits"]
    subprocess.run(words, cwd=repo.path, input=asked, check=True, capture_output=True)
    return commits


def walked(traces: Path, ask: Callable[[Repository], object], repository: Repository) -> int:
    """The most commits that a git process of a call says it walked for an order."""
    traces.mkdir()
    ask(replace(repository, environ={**repository.environ, "GIT_TRACE2_EVENT": str(traces)}))
    events = [json.loads(line) for path in traces.iterdir() for line in path.read_text("utf-8").splitlines()]
    assert any(event["event"] == "start" for event in events)
    told = [event["value"] for event in events if event.get("category") == "topo_walk"]
    return max((max(counts.values()) for counts in told), default=0)


def test_git_tells_what_it_walks(repo: Repo, chain: list[str], tmp_path: Path) -> None:
    """Of an order that is asked of git itself: else the tests below would count nothing."""
    words = ("rev-list", "--topo-order", "--parents", chain[-1], f"^{chain[-6]}")
    assert (
        walked(tmp_path / "t", lambda here: here.git(*words), discover(repo.path, os.environ)) > COMMITS // 2
    )


def test_few_new_commits(repo: Repo, chain: list[str], tmp_path: Path) -> None:
    here = discover(repo.path, os.environ)
    new, old = chain[-5:], chain[-6]
    questions: list[Callable[[Repository], object]] = [
        lambda place: history.not_reached(place, new, [old]),
        lambda place: history.outermost(place, new, [old]),
        lambda place: bulk.merge_bases(place, new, old),
    ]
    for number, ask in enumerate(questions):
        assert walked(tmp_path / str(number), ask, here) < 20
    assert history.not_reached(here, [*new, old], [old]) == new
    assert history.outermost(here, new, [old]) == [new[-1]]
    assert bulk.merge_bases(here, new, old) == dict.fromkeys(new, old)


def test_an_update_of_the_index(repo: Repo, tmp_path: Path) -> None:
    recorded(repo)
    tip = repo.git("rev-parse", REF)
    repo.git("commit-graph", "write", "--reachable")
    message = repo.git("show", "-s", "--format=%B", tip)
    stream = b"".join(
        b"commit %s\ncommitter Ada <ada@example.com> %d +0000\ndata %d\n%s\n%s"
        % (
            REF.encode(),
            1_700_000_000 + n,
            len(message),
            message.encode(),
            b"" if n else b"from %s\n" % tip.encode(),
        )
        for n in range(COMMITS)
    )
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=repo.path, input=stream, check=True, capture_output=True
    )
    index.load(workspace(repo).repository)
    late = recorded(repo)
    assert walked(tmp_path / "t", index.load, workspace(repo).repository) < 20
    assert index.load(workspace(repo).repository).exact("record", late.record)


def test_children_stand_before_what_they_build_on(repo: Repo, chain: list[str]) -> None:
    here = discover(repo.path, os.environ)
    stamp = {"GIT_AUTHOR_DATE": "1600000000 +0000", "GIT_COMMITTER_DATE": "1600000000 +0000"}
    tree = repo.git("rev-parse", f"{chain[-1]}^{{tree}}")
    early = repo.git("commit-tree", tree, "-p", chain[-1], "-m", "a clock that was wrong", env=stamp)
    late = repo.git("commit-tree", tree, "-p", early, "-p", chain[-3], "-m", "and right again")
    found = list(history.beyond(here, [chain[-1], late, early], [chain[-4]]))
    assert found == [late, early, *chain[:-4:-1]]
    assert history.outermost(here, [chain[-2], early], []) == [early]
