"""How this clone stands to its home remote, as far as that was last seen: no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.config import Workspace
from ledger.errors import LedgerError
from ledger.git.process import Repository
from ledger.share import inbox
from ledger.share.chainlog import Line, beyond
from ledger.share.cleanse import cleanser
from ledger.share.session import Local, home, local
from ledger.store.slug import RUNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Counts are records."""

    slug: str
    unpublished: int
    """On the chain here, not seen on the remote, and not refused by it."""
    behind: int
    """Fetched, and not on the chain here."""
    quarantined: int
    """Refused by the server."""
    inbox: int
    """In inboxes, and not on the chain here."""
    rewound: bool = False
    """The remote's chain does not go on from where it was seen, or is gone."""
    forced: bool = False
    """The remote's chain holds what was taken out here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    remote: str | None
    """The home remote."""
    experiments: tuple[Experiment, ...] = ()
    """Those that are not up to date."""
    shared: bool = False
    """Whether the remote was ever seen to have runs."""
    problem: str = ""
    """Why nothing can be said."""

    def total(self, what: str) -> int:
        return sum(getattr(one, what) for one in self.experiments)

    def names(self, what: str) -> str:
        """Of the experiments of which it is true."""
        return ", ".join(one.slug for one in self.experiments if getattr(one, what))


def standing(workspace: Workspace) -> Standing:
    """A few git processes, whatever the number of experiments; more for those that values were taken out of."""
    try:
        name = home(workspace)
        if name is None:
            return Standing(remote=None)
        here = local(workspace.repository, name)
        if not (here.pins or here.tracked or here.inboxes):
            return Standing(remote=name)  # all of it is unpublished
        found = tuple(_experiments(workspace.repository, here))
    except LedgerError as error:
        return Standing(remote=workspace.config.remote, problem=error.message)
    return Standing(remote=name, experiments=found, shared=True)


def _experiments(repository: Repository, here: Local) -> list[Experiment]:
    tips = {
        ref.removeprefix(RUNS): tip.id
        for ref, tip in here.runs.items()
        if tip.kind == "commit" and not tip.symbolic
    }
    known = [*here.pins.values()]
    rewound = rewinds(repository, here)
    clean = cleanser(repository, here.redactions)
    forced = {slug for slug, pin in here.pins.items() if clean.changes(slug, [pin])}
    ahead = beyond(repository, {s: tip for s, tip in tips.items() if here.pins.get(s) != tip}, known)
    seen = {**here.pins, **{s: tip for s, tip in here.tracked.items() if s not in rewound}}
    theirs = {s: tip for s, tip in seen.items() if tips.get(s) != tip}
    behind = beyond(repository, theirs, list(tips.values()), records=bool(forced))
    boxes = beyond(repository, here.inboxes, known)  # what this clone sent to its own is on its chain, too
    refused = _records(beyond(repository, here.quarantine, []))
    found = []
    for slug in sorted({*tips, *theirs, *rewound}):
        mine = {link.record for link in ahead[slug].links} if slug in ahead else set()
        other = behind[slug].links if slug in behind else []
        if slug in forced:  # the same records, in other commits
            there = {link.record for link in other}
            other, mine = [link for link in other if link.record not in mine], mine - there
        boxed = _boxed(boxes, slug)
        one = Experiment(
            slug=slug,
            unpublished=len(mine - refused - boxed),
            behind=len(other),
            quarantined=len(mine & refused),
            inbox=len(boxed - mine),
            rewound=slug in rewound,
            forced=slug in forced,
        )
        if one != Experiment(slug=slug, unpublished=0, behind=0, quarantined=0, inbox=0):
            found.append(one)
    return found


def rewinds(repository: Repository, here: Local) -> frozenset[str]:
    """Experiments whose chain on the remote was set back, or is gone, when it was last looked at. Raises GitError.

    A fetch lets the tracking ref follow the remote, and leaves the pin where it is.
    """
    differ = {s: tip for s, tip in here.tracked.items() if here.pins.get(s, tip) != tip}
    lines = beyond(repository, differ, [here.pins[slug] for slug in differ], records=False)
    gone = here.pins.keys() - here.tracked.keys()
    return frozenset((*gone, *(s for s, line in lines.items() if line.root != here.pins[s])))


def _boxed(boxes: Mapping[str, Line], slug: str) -> set[str]:
    found = ((inbox.parse(ref), line) for ref, line in boxes.items())
    return {link.record for box, line in found if box and box.slug == slug for link in line.links}


def _records(lines: Mapping[str, Line]) -> set[str]:
    return {link.record for line in lines.values() for link in line.links}
