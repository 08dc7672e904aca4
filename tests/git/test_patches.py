"""Patch ids through one pipe, and walks with more revisions than a command line holds."""

from __future__ import annotations

import os

import pytest
from conftest import Repo

from ledger.errors import GitError
from ledger.git import history, patches
from ledger.git.history import Range
from ledger.git.process import Repository, discover


@pytest.fixture
def found(repo: Repo) -> Repository:
    return discover(repo.path, os.environ)


def test_commits_and_ranges_with_equal_changes_have_equal_ids(repo: Repo, found: Repository) -> None:
    base = repo.git("rev-parse", "HEAD")
    first = repo.commit("a", one__py="1\n")
    second = repo.commit("b", two__py="2\n")
    repo.git("checkout", "-q", "--detach", base)
    repo.commit("elsewhere", other__py="1\n")
    both = repo.commit("both", one__py="1\n", two__py="2\n")
    empty = repo.commit("nothing")
    own = patches.of_commits(found, [first, second, both, empty])
    assert own.keys() == {first, second, both}
    assert patches.of_ranges(found, {second: base, first: base}) == {second: own[both], first: own[first]}
    assert own[first] == repo_patch(repo, first)
    assert patches.of_commits(found, []) == {}


def repo_patch(repo: Repo, commit: str) -> str:
    return repo.git("-c", f"alias.p=!git show {commit} | git patch-id --stable", "p").split()[0]


def test_the_failure_of_either_program_is_told(found: Repository) -> None:
    with pytest.raises(GitError):
        found.piped(("no-such-verb",), ("patch-id", "--stable"), stdin=b"")
    with pytest.raises(GitError):
        found.piped(("rev-parse", "HEAD"), ("no-such-verb",), stdin=b"")


def test_a_walk_takes_any_number_of_revisions(repo: Repo, found: Repository) -> None:
    head = repo.git("rev-parse", "HEAD")
    tree = repo.git("rev-parse", "HEAD^{tree}")
    made = [repo.git("commit-tree", tree, "-p", head, "-m", str(number)) for number in range(3)]
    words = tuple(made[number % 3] for number in range(1_500))
    walked = history.walk(found, Range(include=words, exclude=(head,)))
    assert sorted(commit.id for commit in walked) == sorted(made)
    absent = Range(include=(*words, "f" * 40), exclude=(head,))
    assert len(history.walk(found, absent, options=("--ignore-missing",))) == 3
