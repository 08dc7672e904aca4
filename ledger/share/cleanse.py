"""Chains without the values that were taken out: the same commits in every clone that has the same chain and log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ledger.git import objects, refs
from ledger.git.objects import GitObject, TreeEntry
from ledger.git.process import Repository, lines
from ledger.share import redactions
from ledger.share.carried import Carried
from ledger.share.redactions import Redaction
from ledger.share.reparent import Redone, reparented
from ledger.store import codec
from ledger.store.aftercare import RECORD_TRAILER
from ledger.store.redacted import message_without
from ledger.store.slug import RUNS

_TRAILERS = ("Ledger-Run", RECORD_TRAILER)
_FORM = "--format=%H%x00%T" + "".join(
    f"%x00%(trailers:key={key},valueonly,unfold,separator=%x20)" for key in _TRAILERS
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A commit that holds values, and how it looks without them."""

    redone: Redone
    banned: tuple[str, ...]
    """The tree and the files that held them."""
    values: tuple[object, ...]
    record: str


@dataclass(frozen=True, slots=True)
class _Commit:
    id: str
    tree: str
    run: str
    record: str


class Cleanser:
    """Takes values out of the chains of a repository."""

    def __init__(self, repository: Repository, redactions: Iterable[Redaction] = ()) -> None:
        self._repository = repository
        self.redactions = tuple(redactions)
        self.taken: list[tuple[Redaction, object]] = []
        """Values that were found so far, with what took them out."""
        self.carried = Carried(self.redactions, repository.object_format)
        self._learned: set[str] = set()

    def of(self, slug: str) -> list[Redaction]:
        return [one for one in self.redactions if one.slug == slug]

    def changes(self, slug: str, tips: Collection[str]) -> dict[str, Changed]:
        """Commits that the tips reach and that hold a value, by id. Raises GitError."""
        wanted = self.of(slug)
        if not wanted or not tips:
            return {}
        self._learn(slug, wanted)
        commits = self._commits({one.run for one in wanted}, tips)
        return {one.id: changed for one in commits if (changed := self._changed(one, wanted))}

    def _learn(self, slug: str, wanted: Sequence[Redaction]) -> None:
        """What this repository's own chain says of the values, before records are judged that may be on no chain."""
        if slug in self._learned or all(one.records is None for one in wanted):
            return
        self._learned.add(slug)
        tip = refs.commit(self._repository, RUNS + slug)
        if tip is not None:
            for one in self._commits({one.run for one in wanted}, [tip]):
                self._changed(one, wanted)

    def chain(self, slug: str, tip: str) -> tuple[str, list[GitObject]]:
        """The tip of the chain without the values, and the objects that this takes; itself where it holds none."""
        changes = self.changes(slug, [tip])
        if not changes:
            return tip, []
        _, made = self._made(changes, self._ids(tip))
        return made[-1].id, [*parts(changes.values()), *made]

    def grown_from(self, slug: str, tip: str, before: str) -> str | None:
        """The commit of a chain at which it was what another chain is, but for values taken out of either.

        None where it does not go on from that chain. Raises GitError.
        """
        ids = self._ids(tip)
        changes = self.changes(slug, [tip])
        first, made = self._made(changes, ids) if changes else (len(ids), [])
        clean = [*ids[:first], *(one.id for one in made)]
        wanted = self.chain(slug, before)[0]
        return dict(zip(clean, ids, strict=True)).get(wanted)

    def _ids(self, tip: str) -> list[str]:
        words = ("rev-list", "--reverse", "--first-parent", "--end-of-options", tip, "--")
        return self._repository.git(*words).decode().split()

    def _made(self, changes: dict[str, Changed], ids: Sequence[str]) -> tuple[int, list[GitObject]]:
        """The number of the first commit that is another, and all from there on."""
        first = next(number for number, commit in enumerate(ids) if commit in changes)
        return first, reparented(
            self._repository, ids[first:], ids[first - 1] if first else None, _redone(changes)
        )

    def _commits(self, runs: Collection[str], tips: Collection[str]) -> list[_Commit]:
        """Those of some runs; the records that the log names first, since they tell of the others."""
        words = (word for run in sorted(runs) for word in ("--grep", f"^Ledger-Run: {run}$"))
        output = self._repository.git(
            "log", "-E", "--reverse", *words, _FORM, "--stdin", stdin="".join(f"{tip}\n" for tip in tips).encode()
        )  # fmt: skip
        rows = (_Commit(*map(str.strip, line.split("\0"))) for line in lines(output))
        named = {record for one in self.redactions for record in one.records or ()}
        return sorted((row for row in rows if row.run in runs), key=lambda row: row.record not in named)

    def _changed(self, commit: _Commit, wanted: Sequence[Redaction]) -> Changed | None:
        entries = self._entries(commit.tree)
        made: list[GitObject] = []
        banned: list[str] = []
        values: list[tuple[Redaction, object]] = []
        for one in wanted:
            entry = entries.get(one.place.file) if one.run == commit.run else None
            body = next((new.body for new in made if entry and new.id == entry.id), None)
            data = body if body is not None else self._bytes(entry)
            done = self.carried.without(one, commit.record, data) if data is not None else None
            if entry is None or done is None:
                continue
            new = objects.make("blob", done[0], self._repository.object_format)
            made.append(new)
            banned.append(entry.id)
            values.append((one, done[1]))
            entries[entry.name] = TreeEntry(entry.mode, entry.name, new.id)
        if not values:
            return None
        self.taken += values
        whole = objects.flat_tree({e.name: e.id for e in entries.values()}, self._repository.object_format)
        redone = Redone(tree=whole.id, message=_Message(tuple(values)), parts=(*made, whole))
        return Changed(
            redone=redone,
            banned=(commit.tree, *banned),
            values=tuple(value for _, value in values),
            record=commit.record,
        )

    def _entries(self, tree: str) -> dict[str, TreeEntry]:
        body = objects.read(self._repository, [tree])[0]
        if body is None or body.kind != "tree":
            return {}
        return {e.name: e for e in objects.parse_tree(body.body, self._repository.object_format)}

    def _bytes(self, entry: TreeEntry | None) -> bytes | None:
        size = objects.sizes(self._repository, [entry.id])[0] if entry else None
        if entry is None or size is None or size > codec.max_bytes(entry.name):
            return None
        body = objects.read(self._repository, [entry.id])[0]
        return body.body if body is not None and body.kind == "blob" else None


@dataclass(frozen=True, slots=True)
class _Message:
    values: tuple[tuple[Redaction, object], ...]

    def __call__(self, message: bytes) -> bytes:
        for one, value in self.values:
            message = message_without(message, value, one.place, one.mark)
        return message


def cleanser(repository: Repository, log: str | None) -> Cleanser:
    """Of what a tip of the log of redactions says. Raises FormatError, GitError."""
    return Cleanser(repository, redactions.read(repository, log).entries.values())


def _redone(changes: dict[str, Changed]) -> dict[str, Redone]:
    return {commit: changed.redone for commit, changed in changes.items()}


def parts(changes: Iterable[Changed]) -> list[GitObject]:
    """Files and trees of changed commits."""
    return list({part.id: part for changed in changes for part in changed.redone.parts}.values())
