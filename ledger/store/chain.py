"""Spool → chain: whoever gets the lock chains all sealed records at once, by compare-and-swap."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ledger.errors import FormatError, GitError, LedgerError, RefMovedError
from ledger.git import history, objects, refs
from ledger.git.objects import GitObject
from ledger.git.process import LockedError, Repository
from ledger.model import Author, StoreFault
from ledger.store import aftercare, lock
from ledger.store.slug import CODE, PINS, RUNS, remote_part
from ledger.store.spool import Sealed, Spool, read

MAX_BATCH_BYTES = 128 << 20
_ATTEMPTS = 12
_LEAD_SECONDS = 0.5
"""How long one call chains for the others: under a load that never ends, somebody else has to take over."""
_CODE_AUTHOR = Author()
_KEEP = "keep "
"""Begins the subject of an entry of a code ref; the commit that the entry keeps follows."""


@dataclass(slots=True)
class Drained:
    """What one call did: records chained, and what could not be (each is still in the spool)."""

    records: int = 0
    busy: bool = False
    """Another process holds the lock, and will chain what is here."""
    faults: list[StoreFault] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    """Sealed files that are chained together, and which of their records already are."""

    files: dict[Path, Sequence[Sealed]] = field(default_factory=dict)

    def by_slug(self) -> dict[str, list[Sealed]]:
        out: dict[str, list[Sealed]] = defaultdict(list)
        for records in self.files.values():
            for item in records:
                out[item.slug].append(item)
        return dict(out)


def drain(
    repository: Repository,
    *,
    home: str = "origin",
    wait_seconds: float = 0.0,
    known: Mapping[Path, Sequence[Sealed]] | None = None,
) -> Drained:
    """Chain what the spool holds. Never loses and never waits for long: what stays is still sealed.

    Records that others seal while the lock is held here are taken along, so that nobody has to wait for it.
    `known` are files that this process has just sealed, with what they hold: they are not read back.
    """
    spool = Spool.of(repository)
    result = Drained()
    stuck: set[Path] = set()
    end = time.monotonic() + _LEAD_SECONDS
    while set(spool.pending()) - stuck:
        if result.records and time.monotonic() > end:
            return result
        with lock.acquire(repository.folder / "lock", wait_seconds=wait_seconds) as held:
            if held is None:
                result.busy = True
                return result
            done = aftercare.mend(repository, spool, held)
            stuck |= _round(_Drain(repository, spool, held, home, result, known or {}), done)
            aftercare.second_look(repository, spool, held)
    return result


@dataclass(frozen=True, slots=True)
class _Drain:
    repository: Repository
    spool: Spool
    held: lock.Held
    home: str
    result: Drained
    known: Mapping[Path, Sequence[Sealed]]

    @property
    def keep(self) -> tuple[int, ...]:
        return (self.held.descriptor,)


def _round(drain_: _Drain, mended: aftercare.Mended) -> set[Path]:
    """Chain everything sealed by now; return the files that can't be chained."""
    stuck: set[Path] = set()
    for batch in _batches(drain_, stuck):
        failed = set()
        for slug, records in batch.by_slug().items():
            fresh = [item for item in records if item.record not in mended.chained]
            try:
                _require_known(RUNS + slug, fresh, mended)
                _chain(drain_, slug, fresh, [path.name for path in batch.files])
                drain_.result.records += len(fresh)
            except LedgerError as error:
                drain_.result.faults.append(
                    StoreFault(ref=RUNS + slug, commit="", path="", what=error.message)
                )
                failed |= {item.record for item in records}
        for path, items in batch.files.items():
            if failed.isdisjoint(item.record for item in items):
                aftercare.set_aside(drain_.spool, path)
                continue
            stuck.add(path)
            if not failed.issuperset(item.record for item in items):
                drain_.held.doubt()  # the file stays, and some of its records are on their chains
    return stuck


def _require_known(ref: str, records: Sequence[Sealed], mended: aftercare.Mended) -> None:
    if not mended.unknown.isdisjoint(item.record for item in records):
        raise FormatError(
            f"{ref} can't be read to its end, and may hold already what a killed process was chaining",
            hint="`ledger verify` names what is damaged; the records stay in the spool",
        )


