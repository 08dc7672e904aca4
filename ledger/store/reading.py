"""Reads the files of many chained records through one git, which is always some ahead of whoever parses them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ledger.errors import FormatError
from ledger.frozen import frozen
from ledger.git import objects
from ledger.git.process import Repository
from ledger.store import codec
from ledger.store.arrivals import Commit

_BULK = 200
"""Commits from which a conversation with git is cheaper than single calls."""
_CHUNK = 250
"""Commits whose files a pipe of a megabyte holds, most often."""
_PARSED = (codec.RUN, codec.PARAMS, codec.METRICS)
_LIMIT = max(codec.MAX_BYTES[name] for name in _PARSED)

Tree = dict[str, str] | str
"""File name → blob id; or what is wrong."""


@frozen(kw_only=False)
class Chunk:
    """Commits, their trees, and the contents of the files that are indexed, by blob id (None: missing or huge)."""

    commits: Sequence[Commit]
    trees: Sequence[Tree]
    blobs: Mapping[str, bytes | None]


def read_ahead(repository: Repository, commits: Sequence[Commit]) -> Iterator[Chunk]:
    """Chunks in order; while one is worked on, git reads the next."""
    layout = _Layout(repository.object_format)
    if len(commits) < _BULK:
        yield from _carefully(repository, commits, layout)
        return
    with objects.reader(repository, max_bytes=_LIMIT) as bulk:
        # Unanswered at any time: the files of two chunks, and the trees of a third.
        size = max(min(bulk.ahead(len(repository.zeros)) // (2 * len(_PARSED) + 1), _CHUNK), 1)
        yield from _streamed(bulk, [commits[i : i + size] for i in range(0, len(commits), size)], layout)


def _carefully(repository: Repository, commits: Sequence[Commit], layout: _Layout) -> Iterator[Chunk]:
    """Sizes first, so that nothing huge is read."""
    if not commits:
        return  # a ref that was only set back
    with objects.reader(repository, max_bytes=_LIMIT, brief=True) as bulk:
        bodies = _small(bulk, [commit.tree for commit in commits], "tree")
        trees = [layout.entries(body) for body in bodies]
        names = _blobs(trees)
        blobs = dict(zip(names, _small(bulk, names, "blob"), strict=True))
    yield Chunk(commits, trees, blobs)


def _small(bulk: objects.Reader, names: Sequence[str], kind: str) -> list[bytes | None]:
    fits = [size is not None and size <= _LIMIT for size in bulk.sizes(names)]
    found = iter(bulk.read([name for name, ok in zip(names, fits, strict=True) if ok]))
    answers = (next(found) if ok else None for ok in fits)
    return [item.body if item is not None and item.kind == kind else None for item in answers]


def _streamed(bulk: objects.Reader, parts: Sequence[Sequence[Commit]], layout: _Layout) -> Iterator[Chunk]:
    """Git is asked for the files of a chunk, and for the trees of the next, before the last one is given away."""
    bulk.ask([commit.tree for commit in parts[0]])
    asked: list[tuple[Sequence[Commit], Sequence[Tree], Sequence[str]]] = []
    for part, following in zip(parts, [*parts[1:], ()], strict=True):
        trees = [layout.entries(body) for body in bulk.bodies(len(part), "tree")]
        names = _blobs(trees)
        bulk.ask([*(commit.tree for commit in following), *names])
        asked.append((part, trees, names))
        if len(asked) > 1:
            yield _answered(bulk, *asked.pop(0))
    for waiting in asked:
        yield _answered(bulk, *waiting)


def _answered(
    bulk: objects.Reader, commits: Sequence[Commit], trees: Sequence[Tree], names: Sequence[str]
) -> Chunk:
    return Chunk(commits, trees, dict(zip(names, bulk.bodies(len(names), "blob"), strict=True)))


def _blobs(trees: Sequence[Tree]) -> list[str]:
    """Each that is indexed, once."""
    return list(dict.fromkeys(tree[name] for tree in trees if not isinstance(tree, str) for name in _PARSED))


class _Layout:
    """Trees of run commits differ in their blob ids only, most often: one that fits the last layout needs no parsing."""

    def __init__(self, object_format: str) -> None:
        self._format = object_format
        self._length = -1
        self._fixed = b""
        self._gaps: list[slice] = []
        self._ids: list[tuple[str, slice]] = []

    def entries(self, body: bytes | None) -> Tree:
        if body is None:
            return "the tree is missing"
        if len(body) == self._length and b"".join([body[gap] for gap in self._gaps]) == self._fixed:
            return {name: body[place].hex() for name, place in self._ids}
        return self._parse(body)

    def _parse(self, body: bytes) -> Tree:
        try:
            entries = objects.parse_tree(body, self._format)
        except FormatError as error:
            return error.message
        problem = codec.check_tree(entries)
        if problem:
            return problem
        self._learn(body, entries)
        return {entry.name: entry.id for entry in entries}

    def _learn(self, body: bytes, entries: Sequence[objects.TreeEntry]) -> None:
        width = 20 if self._format == "sha1" else 32
        self._ids, self._gaps, position = [], [], 0
        for entry in entries:
            start = position + len(entry.mode) + len(entry.name) + 2  # a space and a NUL
            self._gaps.append(slice(position, start))
            self._ids.append((entry.name, slice(start, start + width)))
            position = start + width
        self._length = len(body)
        self._fixed = b"".join(body[gap] for gap in self._gaps)
