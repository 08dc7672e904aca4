"""The log of redactions: `refs/ledger/redactions`, append-only, the same in all clones, merged by union.

One commit each, whose tree holds `redaction.json`. What is said there suffices for every clone to rebuild its own
chains and to come to the same commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger import canonical
from ledger.errors import FormatError, InputError, LedgerError
from ledger.git import objects
from ledger.git.objects import GitObject
from ledger.git.process import Repository
from ledger.git.refs import RefUpdate
from ledger.ids import is_id, is_object_id
from ledger.model import Author, StoreFault, utc_time
from ledger.share.chainlog import Link, beyond
from ledger.share.reparent import reparented
from ledger.share.session import REDACTIONS, Session
from ledger.store.redacted import Place, mark, place
from ledger.store.slug import RUNS, is_slug

FORMAT = 1
FILE = "redaction.json"
MAX_BYTES = 4 << 20
MAX_ENTRIES = 10_000
_MAX_TEXT = 4_000
_KEYS = ("id", "slug", "run", "path", "reason", "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """One value that was taken out of one run, in all of its records."""

    id: str
    slug: str
    run: str
    place: Place
    reason: str
    at: str
    """RFC 3339, UTC."""
    by: Author
    old: str | None = None
    """The chain's tip where it was made, before."""
    new: str | None = None
    """And after."""
    banned: tuple[str, ...] = ()
    """Trees and files that held the value: they may never be published again."""
    records: tuple[str, ...] | None = None
    """Records that held it where it was taken out. None: not said, all of the run."""

    @property
    def mark(self) -> str:
        return mark(self.id)

    @property
    def ref(self) -> str:
        return RUNS + self.slug

    def names(self, record: str) -> bool:
        """Whether the record held the value where it was taken out."""
        return self.records is None or record in self.records

    def __str__(self) -> str:
        return (
            f"{self.place} of run {self.run[:8]} was redacted by {self.by} on {self.at[:10]}: {self.reason}"
        )


@dataclass(slots=True)
class Log:
    """What a tip of the log holds, oldest first."""

    tip: str | None = None
    entries: dict[str, Redaction] = field(default_factory=dict)
    """By commit."""
    links: list[Link] = field(default_factory=list)
    faults: list[StoreFault] = field(default_factory=list)
    """Entries that can't be read: passed over, and named."""


def read(repository: Repository, tip: str | None, *, ref: str = REDACTIONS) -> Log:
    """Raises FormatError for what is no log at all, GitError."""
    if tip is None:
        return Log()
    line = beyond(repository, {ref: tip}, [])[ref]
    if line.forked is not None or len(line.links) > MAX_ENTRIES:
        raise FormatError(f"{ref} is not a log of redactions", hint="nothing of it was taken over")
    found = Log(tip=tip, links=line.links)
    names = [f"{link.id}:{FILE}" for link in line.links]
    small = (
        [size is not None and size <= MAX_BYTES for size in objects.sizes(repository, names)] if names else []
    )
    bodies = iter(objects.read(repository, [name for name, ok in zip(names, small, strict=True) if ok]))
    for link, ok in zip(line.links, small, strict=True):
        try:
            found.entries[link.id] = _parsed(next(bodies) if ok else None)
        except LedgerError as error:
            found.faults.append(StoreFault(ref=ref, commit=link.id, path=FILE, what=error.message))
    return found


def add(session: Session, old: str | None, entries: Sequence[Redaction]) -> None:
    """Put entries behind what the log holds. Raises RefMovedError."""
    repository = session.repository
    made: list[GitObject] = []
    parent = old
    for entry in entries:
        made += _built(entry, parent, repository.object_format)
        parent = made[-1].id
    _write(session, made, old)


def union(session: Session, own: Log, theirs: Log) -> None:
    """Take over a remote's log; what only this clone has goes behind it."""
    there = {link.id for link in theirs.links}
    known = {entry.id for entry in theirs.entries.values()}
    extra = [link for link in own.links if link.id not in there]
    fresh = [link for link in extra if link.id not in own.entries or own.entries[link.id].id not in known]
    if theirs.tip is None or not there - {link.id for link in own.links}:
        return
    made = reparented(session.repository, [link.id for link in fresh], theirs.tip)
    _write(session, made, own.tip, new=theirs.tip)


def _write(session: Session, made: Sequence[GitObject], old: str | None, *, new: str | None = None) -> None:
    tip = made[-1].id if made else new
    if tip is None or tip == old:
        return
    with objects.held(session.repository, made, keep=session.keep):
        session.move([RefUpdate(ref=REDACTIONS, new=tip, old=old)], "ledger: redacted")


def _built(entry: Redaction, parent: str | None, object_format: str) -> list[GitObject]:
    body = objects.make("blob", canonical.dumps(_document(entry)), object_format)
    tree = objects.flat_tree({FILE: body.id}, object_format)
    commit = objects.commit(
        tree=tree.id,
        parents=[parent] if parent else [],
        author=entry.by,
        seconds=int(utc_time(entry.at).timestamp()),
        message=f"redact {entry.place} of run {entry.run[:8]}\n\nLedger-Run: {entry.run}\n",
        object_format=object_format,
    )
    return [body, tree, commit]


def _document(entry: Redaction) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **{key: getattr(entry, key) for key in ("id", "slug", "run", "reason", "at", "old", "new")},
        "path": str(entry.place),
        "by": {"name": entry.by.name, "email": entry.by.email},
        "banned": list(entry.banned),
        **({} if entry.records is None else {"records": list(entry.records)}),
    }


def _parsed(body: GitObject | None) -> Redaction:
    if body is None or body.kind != "blob":
        raise FormatError("missing or too large")
    document = canonical.loads(body.body, what=FILE, max_bytes=MAX_BYTES)
    version = document.get("format") if isinstance(document, dict) else None
    if not isinstance(version, int) or version > FORMAT:
        raise FormatError("not a redaction that this ledger can read", hint="upgrade ledger")
    try:
        return _checked(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"not a redaction: {type(error).__name__}: {error}") from error


def _checked(document: Mapping[str, Any]) -> Redaction:
    texts = {key: document[key] for key in _KEYS}
    if not all(isinstance(text, str) and len(text) <= _MAX_TEXT for text in texts.values()):
        raise ValueError("a text is missing, or too long")
    if not (is_id(texts["id"]) and is_id(texts["run"]) and is_slug(texts["slug"])):
        raise ValueError("an id or a slug that is none")
    ids = [*document.get("banned", ()), *(one for key in ("old", "new") if (one := document.get(key)))]
    if not all(isinstance(one, str) and is_object_id(one) for one in ids):
        raise ValueError("an id that is none")
    records = document.get("records")
    if records is not None and not all(isinstance(one, str) and is_id(one) for one in records):
        raise ValueError("a record that is none")
    utc_time(texts["at"])
    try:
        where = place(texts.pop("path"))
    except InputError as error:
        raise ValueError(error.message) from error
    by = document["by"]
    return Redaction(
        **texts,
        place=where,
        by=Author(name=str(by["name"]), email=str(by["email"])),
        old=document.get("old"),
        new=document.get("new"),
        banned=tuple(document.get("banned", ())),
        records=None if records is None else tuple(records),
    )
