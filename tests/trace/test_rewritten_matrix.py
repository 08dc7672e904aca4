"""The matrix: how a branch came to main, by what state its run was in; the commit and the level for each cell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from rewriting import Branch, attachments, install_hook

from ledger.model import Level

CLEAN, DIRTY, COMMITTED = "clean", "dirty", "committed later"
WAYS: dict[str, tuple[str, bool, Callable[[Branch], str]]] = {
    # how main moved, whether the hook is installed, what is done: it returns the commit that holds the change
    "merge": ("", False, Branch.merge),
    "merge, main moved": ("other file", False, Branch.merge),
    "squash": ("", False, Branch.squash),
    "squash, main moved in another file": ("other file", False, Branch.squash),
    "squash, main moved in the same file": ("same file", False, Branch.squash),
    "squash, main moved on a neighbouring line": ("neighbour", False, Branch.squash),
    "rebase": ("other file", True, Branch.rebase),
    "rebase without the hook": ("other file", False, Branch.rebase),
    "rebase without the hook, same file": ("same file", False, Branch.rebase),
    "rebase without the hook, neighbour": ("neighbour", False, Branch.rebase),
    "cherry-pick": ("other file", True, Branch.pick),
}
C, T, R, P = Level.COMMIT, Level.TREE, Level.REWRITTEN, Level.PATCH
Q, D, NONE = Level.PULL_REQUEST, Level.DIRTY_BASE, Level.UNATTACHED
EXPECTED: dict[str, dict[str, Level]] = {
    "merge": {CLEAN: C, DIRTY: D, COMMITTED: T},
    "merge, main moved": {CLEAN: C, DIRTY: D, COMMITTED: T},
    "squash": {CLEAN: T, DIRTY: D, COMMITTED: T},
    "squash, main moved in another file": {CLEAN: P, DIRTY: D, COMMITTED: P},
    "squash, main moved in the same file": {CLEAN: P, DIRTY: D, COMMITTED: P},
    "squash, main moved on a neighbouring line": {CLEAN: P, DIRTY: D, COMMITTED: P},
    "rebase": {CLEAN: R, DIRTY: D, COMMITTED: R},
    "rebase without the hook": {CLEAN: P, DIRTY: D, COMMITTED: D},
    "rebase without the hook, same file": {CLEAN: P, DIRTY: D, COMMITTED: D},
    "rebase without the hook, neighbour": {CLEAN: P, DIRTY: D, COMMITTED: D},
    "cherry-pick": {CLEAN: P, DIRTY: D, COMMITTED: P},
}


def recorded(branch: Branch, state: str) -> None:
    """A run of the branch's tip: clean, with changes that stay uncommitted, or with changes that become its tip."""
    if state == COMMITTED:
        branch.repo.git("reset", "-q", "--soft", "HEAD~1")
    if state == DIRTY:
        branch.change(18)
    branch.record()
    if state == COMMITTED:
        branch.second = branch.repo.commit("second, committed after its run")


@pytest.mark.long
@pytest.mark.parametrize(
    ("way", "state"),
    [(way, state) for way in WAYS for state in (CLEAN, DIRTY, COMMITTED)],
)
def test_a_run_is_found_on_main(repo: Repo, way: str, state: str) -> None:
    moved, hooked, do = WAYS[way]
    branch = Branch(repo)
    recorded(branch, state)
    branch.move_main(moved)
    if hooked:
        install_hook(repo)
    made = do(branch)
    if way.startswith("rebase without") and state == COMMITTED:
        made = repo.git("rev-parse", "main~1")  # no ref holds the commit of its changes: its base was rebased
    (found,) = attachments("main")
    assert (found.level, found.commit) == (EXPECTED[way][state], made)


@pytest.mark.parametrize("hooked", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("state", [CLEAN, pytest.param(DIRTY, marks=pytest.mark.slow)])
def test_an_amended_commit_is_found_through_its_link_alone(repo: Repo, state: str, *, hooked: bool) -> None:
    branch = Branch(repo)
    recorded(branch, state)
    if hooked:
        install_hook(repo)
    made = branch.amend()
    (found,) = attachments("exp")
    if hooked:
        assert (found.level, found.commit) == (R if state == CLEAN else D, made)
    else:
        assert (found.level, found.commit) == (NONE, None)


@pytest.mark.slow
@pytest.mark.parametrize("state", [COMMITTED, CLEAN, DIRTY])
@pytest.mark.parametrize("mapped", [True, False])
def test_a_filtered_history(repo: Repo, ledger: Ledger, state: str, *, mapped: bool) -> None:
    """git-filter-repo takes a file out of the whole history. Its map leads on; without it the patches do."""
    repo.commit("with a secret", secret__txt="password\n")
    branch = Branch(repo)
    recorded(branch, state)
    branch.merge()
    tool = Path(sys.executable).with_name("git-filter-repo")
    words = [str(tool), "--force", "--invert-paths", "--path", "secret.txt", "--refs", "main", "exp"]
    subprocess.run(words, cwd=repo.path, check=True, capture_output=True)
    assert repo.git("log", "--format=%s", "main", "--", "secret.txt") == ""
    if mapped:
        ledger("link", "--from-map", ".git/filter-repo/commit-map")
    found = ledger.json("log", "--metric", "f1", "main")
    new = repo.git("rev-parse", "exp")
    if not mapped and state == COMMITTED:
        new = repo.git("rev-parse", "exp~1")  # no ref holds the commit of its changes: its base was rewritten
    expected = {CLEAN: R, DIRTY: D, COMMITTED: R} if mapped else {CLEAN: P, DIRTY: D, COMMITTED: D}
    (row,) = found["rows"]
    assert (row["level"], row["commit"]) == (expected[state].value, new)
