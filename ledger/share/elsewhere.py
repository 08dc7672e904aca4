"""Where else a text stands that was taken out of a run: runs of a sweep share their tokens, and logs repeat them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from ledger.errors import LedgerError
from ledger.git import objects, refs
from ledger.git.process import Repository
from ledger.store import codec
from ledger.store.slug import INBOX, RUNS

_FILES = (codec.RUN, codec.PARAMS, codec.METRICS, codec.EVENTS)
_LIMIT = max(codec.MAX_BYTES[name] for name in _FILES)
_AT_ONCE = 250
_SHOWN = 20
_RUN = "%(trailers:key=Ledger-Run,valueonly,unfold,separator=%x20)"


def elsewhere(repository: Repository, texts: Collection[str]) -> Iterator[str]:
    """`<ref> <commit> <path>` of the places on chains and in inboxes, each of a run once. Raises GitError.

    The path is what `ledger redact --path` takes.
    """
    seen: set[tuple[str, str]] = set()
    if not texts:
        return
    with objects.reader(repository, max_bytes=_LIMIT, brief=True) as bulk:
        for ref, tip in refs.tips(repository, RUNS, INBOX).items():
            for commit, run, path in _of(repository, bulk, tip.id, [text.encode() for text in texts]):
                if (run, path) not in seen and len(seen) < _SHOWN:
                    seen.add((run, path))
                    yield f"{ref} {commit[:12]} {path}"


def _of(
    repository: Repository, bulk: objects.Reader, tip: str, wanted: Collection[bytes]
) -> Iterator[tuple[str, str, str]]:
    output = repository.git("log", f"--format=%H %T {_RUN}", "--end-of-options", tip, "--").decode()
    rows = [line.split(" ", 2) for line in output.splitlines()]
    hits: dict[str, list[str]] = {}
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        bodies = bulk.read([tree for _, tree, _ in some])
        for (commit, _, run), body in zip(some, bodies, strict=True):
            for name, oid in _files(body, repository.object_format):
                if oid not in hits:
                    hits[oid] = list(_places(bulk, name, oid, wanted))
                yield from ((commit, run, path) for path in hits[oid])


def _files(body: objects.GitObject | None, object_format: str) -> Iterator[tuple[str, str]]:
    if body is None or body.kind != "tree":
        return
    try:
        entries = objects.parse_tree(body.body, object_format)
    except LedgerError:
        return  # `ledger verify` names it
    yield from ((entry.name, entry.id) for entry in entries if entry.name in _FILES)


def _places(bulk: objects.Reader, name: str, oid: str, wanted: Collection[bytes]) -> Iterator[str]:
    size = bulk.sizes([oid])[0]
    body = bulk.read([oid])[0] if size is not None and size <= _LIMIT else None
    if body is None or not any(text in body.body for text in wanted):
        return
    lines = enumerate(body.body.splitlines()) if name == codec.EVENTS else [("", body.body)]
    for number, line in lines:
        if any(text in line for text in wanted):
            above = f"{name}:" + (f"/{number}" if name == codec.EVENTS else "")
            yield from _pointers(line, above, [text.decode() for text in wanted])


def _pointers(data: bytes, above: str, wanted: Collection[str]) -> Iterator[str]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        yield above
        return
    found = list(_within(document, above, wanted))
    yield from found or [above]


def _within(value: object, path: str, wanted: Collection[str]) -> Iterator[str]:
    if isinstance(value, str):
        escaped = json.dumps(value, ensure_ascii=False)
        if any(text in escaped for text in wanted):
            yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _within(inner, f"{path}/{key.replace('~', '~0').replace('/', '~1')}", wanted)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _within(inner, f"{path}/{number}", wanted)
