"""Run → code commit: over everything that a range's right side reaches, with the level of trust said.

A clean run: its own commit, else an equal tree, else where links of rewritten history lead. A dirty run: an equal tree
of its snapshot (so one whose changes were committed later is found), else its base commit. What is left goes where
somebody put it by hand, else where its changes, or the pull request that it was part of, are likely to have gone.
The run's own files are ignored in comparisons.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from ledger.errors import GitError
from ledger.frozen import frozen
from ledger.git import history
from ledger.git.history import CodeCommit
from ledger.git.process import Repository
from ledger.model import Level
from ledger.store.segment import Segment
from ledger.trace.attachment import CLEAN_COLUMNS, COLUMNS, UNATTACHED, Attachment, CodeKey, key_of
from ledger.trace.reached import Reached
from ledger.trace.runset import RunSet
from ledger.trace.stretches import stretches

if TYPE_CHECKING:
    from ledger.store.links import Links

__all__ = ["UNATTACHED", "Attacher", "Attachment", "CodeKey"]

_TREES = ("code_tree", "code_snapshot_tree")
_CHILDREN = 16
"""Commits on top of a dirty run's base that are compared with its snapshot file by file."""
_SURE = frozenset({Level.COMMIT, Level.TREE, Level.REWRITTEN})
"""Levels that are facts: nobody's word is asked for."""


@frozen(kw_only=False, slots=False)
class Attacher:
    """Attaches runs to the commits that one walk found."""

    repository: Repository
    commits: Sequence[CodeCommit]
    """Everything that the right side reaches, newest first."""
    paths: tuple[str, ...] = ()
    """What of a tree counts (a monorepo's own part); nothing stands for all of it."""
    _known: dict[CodeKey, Attachment] = field(default_factory=dict)

    def groups(self, runs: RunSet) -> Iterator[tuple[Attachment, Sequence[int]]]:
        """Rows of the index, ascending, that share an attachment. Rows that share their code are resolved once.

        An attachment may come more than once, and superseded rows are among the rows.
        """
        self._scope_run_trees(runs)
        found = list(self._by_code(runs))
        self._attach(dict.fromkeys(key for key, _ in found))
        by_hand = self._by_hand(runs) if not self._all_sure else {}
        for key, rows in found:
            one = self._known[key]
            if by_hand and one.level not in _SURE:
                yield from _parted(one, rows, by_hand)
            else:
                yield one, rows

    def row(self, runs: RunSet, row: int) -> Attachment:
        """The attachment of one run. What others of its branch came to says something of it, where nothing is certain."""
        columns = runs.record_columns(row)
        self._reached.scope([columns[name] for name in _TREES if columns[name]])
        key = key_of(columns)
        self._facts([key])
        if (sure := self._known.get(key)) and sure.level in _SURE:
            return sure
        if commit := self._by_hand(runs).get(row):
            return Attachment(commit, Level.MANUAL)
        if key not in self._known:
            self._scope_run_trees(runs)
            self._attach([key, *(other for other, _ in self._by_code(runs))])
        return self._known[key]

    def attach(self, keys: Sequence[CodeKey]) -> list[Attachment]:
        """Where code belongs that need not be a run's, in order."""
        self._attach(keys)
        return [self._known[key] for key in keys]

    def _by_code(self, runs: RunSet) -> Iterator[tuple[CodeKey, Sequence[int]]]:
        for start, part in runs.index.starts():
            yield from _grouped(part, start, self._reached.by_id)

    def _attach(self, keys: Iterable[CodeKey]) -> None:
        """Find where keys belong, those that take git's help all at once."""
        left = self._facts(list(dict.fromkeys(keys)))
        if not left:
            return  # the common case, which imports nothing that guesses
        from ledger.trace import elsewhere

        with suppress(GitError):  # a damaged object costs guesses; what is certain stands
            self._known.update(elsewhere.find(self._reached, left))
        self._known.update(dict.fromkeys(self._left(left), UNATTACHED))

    def _facts(self, keys: Sequence[CodeKey]) -> list[CodeKey]:
        """Find what is certain; those of the keys that it is not known of."""
        self._known.update((key, found) for key in self._left(keys) if (found := self._find(key)))
        if left := self._left(keys):
            from ledger.trace import rewritten

            self._known.update(rewritten.find(self._reached, self._links, left))
            self._known.update((key, found) for key in self._left(left) if (found := self._at_base(key)))
        return self._left(left)

    def _left(self, keys: Iterable[CodeKey]) -> list[CodeKey]:
        return [key for key in keys if key not in self._known]

    @property
    def _all_sure(self) -> bool:
        return all(one.level in _SURE for one in self._known.values())

    @cached_property
    def _reached(self) -> Reached:
        return Reached(self.repository, self.commits, self.paths)

    @cached_property
    def _links(self) -> Links:
        from ledger.store import link_log

        return link_log.load(self.repository)

    def _by_hand(self, runs: RunSet) -> Mapping[int, str]:
        """Row → the commit that somebody put its run on, as far as it is reached, or what took its place is."""
        from ledger.trace import rewritten

        reached, found = self._reached, {}
        for run, commit in self._links.by_hand.items():
            ends = {reached.by_id[commit]} if commit in reached.by_id else set()
            ends = ends or rewritten.follow(reached, self._links, [commit])
            if ends:
                found.update(dict.fromkeys(runs.index.exact("run", run), reached.commits[max(ends)].id))
        return found

    def _find(self, key: CodeKey) -> Attachment | None:
        """What is certain, and needs neither links nor git."""
        if key.commit is None:
            return UNATTACHED
        if key.dirty:
            return self._by_equal_tree(key.snapshot_tree, key.commit) or self._by_near_tree(key)
        if key.commit in self._reached.by_id:
            return Attachment(key.commit, Level.COMMIT)
        return self._by_equal_tree(key.tree, key.commit)

    def _at_base(self, key: CodeKey) -> Attachment | None:
        """A dirty run at its base commit, or at what took the place of that."""
        if not key.dirty:
            return None
        from ledger.trace import rewritten

        base = self._find(key.clean) or rewritten.find(self._reached, self._links, [key.clean]).get(key.clean)
        return replace(base, level=Level.DIRTY_BASE) if base else None

    def _scope_run_trees(self, runs: RunSet) -> None:
        if self.paths:
            parts = ((part, name) for part in runs.index.segments for name in _TREES)
            self._reached.scope({text for part, name in parts for text in part.codes(name)[1] if text})

    def _by_equal_tree(self, tree: str | None, commit: str) -> Attachment | None:
        """The nearest descendant of the run's commit with its tree, else the oldest commit with it."""
        candidates = self._reached.with_tree(tree)
        if not candidates:
            return None
        nearest = self._reached.nearest(commit, frozenset(candidates)) if len(candidates) > 1 else None
        chosen = nearest if nearest is not None else candidates[-1]
        return Attachment(self.commits[chosen].id, Level.TREE, len(candidates))

    def _by_near_tree(self, key: CodeKey) -> Attachment | None:
        """A commit on top of the base that differs from the snapshot in the run's own files only."""
        own = frozenset(json.loads(key.ignored)) if key.ignored else frozenset()
        children = self._reached.children.get(key.commit or "", ())[:_CHILDREN]
        if key.snapshot_tree is None or not children:
            return None
        pairs = [(key.snapshot_tree, self.commits[child].tree) for child in children]
        for child, paths in zip(children, history.differing_paths(self.repository, pairs), strict=True):
            if paths is not None and all(path in own or path.startswith(".ledger/") for path in paths):
                return Attachment(self.commits[child].id, Level.TREE)
        return None


