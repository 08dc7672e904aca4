"""Questions about many commits get the answers that each gets alone."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator

import pytest
from conftest import Repo

from ledger.git import bulk, history
from ledger.git.bulk import Peeled
from ledger.git.process import Repository, discover


def repository(repo: Repo) -> Repository:
    return discover(repo.path, os.environ)


@pytest.fixture
def tangled(repo: Repo) -> list[str]:
    """60 commits with up to three parents of three roots, criss-cross merges among them; some change nothing."""
    source = random.Random(20)
    stream = b"".join(_stream(source))
    words = ["git", "fast-import", "--quiet", "--export-marks=marks"]
    subprocess.run(words, cwd=repo.path, input=stream, check=True, capture_output=True)
    return [line.split()[1] for line in (repo.path / "marks").read_text(encoding="ascii").splitlines()]


def _stream(source: random.Random) -> Iterator[bytes]:
    for mark in range(1, 61):
        before = range(max(1, mark - 12), mark)
        count = 0 if mark in (1, 20, 40) else min(source.choice((1, 1, 2, 3)), len(before))
        parents = source.sample(before, count)
        yield b"reset refs/tangled\ncommit refs/tangled\nmark :%d\n" % mark
        yield b"committer Ada <ada@example.com> %d +0000\ndata 0\n" % (1_700_000_000 + mark)
        yield b"".join(b"%s :%d\n" % (b"merge" if i else b"from", p) for i, p in enumerate(parents))
        if mark % 7:
            data = b"\0\1%d" % mark if mark % 5 == 0 else b"line\n" * mark
            yield b"M 100644 inline file%d\ndata %d\n%s\n" % (mark % 4, len(data), data)


def test_many_revisions_name_what_each_of_them_names(repo: Repo) -> None:
    here = repository(repo)
    first = repo.git("rev-parse", "HEAD")
    second = repo.commit("second", train__py="2\n")
    repo.git("tag", "-a", "v1", "-m", "v1", first)
    wrong = ("nope", "HEAD:train.py", "--all", "", "v1\nHEAD", "v1 missing", f"{first} commit")
    found = bulk.peeled(here, ["v1", *wrong, "main", second[:9], "HEAD~1", "v1"])
    trees = {commit: history.tree_of(here, commit) for commit in (first, second)}
    named = {"v1": first, "main": second, second[:9]: second, "HEAD~1": first}
    assert found == {name: Peeled(commit=commit, tree=trees[commit]) for name, commit in named.items()}


def test_a_revision_that_git_stumbles_over_takes_no_other_along(repo: Repo) -> None:
    here = repository(repo)
    head = repo.git("rev-parse", "HEAD")
    found = bulk.peeled(here, ["main", "main@{7}", "nope"])
    assert found == {"main": Peeled(commit=head, tree=history.tree_of(here, head))}
    assert bulk.peeled(here, []) == {}


@pytest.mark.slow
def test_merge_bases_are_those_that_git_finds_for_each(repo: Repo, tangled: list[str]) -> None:
    here = repository(repo)
    for tip in (tangled[-1], tangled[33], tangled[15]):
        alone = {commit: history.merge_base(here, commit, tip) for commit in tangled}
        together = bulk.merge_bases(here, tangled, tip)
        assert together == {commit: base for commit, base in alone.items() if base is not None}
        kinds = {base if base is None else base == commit for commit, base in alone.items()}
        assert kinds == {None, True, False}, "without a base, reached, and beside"
        assert bulk.merge_bases(here, tangled[:2], tip) == {
            c: together[c] for c in tangled[:2] if c in together
        }


def patch_id(repo: Repo, base: str, commit: str) -> str | None:
    """As git tells it for one pair."""
    words = repo.git("-c", "core.quotePath=true", "diff-tree", "-p", "--full-index", base, commit)
    found = subprocess.run(
        ["git", "patch-id", "--stable"], input=words + "\n", capture_output=True, text=True, check=True
    ).stdout.split()
    return found[0] if found else None


@pytest.mark.slow
def test_patch_ids_are_those_of_each_difference(repo: Repo, tangled: list[str]) -> None:
    here = repository(repo)
    # the empty commits among them, and merges, whose other parents must not count
    bases = dict(zip(tangled[1:], tangled, strict=False)) | {tangled[6]: tangled[6]}
    alone = {commit: patch_id(repo, base, commit) for commit, base in bases.items()}
    assert bulk.patch_ids(here, bases) == {commit: patch for commit, patch in alone.items() if patch}
    assert None in alone.values()
    assert bulk.patch_ids(here, {}) == {}
