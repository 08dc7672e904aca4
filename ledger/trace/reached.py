"""Everything that the right side of a range reaches, as attaching asks for it: by id, by tree, by parent."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from functools import cached_property

from ledger.frozen import frozen
from ledger.git import history
from ledger.git.history import CodeCommit
from ledger.git.process import Repository


@frozen(kw_only=False, slots=False)
class Reached:
    """Commits are told by their position, the newest is 0."""

    repository: Repository
    commits: Sequence[CodeCommit]
    """Newest first."""
    paths: tuple[str, ...] = ()
    """What of a tree counts; nothing stands for all of it."""
    _scoped: dict[str, str] = field(default_factory=dict)

    @cached_property
    def by_id(self) -> Mapping[str, int]:
        return {commit.id: position for position, commit in enumerate(self.commits)}

    @cached_property
    def tips(self) -> list[str]:
        """The commits that no other has as a parent."""
        parents = {parent for commit in self.commits for parent in commit.parents}
        return [commit.id for commit in self.commits if commit.id not in parents]

    @cached_property
    def children(self) -> Mapping[str, list[int]]:
        """Commit → those that have it as a parent."""
        found: dict[str, list[int]] = defaultdict(list)
        for position, commit in enumerate(self.commits):
            for parent in commit.parents:
                found[parent].append(position)
        return found

    @cached_property
    def generations(self) -> Mapping[str, int]:
        """Commit → commits on the longest way down from it: what builds on another has more. Dates may be equal or wrong."""
        found: dict[str, int] = {}
        for commit in reversed(self.commits):  # mostly parents first
            waiting = [commit]
            while waiting:
                top = waiting[-1]
                lacking = [p for p in top.parents if p in self.by_id and p not in found]
                if lacking:
                    waiting += [self.commits[self.by_id[parent]] for parent in lacking]
                else:
                    found[waiting.pop().id] = 1 + max((found.get(p, 0) for p in top.parents), default=0)
        return found

    def scope(self, trees: Collection[str]) -> None:
        """Look up what counts of trees that are to be compared."""
        if self.paths:
            self._scoped.update(history.scoped_trees(self.repository, sorted(trees), self.paths))

    def with_tree(self, tree: str | None) -> Sequence[int]:
        """Positions of the commits with this tree, newest first."""
        return self._by_tree.get(self._scoped.get(tree or "", tree or ""), ())

    @cached_property
    def _by_tree(self) -> Mapping[str, list[int]]:
        scoped = history.scoped_trees(self.repository, [commit.tree for commit in self.commits], self.paths)
        found: dict[str, list[int]] = defaultdict(list)
        for position, commit in enumerate(self.commits):
            found[scoped[commit.tree]].append(position)
        return found

    def nearest(self, start: str, wanted: frozenset[int]) -> int | None:
        """The nearest descendant of a commit among some."""
        seen: set[int] = set()
        queue = deque(self.children.get(start, ()))
        while queue:
            position = queue.popleft()
            if position in wanted:
                return position
            if position not in seen:
                seen.add(position)
                queue.extend(self.children.get(self.commits[position].id, ()))
        return None
