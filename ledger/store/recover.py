"""Finishing by hand what killed processes left; every command that writes does most of it by itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ledger.errors import ContentionError, FormatError, GitError
from ledger.git.process import Repository
from ledger.model import StoreFault
from ledger.store import aftercare, chain, lock
from ledger.store import index as store_index
from ledger.store.sealed import read
from ledger.store.slug import RUNS
from ledger.store.spool import SUFFIX, Spool, sync_folder

_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was done, and what could not be."""

    predecessor: lock.Holder | None = None
    """A process that ended while it was writing."""
    restored: int = 0
    """Sealed files that went back into the spool: their records had vanished from their refs."""
    chained: int = 0
    """Records that were put on their refs."""
    waiting: int = 0
    """Sealed files that still can't be."""
    faults: tuple[StoreFault, ...] = field(default=())


def recover(repository: Repository) -> Recovered:
    """Mend, restore, chain. Raises ContentionError when another process holds the lock for half a minute."""
    spool = Spool.of(repository)
    path = repository.folder / "lock"
    left = lock.holder(path)
    with lock.acquire(path, wait_seconds=_WAIT_SECONDS) as held:
        if held is None:
            raise ContentionError(
                "another process is writing, and will do this",
                hint="`ledger status` says which; nothing is lost",
            )
        there = aftercare.mend(repository, spool, held)
        restored, faults = _restored(repository, spool)
        if there.chained or restored:
            held.doubt()  # what is pending may be on its chain already: the drain below has to look
    before = len(spool.pending())
    drained = chain.drain(repository, wait_seconds=_WAIT_SECONDS)
    return Recovered(
        predecessor=left if left is not None and left.alive is False else None,
        restored=restored,
        chained=drained.records,
        waiting=len(spool.pending()) if before else 0,
        faults=(*faults, *drained.faults),
    )


def _restored(repository: Repository, spool: Spool) -> tuple[int, list[StoreFault]]:
    """Put back what was chained and is on no chain any more, as far as its sealed file is still kept."""
    on_chain: dict[str, frozenset[str] | None] = {}
    faults: list[StoreFault] = []
    count = 0
    for path in _kept(spool):
        with suppress(FormatError, FileNotFoundError):
            records = read(path)
            for name in {item.slug for item in records} - on_chain.keys():
                on_chain[name] = _on_chain(repository, RUNS + name, faults)
            if any(_vanished(item.record, on_chain[item.slug]) for item in records):
                path.rename(spool.folder / path.name)
                count += 1
    if count:
        sync_folder(spool.folder)
    return count, faults


def _on_chain(repository: Repository, ref: str, faults: list[StoreFault]) -> frozenset[str] | None:
    """Ids of a chain's records; None, and a fault, when it can't be read: nothing is restored on top of it."""
    try:
        return aftercare.chained_records(repository, ref)
    except GitError as error:
        faults.append(StoreFault(ref=ref, commit="", path="", what=error.message))
        return None


def _vanished(record: str, on_chain: frozenset[str] | None) -> bool:
    return on_chain is not None and record not in on_chain


def _kept(spool: Spool) -> Iterator[Path]:
    if spool.chained.is_dir():
        yield from sorted(spool.chained.glob(f"*/*{SUFFIX}"))


def rebuild_index(repository: Repository, *, told: store_index.Told | None = None) -> int:
    """Throw the index away and make it anew; the number of records in it."""
    folder = repository.folder / f"index-v{store_index.INDEX_VERSION}"
    shutil.rmtree(folder, ignore_errors=True)
    return len(store_index.load(repository, told=told))
