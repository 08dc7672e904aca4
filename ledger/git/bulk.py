"""Questions of `history` asked about many commits at once: a few git processes, however many they are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ledger.errors import GitError, NotFoundError
from ledger.git import history
from ledger.git.process import Repository, lines

_FEW = 3
"""So many commits are asked about one by one: each such walk stops early, a common one does not."""
_PATCHES = 32
"""Differences that are in memory together."""
_COMMIT = re.compile(r"([0-9a-f]{40,64}) commit")
_TREE = re.compile(r"([0-9a-f]{40,64}) tree")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peeled:
    """What a revision names."""

    commit: str
    tree: str


def peeled(repository: Repository, revisions: Iterable[str]) -> dict[str, Peeled]:
    """The commit of each revision, and its tree; a revision that names none is left out."""
    names = [name for name in dict.fromkeys(revisions) if "\n" not in name]
    asked = "".join(f"{name}^{{commit}}\n{name}^{{tree}}\n" for name in names).encode(
        "utf-8", "surrogateescape"
    )
    words = ("cat-file", "--batch-check=%(objectname) %(objecttype)", "--buffer")
    try:
        answers = lines(repository.git(*words, stdin=asked))
    except GitError:  # one name can end it for all: a reflog entry that is not there
        answers = []
    if len(answers) != 2 * len(names):
        return _peeled_one_by_one(repository, names)
    pairs = zip(map(_COMMIT.fullmatch, answers[::2]), map(_TREE.fullmatch, answers[1::2]), strict=True)
    return {
        name: Peeled(commit=commit[1], tree=tree[1])
        for name, (commit, tree) in zip(names, pairs, strict=True)
        if commit and tree
    }


def _peeled_one_by_one(repository: Repository, names: Sequence[str]) -> dict[str, Peeled]:
    found = {}
    for name in names:
        with suppress(NotFoundError):
            commit = history.resolve(repository, name)
            found[name] = Peeled(commit=commit, tree=history.tree_of(repository, commit))
    return found


def merge_bases(repository: Repository, commits: Collection[str], tip: str) -> dict[str, str]:
    """The best common ancestor of each commit and `tip`; one that has none with it is left out."""
    if len(commits) <= _FEW:
        return _merge_bases_one_by_one(repository, commits, tip)
    entries = _entries(repository, commits, tip)
    found = {commit: commit for commit in commits if commit not in entries}  # the tip reaches it
    alone = {commit: entries[commit] for commit in commits if commit in entries}
    found.update((commit, next(iter(bases))) for commit, bases in alone.items() if len(bases) == 1)
    several = [commit for commit, bases in alone.items() if len(bases) > 1]
    return {**found, **_merge_bases_one_by_one(repository, several, tip)}


def _merge_bases_one_by_one(repository: Repository, commits: Iterable[str], tip: str) -> dict[str, str]:
    bases = ((c, c if c == tip else history.merge_base(repository, c, tip)) for c in commits)
    return {commit: base for commit, base in bases if base is not None}


_NONE: frozenset[str] = frozenset()


def _entries(repository: Repository, commits: Collection[str], tip: str) -> dict[str, frozenset[str]]:
    """For each commit that `tip` does not reach: where its ancestry enters what `tip` reaches.

    One such place is the merge base: every common ancestor lies below it. Of several two are kept, which says that
    git has to be asked which is best.
    """
    found: dict[str, frozenset[str]] = {}
    for commit, parents in reversed(history.beyond(repository, commits, [tip]).items()):
        entries = _NONE.union(*(found.get(parent, {parent}) for parent in parents))
        found[commit] = entries if len(entries) <= 1 else frozenset(sorted(entries)[:2])
    return found


def patch_ids(repository: Repository, bases: Mapping[str, str]) -> dict[str, str]:
    """The stable patch id of base..commit for each commit (git-patch-id); those that do not differ are left out."""
    pairs = [f"{commit} {base}\n" for commit, base in bases.items()]
    found: dict[str, str] = {}
    for start in range(0, len(pairs), _PATCHES):
        asked = "".join(pairs[start : start + _PATCHES]).encode()
        # The second commit of a line stands for the parents of the first, and the first begins its difference.
        words = ("diff-tree", "--stdin", "-p", "--full-index", "--no-ext-diff", "--no-textconv")
        differences = repository.git(*words, stdin=asked)
        if differences:
            told = lines(repository.git("patch-id", "--stable", stdin=differences))
            found.update((commit, patch) for patch, commit in map(str.split, told))
    return found
