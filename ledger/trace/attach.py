"""Run → code commit: over everything that a range's right side reaches, with the level of trust said.

A clean run: its own commit, else an equal tree. A dirty run: an equal tree of its snapshot (so one whose
changes were committed later is found), else its base commit. The run's own files are ignored in comparisons.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ledger.git import history
from ledger.git.history import CodeCommit
from ledger.git.process import Repository
from ledger.model import Level
from ledger.trace.runset import RunSet

_COLUMNS = ("code_commit", "code_tree", "code_dirty", "code_snapshot_tree", "code_ignored")
_TREES = ("code_tree", "code_snapshot_tree")
_CHILDREN = 16
"""Commits on top of a dirty run's base that are compared with its snapshot file by file."""


@dataclass(frozen=True, slots=True)
class Attachment:
    commit: str | None
    level: Level
    of: int = 1
    """How many commits have the same tree."""


UNATTACHED = Attachment(None, Level.UNATTACHED)


@dataclass(frozen=True, slots=True)
class CodeKey:
    """What a run says about its code, as far as it decides where the run belongs."""

    commit: str | None
    tree: str | None
    dirty: bool
    snapshot_tree: str | None
    ignored: str | None
    """A JSON array of paths."""


@dataclass(frozen=True)
class Attacher:
    """Attaches runs to the commits that one walk found."""

    repository: Repository
    commits: Sequence[CodeCommit]
    """Everything that the right side reaches, newest first."""
    paths: tuple[str, ...] = ()
    """What of a tree counts (a monorepo's own part); nothing stands for all of it."""
    _known: dict[CodeKey, Attachment] = field(default_factory=dict)
    _scoped: dict[str, str] = field(default_factory=dict)

    def attach(self, key: CodeKey) -> Attachment:
        if key not in self._known:
            self._known[key] = self._find(key)
        return self._known[key]

    def rows(self, runs: RunSet) -> list[Attachment]:
        """One attachment for each row of the index. Rows that share their code are resolved once."""
        self._scope_run_trees(runs)
        found: list[Attachment] = []
        for part in runs.index.segments:
            codes, texts = part.codes("code_commit")
            if not part.facts["dirty"] and all(text in self._by_id for text in texts):
                # The common case needs nothing but the commit.
                by_code = [Attachment(text, Level.COMMIT) for text in texts]
                found.extend([by_code[code] for code in codes])
            else:
                columns = [part.column(name) for name in _COLUMNS]
                found.extend(self.attach(_key(*values)) for values in zip(*columns, strict=True))
        return found

    def row(self, runs: RunSet, row: int) -> Attachment:
        """The attachment of one run alone."""
        columns = runs.record_columns(row)
        trees = [columns[name] for name in _TREES if columns[name]]
        if self.paths and trees:
            self._scoped.update(history.scoped_trees(self.repository, trees, self.paths))
        return self.attach(_key(*(columns[name] for name in _COLUMNS)))

    def _find(self, key: CodeKey) -> Attachment:
        if key.commit is None:
            return UNATTACHED
        if not key.dirty:
            if key.commit in self._by_id:
                return Attachment(key.commit, Level.COMMIT)
            return self._by_equal_tree(key.tree, key.commit) or UNATTACHED
        return (
            self._by_equal_tree(key.snapshot_tree, key.commit)
            or self._by_near_tree(key)
            or (Attachment(key.commit, Level.DIRTY_BASE) if key.commit in self._by_id else UNATTACHED)
        )

    @cached_property
    def _by_id(self) -> Mapping[str, int]:
        return {commit.id: position for position, commit in enumerate(self.commits)}

    def _scope_run_trees(self, runs: RunSet) -> None:
        if self.paths:
            texts = {
                text
                for part in runs.index.segments
                for name in _TREES
                for text in part.codes(name)[1]
                if text
            }
            self._scoped.update(history.scoped_trees(self.repository, sorted(texts), self.paths))

    @cached_property
    def _by_tree(self) -> Mapping[str, list[int]]:
        scoped = history.scoped_trees(self.repository, [commit.tree for commit in self.commits], self.paths)
        found: dict[str, list[int]] = defaultdict(list)
        for position, commit in enumerate(self.commits):
            found[scoped[commit.tree]].append(position)
        return found

    @cached_property
    def _children(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for position, commit in enumerate(self.commits):
            for parent in commit.parents:
                found[parent].append(position)
        return found

    def _by_equal_tree(self, tree: str | None, commit: str) -> Attachment | None:
        """The nearest descendant of the run's commit with its tree, else the oldest commit with it."""
        candidates = self._by_tree.get(self._scoped.get(tree or "", tree or ""))
        if not candidates:
            return None
        nearest = self._nearest(commit, frozenset(candidates)) if len(candidates) > 1 else None
        chosen = nearest if nearest is not None else candidates[-1]
        return Attachment(self.commits[chosen].id, Level.TREE, len(candidates))

    def _nearest(self, start: str, wanted: frozenset[int]) -> int | None:
        seen: set[int] = set()
        queue = deque(self._children.get(start, ()))
        while queue:
            position = queue.popleft()
            if position in wanted:
                return position
            if position not in seen:
                seen.add(position)
                queue.extend(self._children.get(self.commits[position].id, ()))
        return None

    def _by_near_tree(self, key: CodeKey) -> Attachment | None:
        """A commit on top of the base that differs from the snapshot in the run's own files only."""
        own = frozenset(json.loads(key.ignored)) if key.ignored else frozenset()
        children = self._children.get(key.commit or "", ())[:_CHILDREN]
        if key.snapshot_tree is None or not children:
            return None
        pairs = [(key.snapshot_tree, self.commits[child].tree) for child in children]
        for child, paths in zip(children, history.differing_paths(self.repository, pairs), strict=True):
            if paths is not None and all(path in own or path.startswith(".ledger/") for path in paths):
                return Attachment(self.commits[child].id, Level.TREE)
        return None


def _key(commit: str, tree: str, dirty: bool, snapshot_tree: str, ignored: str) -> CodeKey:  # noqa: FBT001 - a column
    return CodeKey(commit or None, tree or None, bool(dirty), snapshot_tree or None, ignored or None)
