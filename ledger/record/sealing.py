"""Seal and chain: from here on a record is durable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ledger.config import Workspace
from ledger.errors import ConfigError, InputError, LedgerError, StorageError
from ledger.model import Code, Record, utc_time
from ledger.record.code import Captured
from ledger.record.message import commit_message
from ledger.record.readable import readable
from ledger.store import aftercare, chain, codec
from ledger.store.sealed import Sealed
from ledger.store.slug import RUNS, slug
from ledger.store.spool import Spool


class TooLargeError(InputError):
    """A record that nobody could read back. `record` is its id."""

    def __init__(self, said: str, record: str) -> None:
        super().__init__(said, hint="keep what is large in a file, and record that as an output")
        self.record = record


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of records that are durable."""

    chained: frozenset[str] = frozenset()
    """Ids of those that are on their chain."""
    warnings: tuple[str, ...] = ()
    """Where the others are, and why, unless a process that is writing just now takes them along."""


def stored(workspace: Workspace, records: Sequence[Record], packs: Sequence[bytes] = ()) -> Fate:
    """Make records durable, then chain what can be chained. `packs` hold the snapshots of new runs, record by record.

    Raises TooLargeError, StorageError.
    """
    whole = [sealed(item, pack) for item, pack in zip(records, packs or [b""] * len(records), strict=True)]
    whole, unsigned = signed(workspace, whole)
    name = stem(workspace, records[0].run.record)
    fate = _sealed_once(workspace, whole, name) or _sealed_once(workspace, whole, name)
    if fate is None:
        raise StorageError(
            "the sealed file was deleted before it was on its ref, twice",
            hint="something cleans the spool of .git/ledger; stop it and record again",
        )
    return replace(fate, warnings=(*unsigned, *fate.warnings)) if unsigned else fate


def signed(workspace: Workspace, whole: list[Sealed]) -> tuple[list[Sealed], tuple[str, ...]]:
    """Records with signatures, where the user's git configuration says so; one that can't be made loses no run."""
    key = workspace.config.signing_key
    if not workspace.config.sign:
        return whole, ()
    from ledger.git import signing
    from ledger.store.signature import payload, signed_message

    try:
        if key is None:
            raise ConfigError("ledger.sign is set, and no key is named")
        made = signing.sign(workspace.repository, key, [payload(item.record, item.files) for item in whole])
    except (LedgerError, OSError) as error:
        return whole, (f"not signed: {error.message if isinstance(error, LedgerError) else error}",)
    pairs = zip(whole, made, strict=True)
    return [replace(item, message=signed_message(item.message, one)) for item, one in pairs], ()


def _sealed_once(workspace: Workspace, whole: Sequence[Sealed], name: str) -> Fate | None:
    """Seal and chain; None when the sealed file vanished and its records are not all on their chains."""
    repository = workspace.repository
    spool = Spool.of(repository)
    path = spool.seal(whole, name=name)
    try:
        drained = chain.drain(repository, home=workspace.config.remote or "origin", known={path: whole})
    except LedgerError as error:  # durable all the same: the next command chains it
        return _waiting(path, error.message)
    except OSError as error:
        return _waiting(path, ": ".join(str(part) for part in (error.filename, error.strerror) if part))
    if not path.exists():
        on_chain = aftercare.is_aside(spool, path) or aftercare.all_chained(repository, whole)
        return Fate(chained=frozenset(item.record for item in whole)) if on_chain else None
    own = {str(path), *(RUNS + item.slug for item in whole)}
    why = next((fault.what for fault in drained.faults if own & {fault.path, fault.ref}), "")
    if path.parent == spool.fallback:
        why = why or f"{spool.folder} can't be written"
    return _waiting(path, why) if why else Fate()


def _waiting(path: Path, why: str) -> Fate:
    return Fate(warnings=(f"sealed in {path}, not on its ref yet: {why}",))


def stem(workspace: Workspace, record_id: str) -> str:
    """Names that sort by time, whatever the clock's resolution."""
    return f"{int(workspace.now().timestamp() * 1e6):016d}-{record_id}"


def sealed(item: Record, pack: bytes = b"") -> Sealed:
    """A record with what its commit needs. Raises TooLargeError."""
    made = files(item)
    if said := codec.oversized(made):
        raise TooLargeError(said, item.run.record)
    return Sealed(
        record=item.run.record,
        run=item.run.id,
        slug=slug(item.run.experiment),
        author=item.run.author,
        seconds=int(utc_time(item.run.recorded).timestamp()),
        message=commit_message(item),
        code=_keep_alive(item.run.code),
        files=made,
        pack=pack,
    )


def files(item: Record) -> dict[str, bytes]:
    """The files of a record; names of branches, words and variables that are no UTF-8 lose no run."""
    try:
        return codec.files(item)
    except InputError:
        return codec.files(replace(item, run=readable(item.run)))  # which still refuses what can't be written


def _keep_alive(code: Code | None) -> tuple[str, ...]:
    return Captured(code=code).keep_alive if code else ()
