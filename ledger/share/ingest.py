"""Take in what a fleet left: sealed files, thousands at once, each validated, each record chained exactly once.

What is on the chains is asked under the chain lock, and the records are sealed and chained under the same lock: two
that ingest the same files at once, a record that a pull brought meanwhile and a killed ingest all end in one record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain as joined

from ledger.config import Workspace
from ledger.errors import ContentionError, FormatError, LedgerError
from ledger.git import objects, refs
from ledger.git.process import lines
from ledger.model import StoreFault
from ledger.share.chainlog import beyond
from ledger.share.intake import Packs, faults
from ledger.share.session import home, pin
from ledger.store import aftercare, chain, lock
from ledger.store.depot import MAX_BYTES, Depot, Found
from ledger.store.sealed import Sealed, contents, read_bytes
from ledger.store.slug import RUNS
from ledger.store.spool import Spool

_WAIT_SECONDS = 120.0
_BATCH_BYTES = 48 << 20
_BATCH_RECORDS = 10_000
_SHOWN = 3
_TREES = "--format=%T %(trailers:key=Ledger-Record,valueonly,unfold,separator=%x20)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file that was left where it is."""

    place: str
    what: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Ingested:
    files: int = 0
    """Sealed files that were looked at."""
    records: int = 0
    """New on their chains."""
    known: int = 0
    """There already."""
    waiting: int = 0
    """Sealed here, and not on a chain yet: the faults say why."""
    deleted: int = 0
    refused: list[Refused] = field(default_factory=list)
    faults: list[StoreFault] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Bundle:
    depot: Depot
    found: Found
    records: Sequence[Sealed]


