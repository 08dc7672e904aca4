"""Patch ids (git-patch-id): two commits that change the same lines have the same, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ledger.git.process import Repository

# With whole ids: what a binary file changed to is told by them alone, and short ones differ from clone to clone.
_DIFF = (
    "diff-tree",
    "--stdin",
    "-p",
    "--root",
    "--full-index",
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
)
_ID = ("patch-id", "--stable")
CONTEXT = 3
"""Lines around a change that git takes into a patch id."""


def available(repository: Repository) -> bool:
    """Whether all files are here: a partial clone would fetch them one by one over the network."""
    return next((repository.common_dir / "objects" / "pack").glob("*.promisor"), None) is None


def of_commits(repository: Repository, commits: Iterable[str], *, context: int = CONTEXT) -> dict[str, str]:
    """The patch id of each commit against its parent; merges, and commits that change nothing, have none."""
    return _told(repository, "".join(f"{commit}\n" for commit in commits), context)


def of_ranges(repository: Repository, bases: Mapping[str, str], *, context: int = CONTEXT) -> dict[str, str]:
    """The patch id of base..commit for each commit: of what a branch comes to as one commit."""
    # The second commit of a line stands for the parents of the first.
    return _told(repository, "".join(f"{commit} {base}\n" for commit, base in bases.items()), context)


def _told(repository: Repository, asked: str, context: int) -> dict[str, str]:
    if not asked:
        return {}
    output = repository.piped((*_DIFF, f"-U{context}"), _ID, stdin=asked.encode()).decode()
    return {commit: patch for patch, commit in map(str.split, output.splitlines())}
