"""Look at a remote, bring what is new, check it, and only then move pins, tracking refs and inboxes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ledger.errors import FormatError, GitError, LedgerError, NotFoundError, RefMovedError
from ledger.git import objects, remote
from ledger.git.refs import RefUpdate
from ledger.model import StoreFault
from ledger.share import inbox, redactions
from ledger.share.chainlog import records_of
from ledger.share.check import Claim, check, no_commit
from ledger.share.cleanse import Cleanser
from ledger.share.redactions import Redaction
from ledger.share.session import (
    LINKS,
    LINKS_FROM,
    REDACTIONS,
    REDACTIONS_FROM,
    Session,
    local,
    pin,
    tracking,
    writer,
)
from ledger.store.slug import CODE, INBOX, RUNS, is_slug, remote_part


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a remote holds, by its own word."""

    runs: Mapping[str, str]
    """Slug → tip."""
    inboxes: Mapping[str, str]
    """Ref → tip."""
    code: Mapping[str, str]
    """Slug → tip of the code that this clone published there."""
    links: str | None = None
    redactions: str | None = None

    def tip(self, ref: str) -> str:
        """Of a chain, an inbox or a log; empty where it has none."""
        logs = {LINKS: self.links, REDACTIONS: self.redactions}
        return self.runs.get(ref.removeprefix(RUNS)) or self.inboxes.get(ref) or logs.get(ref) or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewound:
    """A chain that does not go on from where it was."""

    slug: str
    pin: str
    tip: str | None
    """None: the remote has no such chain any more."""
    lost: int | None
    """Records that are no longer there; None where that can't be told without fetching."""


@dataclass(slots=True, kw_only=True)
class Fetched:
    seen: Seen
    came: dict[str, int] = field(default_factory=dict)
    """Slug → commits that the remote had and this clone had not seen."""
    lacking: frozenset[str] = frozenset()
    """Chains that a shallow clone leaves where they are."""
    rewound: list[Rewound] = field(default_factory=list)
    refused: list[StoreFault] = field(default_factory=list)
    odd: list[StoreFault] = field(default_factory=list)
    boxed: dict[str, int] = field(default_factory=dict)
    """Inbox → records in it that came."""
    accepted: frozenset[str] = frozenset()
    """Slugs whose rewinding was taken over."""
    redacted: tuple[Redaction, ...] = ()
    """What others took out of their runs, told for the first time."""
    log: str | None = None
    """This clone's log of redactions, those of the remote included."""

    @property
    def unusable(self) -> frozenset[str]:
        """Slugs that nothing may be built on for now."""
        rewound = {one.slug for one in self.rewound} - self.accepted
        return frozenset(
            (*rewound, *(one.ref.removeprefix(RUNS) for one in self.refused if one.ref.startswith(RUNS)))
        )


def look(session: Session, name: str) -> Seen:
    """One git process. Raises RemoteError."""
    session.told(f"looking at {name}")
    own = f"{CODE}{writer(session.repository)}."
    found = remote.look(session.repository, name, (RUNS, INBOX, LINKS, REDACTIONS, own), keep=session.keep)
    return Seen(
        runs={ref.removeprefix(RUNS): oid for ref, oid in _under(found, RUNS) if is_slug(ref.removeprefix(RUNS))},
        inboxes={ref: oid for ref, oid in _under(found, INBOX) if inbox.parse(ref)},
        code={ref.removeprefix(own): oid for ref, oid in _under(found, own)},
        links=found.get(LINKS),
        redactions=found.get(REDACTIONS),
    )  # fmt: skip


def _under(found: Mapping[str, str], prefix: str) -> Iterator[tuple[str, str]]:
    return ((ref, oid) for ref, oid in found.items() if ref.startswith(prefix))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a fetch is about."""

    slugs: frozenset[str] | None = None
    """Experiments; None: all."""
    whole: bool = False
    """Fetch chains into a shallow clone too."""
    boxes: bool = True
    """Fetch inboxes: only the home remote's are of use."""
    accept_rewind: bool = False
    ours: frozenset[str] = frozenset()
    """Commits that were sent from here: they need neither be fetched nor checked."""

    def includes(self, slug: str) -> bool:
        return self.slugs is None or slug in self.slugs