def ingest(
    workspace: Workspace,
    depots: Iterable[Depot],
    *,
    delete: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> Ingested:
    """Raises RemoteError, InputError for a place that can't be read; ContentionError."""
    work = _Ingest(workspace, told)
    for depot in depots:
        for batch in work.batches(depot):
            work.take(batch)
            if delete:
                work.delete(batch)
    return work.done


class _Ingest:
    def __init__(self, workspace: Workspace, told: Callable[[str], None]) -> None:
        self._repository = workspace.repository
        self._spool = Spool.of(workspace.repository)
        self._home = home(workspace) or "origin"
        self._packs = Packs(workspace.repository, workspace.config.snapshot_max_bytes)
        self._told = told
        self._seen: dict[str, tuple[str, ...]] = {}
        """Slug → tips up to which `_there` is known."""
        self._there: set[str] = set()
        self.done = Ingested()

    def batches(self, depot: Depot) -> Iterator[list[_Bundle]]:
        batch: list[_Bundle] = []
        size = count = 0
        for found in depot.files():
            self.done.files += 1
            try:
                records = _opened(depot, found)
            except LedgerError as error:
                self._refuse(depot, found, [error.message.removeprefix(f"{found.name}: ")])
                continue
            batch.append(_Bundle(depot, found, records))
            size, count = size + found.size, count + len(records)
            if size > _BATCH_BYTES or count >= _BATCH_RECORDS:
                yield batch
                batch, size, count = [], 0, 0
        if batch:
            yield batch

    def take(self, batch: list[_Bundle]) -> None:
        """Chain what is sound and not there; leaves the sound ones in `batch`."""
        self._told(f"validating {sum(len(one.records) for one in batch):,} records")
        batch[:] = [one for one in batch if self._is_sound(one)]
        if not batch:
            return
        with lock.acquire(self._repository.folder / "lock", wait_seconds=_WAIT_SECONDS) as held:
            if held is None:
                raise ContentionError(
                    "others are recording without a pause", hint="try again; nothing is lost"
                )
            mended = aftercare.mend(self._repository, self._spool, held)
            self._look(batch)
            wanted = {item.record: item for one in batch for item in one.records}
            fresh = [item for record, item in wanted.items() if record not in self._there]
            self.done.known += len(wanted) - len(fresh)
            if fresh:
                self._told(f"chaining {len(fresh):,} records")
                self._chain(held, mended, fresh)

    def _chain(self, held: lock.Held, mended: aftercare.Mended, fresh: Sequence[Sealed]) -> None:
        name = f"{fresh[0].seconds * 1_000_000:016d}-{fresh[0].record}"
        path = self._spool.seal(fresh, name=name)
        drained = chain.drain_held(self._repository, held, mended, home=self._home, known={path: fresh})
        self.done.faults += drained.faults
        if path.exists():
            held.doubt()  # some of its records may be on their chains
            self.done.waiting += len(fresh)
        else:
            self.done.records += len(fresh)

    def _is_sound(self, one: _Bundle) -> bool:
        if all(item.record in self._there for item in one.records):
            return True
        wrong = []
        for item in one.records:
            said = next(joined(faults(item), filter(None, [self._packs.fault(item)])), "")
            wrong += [f"{item.record[:12]}: {said}"] if said else []
        if wrong:
            more = [f"and {len(wrong) - _SHOWN:,} more records"] if len(wrong) > _SHOWN else []
            self._refuse(one.depot, one.found, [*wrong[:_SHOWN], *more])
        return not wrong

    def _refuse(self, depot: Depot, found: Found, what: Sequence[str]) -> None:
        self.done.refused.append(Refused(place=f"{depot.label}/{found.name}", what=tuple(what)))

    def _look(self, batch: Sequence[_Bundle]) -> None:
        """Learn what is on the chains, on what was fetched and in the spool. The chain lock is held."""
        slugs = {item.slug for one in batch for item in one.records}
        pins = {slug: pin(self._home, slug) for slug in slugs}
        found = refs.tips(self._repository, *(RUNS + slug for slug in slugs), *pins.values())
        for slug in slugs:
            tips = tuple(
                found[ref].id
                for ref in (RUNS + slug, pins[slug])
                if ref in found and found[ref].kind == "commit"
            )
            old = self._seen.get(slug, ())
            if tips != old:
                fresh = beyond(self._repository, {tip: tip for tip in tips}, old)
                self._there.update(link.record for line in fresh.values() for link in line.links)
                self._seen[slug] = tips
        for path in self._spool.pending():
            with suppress(FormatError, FileNotFoundError):
                self._there.update(record for record, _ in contents(path))

    def delete(self, batch: Sequence[_Bundle]) -> None:
        """Files of which every record is on its chain, byte for byte, by a look of its own."""
        trees: dict[str, dict[str, str]] = {}
        for one in batch:
            for slug in {item.slug for item in one.records} - trees.keys():
                trees[slug] = self._trees(slug)
            if all(trees[item.slug].get(item.record) == self._tree(item) for item in one.records):
                self.done.deleted += one.depot.delete(one.found)

    def _trees(self, slug: str) -> dict[str, str]:
        """Record → tree of a chain."""
        tip = refs.tips(self._repository, RUNS + slug).get(RUNS + slug)
        if tip is None or tip.kind != "commit":
            return {}
        output = self._repository.git("log", _TREES, "--end-of-options", tip.id, "--")
        pairs = (line.partition(" ") for line in lines(output))
        return {record.strip(): tree for tree, _, record in pairs}

    def _tree(self, item: Sealed) -> str:
        kind = self._repository.object_format
        blobs = {name: objects.make("blob", data, kind).id for name, data in item.files.items()}
        return objects.flat_tree(blobs, kind).id


def _opened(depot: Depot, found: Found) -> list[Sealed]:
    """Raises LedgerError for what is no sealed file, or none that may be chained."""
    if found.size > MAX_BYTES:
        raise FormatError(f"{found.size:,} bytes, the limit is {MAX_BYTES:,}")
    data = depot.read(found)
    if len(data) > MAX_BYTES:
        raise FormatError(f"more than {MAX_BYTES:,} bytes")
    records = read_bytes(data, what=found.name)
    if not records or not all(item.slug for item in records):
        raise FormatError("a refused run, or nothing at all", hint="ledger record --refused FILE finishes it")
    return records
