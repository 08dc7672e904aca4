"""Code that a range does not reach: commits of runs, branches and pull requests, and where they leave the range."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from ledger.frozen import frozen
from ledger.git import history, refs, requests
from ledger.git.history import CodeCommit, Range
from ledger.ids import is_object_id
from ledger.store.slug import CODE
from ledger.trace.reached import Reached

_BRANCHES = ("refs/heads/", "refs/remotes/")


@frozen()
class Head:
    """The tip of a branch or a pull request."""

    commit: str
    number: int | None = None
    """Of a pull request."""


@frozen(kw_only=False, slots=False)
class Outside:
    """All commits that some runs, branches and pull requests reach and the range does not."""

    reached: Reached
    heads: Sequence[Head]
    commits: Mapping[str, CodeCommit]
    """By id."""

    @classmethod
    def look(cls, reached: Reached, heads: Sequence[Head], runs: Iterable[str]) -> Outside:
        """`runs` are commits that runs name; those that are not in this repository are passed over."""
        tips = {*filter(is_object_id, runs), *(head.commit for head in heads)}
        span = Range(include=tuple(sorted(tips)), exclude=tuple(reached.tips))
        found = history.walk(reached.repository, span, options=("--ignore-missing",))
        return cls(reached, heads, {commit.id: commit for commit in found})

    @cached_property
    def forks(self) -> Mapping[str, str]:
        """Commit → the commit of the range below it that builds on most; those without one are left out."""
        found: dict[str, str] = {}
        generations = self.reached.generations
        for commit in self._oldest_first():
            below = [found.get(parent, parent) for parent in self.commits[commit].parents]
            inside = [parent for parent in below if parent in generations]
            if inside:
                found[commit] = max(inside, key=generations.__getitem__)
        return found

    def _oldest_first(self) -> Iterator[str]:
        """No commit before its parents."""
        children: dict[str, list[str]] = {}
        waiting: Counter[str] = Counter()
        for commit in self.commits.values():
            for parent in commit.parents:
                if parent in self.commits:
                    children.setdefault(parent, []).append(commit.id)
                    waiting[commit.id] += 1
        ready = deque(commit for commit in self.commits if not waiting[commit])
        while ready:
            commit_id = ready.popleft()
            yield commit_id
            for child in children.get(commit_id, ()):
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)

    def holding(self, wanted: frozenset[str]) -> frozenset[str]:
        """The commits that reach some of these."""
        found: set[str] = set()
        for commit in self._oldest_first():
            if commit in wanted or any(parent in found for parent in self.commits[commit].parents):
                found.add(commit)
        return frozenset(found)

    def below(self, tip: str) -> set[str]:
        """A commit and all that it reaches outside."""
        found: set[str] = set()
        waiting = [tip]
        while waiting:
            commit = waiting.pop()
            if commit in self.commits and commit not in found:
                found.add(commit)
                waiting += self.commits[commit].parents
        return found

    @cached_property
    def by_tree(self) -> Mapping[str, str]:
        """Tree → a commit with it."""
        return {commit.tree: commit.id for commit in self.commits.values()}


def standing(reached: Reached) -> tuple[list[Head], list[str]]:
    """Branches and pull requests that are not reached; and a line for each ref that can change what is outside."""
    found = refs.ids(reached.repository, *_BRANCHES, *requests.REFS, requests.FETCHED, CODE)
    heads = []
    for ref, tip in found.items():
        if tip not in reached.by_id and not ref.startswith(CODE):
            heads.append(Head(commit=tip, number=requests.of_ref(ref)))
    return heads, [f"{tip} {ref}" for ref, tip in found.items()]