def _batches(drain_: _Drain, stuck: set[Path]) -> Iterable[_Batch]:
    batch, size = _Batch(), 0
    for path in drain_.spool.pending():
        try:
            batch.files[path] = drain_.known.get(path) or read(path)
            size += path.stat().st_size
        except FileNotFoundError:
            batch.files.pop(path, None)
            continue  # another host chained it meanwhile
        except FormatError as error:
            stuck.add(path)
            drain_.result.faults.append(StoreFault(ref="", commit="", path=str(path), what=error.message))
            continue
        if size > MAX_BATCH_BYTES:
            yield batch
            batch, size = _Batch(), 0
    if batch.files:
        yield batch


def _chain(drain_: _Drain, slug: str, records: Sequence[Sealed], names: Sequence[str]) -> None:
    """One compare-and-swap for all records of a slug; when the ref moved, build again on what is there now."""
    for attempt in range(_ATTEMPTS):
        tips = refs.tips(drain_.repository, RUNS + slug, CODE + slug, _pin(drain_, slug))
        there = _since(drain_, attempt, RUNS + slug, tips)
        fresh = list({item.record: item for item in records if item.record not in there}.values())
        if not fresh:
            return
        try:
            _append(drain_, slug, fresh, names, tips)
        except (RefMovedError, LockedError) as error:
            if attempt == _ATTEMPTS - 1 or not _make_way(drain_, error, attempt):
                raise
        else:
            return


def _append(
    drain_: _Drain, slug: str, fresh: Sequence[Sealed], names: Sequence[str], tips: dict[str, refs.Tip]
) -> None:
    """Put records on top of what a slug's refs hold. Raises RefMovedError, LockedError: nothing was done then."""
    repository, ref, code_ref = drain_.repository, RUNS + slug, CODE + slug
    parent = _parent(drain_, ref, tips, slug)
    built = [_build(item, repository.object_format) for item in fresh]
    chain = _commits(built, parent, repository.object_format)
    known = _known_code(drain_, slug, tips.get(code_ref))
    packs = {item.pack for item in fresh if item.pack and not known.issuperset(item.code)}
    code = _code_entries(drain_, fresh, known, tips.get(code_ref))
    written = [*_unique(built), *chain, *code]
    updates = [refs.RefUpdate(ref=ref, new=chain[-1].id, old=_old(tips, ref))]
    if code:
        updates.append(refs.RefUpdate(ref=code_ref, new=code[-1].id, old=_old(tips, code_ref)))
    intent = lock.Intent(
        ref=ref,
        old=_old(tips, ref),
        new=chain[-1].id,
        code_ref=code_ref if code else None,
        files=tuple(names),
    )
    with objects.held(repository, written, packs, keep=drain_.keep):
        drain_.held.announce(intent)
        try:
            refs.update(repository, updates, reason=f"ledger: {len(fresh)} recorded", keep=drain_.keep)
        except (RefMovedError, LockedError):
            drain_.held.settle(intent)  # git says that it did nothing
            raise
    aftercare.complete(repository, written, packs, keep=drain_.keep)
    _reached[repository.common_dir, code_ref].update(commit for item in fresh for commit in item.code)
    drain_.held.settle(intent)


def _old(tips: dict[str, refs.Tip], ref: str) -> str | None:
    return tips[ref].id if ref in tips else None


def _since(drain_: _Drain, attempt: int, ref: str, tips: dict[str, refs.Tip]) -> frozenset[str]:
    """Record ids near the tip, once another writer may be about: it may have chained the same sealed files."""
    if ref not in tips or (attempt == 0 and drain_.held.alone()):
        return frozenset()
    try:
        return aftercare.chained_records(drain_.repository, ref, limit=10_000)
    except GitError:
        drain_.held.doubt()
        raise


def _make_way(drain_: _Drain, error: LedgerError, attempt: int) -> bool:
    """Whether it is worth another try: git has waited for a ref's lock already, so only a removed one is."""
    if isinstance(error, LockedError):
        return aftercare.remove_stale(drain_.repository, error.path)
    import random

    time.sleep(random.uniform(0, min(0.01 * 2**attempt, 1.0)))  # noqa: S311 - jitter, not a secret
    return True


