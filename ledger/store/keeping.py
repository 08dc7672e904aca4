"""What keeps the code of runs alive: a ref of empty commits whose parents are the code commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ledger.errors import GitError
from ledger.git import history, objects, refs
from ledger.git.objects import GitObject
from ledger.git.process import Repository
from ledger.model import Author
from ledger.store.sealed import Sealed
from ledger.store.slug import CODE

_AUTHOR = Author()
_KEEP = "keep "
"""Begins the subject of an entry of a code ref; the commit that the entry keeps follows."""

_reached: dict[tuple[Path, str], set[str]] = defaultdict(set)
"""Code commits known to be reached by a code ref: refs only grow, so what was reached stays reached."""


def reached(repository: Repository, ref: str, tip: refs.Tip | None) -> frozenset[str]:
    """Code commits that a code ref is known to reach, without asking git."""
    if tip is None:
        return frozenset()
    return frozenset((*_reached[repository.common_dir, ref], tip.subject[len(_KEEP) :]))


def remember(repository: Repository, ref: str, commits: Collection[str]) -> None:
    """A code ref reaches these now."""
    _reached[repository.common_dir, ref].update(commits)


def entries(
    commits: Sequence[str], records: Sequence[Sealed], tip: refs.Tip | None, object_format: str
) -> list[GitObject]:
    """What a code ref needs to keep commits that it does not reach: one entry each, on top of its tip."""
    return kept(commits, max(item.seconds for item in records), tip, object_format) if commits else []


def kept(commits: Sequence[str], seconds: int, tip: refs.Tip | None, object_format: str) -> list[GitObject]:
    """One entry for each commit, and the empty tree; `seconds` since 1970 is when it is kept."""
    empty = objects.make("tree", b"", object_format)
    made = [empty]
    parent = tip.id if tip else None
    for commit in commits:
        entry = objects.commit(
            tree=empty.id,
            parents=[*([parent] if parent else []), commit],
            author=_AUTHOR,
            seconds=seconds,
            message=f"{_KEEP}{commit}\n",
            object_format=object_format,
        )
        made.append(entry)
        parent = entry.id
    return made


def lacking_together(
    repository: Repository, groups: Mapping[str, Sequence[Sealed]], tips: Mapping[str, refs.Tip]
) -> dict[str, list[str]]:
    """By slug, the code commits that its ref does not reach: as far as one question about all of them tells."""
    wanted = {slug: _wanted(repository, CODE + slug, records, tips) for slug, records in groups.items()}
    told = {slug: commits for slug, commits in wanted.items() if not commits}
    alone = {slug: commits[0] for slug, commits in wanted.items() if len(commits) == 1}
    kept = [slug for slug in alone if CODE + slug in tips]
    asked = list(dict.fromkeys(alone[slug] for slug in kept))
    new = alone.keys() - set(kept)
    with suppress(GitError):  # a commit that is not here
        beyond = (
            history.not_reached(repository, asked, [tips[CODE + slug].id for slug in kept]) if kept else []
        )
        told |= {slug: [alone[slug]] for slug in kept if alone[slug] in beyond}
        if len(kept) == 1:  # of a commit that one of several refs reaches it is not known which
            told |= {slug: [] for slug in kept if slug not in told}
        unsure = {alone[slug] for slug in new} - set(asked)
        if not (unsure and objects.missing(repository, unsure)):
            told |= {slug: [alone[slug]] for slug in new}
    return told


def lacking(
    repository: Repository,
    ref: str,
    records: Sequence[Sealed],
    tip: refs.Tip | None,
    *,
    keep: tuple[int, ...],
) -> list[str]:
    """Code commits that one code ref does not reach yet, without those that are nowhere to be had."""
    wanted = _wanted(repository, ref, records, {ref: tip} if tip else {})
    tips = [tip.id] if tip else []
    if not wanted:
        return []
    try:
        return history.outermost(repository, wanted, tips)
    except GitError:  # a commit that is not here: pruned (its pack may bring it back), or a shallow clone
        packs = {item.pack for item in records if item.pack}
        with suppress(GitError):  # one that builds on a commit which is not here
            objects.restore(repository, packs, keep=keep)
        gone = set(objects.missing(repository, [*wanted, *tips]))
        present = [commit for commit in wanted if commit not in gone]
        return history.outermost(repository, present, tips) if present else []


def _wanted(
    repository: Repository, ref: str, records: Sequence[Sealed], tips: Mapping[str, refs.Tip]
) -> list[str]:
    known = reached(repository, ref, tips.get(ref))
    return [c for c in dict.fromkeys(commit for item in records for commit in item.code) if c not in known]
