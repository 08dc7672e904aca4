"""Further work trees: some code beside what is checked out. No hook of the repository runs (`process` sees to that)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ledger.errors import GitError, InputError, LedgerError
from ledger.git.process import Repository, discover


def add(repository: Repository, path: Path, commit: str, snapshot: str | None = None) -> None:
    """A new work tree at a commit, detached; what a snapshot changes on top stays uncommitted in it.

    Raises InputError where something is in the way, GitError. What was begun is taken away again.
    """
    if os.path.lexists(path):
        raise InputError(f"{path} is there already", hint="name a folder that does not exist yet")
    repository.git("worktree", "add", "--quiet", "--detach", "--end-of-options", str(path), commit)
    try:
        if snapshot:
            _apply(discover(path, repository.environ), snapshot)
    except BaseException:
        with suppress(LedgerError):
            repository.git("worktree", "remove", "--force", "--end-of-options", str(path))
        raise


def _apply(there: Repository, snapshot: str) -> None:
    """The files of a snapshot, and the index of the commit that it stands on."""
    there.git("read-tree", "-m", "-u", "HEAD", snapshot)
    there.git("read-tree", "HEAD")
    there.git("update-index", "-q", "--refresh", accept=(0, 1))


def have(repository: Repository, commit: str) -> bool:
    """Whether a commit is here: named by its whole id, and with its tree."""
    try:
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
        found = repository.git(*words).decode().strip()
        repository.git("cat-file", "-e", f"{found}^{{tree}}")
    except GitError:
        return False
    return found == commit
