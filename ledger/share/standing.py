"""How this clone stands to its home remote, as far as that was last seen: no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.config import Workspace
from ledger.errors import LedgerError
from ledger.git.process import Repository
from ledger.share import inbox
from ledger.share.chainlog import Line, beyond
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


def standing(workspace: Workspace) -> Standing:
    """Three git processes, whatever the number of experiments."""
    try:
        name = home(workspace)
        if name is None:
            return Standing(remote=None)
        here = local(workspace.repository, name)
        if not (here.pins or here.tracked or here.inboxes):
            return Standing(remote=name)  # all of it is unpublished: counting would read every chain
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
    ahead = beyond(repository, {s: tip for s, tip in tips.items() if here.pins.get(s) != tip}, known)
    theirs = {s: tip for s, tip in {**here.pins, **here.tracked}.items() if tips.get(s) != tip}
    behind = beyond(repository, theirs, list(tips.values()), records=False)
    boxes = beyond(repository, here.inboxes, [*tips.values(), *known])
    refused = _records(beyond(repository, here.quarantine, []))
    found = []
    for slug in sorted({*tips, *theirs}):
        mine = {link.record for link in ahead[slug].links} if slug in ahead else set()
        boxed = _boxed(boxes, slug)
        one = Experiment(
            slug=slug,
            unpublished=len(mine - refused - boxed),
            behind=len(behind[slug].links) if slug in behind else 0,
            quarantined=len(mine & refused),
            inbox=len(boxed - mine),
        )
        if one.unpublished or one.behind or one.quarantined or one.inbox:
            found.append(one)
    return found


def _boxed(boxes: Mapping[str, Line], slug: str) -> set[str]:
    found = ((inbox.parse(ref), line) for ref, line in boxes.items())
    return {link.record for box, line in found if box and box.slug == slug for link in line.links}


def _records(lines: Mapping[str, Line]) -> set[str]:
    return {link.record for line in lines.values() for link in line.links}
