"""Commits that were amended, rebased or filtered: from the old one to the one that took its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ledger.model import Level
from ledger.store.links import Links
from ledger.trace.attachment import Attachment, CodeKey
from ledger.trace.reached import Reached


def find(reached: Reached, links: Links, keys: Iterable[CodeKey]) -> dict[CodeKey, Attachment]:
    """Those of some keys that links lead to a commit that is reached.

    A link of another commit with the same tree counts too: a dirty run whose changes were committed, and then rebased.
    """
    if not links.rewritten:
        return {}
    by_tree = _by_tree(links)
    found = {}
    for key in keys:
        tree = key.snapshot_tree if key.dirty else key.tree
        starts = [*([key.commit] if key.commit and not key.dirty else []), *by_tree.get(tree or "", ())]
        ends = follow(reached, links, starts)
        if ends:
            found[key] = Attachment(reached.commits[max(ends)].id, Level.REWRITTEN, len(ends))
    return found


def _by_tree(links: Links) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for commit, tree in links.trees.items():
        found[tree].append(commit)
    return found


def follow(reached: Reached, links: Links, starts: Sequence[str]) -> set[int]:
    """Positions of the nearest commits that links lead to, however many times history was rewritten."""
    seen = set(starts)
    level = [new for old in starts for new in links.rewritten.get(old, ())]
    while level:
        ends = {position for commit in level for position in _positions(reached, links, commit)}
        if ends:
            return ends
        seen.update(level)
        following = dict.fromkeys(new for old in level for new in links.rewritten.get(old, ()))
        level = [commit for commit in following if commit not in seen]
    return set()


def _positions(reached: Reached, links: Links, commit: str) -> Sequence[int]:
    """Of a commit itself, or of the oldest with its tree: what took its place may have been reworded since."""
    position = reached.by_id.get(commit)
    if position is not None:
        return (position,)
    return reached.with_tree(links.trees.get(commit))[-1:]
