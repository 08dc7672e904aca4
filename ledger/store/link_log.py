"""The log of links on `refs/ledger/links`: each commit adds a few files, a union is a commit with two parents.

What git's `post-rewrite` hook notes waits in `ledger/rewritten/` until the next command takes it in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ledger.errors import FormatError, GitError, LedgerError, RefMovedError
from ledger.frozen import frozen
from ledger.git import history, objects, refs
from ledger.git.objects import GitObject
from ledger.git.process import LockedError, Repository
from ledger.git.refs import RefUpdate
from ledger.model import Author, StoreFault, utc_text
from ledger.store import link_cache, links
from ledger.store.links import Event, Links, Pair, Rewritten

REF = "refs/ledger/links"
WAITING = "rewritten"
"""The folder of what the hook noted, below ledger's own."""

_SUFFIX = ".pairs"
_ATTEMPTS = 10
_MOST_COMMITS = 100_000
_MOST_BYTES = 256 << 20
_NOTED_BYTES = 64 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LINE = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64})(?: .*)?")


def load(repository: Repository) -> Links:
    """All links of this clone, what the hook noted included. A log that can't be read is none; `verify` names why."""
    with suppress(LedgerError, OSError):  # where nothing can be written, what waits is read where it lies
        fold(repository)
    tip = refs.ids(repository, REF).get(REF)
    known = _known(repository, tip) if tip else Links()
    waiting = [event for _, event in _noted(repository)]
    return links.gathered([*_events(known), *waiting]) if waiting else known


def _known(repository: Repository, tip: str) -> Links:
    kept = link_cache.load(repository.folder, tip)
    if kept is not None:
        return kept
    try:
        known = links.gathered(read(repository, tip).events)
    except LedgerError:
        return Links()
    link_cache.keep(repository.folder, tip, known)
    return known


def _events(known: Links) -> Iterator[Event]:
    """Links as events again, to be gathered with others."""
    for old, news in known.rewritten.items():
        pairs = tuple(Pair(old, new, known.trees.get(old)) for new in news)
        yield Rewritten(by="map", recorded="", pairs=pairs)
    for run, commit in known.by_hand.items():
        yield links.Manual(recorded="", run=run, commit=commit, author="")


@frozen()
class Log:
    """What a log holds, and what of it can't be read."""

    events: tuple[Event, ...]
    faults: tuple[StoreFault, ...]


def read(repository: Repository, tip: str, *, known: str | None = None, ref: str = REF) -> Log:
    """Every event that a tip reaches, and `known` does not. Raises GitError where git can't follow it."""
    words = ("log", f"--max-count={_MOST_COMMITS}", "--format=%H %T")
    lines = f"{tip}\n{f'^{known}' if known else ''}\n"
    output = repository.git(*words, "--stdin", stdin=lines.encode()).decode()
    commits = [line.split() for line in output.splitlines()]
    trees = objects.read(repository, [tree for _, tree in commits])
    faults: list[StoreFault] = []
    named: dict[str, tuple[str, str]] = {}
    for (commit, _), tree in zip(commits, trees, strict=True):
        try:
            named |= {blob: (name, commit) for name, blob in _entries(repository, tree)}
        except FormatError as error:
            faults.append(StoreFault(ref=ref, commit=commit, path="", what=error.message))
    events: list[Event] = []
    for (name, commit), body in zip(named.values(), _bodies(repository, list(named)), strict=True):
        try:
            events.append(links.decode(name, _present(name, body)))
        except FormatError as error:
            faults.append(StoreFault(ref=ref, commit=commit, path=name, what=error.message))
    return Log(events=tuple(events), faults=tuple(faults))


def _entries(repository: Repository, tree: GitObject | None) -> list[tuple[str, str]]:
    if tree is None or tree.kind != "tree":
        raise FormatError("its tree can't be read")
    entries = objects.parse_tree(tree.body, repository.object_format)
    for entry in entries:
        if entry.mode != objects.REGULAR or not links.is_name(entry.name):
            raise FormatError(f"{entry.name[:80]!r} is no file of a link")
    return [(entry.name, entry.id) for entry in entries]


def _bodies(repository: Repository, blobs: Sequence[str]) -> list[GitObject | None]:
    """Nothing that is too large is read, alone or together."""
    sizes = objects.sizes(repository, blobs) if blobs else []
    fit, total = [], 0
    for blob, size in zip(blobs, sizes, strict=True):
        if size is not None and size <= links.MAX_BYTES and total + size <= _MOST_BYTES:
            fit.append(blob)
            total += size
    found = dict(zip(fit, objects.read(repository, fit), strict=True))
    return [found.get(blob) for blob in blobs]


def _present(name: str, body: GitObject | None) -> bytes:
    if body is None or body.kind != "blob":
        raise FormatError(f"{name} is missing or too large")
    return body.body


