"""Spool → chain: whoever gets the lock chains all sealed records at once, by compare-and-swap."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ledger.errors import FormatError, GitError, LedgerError, RefMovedError
from ledger.git import history, objects, refs
from ledger.git.objects import GitObject
from ledger.git.process import LockedError, Repository
from ledger.model import StoreFault
from ledger.store import aftercare, keeping, lock
from ledger.store.sealed import Sealed
from ledger.store.slug import CODE, PINS, RUNS, remote_part
from ledger.store.spool import Spool
from ledger.store.unreadable import Unreadable

MAX_BATCH_BYTES = 128 << 20
_ATTEMPTS = 12
_LEAD_SECONDS = 0.5
"""How long one call chains for the others: under a load that never ends, somebody else has to take over."""
_TOGETHER = 256
"""Experiments that are chained in one go: their refs' names fit on a command line."""


@dataclass(slots=True)
class Drained:
    """What one call did: records chained, and what could not be (each is still in the spool)."""

    records: int = 0
    busy: bool = False
    """Another process holds the lock, and will chain what is here."""
    faults: list[StoreFault] = field(default_factory=list)
    moved: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    """Slug → what its chain was, and what it is now."""


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

    def names(self) -> dict[str, list[str]]:
        """Of the files that hold something for a slug."""
        out: dict[str, list[str]] = defaultdict(list)
        for path, records in self.files.items():
            for slug in {item.slug for item in records}:
                out[slug].append(path.name)
        return dict(out)


def drain(
    repository: Repository,
    *,
    home: str = "origin",
    wait_seconds: float = 0.0,
    known: Mapping[Path, Sequence[Sealed]] | None = None,
) -> Drained:
    """Chain what the spool holds. Never loses and never waits for long: what stays is still sealed.

    Records that others seal while the lock is held here are taken along, so that nobody has to wait for it; by
    one who waited for the lock, only in one round: what it does next needs what was there when it came.
    `known` are files that this process has just sealed, with what they hold: they are not read back.
    """
    spool = Spool.of(repository)
    result = Drained()
    stuck: set[Path] = set()
    end = time.monotonic() + (0 if wait_seconds else _LEAD_SECONDS)
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


def drain_held(
    repository: Repository,
    held: lock.Held,
    mended: aftercare.Mended,
    *,
    home: str,
    known: Mapping[Path, Sequence[Sealed]],
) -> Drained:
    """One round of `drain`, for whoever holds the chain lock already."""
    result = Drained()
    _round(_Drain(repository, Spool.of(repository), held, home, result, known), mended)
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
        by_slug, names = batch.by_slug(), batch.names()
        errors: dict[str, LedgerError] = {}
        for slugs in _parts(list(by_slug)):
            fresh, unknown = _fresh({slug: by_slug[slug] for slug in slugs}, mended)
            errors |= unknown | _chain(drain_, fresh, names)
            drain_.result.records += sum(len(fresh[slug]) for slug in fresh.keys() - errors.keys())
        drain_.result.faults += [
            StoreFault(ref=RUNS + slug, commit="", path="", what=error.message)
            for slug, error in errors.items()
        ]
        failed = {item.record for slug in errors for item in by_slug[slug]}
        for path, items in batch.files.items():
            if failed.isdisjoint(item.record for item in items):
                aftercare.set_aside(drain_.spool, path)
                continue
            stuck.add(path)
            if not failed.issuperset(item.record for item in items):
                drain_.held.doubt()  # the file stays, and some of its records are on their chains
    return stuck


def _parts(slugs: Sequence[str]) -> Iterable[Sequence[str]]:
    return (slugs[start : start + _TOGETHER] for start in range(0, len(slugs), _TOGETHER))


def _fresh(
    groups: Mapping[str, Sequence[Sealed]], mended: aftercare.Mended
) -> tuple[dict[str, list[Sealed]], dict[str, LedgerError]]:
    """What is not on its chain yet; and, by slug, why that can't be known."""
    fresh: dict[str, list[Sealed]] = {}
    errors: dict[str, LedgerError] = {}
    for slug, records in groups.items():
        left = [item for item in records if item.record not in mended.chained]
        try:
            _require_known(RUNS + slug, left, mended)
            fresh[slug] = left
        except FormatError as error:
            errors[slug] = error
    return fresh, errors


def _require_known(ref: str, records: Sequence[Sealed], mended: aftercare.Mended) -> None:
    if not mended.unknown.isdisjoint(item.record for item in records):
        raise FormatError(
            f"{ref} can't be read to its end, and may hold already what a killed process was chaining",
            hint="`ledger verify` names what is damaged; the records stay in the spool",
        )


def _batches(drain_: _Drain, stuck: set[Path]) -> Iterable[_Batch]:
    batch, size = _Batch(), 0
    sealed = Unreadable(drain_.repository.folder)
    for path in drain_.spool.pending():
        try:
            batch.files[path] = drain_.known.get(path) or sealed.read(path)
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


