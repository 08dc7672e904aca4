"""What lies beside git's own store: the spool and the index."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ledger.errors import FormatError, GitError, LedgerError
from ledger.store import aftercare, codec
from ledger.store import index as store_index
from ledger.store.sealed import Sealed, read
from ledger.store.slug import RUNS
from ledger.store.spool import SUFFIX, Spool
from ledger.store.verify import content as check
from ledger.store.verify import digest
from ledger.store.verify.walk import Walk


def spool(walk: Walk) -> None:
    """Every sealed file has its checksums; what still waits for its chain is also read as a run."""
    spool = Spool.of(walk.repository)
    for path in spool.pending():
        for item in _sealed(walk, path):
            _waiting(walk, path, item)
    for folder in (spool.refused, spool.fallback / spool.refused.name):
        for path in sorted(folder.rglob(f"*{SUFFIX}")):
            _sealed(walk, path)
    kept = [
        (path, item) for path in sorted(spool.chained.rglob(f"*{SUFFIX}")) for item in _sealed(walk, path)
    ]
    _still_chained(walk, [(path, item) for path, item in kept if item.record not in walk.records])


def _still_chained(walk: Walk, lost: Sequence[tuple[Path, Sealed]]) -> None:
    """Sealed files that were set aside when their records were chained: they know what the refs have lost."""
    on_chain = aftercare.chained_on(walk.repository, {item.slug for _, item in lost})
    for path, item in lost:
        there = on_chain[item.slug]
        if not isinstance(there, GitError) and item.record not in there:  # else it has its own fault
            walk.fault(
                f"was on the ref, and its record {item.record[:12]} is not any more (ledger recover restores it)",
                ref=RUNS + item.slug,
                path=str(path),
            )


def _sealed(walk: Walk, path: Path) -> list[Sealed]:
    try:
        return read(path)
    except FileNotFoundError:
        return []  # chained, or looked at again, meanwhile
    except FormatError as error:
        walk.fault(error.message.removeprefix(f"{path}: "), path=str(path))
        return []


def _waiting(walk: Walk, path: Path, item: Sealed) -> None:
    content = check.content(item.files)
    wrong = [
        *content.wrong,
        *check.history({n: d for n, d in item.files.items() if codec.HISTORY.fullmatch(n)}),
    ]
    if content.run is not None and (content.run["record"], content.run["id"]) != (item.record, item.run):
        wrong.append((codec.RUN, "is not of the record that the manifest names"))
    for name, what in wrong:
        walk.fault(f"{item.record[:12]}: {name}: {what}", path=str(path))


def index(walk: Walk) -> None:
    """The index says of every record what its commit says."""
    where = str(walk.repository.folder / f"index-v{store_index.INDEX_VERSION}")
    try:
        loaded = store_index.load(walk.repository)
    except LedgerError as error:
        walk.fault(f"can't be read or made: {error.message}", path=where)
        return
    found = dict(digest.of_index(loaded))
    for record, seen in walk.records.items():
        at = partial(walk.fault, ref=seen.ref, commit=seen.commit, path=where)
        if seen.sound and record not in found:
            at(f"lacks the record {record[:12]} ({_REBUILD})")
        elif seen.sound and found[record] != seen.digest:
            at(f"says something else of the record {record[:12]} ({_REBUILD})")
    for record in found.keys() - walk.records.keys():
        ref, commit = digest.place_of(loaded, record)
        if commit not in walk.unreadable and ref not in walk.cut:
            walk.fault(
                f"has the record {record[:12]}, which is on no chain ({_REBUILD})", commit=commit, path=where
            )


_REBUILD = "ledger recover --index makes it anew"