def add(repository: Repository, events: Sequence[Event], author: Author | None = None) -> bool:
    """Put events on the log, unless it has them. Raises RefMovedError, LockedError when others write all the time."""
    files = dict(links.encode(event) for event in events)
    for attempt in range(_ATTEMPTS):
        found = refs.tips(repository, REF).get(REF)
        if found and found.kind != "commit":
            raise FormatError(f"{REF} is {found.nature}", hint=f"git update-ref -d {REF}")
        fresh = _fresh(repository, files, found.id if found else None)
        if not fresh:
            return False
        made = _commit(repository, fresh, [found.id] if found else [], author or Author())
        try:
            publish(repository, made, found.id if found else None, "ledger: links")
        except RefMovedError:
            if attempt == _ATTEMPTS - 1:
                raise
        except LockedError as error:  # git waited already: who holds it for so long is dead, or hangs
            from ledger.store import aftercare  # who only reads needs none of it

            if attempt == _ATTEMPTS - 1 or not aftercare.remove_stale(repository, error.path):
                raise
        else:
            return True
    raise AssertionError  # the last attempt returns or raises


def _fresh(repository: Repository, files: Mapping[str, bytes], tip: str | None) -> dict[str, bytes]:
    """Those that the log does not have: a killed `fold` may have put them there."""
    if tip is None:
        return dict(files)
    output = repository.git(
        "log", "--format=", "--name-only", "--root", "--end-of-options", tip, "--", *files
    )
    there = frozenset(output.decode().split())
    return {name: data for name, data in files.items() if name not in there}


def _commit(
    repository: Repository, files: Mapping[str, bytes], parents: Sequence[str], author: Author
) -> list[GitObject]:
    form = repository.object_format
    blobs = {name: objects.make("blob", data, form) for name, data in files.items()}
    tree = objects.flat_tree({name: blob.id for name, blob in blobs.items()}, form)
    message = f"links: {len(files)} {'event' if len(files) == 1 else 'events'}\n"
    seconds = int(datetime.now(UTC).timestamp())
    made = objects.commit(
        tree=tree.id, parents=parents, author=author, seconds=seconds, message=message, object_format=form
    )
    return [*blobs.values(), tree, made]


def publish(repository: Repository, made: Sequence[GitObject], old: str | None, reason: str) -> None:
    """Store objects, the last of them the new tip, and move the ref by compare-and-swap."""
    with objects.held(repository, made):
        refs.update(repository, [RefUpdate(ref=REF, new=made[-1].id, old=old)], reason=reason)


def union(repository: Repository, tips: Sequence[str]) -> list[GitObject]:
    """A commit that reaches all that some tips reach: the same commit wherever it is made."""
    form = repository.object_format
    empty = objects.flat_tree({}, form)
    ordered = sorted(tips)
    times = repository.git("show", "-s", "--format=%ct", "--end-of-options", *ordered).decode().split()
    made = objects.commit(
        tree=empty.id,
        parents=ordered,
        author=Author(),
        seconds=max(map(int, times)),
        message="links: union\n",
        object_format=form,
    )
    return [empty, made]


def fold(repository: Repository) -> int:
    """Take in what the hook noted; how many files. Killed anywhere, the next one does it again."""
    noted = list(_noted(repository))
    if not noted:
        return 0
    add(repository, with_trees(repository, [event for _, event in noted]))
    for path in dict.fromkeys(path for path, _ in noted):
        path.unlink(missing_ok=True)
    return len(noted)


def with_trees(repository: Repository, events: Sequence[Rewritten]) -> list[Rewritten]:
    """Events with the trees of their old commits, as far as those are here; each fits into a file."""
    trees = _trees(repository, {pair.old for event in events for pair in event.pairs})
    return [
        replace(event, pairs=tuple(replace(pair, tree=trees.get(pair.old)) for pair in part))
        for event in events
        for part in _parts(event.pairs)
    ]


def _parts(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    """As many as one file may hold."""
    return (pairs[start : start + links.MAX_PAIRS] for start in range(0, len(pairs), links.MAX_PAIRS))


def _noted(repository: Repository) -> Iterator[tuple[Path, Rewritten]]:
    """What the hook wrote and nobody took in yet; what is no list of pairs is left where it is."""
    folder = repository.folder / WAITING
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIX))
    except OSError:
        return
    for name in names:
        path = folder / name
        with suppress(OSError, UnicodeDecodeError):
            told = path.stat()
            if told.st_size > _NOTED_BYTES:
                continue
            pairs = pairs_in(path.read_text(encoding="ascii"))
            if pairs:
                by = name.partition(".")[0]
                moment = _EPOCH + timedelta(microseconds=told.st_mtime_ns // 1000)
                yield (
                    path,
                    Rewritten(
                        by=by if by in ("amend", "rebase") else "map", recorded=utc_text(moment), pairs=pairs
                    ),
                )


def pairs_in(text: str) -> tuple[Pair, ...]:
    """`<old> <new>` lines, as git's post-rewrite hook and filter-repo's commit-map have them.

    A commit that was dropped (its new id is zeros), one that stayed, and lines of another kind are passed over.
    """
    found = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
    pairs = (Pair(match[1], match[2]) for match in found if match)
    return tuple(dict.fromkeys(pair for pair in pairs if pair.old != pair.new and pair.new.strip("0")))


def _trees(repository: Repository, commits: set[str]) -> dict[str, str]:
    ordered = sorted(commits)
    with suppress(GitError):
        found = history.identify(repository, [f"{commit}^{{tree}}" for commit in ordered])
        return {commit: tree for commit, tree in zip(ordered, found, strict=True) if tree}
    return {}
