"""Local chains on top of what the home remote has: forwarded, or their unpublished end re-parented. No network here.

Under the chain lock and by compare-and-swap; what was chained meanwhile makes it fail, and is then part of the end.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ledger.errors import FormatError, RefMovedError
from ledger.git import history, objects, refs
from ledger.git.objects import GitObject
from ledger.git.process import LockedError, Repository
from ledger.git.refs import RefUpdate
from ledger.model import StoreFault
from ledger.share import inbox, purge
from ledger.share.chainlog import Line, Link, beyond, records_of
from ledger.share.cleanse import cleanser, parts
from ledger.share.fetch import Wanted
from ledger.share.reparent import reparented
from ledger.share.session import Session, chain_lock, local
from ledger.store import aftercare, lock
from ledger.store.slug import RUNS, is_slug

_ATTEMPTS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """One experiment after a merge."""

    slug: str
    tip: str
    """Of `refs/runs/<slug>`."""
    pin: str | None
    suffix: tuple[Link, ...] = ()
    """What the remote does not have, oldest first: to be sent."""
    quarantined: tuple[Link, ...] = ()
    """What it refused: behind all others."""
    forwarded: bool = False
    reparented: int = 0
    folded: int = 0
    """Records that came out of inboxes."""
    base: str | None = None
    """What the suffix stands on: the pin, or the pin's chain without what was taken out of it."""
    cleansed: bool = False
    """Values were taken out of what the remote does not have."""

    @property
    def forced(self) -> bool:
        """The remote's chain still holds what was taken out: only a push that replaces it can change that."""
        return self.base != self.pin

    @property
    def send(self) -> str | None:
        """The tip that the remote should have; None where it has everything."""
        return self.suffix[-1].id if self.suffix else (self.base if self.forced else None)


@dataclass(slots=True, kw_only=True)
class Outcome:
    experiments: dict[str, Merged] = field(default_factory=dict)
    faults: list[StoreFault] = field(default_factory=list)
    """Refs that are no chains, or can't be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to merge."""

    name: str
    """Of the home remote."""
    wanted: Wanted
    leave: frozenset[str] = frozenset()
    """Experiments that nothing may be built on."""
    fold: bool = False
    """Take in what inboxes hold."""


def merge(session: Session, task: Task) -> Outcome:
    """Merge what was fetched from the home remote.

    Raises ContentionError when others write for a minute, GitError.
    """
    session.told("merging")
    with chain_lock(session.repository) as held:
        for attempt in range(_ATTEMPTS):
            work = _Work(session.repository, task)
            plans = work.plans()
            purge.before(session, work.cleanser)
            try:
                _publish(session.repository, held, [plan for plan in plans if plan.changes])
            except (RefMovedError, LockedError) as error:
                if attempt == _ATTEMPTS - 1:
                    raise
                if isinstance(error, LockedError):
                    aftercare.remove_stale(session.repository, error.path)
                time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - jitter, not a secret
            else:
                merged = {plan.merged.slug: plan.merged for plan in plans}
                purge.after(session, work.cleanser, merged)
                return Outcome(experiments=merged, faults=work.faults)
    raise AssertionError  # the last attempt returns or raises


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    merged: Merged
    old: str | None
    """The tip that is replaced."""
    written: tuple[GitObject, ...] = ()
    """New objects: the commits and, where values were taken out, what they hold."""

    @property
    def changes(self) -> bool:
        return self.merged.tip != self.old

    @property
    def ref(self) -> str:
        return RUNS + self.merged.slug


def _publish(repository: Repository, held: lock.Held, plans: Sequence[_Plan]) -> None:
    if not plans:
        return
    written = _unique([made for plan in plans for made in plan.written])
    intents = [lock.Intent(ref=plan.ref, old=plan.old, new=plan.merged.tip) for plan in plans]
    keep = (held.descriptor,)
    with objects.held(repository, written, keep=keep):
        held.announce(*intents)
        try:
            updates = [RefUpdate(ref=plan.ref, new=plan.merged.tip, old=plan.old) for plan in plans]
            refs.update(repository, updates, reason="ledger: merged with the remote", keep=keep)
        except (RefMovedError, LockedError):
            for intent in intents:
                held.settle(intent)  # git says that it did nothing
            raise
    aftercare.complete(repository, written, keep=keep)
    for intent in intents:
        held.settle(intent)