def fetch(session: Session, name: str, wanted: Wanted = Wanted()) -> Fetched:
    """Bring pins, tracking refs and inboxes up to what the remote holds. Raises RemoteError."""
    return _Fetch(session, name, wanted).run()


class _Fetch:
    def __init__(self, session: Session, name: str, wanted: Wanted) -> None:
        self.session = session
        self.repository = session.repository
        self.name = name
        self.wanted = wanted
        self.local = local(self.repository, name)
        self.pins, self.boxes = self.local.pins, self.local.inboxes
        self.seen = look(session, name)
        self.result = Fetched(seen=self.seen)

    def run(self) -> Fetched:
        self._require_known()
        chains, boxes = self._new_chains(), self._new_boxes()
        links = self._new_links()
        log = self.seen.redactions if self.seen.redactions != self.local.redactions_seen else None
        claims = [*chains, *boxes]
        if claims or links or log:
            loose = [*([LINKS] if links else []), *([REDACTIONS] if log else [])]
            bad = self._bring([*(claim.ref for claim in claims), *loose])
            claims = [claim for claim in claims if claim.ref not in bad]
            links, log = (None if LINKS in bad else links), (None if REDACTIONS in bad else log)
        cleanser = self._redactions(log)
        claims = self._followed(claims, cleanser)
        sound = self._judged(claims)
        self._note_rewound()
        mine = {slug: tip for slug, tip in self._differing().items() if tip in self.wanted.ours}
        tips = {**{claim.slug: claim.tip for claim in chains if claim.ref in sound}, **mine}
        self._move(tips, self._cleansed([one for one in boxes if one.ref in sound], cleanser), links)
        self._drop_folded({**self.pins, **tips})
        return self.result

    def _require_known(self) -> None:
        """Raises NotFoundError for an experiment that is neither here nor there."""
        here = (ref.removeprefix(RUNS) for ref in self.local.runs)
        boxes = (box.slug for ref in self.seen.inboxes if (box := inbox.parse(ref)))
        unknown = (self.wanted.slugs or frozenset()).difference(here, boxes, self.pins, self.seen.runs)
        if unknown:
            raise NotFoundError(
                f"no runs of {', '.join(sorted(unknown))}, neither here nor on {self.name}",
                hint="`ledger status` lists the experiments",
            )

    def _differing(self) -> dict[str, str]:
        """Chains whose tip is not the one that was last seen."""
        runs = self.seen.runs.items()
        return {s: tip for s, tip in runs if self.wanted.includes(s) and self.pins.get(s) != tip}

    def _new_chains(self) -> list[Claim]:
        new = self._differing()
        if self.repository.shallow and not self.wanted.whole:
            unsent = (slug for slug, tip in new.items() if tip not in self.wanted.ours)
            self.result.lacking = frozenset(unsent).difference(self.pins)
        return [
            Claim(ref=RUNS + s, tip=tip, slug=s, pin=self.pins.get(s))
            for s, tip in new.items()
            if tip not in self.wanted.ours and s not in self.result.lacking
        ]

    def _new_boxes(self) -> list[Claim]:
        """Own ones, too: a push that was killed did not see it arrive, or a copy of this clone has its name."""
        if not self.wanted.boxes or (self.repository.shallow and not self.wanted.whole):
            return []
        found = ((inbox.parse(ref), tip) for ref, tip in self.seen.inboxes.items())
        return [
            Claim(ref=box.ref, tip=tip, slug=box.slug, base=self.pins.get(box.slug))
            for box, tip in found
            if box
            and tip not in self.wanted.ours
            and self.wanted.includes(box.slug)
            and self.boxes.get(box.ref) != tip
        ]

    def _new_links(self) -> str | None:
        return self.seen.links if self.seen.links != self.local.links else None

    def _bring(self, wanted: Collection[str]) -> frozenset[str]:
        """Fetch what some refs reach; those that git refuses."""
        self.session.told(f"fetching from {self.name}")
        have = {*self.pins.values(), *(tip.id for tip in self.local.runs.values() if tip.kind == "commit")}
        bad = frozenset(self._halved(sorted(wanted), have))
        return bad | self._no_commits(sorted(bad.symmetric_difference(wanted)))

    def _no_commits(self, brought: Sequence[str]) -> frozenset[str]:
        """Those that point to a blob, a tree or a tag: a pin on one would be in the way of all later ones."""
        tips = [self.seen.tip(ref) for ref in brought]
        kinds = objects.kinds(self.repository, tips) if tips else []
        found = [
            StoreFault(ref=ref, commit=tip, path="", what=what)
            for ref, tip, kind in zip(brought, tips, kinds, strict=True)
            if (what := no_commit(kind))
        ]
        self.result.refused += found
        return frozenset(fault.ref for fault in found)

    def _halved(self, wanted: Sequence[str], have: Collection[str]) -> Iterator[str]:
        """One malformed object anywhere ends a fetch: halves until the ref that leads to it stands alone."""
        try:
            remote.fetch(self.repository, self.name, wanted, have=have, keep=self.session.keep)
        except remote.MalformedError as error:
            if len(wanted) == 1:
                what = error.message.removeprefix(f"{self.name}: ")
                tip = self.seen.tip(wanted[0])
                self.result.refused.append(StoreFault(ref=wanted[0], commit=tip, path="", what=what))
                yield wanted[0]
            else:
                middle = len(wanted) // 2
                yield from self._halved(wanted[:middle], have)
                yield from self._halved(wanted[middle:], have)

    def _redactions(self, tip: str | None) -> Cleanser:
        """Take over what the remote says was taken out of chains; what is known then."""
        own = redactions.read(self.repository, self.local.redactions)
        if tip is not None:
            theirs = self._their_log(tip)
            self.result.odd += theirs.faults
            redactions.union(self.session, own, theirs)
            known = {one.id for one in own.entries.values()}
            self.result.redacted = tuple(one for one in theirs.entries.values() if one.id not in known)
            own = redactions.read(self.repository, local(self.repository, self.name).redactions)
            ref = REDACTIONS_FROM + remote_part(self.name)
            update = RefUpdate(ref=ref, new=tip, old=self.local.redactions_seen)
            self.session.move([update], f"ledger: seen on {self.name}")
        self.result.log = own.tip
        return Cleanser(self.repository, own.entries.values())

    def _their_log(self, tip: str) -> redactions.Log:
        """Raises FormatError for what is none: without it nobody knows what must not be brought back."""
        try:
            return redactions.read(self.repository, tip)
        except FormatError as error:
            seen = self.local.redactions_seen
            mend = f"git push {self.name} {'+' if seen else ''}{seen or ''}:{REDACTIONS}"
            raise FormatError(
                f"{self.name}: {error.message}",
                hint=f"nothing was moved; once it is clear who put {tip[:12]} there: {mend}",
            ) from error

    def _followed(self, claims: Collection[Claim], cleanser: Cleanser) -> list[Claim]:
        """Chains that were redacted go on from their pins without what was taken out, and from nothing else."""
        return [self._follow(claim, cleanser) for claim in claims]

    def _follow(self, claim: Claim, cleanser: Cleanser) -> Claim:
        if claim.pin is None or not cleanser.of(claim.slug):
            return claim
        try:
            found = cleanser.grown_from(claim.slug, claim.tip, claim.pin)
        except LedgerError:  # no chain at all: the check says why
            found = None
        return replace(claim, pin=found) if found else claim

    def _cleansed(self, boxes: Sequence[Claim], cleanser: Cleanser) -> dict[str, str]:
        """Inboxes without what was taken out: on the remote they hold it until the next push replaces or deletes them."""
        found = {}
        for claim in boxes:
            found[claim.ref], made = cleanser.chain(claim.slug, claim.tip)
            objects.write(self.repository, made, keep=self.session.keep)
        return {ref: tip for ref, tip in found.items() if self.boxes.get(ref) != tip}

    def _judged(self, claims: Collection[Claim]) -> Collection[str]:
        """Refs of the chains that may be built on; notes the others."""
        if not claims:
            return ()
        counted = _Count(self.session)
        found = check(self.repository, list(claims), told=counted)
        if self.wanted.accept_rewind and found.rewound:
            anew = [replace(claim, pin=None) for claim in claims if claim.ref in found.rewound]
            again = check(self.repository, anew, told=counted)
            found.sound.update(again.sound)
            found.refused += again.refused
        self.result.refused += found.refused
        self.result.odd += found.odd
        self.result.came = {
            ref.removeprefix(RUNS): len(line.links)
            for ref, line in found.sound.items()
            if ref.startswith(RUNS)
        }
        self.result.boxed = {
            ref: len(line.links) for ref, line in found.sound.items() if ref.startswith(INBOX)
        }
        self._rewound = [ref.removeprefix(RUNS) for ref in found.rewound]
        return found.sound.keys()

    _rewound: Collection[str] = ()

    def _note_rewound(self) -> None:
        """Chains that don't go on from their pin, and chains that are gone."""
        gone = [s for s in self.pins if self.wanted.includes(s) and s not in self.seen.runs]
        for slug in (*self._rewound, *gone):
            self.result.rewound.append(self._lost(slug))
        if self.wanted.accept_rewind:
            self.session.move(
                [u for s in gone for u in self._forgetting(s)], f"ledger: {self.name} has it no more"
            )
            self.result.accepted = frozenset((*self._rewound, *gone))

    def _lost(self, slug: str) -> Rewound:
        pinned, tip = self.pins[slug], self.seen.runs.get(slug)
        words = ("rev-list", "--count", pinned, *([f"^{tip}"] if tip else []))
        with suppress(GitError):
            return Rewound(slug=slug, pin=pinned, tip=tip, lost=int(self.repository.git(*words)))
        return Rewound(slug=slug, pin=pinned, tip=tip, lost=None)

    def _forgetting(self, slug: str) -> list[RefUpdate]:
        zeros = self.repository.zeros
        found = {pin(self.name, slug): self.pins[slug]}
        old = self.local.tracked.get(slug)
        if old:
            found[tracking(self.name, slug)] = old
        return [RefUpdate(ref=ref, new=zeros, old=tip) for ref, tip in found.items()]

    def _move(self, tips: Mapping[str, str], boxes: Mapping[str, str], links: str | None) -> None:
        with suppress(RefMovedError):  # plain `git fetch` writes these two as well: nothing is built on them
            # First: one that is behind its pin tells of a remote that was set back.
            self._move_loose(tips, links)
        updates = [RefUpdate(ref=pin(self.name, s), new=tip, old=self.pins.get(s)) for s, tip in tips.items()]
        updates += [RefUpdate(ref=ref, new=tip, old=self.boxes.get(ref)) for ref, tip in boxes.items()]
        self.session.move(updates, f"ledger: seen on {self.name}")

    def _move_loose(self, tips: Mapping[str, str], links: str | None) -> None:
        old = self.local.tracked
        new = {**self._known_tips(), **self._rewound_tips(), **tips}
        new = {s: tip for s, tip in new.items() if old.get(s, self.repository.zeros) != tip}
        updates = [RefUpdate(ref=tracking(self.name, s), new=tip, old=old.get(s)) for s, tip in new.items()]
        if links:
            ref = LINKS_FROM + remote_part(self.name)
            updates.append(RefUpdate(ref=ref, new=links, old=self.local.links))
        self.session.move(updates, f"ledger: fetched from {self.name}")

    def _rewound_tips(self) -> dict[str, str]:
        """Where the remote was set back to; zeros where it has the chain no more: its tracking ref tells so later on."""
        lost = (one for one in self.result.rewound if one.slug not in self.result.accepted)
        return {one.slug: one.tip or self.repository.zeros for one in lost}

    def _known_tips(self) -> dict[str, str]:
        """Pins that the remote still has: a tracking ref that was pruned stands again."""
        return {s: tip for s, tip in self.pins.items() if self.seen.runs.get(s) == tip}

    def _drop_folded(self, known: Mapping[str, str]) -> None:
        """Inboxes that the remote no longer has, and whose records stand on their chains."""
        if not self.wanted.boxes:
            return
        for ref, tip in self.boxes.items():
            box = inbox.parse(ref)
            if box is None or ref in self.seen.inboxes or box.slug not in known:
                continue
            if records_of(self.repository, tip) <= records_of(self.repository, known[box.slug]):
                self.session.move([RefUpdate(ref=ref, new=self.repository.zeros, old=tip)], "ledger: folded")


class _Count:
    """Tells how many records were checked."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._done = 0

    def __call__(self, count: int) -> None:
        self._done += count
        self._session.told(f"checked {self._done:,} records")