def _chain(
    drain_: _Drain,
    groups: Mapping[str, Sequence[Sealed]],
    names: Mapping[str, Sequence[str]],
    *,
    first: int = 0,
) -> dict[str, LedgerError]:
    """One compare-and-swap for all records of a slug; when a ref moved, build again on what is there now.

    Returns why slugs could not be chained: the others were.
    """
    failed: dict[str, LedgerError] = {}
    left = dict(groups)
    for attempt in range(first, _ATTEMPTS):
        plans: dict[str, _Plan] = {}
        tips = refs.tips(drain_.repository, *(ref for slug in left for ref in _refs(drain_, slug)))
        lacking = keeping.lacking_together(drain_.repository, left, tips)
        for slug, records in left.items():
            try:
                plan = _planned(drain_, slug, records, names[slug], tips, attempt, lacking.get(slug))
                plans |= {slug: plan} if plan else {}
            except LedgerError as error:
                failed[slug] = error
        errors = _append(drain_, plans)
        if errors is None:  # something that they share: alone, one that can't be stored holds up no other
            for slug in plans:
                failed |= _chain(drain_, {slug: groups[slug]}, names, first=max(attempt, 1))
            return failed
        again = _ways_made(drain_, errors, attempt) if attempt < _ATTEMPTS - 1 else []
        failed |= {slug: error for slug, error in errors.items() if slug not in again}
        left = {slug: groups[slug] for slug in again}
        if not left:
            return failed
    return failed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What one slug's refs are to become, and every object that this takes."""

    intent: lock.Intent
    written: Sequence[GitObject]
    packs: frozenset[bytes]
    updates: Sequence[refs.RefUpdate]
    records: Sequence[Sealed]

    @property
    def code(self) -> frozenset[str]:
        return frozenset(commit for item in self.records for commit in item.code)


def _planned(
    drain_: _Drain,
    slug: str,
    records: Sequence[Sealed],
    names: Sequence[str],
    tips: dict[str, refs.Tip],
    attempt: int,
    lacking: Sequence[str] | None,
) -> _Plan | None:
    """Records on top of what a slug's refs hold; None where all are there already."""
    repository, ref, code_ref = drain_.repository, RUNS + slug, CODE + slug
    there = _since(drain_, attempt, ref, tips)
    fresh = list({item.record: item for item in records if item.record not in there}.values())
    if not fresh:
        return None
    parent = _parent(drain_, ref, tips, slug)
    built = [_build(item, repository.object_format) for item in fresh]
    chain = _commits(built, parent, repository.object_format)
    known = keeping.reached(repository, code_ref, tips.get(code_ref))
    if lacking is None:
        lacking = keeping.lacking(repository, code_ref, fresh, tips.get(code_ref), keep=drain_.keep)
    code = keeping.entries(lacking, fresh, tips.get(code_ref), repository.object_format)
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
    return _Plan(
        intent=intent,
        written=[*_unique(built), *chain, *code],
        packs=frozenset(item.pack for item in fresh if item.pack and not known.issuperset(item.code)),
        updates=updates,
        records=fresh,
    )


def _append(drain_: _Drain, plans: Mapping[str, _Plan]) -> dict[str, LedgerError] | None:
    """Do what was planned: why not, by slug; None for a failure of what several share."""
    if not plans:
        return {}
    try:
        return _appended(drain_, plans)
    except LedgerError as error:
        return dict.fromkeys(plans, error) if len(plans) == 1 else None


def _appended(drain_: _Drain, plans: Mapping[str, _Plan]) -> dict[str, LedgerError]:
    repository, keep = drain_.repository, drain_.keep
    written = list({made.id: made for plan in plans.values() for made in plan.written}.values())
    packs = frozenset().union(*(plan.packs for plan in plans.values()))
    count = sum(len(plan.records) for plan in plans.values())
    several = f" in {len(plans)} experiments" if len(plans) > 1 else ""
    with objects.held(repository, written, packs, keep=keep):
        drain_.held.announce(*(plan.intent for plan in plans.values()))
        groups = [plan.updates for plan in plans.values()]
        outcomes = refs.update_each(
            repository, groups, reason=f"ledger: {count} recorded{several}", keep=keep
        )
    errors = {slug: error for slug, error in zip(plans, outcomes, strict=True) if error is not None}
    for slug, error in errors.items():
        if isinstance(error, (RefMovedError, LockedError)):
            drain_.held.settle(plans[slug].intent)  # git says that it did nothing
    errors |= _completed(drain_, {slug: plan for slug, plan in plans.items() if slug not in errors})
    for slug in plans.keys() - errors.keys():
        keeping.remember(repository, CODE + slug, plans[slug].code)
        drain_.result.moved[slug] = plans[slug].intent.old, plans[slug].intent.new
        drain_.held.settle(plans[slug].intent)
    return errors


def _completed(drain_: _Drain, plans: Mapping[str, _Plan]) -> dict[str, LedgerError]:
    """See to it that all objects are there; alone, where one that can't be would keep the others from it."""
    written = [made for plan in plans.values() for made in plan.written]
    packs = frozenset().union(*(plan.packs for plan in plans.values()))
    try:
        aftercare.complete(drain_.repository, written, packs, keep=drain_.keep)
    except LedgerError as error:
        if len(plans) == 1:
            return dict.fromkeys(plans, error)
        alone = [_completed(drain_, {slug: plan}) for slug, plan in plans.items()]
        return {slug: error for found in alone for slug, error in found.items()}
    return {}


def _refs(drain_: _Drain, slug: str) -> tuple[str, str, str]:
    return RUNS + slug, CODE + slug, _pin(drain_, slug)


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


def _ways_made(drain_: _Drain, errors: Mapping[str, LedgerError], attempt: int) -> list[str]:
    """Slugs that are worth another try: git has waited for a ref's lock already, so only a removed one is."""
    moved = [slug for slug, error in errors.items() if isinstance(error, RefMovedError)]
    if moved:
        import random

        time.sleep(random.uniform(0, min(0.01 * 2**attempt, 1.0)))  # noqa: S311 - jitter, not a secret
    return moved + [
        slug
        for slug, error in errors.items()
        if isinstance(error, LockedError) and aftercare.remove_stale(drain_.repository, error.path)
    ]


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
    *blobs, tree = item.objects(object_format)
    return _Built(item, tree, tuple(blobs))


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
