"""Run → code commit: over everything that a range's right side reaches, with the level of trust said.

A clean run: its own commit, else an equal tree. A dirty run: an equal tree of its snapshot (so one whose
changes were committed later is found), else its base commit. The run's own files are ignored in comparisons.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ledger.git import history
from ledger.git.history import CodeCommit
from ledger.git.process import Repository
from ledger.model import Level
from ledger.store.segment import Segment
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

    def groups(self, runs: RunSet) -> Iterator[tuple[Attachment, Sequence[int]]]:
        """Rows of the index, ascending, that share an attachment. Rows that share their code are resolved once.

        An attachment may come more than once, and superseded rows are among the rows.
        """
        self._scope_run_trees(runs)
        for start, part in runs.index.starts():
            known = all(text in self._by_id for text in part.codes("code_commit")[1])
            # The common case needs nothing but the commit.
            names = _COLUMNS[:1] if known and not part.facts["dirty"] else _COLUMNS
            for key, rows in _by_code(part, start, names):
                yield self.attach(key), rows

    def row(self, runs: RunSet, row: int) -> Attachment:
        """The attachment of one run alone."""
        columns = runs.record_columns(row)
        trees = [columns[name] for name in _TREES if columns[name]]
        if self.paths and trees:
            self._scoped.update(history.scoped_trees(self.repository, trees, self.paths))
        return self.attach(_key(columns))

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


def _by_code(part: Segment, start: int, names: Sequence[str]) -> Iterator[tuple[CodeKey, Sequence[int]]]:
    """Rows that say the same about their code, as far as the named columns go."""
    coded = {name: part.codes(name) for name in names if name != "code_dirty"}
    plain = [coded[name][0] if name in coded else part.column(name) for name in names]
    if len(plain) == 1:
        for code, rows in _runs(list(plain[0]), start):
            yield _key({names[0]: coded[names[0]][1][code]}), rows
        return
    found: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for row, codes in enumerate(zip(*plain, strict=True), start):
        found[codes].append(row)
    for codes, rows in found.items():
        said = {
            name: coded[name][1][code] if name in coded else code
            for name, code in zip(names, codes, strict=True)
        }
        yield _key(said), rows


def _runs(codes: list[int], start: int) -> Iterator[tuple[int, Sequence[int]]]:
    """Each code and its rows: stretches, where the runs of one commit were indexed one after another."""
    if codes == sorted(codes):
        first = 0
        while first < len(codes):
            end = bisect_right(codes, codes[first], first)
            yield codes[first], range(start + first, start + end)
            first = end
        return
    buckets: defaultdict[int, list[int]] = defaultdict(list)
    for row, code in enumerate(codes, start):
        buckets[code].append(row)
    yield from buckets.items()


def _key(said: Mapping[str, Any]) -> CodeKey:
    """From columns of the index, where nothing is the empty text."""
    return CodeKey(
        said["code_commit"] or None,
        said.get("code_tree") or None,
        bool(said.get("code_dirty")),
        said.get("code_snapshot_tree") or None,
        said.get("code_ignored") or None,
    )
