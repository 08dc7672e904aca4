"""Fingerprints of what a definition's `source` names, at many commits, from git's objects alone.

Nothing is checked out and nothing is run. One conversation with git serves all commits; a file is parsed once
however many commits hold it, and commits in which every file that matters is the same share one computation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from ledger.errors import ConfigError, FormatError
from ledger.git import objects
from ledger.git.process import Repository
from ledger.ids import is_object_id
from ledger.schema.fingerprint import (
    DIRECTORY,
    Found,
    Source,
    Unknown,
    fingerprint,
    parse_source,
)
from ledger.schema.outline import Opaque, Outline, Outliner
from ledger.trace.fingerprint_cache import Cache

_MAX_OBJECT_BYTES = 16 << 20
"""A tree of some 400,000 entries; files have their own, smaller limit."""
_MAX_ENTRIES = 500_000
"""Entries of trees that are kept in memory."""
_AT_ONCE = 100
_MAX_DEPTH = 50
"""Of folders that are read ahead; deeper ones are read when they are needed."""
_FILES = frozenset({b"100644", b"100664", b"100755"})
_FOLDERS = frozenset({b"40000", b"040000"})


def fingerprints(repository: Repository, source: str, commits: Collection[str]) -> dict[str, Found]:
    """For each commit (or tree, by its id) the fingerprint there, or why there is none. Nothing is raised for a commit.

    A `source` that can't be understood is the reason for all of them. What was computed once is kept in a cache.
    """
    try:
        parsed = parse_source(source)
    except ConfigError as error:
        return dict.fromkeys(commits, Unknown(error.message))
    cache = Cache.load(repository.folder, parsed)
    found = {commit: cache.found[commit] for commit in commits if commit in cache.found}
    missing = [commit for commit in dict.fromkeys(commits) if commit not in found]
    if missing:
        computed = compute(repository, parsed, missing)
        cache.keep(computed)
        found.update(computed)
    return found


def compute(
    repository: Repository, source: Source, commits: Collection[str], *, outliner: Outliner | None = None
) -> dict[str, Found]:
    """Fingerprint without a cache."""
    found: dict[str, Found] = {
        commit: Unknown("not the id of a commit") for commit in commits if not is_object_id(commit)
    }
    named = [commit for commit in commits if commit not in found]
    with objects.reader(repository, max_bytes=_MAX_OBJECT_BYTES) as bulk:
        store = _Store(bulk, repository.object_format, outliner or Outliner())
        known = _Known()
        # The first alone, so that it is known which files matter; those are then read for many commits at once.
        for start, end in pairwise((0, *range(1, len(named), _AT_ONCE), len(named))):
            part = named[start:end]
            trees = dict(zip(part, bulk.read([f"{commit}^{{tree}}" for commit in part]), strict=True))
            store.prefetch([tree for tree in trees.values() if tree], known.paths)
            found.update((commit, _at(store, known, source, tree)) for commit, tree in trees.items())
    return found


def _at(store: _Store, known: _Known, source: Source, tree: objects.GitObject | None) -> Found:
    if tree is None:
        return Unknown("the commit is not in this repository", settled=False)
    try:
        files = _FilesAt(store, store.add_tree(tree))
        return known.recall(files) or known.learn(files, fingerprint(files, source))
    except _AbsentError as error:
        return Unknown(str(error), settled=False)


class _AbsentError(Exception):
    """An object is not here, or not what it should be."""


_Tree: TypeAlias = Mapping[str, objects.TreeEntry]


@dataclass(slots=True)
class _Store:
    """Trees and files by their ids, each read once."""

    reader: objects.Reader
    object_format: str
    outliner: Outliner
    _trees: dict[str, _Tree] = field(default_factory=dict)
    _entries: int = 0
    _files: dict[str, objects.GitObject] = field(default_factory=dict)
    """What was read ahead."""
    _used: set[str] = field(default_factory=set)
    _outlines: dict[tuple[str, str], Outline | Opaque] = field(default_factory=dict)

    def tree(self, name: str) -> _Tree:
        return self._trees[name] if name in self._trees else self.add_tree(self._read(name, "tree"))

    def add_tree(self, tree: objects.GitObject) -> _Tree:
        if tree.id not in self._trees:
            try:
                entries = {entry.name: entry for entry in objects.parse_tree(tree.body, self.object_format)}
            except FormatError as error:
                raise _AbsentError(f"{tree.id[:12]}: {error.message}") from error
            self._entries += len(entries)
            if self._entries > _MAX_ENTRIES:
                self._trees.clear()
                self._entries = len(entries)
            self._trees[tree.id] = entries
        return self._trees[tree.id]

    def prefetch(self, trees: Sequence[objects.GitObject], paths: Collection[str]) -> None:
        """Read ahead what these trees hold at some paths; what is not as it should be is found out later."""
        self._files.clear()
        with suppress(_AbsentError):
            roots = [self.add_tree(tree) for tree in trees]
            self._descend(roots, [path.split("/") for path in paths if path.count("/") < _MAX_DEPTH])

    def _descend(self, trees: Sequence[_Tree], paths: Sequence[Sequence[str]]) -> None:
        """One folder level at a time, all commits at once."""
        below: dict[str, list[Sequence[str]]] = {}
        for first, *rest in paths:
            below.setdefault(first, []).append(rest)
        for name, inside in below.items():
            entries = {entry.id: entry for tree in trees if (entry := tree.get(name))}.values()
            deeper = [rest for rest in inside if rest]
            if deeper and entries:
                folders = [entry.id for entry in entries if entry.mode in _FOLDERS]
                self._read_ahead([one for one in folders if one not in self._trees])
                self._descend([self._trees[one] for one in folders if one in self._trees], deeper)
            elif entries:
                files = [entry.id for entry in entries if entry.mode in _FILES]
                self._read_ahead([one for one in files if one not in self._used])

    def _read_ahead(self, names: Sequence[str]) -> None:
        for one in self.reader.read(names) if names else ():
            if one is not None and one.kind == "tree":
                self.add_tree(one)
            elif one is not None:
                self._files[one.id] = one

    def outline(self, name: str, qualname: str) -> Outline | Opaque:
        if (name, qualname) not in self._outlines:
            self._used.add(name)
            self._outlines[name, qualname] = self.outliner.read(self._read(name, "blob").body, qualname)
        return self._outlines[name, qualname]

    def _read(self, name: str, kind: str) -> objects.GitObject:
        found = self._files.get(name) or self.reader.read([name])[0]
        if found is None or found.kind != kind:
            raise _AbsentError(f"the {kind} {name[:12]} is not in this repository, or too large")
        return found


@dataclass(slots=True)
class _FilesAt:
    """The files below one tree; remembers what was asked, in order."""

    store: _Store
    root: _Tree
    looked: dict[str, str | None] = field(default_factory=dict)

    def look(self, path: str) -> str | None:
        """Find a file or folder, as the fingerprint asks for it."""
        if path not in self.looked:
            self.looked[path] = self._find(path)
        return self.looked[path]

    def outline(self, content: str, qualname: str) -> Outline | Opaque:
        """Read a file."""
        return self.store.outline(content, qualname)

    def _find(self, path: str) -> str | None:
        *folders, name = path.split("/")
        tree = self.root
        for folder in folders:
            entry = tree.get(folder)
            if entry is None or entry.mode not in _FOLDERS:
                return None
            tree = self.store.tree(entry.id)
        entry = tree.get(name)
        if entry is None:
            return None
        return DIRECTORY if entry.mode in _FOLDERS else entry.id if entry.mode in _FILES else None


@dataclass(slots=True)
class _Question:
    """What a path holds decides which question comes next, or what is found."""

    path: str
    answers: dict[str | None, _Question | Found] = field(default_factory=dict)


@dataclass(slots=True)
class _Known:
    """Remembers computations by what they asked.

    A computation depends on nothing but the answers to its questions, so that the same answers lead to the same
    fingerprint without it.
    """

    first: _Question | None = None
    paths: Collection[str] = ()
    """What the latest computation asked for."""

    def recall(self, files: _FilesAt) -> Found | None:
        step: _Question | Found | None = self.first
        while isinstance(step, _Question):
            step = step.answers.get(files.look(step.path))
        return step

    def learn(self, files: _FilesAt, found: Found) -> Found:
        self.paths, asked = files.looked.keys(), list(files.looked.items())
        step = self.first = self.first or _Question(asked[0][0])
        for (_, answer), (path, _) in pairwise(asked):
            following = step.answers.setdefault(answer, _Question(path))
            if isinstance(following, _Question):
                step = following
        step.answers[asked[-1][1]] = found
        return found
