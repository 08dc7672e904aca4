"""Signatures of records: who vouches for the bytes that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ledger.errors import FormatError
from ledger.git import objects
from ledger.git.process import Repository
from ledger.git.signing import Checker, Signed, Standing
from ledger.model import StoreFault, utc_time
from ledger.store import codec
from ledger.store.documents import WRONG, parsed
from ledger.store.signature import TRAILER, payload
from ledger.store.verify.chains import chains
from ledger.store.verify.chains import parsed as parsed_commit
from ledger.store.verify.walk import MAX_READ, Commit, Told, Walk

_CHUNK = 200


@dataclass(slots=True, kw_only=True)
class Signatures:
    """Counts are records."""

    good: int = 0
    bad: int = 0
    unknown: int = 0
    """Sound, by a key that the list of allowed signers does not name."""
    unsigned: int = 0
    signers: dict[str, int] = field(default_factory=dict)
    """Good ones, by who made them."""
    faults: list[StoreFault] = field(default_factory=list)


def signatures(repository: Repository, allowed: Path | None, *, told: Told | None = None) -> Signatures:
    """Check every record on every chain. Raises RepositoryError where ssh-keygen is missing."""
    found, seen = Signatures(), set[str]()
    checker = Checker(repository, allowed)
    every = list(chains(Walk(repository)))
    total, done = sum(len(ids) for _, ids in every), 0
    with objects.reader(repository, max_bytes=MAX_READ) as bulk:
        for ref, ids in every:
            for start in range(0, len(ids), _CHUNK):
                part = ids[start : start + _CHUNK]
                fresh = [commit for commit in _commits(bulk, ref, part) if commit.id not in seen]
                seen.update(part)
                _judge(bulk, checker, fresh, found)
                done += len(part)
                if told:
                    told(done, total)
    return found


def _commits(bulk: objects.Reader, ref: str, ids: Sequence[str]) -> Iterator[Commit]:
    for oid, body in zip(ids, bulk.read(ids), strict=True):
        if body is not None:
            yield parsed_commit(ref, oid, body.body)


def _judge(bulk: objects.Reader, checker: Checker, commits: Sequence[Commit], found: Signatures) -> None:
    signed = [commit for commit in commits if TRAILER in commit.trailers]
    found.unsigned += len(commits) - len(signed)
    asked = [_asked(bulk, commit, checker.repository.object_format) for commit in signed]
    verdicts = iter(checker.check([one for one in asked if one is not None]))
    for commit, one in zip(signed, asked, strict=True):
        standing, name = next(verdicts) if one is not None else (Standing.BAD, "")
        setattr(found, standing.value, getattr(found, standing.value) + 1)
        if standing is Standing.GOOD:
            found.signers[name] = found.signers.get(name, 0) + 1
        if standing is Standing.BAD:
            found.faults.append(StoreFault(ref=commit.ref, commit=commit.id, path="", what=_BAD))


_BAD = "its signature is not over what is here: the run was changed after it was signed, or the signature was"


def _asked(bulk: objects.Reader, commit: Commit, object_format: str) -> Signed | None:
    """What a commit says is signed; None for a run that can't be read, which nobody signed."""
    try:
        files = _files(bulk, commit, object_format)
        run = parsed(files.get(codec.RUN), codec.RUN)
        at = utc_time(run["recorded"])
        return Signed(payload=payload(run["record"], files), signature=commit.trailers[TRAILER], at=at)
    except WRONG:
        return None


def _files(bulk: objects.Reader, commit: Commit, object_format: str) -> dict[str, bytes]:
    """All files of a run, within what a reader may hold. Raises FormatError."""
    tree = bulk.read([commit.tree])[0]
    entries = objects.parse_tree(tree.body, object_format) if tree is not None else []
    if tree is None or len(entries) > codec.MAX_ENTRIES:
        raise FormatError("its tree can't be read")
    bodies = bulk.read([entry.id for entry in entries])
    if any(body is None for body in bodies):
        raise FormatError("one of its files can't be read")
    return {entry.name: body.body for entry, body in zip(entries, bodies, strict=True) if body is not None}
