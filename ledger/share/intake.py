"""May a sealed record from elsewhere be chained? Read as `ledger verify` reads, before anything of it is stored here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.errors import InputError
from ledger.git import objects
from ledger.git.process import Repository
from ledger.ids import is_id
from ledger.model import utc_time
from ledger.store import codec
from ledger.store.sealed import Sealed
from ledger.store.slug import RUNS, slug
from ledger.store.verify import content as check
from ledger.store.verify.chains import trailers
from ledger.store.verify.records import agreement
from ledger.store.verify.walk import Commit

_MAX_MESSAGE = 64 << 10
_SAID = ("record", "run", "slug", "author", "seconds", "code")


def faults(item: Sealed) -> Iterator[str]:
    """All that is wrong with a record, sizes first."""
    large = [name for name, data in item.files.items() if len(data) > codec.max_bytes(name)]
    yield from (f"{name}: too large" for name in large)
    yield from (f"{name} is missing" for name in codec.REQUIRED if name not in item.files)
    if large or len(item.message) > _MAX_MESSAGE or len(item.files) > codec.MAX_ENTRIES:
        yield from () if large else ["its message or its list of files is too large"]
        return
    found = check.content(item.files)
    yield from (f"{name}: {what}" for name, what in found.wrong)
    parts = {name: data for name, data in item.files.items() if codec.HISTORY.fullmatch(name)}
    yield from (f"{name}: {what}" for name, what in check.history(parts))
    if found.run is not None:
        yield from _manifest(item, found.run)


def _manifest(item: Sealed, run: Mapping[str, Any]) -> Iterator[str]:
    """What git is told of the record, against what the record says."""
    commit = Commit(ref=RUNS + item.slug, id="", tree="", parents=(), trailers=trailers(item.message))
    yield from (what for _, what in agreement(commit, run))
    try:
        own = slug(run["experiment"])
    except InputError as error:
        own = error.message
    author = run.get("author") or {}
    code = run.get("code") or {}
    kept = code.get("snapshot") or code.get("commit")
    seconds = int(utc_time(run["recorded"]).timestamp())
    who = (author.get("name"), author.get("email"))
    said = (item.record, item.run, item.slug, (item.author.name, item.author.email), item.seconds, item.code)
    expected = (run["record"], run["id"], own, who, seconds, (kept,) if kept else ())
    if said != expected:
        differing = (key for key, a, b in zip(_SAID, said, expected, strict=True) if a != b)
        yield from (f"its manifest and run.json differ in {key}" for key in differing)
    if not (is_id(item.record) and is_id(item.run)):
        yield "an id that is none"


class Packs:
    """Snapshots of dirty work trees: checked by git once each."""

    def __init__(self, repository: Repository, limit: int) -> None:
        self._repository = repository
        self._limit = limit
        self._known: dict[bytes, str] = {}

    def fault(self, item: Sealed) -> str:
        """What is wrong with a record's pack; empty for nothing."""
        if not item.pack:
            return ""
        if len(item.pack) > self._limit:
            return f"a snapshot of {len(item.pack):,} bytes, the limit is {self._limit:,} (ledger.snapshotMaxBytes)"
        if item.pack not in self._known:
            self._known[item.pack] = objects.pack_fault(self._repository, item.pack)
        wrong = self._known[item.pack]
        return f"its snapshot: {wrong}" if wrong else ""
