"""Commits that change the same lines: a branch squashed into one commit, or rebased or picked commit by commit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ledger.frozen import frozen
from ledger.git import patches
from ledger.git.patches import CONTEXT
from ledger.store.patch_cache import Patches
from ledger.trace.attachment import CodeKey
from ledger.trace.outside import Outside
from ledger.trace.reached import Reached


@frozen()
class Matches:
    """Commit outside → commits of the range with its patch, the nearest to where it left the range first."""

    squashed: Mapping[str, Sequence[str]]
    """All that the branch changes up to here is one commit of the range."""
    picked: Mapping[str, Sequence[str]]
    """What this one commit changes."""


def match(outside: Outside, keys: Iterable[CodeKey], *, context: int = CONTEXT) -> Matches:
    """Look for the changes of some commits among those of the range that came after they left it."""
    wanted = {key.commit: key for key in keys if key.commit}
    forks = {commit: fork for commit, key in wanted.items() if (fork := _fork(outside, key))}
    candidates = _candidates(outside.reached, forks.values())
    if not candidates or not patches.available(outside.reached.repository):
        return Matches(squashed={}, picked={})
    ids = Patches(outside.reached.repository, context)
    table = _Table(outside.reached, ids.of_commits(candidates))
    squashed = table.find(_ranges(outside, ids, wanted, forks), forks)
    left = [commit for commit in forks if commit not in squashed and commit in outside.commits]
    return Matches(squashed=squashed, picked=table.find(ids.of_commits(left), forks))


def _fork(outside: Outside, key: CodeKey) -> str | None:
    """Where a commit leaves the range; of one that is not here, what was recorded."""
    if key.commit and key.commit in outside.commits:
        return outside.forks.get(key.commit)
    return key.base if key.base in outside.reached.by_id else None


def _candidates(reached: Reached, forks: Iterable[str]) -> list[str]:
    """Commits with one parent that may build on one of the forks."""
    generations = reached.generations
    lowest = min((generations[fork] for fork in forks), default=None)
    if lowest is None:
        return []
    return [one.id for one in reached.commits if len(one.parents) <= 1 and generations[one.id] > lowest]


def _ranges(
    outside: Outside, ids: Patches, wanted: Mapping[str, CodeKey], forks: Mapping[str, str]
) -> dict[str, str]:
    """Commit → patch id of all that its branch changes; a run says it of itself, as it was when it was recorded."""
    said = {
        commit: patch
        for commit, fork in forks.items()
        if (patch := wanted[commit].patch) and wanted[commit].base == fork and ids.context == CONTEXT
    }
    asked = {c: fork for c, fork in forks.items() if c not in said and c in outside.commits}
    return {**said, **ids.of_ranges(asked)}


class _Table:
    """Commits of the range by their patch."""

    def __init__(self, reached: Reached, ids: Mapping[str, str]) -> None:
        self._generations = reached.generations
        self._commits: dict[str, list[str]] = defaultdict(list)
        for commit in sorted(ids, key=self._generations.__getitem__):
            self._commits[ids[commit]].append(commit)

    def find(self, ids: Mapping[str, str], forks: Mapping[str, str]) -> dict[str, Sequence[str]]:
        """For commits and their patches: what has the same, and came after the fork."""
        found: dict[str, Sequence[str]] = {}
        for commit, patch in ids.items():
            least = self._generations[forks[commit]]
            same = [one for one in self._commits.get(patch, ()) if self._generations[one] > least]
            if same:
                found[commit] = same
        return found
