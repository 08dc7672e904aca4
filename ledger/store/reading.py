"""Reads the files of many chained records through one git, ahead of whoever parses them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ledger.errors import FormatError, InputError
from ledger.git import objects
from ledger.git.process import Repository
from ledger.store import codec
from ledger.store.arrivals import Commit

CHUNK = 4_000
_BULK = 200
"""Commits from which a conversation with git is cheaper than single calls."""
_PARSED = (codec.RUN, codec.PARAMS, codec.METRICS)

Tree = dict[str, str] | str
"""File name → blob id; or what is wrong."""
_Get = Callable[[Sequence[str]], list[objects.GitObject | None]]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Commits, their trees, and the contents of the files that are indexed, by blob id (None: missing or huge)."""

    commits: Sequence[Commit]
    trees: list[Tree]
    blobs: Mapping[str, bytes | None]


def read_ahead(repository: Repository, commits: Sequence[Commit]) -> Iterator[Chunk]:
    """Chunks in order; while one is worked on the next is read in a thread."""
    from concurrent.futures import ThreadPoolExecutor

    chunks = [commits[start : start + CHUNK] for start in range(0, len(commits), CHUNK)]
    if not chunks:  # a ref that was only set back
        return
    with ExitStack() as stack:
        get = _careful(repository)
        if len(commits) >= _BULK:
            limit = max(codec.MAX_BYTES[name] for name in _PARSED)
            get = stack.enter_context(objects.reader(repository, max_bytes=limit)).read
        pool = stack.enter_context(ThreadPoolExecutor(1))
        layout = _Layout(repository.object_format)
        waiting = [pool.submit(_read, get, chunk, layout) for chunk in chunks[:1]]
        for following in [*chunks[1:], None]:
            current = waiting.pop().result()
            if following is not None:
                waiting.append(pool.submit(_read, get, following, layout))
            yield current


def _careful(repository: Repository) -> _Get:
    """Single calls: sizes first, so that nothing huge is read."""

    def get(names: Sequence[str]) -> list[objects.GitObject | None]:
        limit = max(codec.MAX_BYTES.values())
        fits = [size is not None and size <= limit for size in objects.sizes(repository, names)]
        found = iter(objects.read(repository, [name for name, ok in zip(names, fits, strict=True) if ok]))
        return [next(found) if ok else None for ok in fits]

    return get


def _read(get: _Get, commits: Sequence[Commit], layout: _Layout) -> Chunk:
    trees = [layout.entries(found) for found in get([commit.tree for commit in commits])]
    names = [tree[name] for tree in trees if not isinstance(tree, str) for name in _PARSED]
    unique = list(dict.fromkeys(names))
    found = zip(unique, get(unique), strict=True)
    blobs = {name: blob.body if blob is not None and blob.kind == "blob" else None for name, blob in found}
    return Chunk(commits, trees, blobs)


class _Layout:
    """Trees of run commits differ in their blob ids only, most often: one that fits the last layout needs no parsing."""

    def __init__(self, object_format: str) -> None:
        self._format = object_format
        self._length = -1
        self._fixed = b""
        self._gaps: list[slice] = []
        self._ids: list[tuple[str, slice]] = []

    def entries(self, found: objects.GitObject | None) -> Tree:
        if found is None or found.kind != "tree":
            return "the tree is missing"
        body = found.body
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


_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


def parsed(data: bytes | None, name: str) -> dict[str, Any]:
    """Fast, not strict: what was recorded was checked when it was; `ledger verify` reads strictly.

    Raises InputError, ValueError.
    """
    if data is None:
        raise InputError(f"{name} is missing or too large")
    if len(data) > codec.MAX_BYTES[name]:
        raise InputError(f"{name}: {len(data):,} bytes")
    text = data.decode()
    if "\\ud" in text or "\\uD" in text:
        return _decoded(json.dumps(json.loads(text), ensure_ascii=False).encode().decode(), name)
    return _decoded(text, name)


def _decoded(text: str, name: str) -> dict[str, Any]:
    try:
        value, end = _scan(text, 0)
    except RecursionError as error:
        raise InputError(f"{name}: nested too deep") from error
    except StopIteration as error:
        raise InputError(f"{name} is not JSON") from error
    if not isinstance(value, dict) or text[end:].strip():
        raise InputError(f"{name} is not a JSON object")
    return value
