"""Take in what a fleet left: sealed files, thousands at once, each validated, each record chained exactly once.

What is on the chains is asked under the chain lock, and the records are sealed and chained under the same lock: two
that ingest the same files at once, a record that a pull brought meanwhile and a killed ingest all end in one record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field

from ledger.config import Workspace
from ledger.errors import ContentionError, FormatError, LedgerError
from ledger.git import history, refs
from ledger.git.process import lines
from ledger.model import StoreFault
from ledger.share import helpers
from ledger.share.chainlog import beyond
from ledger.share.intake import Packs
from ledger.share.session import home, pin
from ledger.share.sifting import Arrived, Sieve, Sifted, experiments, sifted
from ledger.store import aftercare, chain, lock
from ledger.store.depot import Depot, Found
from ledger.store.sealed import Sealed, contents
from ledger.store.slug import RUNS
from ledger.store.spool import Spool

_WAIT_SECONDS = 120.0
_BATCH_BYTES = 48 << 20
_BATCH_RECORDS = 2_500
_FIRST_FILES, _FIRST_BYTES = 16, 1 << 20
_PART_BYTES = 4 << 20
_PART_FILES = 125
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
    records: Sequence[Arrived]


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
        self._chains: dict[str, tuple[str, dict[str, str]]] = {}
        """Slug → the tip up to which `_trees` read its chain, and what that holds."""
        self.done = Ingested()

    def batches(self, depot: Depot) -> Iterator[list[_Bundle]]:
        """Files that are sound, as many as are chained together."""
        batch: list[_Bundle] = []
        size = count = 0
        for found, one in self._sifted(depot, list(depot.files())):
            self.done.files += 1
            if one.wrong:
                refused = Refused(place=f"{depot.label}/{found.name}", what=one.wrong)
                self.done.refused.append(refused)
                continue
            batch.append(_Bundle(depot, found, one.records))
            size, count = size + found.size, count + len(one.records)
            if count >= _BATCH_RECORDS or size > _BATCH_BYTES:
                yield batch
                batch, size, count = [], 0, 0
        if batch:
            yield batch

    def _sifted(self, depot: Depot, files: Sequence[Found]) -> Iterator[tuple[Found, Sifted]]:
        """By helpers, who work ahead, where that is worth it."""
        parts = list(_parts(files))
        crew = helpers.count() if len(parts) > 1 else 0
        if len(parts) > 1:
            self._glance(depot, files)
        sieve = Sieve(depot, self._packs, self._there, self._repository.object_format)
        weights = [sum(file.size for file in part) for part in parts]
        with closing(helpers.answers(lambda at: sieve.sift(parts[at]), weights, helpers=crew)) as answers:
            for part, answer in zip(parts, answers, strict=True):
                yield from zip(part, sifted(answer), strict=True)

    def _glance(self, depot: Depot, files: Sequence[Found]) -> None:
        """Look at the chains that the first few are for, so that what is there need not be checked again."""
        slugs: set[str] = set()
        size = 0
        for found in files[:_FIRST_FILES]:
            size += found.size
            with suppress(LedgerError):
                slugs |= experiments(depot, found)
            if size > _FIRST_BYTES:
                break
        if slugs:
            self._look(slugs)

    def take(self, batch: Sequence[_Bundle]) -> None:
        """Chain what is not there."""
        with lock.acquire(self._repository.folder / "lock", wait_seconds=_WAIT_SECONDS) as held:
            if held is None:
                raise ContentionError(
                    "others are recording without a pause", hint="try again; nothing is lost"
                )
            mended = aftercare.mend(self._repository, self._spool, held)
            self._look({item.slug for one in batch for item in one.records})
            wanted = {item.record: item.sealed for one in batch for item in one.records}
            fresh = [sealed for record, sealed in wanted.items() if sealed and record not in self._there]
            self.done.known += len(wanted) - len(fresh)
            if fresh:
                self._told(f"chaining {len(fresh):,} records")
                self._chain(held, mended, fresh)
            elif self._spool.pending():
                # An ingest that was killed sealed them: they are known, and on no chain.
                left = chain.drain_held(self._repository, held, mended, home=self._home, known={})
                self.done.faults += left.faults

    def _chain(self, held: lock.Held, mended: aftercare.Mended, fresh: Sequence[Sealed]) -> None:
        name = f"{fresh[0].seconds * 1_000_000:016d}-{fresh[0].record}"
        path = self._spool.seal(fresh, name=name)
        drained = chain.drain_held(self._repository, held, mended, home=self._home, known={path: fresh})
        self.done.faults += drained.faults
        if path.exists():
            held.doubt()  # some of its records may be on their chains
            self.done.waiting += len(fresh)
            return
        self.done.records += len(fresh)
        if drained.records == len(fresh):  # these, and nothing that others had sealed
            self._there.update(item.record for item in fresh)
            self._follow(drained.moved)

    def _follow(self, moved: Mapping[str, tuple[str | None, str]]) -> None:
        """What was added to chains whose tips were known is known."""
        for slug, (old, new) in moved.items():
            seen = self._seen.get(slug, ())
            if (old is None and not seen) or old == next(iter(seen), None):
                self._seen[slug] = (new, *seen[1:])

    def _look(self, slugs: Collection[str]) -> None:
        """Learn what is on the chains, on what was fetched and in the spool: for sure while the chain lock is held."""
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
            if all(trees[item.slug].get(item.record) == item.tree for item in one.records):
                self.done.deleted += one.depot.delete(one.found)

    def _trees(self, slug: str) -> dict[str, str]:
        """Record → tree of a chain as it is now; what was read of it before is not read again."""
        tip = refs.commit(self._repository, RUNS + slug)
        if tip is None:
            return {}
        seen, found = self._chains.get(slug, (tip, {}))
        if not found or not history.reaches(self._repository, tip, seen):
            seen, found = "", {}
        words = ("log", _TREES, "--end-of-options", tip, *([f"^{seen}"] if seen else []), "--")
        pairs = (line.partition(" ") for line in lines(self._repository.git(*words)))
        found.update((record.strip(), tree) for tree, _, record in pairs)
        self._chains[slug] = tip, found
        return found


def _parts(files: Iterable[Found]) -> Iterator[list[Found]]:
    """Files that are read together, by one process."""
    part: list[Found] = []
    size = 0
    for found in files:
        part.append(found)
        size += found.size
        if len(part) >= _PART_FILES or size >= _PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
