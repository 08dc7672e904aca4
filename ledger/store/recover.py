"""Finishing by hand what killed processes left; every command that writes does most of it by itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ledger.durable import sync_folder
from ledger.errors import ContentionError, FormatError, GitError
from ledger.git.process import Repository
from ledger.model import StoreFault
from ledger.store import aftercare, chain, lock
from ledger.store import index as store_index
from ledger.store.sealed import read
from ledger.store.slug import RUNS
from ledger.store.spool import SUFFIX, Spool

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
    held: dict[Path, list[tuple[str, str]]] = {}
    for path in _kept(spool):
        with suppress(FormatError, FileNotFoundError):
            held[path] = [(item.slug, item.record) for item in read(path)]
    on_chain = aftercare.chained_on(repository, {slug for named in held.values() for slug, _ in named})
    faults = [  # nothing is restored on top of a chain that can't be read
        StoreFault(ref=RUNS + slug, commit="", path="", what=found.message)
        for slug, found in on_chain.items()
        if isinstance(found, GitError)
    ]
    count = 0
    for path, named in held.items():
        if any(_vanished(record, on_chain[slug]) for slug, record in named):
            with suppress(FileNotFoundError):
                path.rename(spool.folder / path.name)
                count += 1
    if count:
        sync_folder(spool.folder)
    return count, faults


def _vanished(record: str, on_chain: frozenset[str] | GitError) -> bool:
    return not isinstance(on_chain, GitError) and record not in on_chain


def _kept(spool: Spool) -> Iterator[Path]:
    if spool.chained.is_dir():
        yield from sorted(spool.chained.glob(f"*/*{SUFFIX}"))


def rebuild_index(repository: Repository, *, told: store_index.Told | None = None) -> int:
    """Throw the index away and make it anew; the number of records in it."""
    folder = repository.folder / f"index-v{store_index.INDEX_VERSION}"
    shutil.rmtree(folder, ignore_errors=True)
    return len(store_index.load(repository, told=told))