def _parent(drain_: _Drain, ref: str, tips: dict[str, refs.Tip], slug: str) -> str | None:
    """The chain's tip, or the fetched chain where that only adds to it. Raises FormatError for a foreign ref."""
    tip = tips.get(ref)
    if tip is not None:
        aftercare.require_chain(ref, tip)
    fetched = tips.get(_pin(drain_, slug))
    if fetched is None or tip is None:
        return (fetched or tip).id if (fetched or tip) else None  # type: ignore[union-attr]
    behind = fetched.id != tip.id and not history.not_reached(drain_.repository, [tip.id], [fetched.id])
    return fetched.id if behind else tip.id


def _pin(drain_: _Drain, slug: str) -> str:
    """Not the tracking ref: plain `git fetch` may write that, and nobody has checked it then."""
    return f"{PINS}{remote_part(drain_.home)}/{slug}"


@dataclass(frozen=True, slots=True)
class _Built:
    """A record with the objects of its tree."""

    item: Sealed
    tree: GitObject
    blobs: tuple[GitObject, ...]


def _build(item: Sealed, object_format: str) -> _Built:
    blobs = {name: objects.make("blob", data, object_format) for name, data in item.files.items()}
    tree = objects.flat_tree({name: blob.id for name, blob in blobs.items()}, object_format)
    return _Built(item, tree, tuple(blobs.values()))


def _unique(records: Sequence[_Built]) -> list[GitObject]:
    return list({made.id: made for built in records for made in (*built.blobs, built.tree)}.values())


def _commits(records: Sequence[_Built], parent: str | None, object_format: str) -> list[GitObject]:
    chain: list[GitObject] = []
    for built in records:
        made = objects.commit(
            tree=built.tree.id,
            parents=[parent] if parent else [],
            author=built.item.author,
            seconds=built.item.seconds,
            message=built.item.message,
            object_format=object_format,
        )
        chain.append(made)
        parent = made.id
    return chain


_reached: dict[tuple[Path, str], set[str]] = defaultdict(set)
"""Code commits known to be reached by a code ref: refs only grow, so what was reached stays reached."""


def _known_code(drain_: _Drain, slug: str, tip: refs.Tip | None) -> frozenset[str]:
    """Code commits that the code ref is known to reach, without asking git."""
    if tip is None:
        return frozenset()
    return frozenset((*_reached[drain_.repository.common_dir, CODE + slug], tip.subject[len(_KEEP) :]))


def _code_entries(
    drain_: _Drain, records: Sequence[Sealed], known: frozenset[str], tip: refs.Tip | None
) -> list[GitObject]:
    """Empty commits that keep the runs' code alive: one for each code commit that the code ref does not reach."""
    wanted = [c for c in dict.fromkeys(commit for item in records for commit in item.code) if c not in known]
    if not wanted:
        return []
    lacking = _not_reached(drain_, records, wanted, tip)
    if not lacking:
        return []
    seconds = max(item.seconds for item in records)
    empty = objects.make("tree", b"", drain_.repository.object_format)
    entries = [empty]
    parent = tip.id if tip else None
    for commit in lacking:
        entry = objects.commit(
            tree=empty.id,
            parents=[*([parent] if parent else []), commit],
            author=_CODE_AUTHOR,
            seconds=seconds,
            message=f"{_KEEP}{commit}\n",
            object_format=drain_.repository.object_format,
        )
        entries.append(entry)
        parent = entry.id
    return entries


def _not_reached(
    drain_: _Drain, records: Sequence[Sealed], wanted: list[str], tip: refs.Tip | None
) -> list[str]:
    """Those of `wanted` that the code ref does not reach yet, without those that are nowhere to be had."""
    tips = [tip.id] if tip else []
    try:
        return history.outermost(drain_.repository, wanted, tips)
    except GitError:  # a commit that is not here: pruned (its pack may bring it back), or a shallow clone
        packs = {item.pack for item in records if item.pack}
        with suppress(GitError):  # one that builds on a commit which is not here
            objects.restore(drain_.repository, packs, keep=drain_.keep)
        gone = set(objects.missing(drain_.repository, [*wanted, *tips]))
        present = [commit for commit in wanted if commit not in gone]
        return history.outermost(drain_.repository, present, tips) if present else []