def _parted(
    one: Attachment, rows: Sequence[int], by_hand: Mapping[int, str]
) -> Iterator[tuple[Attachment, Sequence[int]]]:
    """Rows that somebody put elsewhere, one by one, and the others."""
    if by_hand.keys().isdisjoint(rows):
        yield one, rows
        return
    yield one, [row for row in rows if row not in by_hand]
    yield from ((Attachment(by_hand[row], Level.MANUAL), [row]) for row in rows if row in by_hand)


def _grouped(
    part: Segment, start: int, reached: Mapping[str, int]
) -> Iterator[tuple[CodeKey, Sequence[int]]]:
    """Rows that say the same about their code. Of clean runs on a commit that is reached nothing else matters."""
    if part.facts["dirty"]:
        yield from _alike(part, start, COLUMNS, range(start, start + len(part)))
        return
    codes, commits = part.codes("code_commit")
    left: list[int] = []
    for code, rows in _runs(codes, start):
        if commits[code] in reached:
            yield CodeKey(commits[code], None), rows
        else:
            left += rows
    if left:
        yield from _alike(part, start, CLEAN_COLUMNS, left)


def _alike(
    part: Segment, start: int, names: Sequence[str], rows: Sequence[int]
) -> Iterator[tuple[CodeKey, Sequence[int]]]:
    """Some rows, as far as the named columns tell them apart."""
    coded = {name: part.codes(name) for name in names if name != "code_dirty"}
    plain = [coded[name][0] if name in coded else part.column(name) for name in names]
    found: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for row in rows:
        found[tuple(column[row - start] for column in plain)].append(row)
    for codes, mine in found.items():
        said = {
            name: coded[name][1][code] if name in coded else code
            for name, code in zip(names, codes, strict=True)
        }
        yield key_of(said), mine


def _runs(codes: Sequence[int], start: int) -> Iterator[tuple[int, Sequence[int]]]:
    """Codes and their rows: stretches, where the runs of one commit were indexed one after another."""
    few = len(codes) // _LONG + 1
    pieces = list(islice(stretches(codes), few + 1))
    if len(pieces) <= few:
        yield from ((code, range(start + rows.start, start + rows.stop)) for code, rows in pieces)
        return
    buckets: defaultdict[int, list[int]] = defaultdict(list)
    for row, code in enumerate(codes, start):
        buckets[code].append(row)
    yield from buckets.items()


_LONG = 4
"""Rows of a stretch, on average, from which on stretches are worth it."""