class _Work:
    """Everything that the plans are made from, read in a few git processes."""

    def __init__(self, repository: Repository, task: Task) -> None:
        self.repository = repository
        self.leave = task.leave
        self.faults: list[StoreFault] = []
        self.local = local(repository, task.name)
        self.pins = self.local.pins
        self.tips = self._chains()
        self.boxes = self._boxes() if task.fold else {}
        known = {*self.tips, *(s for s in self.pins if s not in self.leave), *self.boxes}
        known -= {fault.ref.removeprefix(RUNS) for fault in self.faults}
        self.slugs = sorted(slug for slug in known if task.wanted.includes(slug) and is_slug(slug))
        self.cleanser = cleanser(repository, self.local.redactions)
        held = beyond(repository, self.local.quarantine, [])
        self.quarantined = frozenset(link.record for line in held.values() for link in line.links)

    def plans(self) -> list[_Plan]:
        ends = {slug: self.tips[slug] for slug in self.slugs if slug in self.tips}
        moved = {slug: tip for slug, tip in ends.items() if tip != self.pins.get(slug)}
        lines = beyond(self.repository, moved, list(self.pins.values()))
        apart = {s: line for s, line in lines.items() if self._apart(s, line)}
        theirs = self._theirs(apart)
        return [self._plan(slug, lines.get(slug), apart, theirs) for slug in self.slugs]

    def _chains(self) -> dict[str, str]:
        chains = {}
        for ref, tip in self.local.runs.items():
            slug = ref.removeprefix(RUNS)
            try:
                aftercare.require_chain(ref, tip)
            except FormatError as error:
                what = f"{error.message}: {error.hint}"
                self.faults.append(StoreFault(ref=ref, commit=tip.id, path="", what=what))
                continue
            if slug not in self.leave:
                chains[slug] = tip.id
        return chains

    def _boxes(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for ref, tip in self.local.inboxes.items():
            box = inbox.parse(ref)
            if box is not None and box.slug not in self.leave:
                found.setdefault(box.slug, []).append(tip)
        return found

    def _apart(self, slug: str, line: Line) -> bool:
        """Whether the chain goes on from somewhere else than its pin."""
        pin = self.pins.get(slug)
        if line.links:
            return pin is not None and line.root != pin
        return pin is not None and not history.reaches(self.repository, pin, self.tips[slug])

    def _theirs(self, apart: Mapping[str, Line]) -> dict[str, frozenset[str]]:
        """Records that the remote put where this clone has others."""
        tips = {slug: self.pins[slug] for slug in apart}
        lines = beyond(self.repository, tips, [self.tips[slug] for slug in apart])
        return {slug: frozenset(link.record for link in line.links) for slug, line in lines.items()}

    def _plan(
        self,
        slug: str,
        line: Line | None,
        apart: Mapping[str, Line],
        theirs: Mapping[str, frozenset[str]],
    ) -> _Plan:
        pin, old = self.pins.get(slug), self.tips.get(slug)
        own = line.links if line else []
        extra = self._folded(slug, own)
        there = theirs.get(slug, frozenset())
        unique = {link.record or link.id: link for link in (*own, *extra) if link.record not in there}
        good = [link for link in unique.values() if link.record not in self.quarantined]
        bad = [link for link in unique.values() if link.record in self.quarantined]
        order = [*good, *bad]
        base, cleansed = self.cleanser.chain(slug, pin) if pin else (pin, [])
        changes = self.cleanser.changes(slug, [link.id for link in order])
        kept = 0 if slug in apart or base != pin else _common(order, own)
        kept = next((number for number in range(kept) if order[number].id in changes), kept)
        made = reparented(
            self.repository,
            [link.id for link in order[kept:]],
            order[kept - 1].id if kept else base,
            {commit: changed.redone for commit, changed in changes.items()},
        )
        again = [Link(m.id, link.tree, (), link.record) for m, link in zip(made, order[kept:], strict=True)]
        links = [*order[:kept], *again]
        tip = links[-1].id if links else (base or old)
        if tip is None:
            raise FormatError(f"{RUNS}{slug} is nowhere")
        merged = Merged(
            slug=slug,
            tip=tip,
            pin=pin,
            suffix=tuple(links[: len(good)]),
            quarantined=tuple(links[len(good) :]),
            forwarded=not links and tip != old,
            reparented=max(len(made) - len(extra), 0),
            folded=len(extra),
            base=base,
            cleansed=bool(changes),
        )
        return _Plan(
            merged=merged, old=old, written=tuple(_unique([*cleansed, *parts(changes.values()), *made]))
        )

    def _folded(self, slug: str, own: Sequence[Link]) -> list[Link]:
        """What inboxes hold and the chain does not."""
        tips = {tip: tip for tip in self.boxes.get(slug, ())}
        if not tips:
            return []
        pin = self.pins.get(slug)
        there = {*(records_of(self.repository, pin) if pin else ()), *(link.record for link in own)}
        lines = beyond(self.repository, tips, [pin] if pin else [])
        fresh = {link.record: link for line in lines.values() for link in line.links}
        return [link for record, link in fresh.items() if record and record not in there]


def _unique(made: Sequence[GitObject]) -> list[GitObject]:
    return list({one.id: one for one in made}.values())


def _common(order: Sequence[Link], own: Sequence[Link]) -> int:
    """How many commits from the first on can stay as they are."""
    for number, (wanted, there) in enumerate(zip(order, own, strict=False)):
        if wanted.id != there.id:
            return number
    return min(len(order), len(own))
