"""What a fetch, a pull or a push did, experiment by experiment: for whoever prints it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.model import StoreFault
from ledger.share.chainlog import Link
from ledger.share.fetch import Rewound
from ledger.share.redactions import Redaction

STILL_THERE = "what was taken out of it is still on the remote: ledger push --redacted"


@dataclass(slots=True, kw_only=True)
class Experiment:
    """Counts are records."""

    slug: str
    came: int = 0
    """New from the remote."""
    sent: int = 0
    """New to the remote."""
    waiting: int = 0
    """Not on the remote: what is left to send."""
    reparented: int = 0
    folded: int = 0
    """Taken in from inboxes."""
    quarantined: list[Link] = field(default_factory=list)
    inbox: bool = False
    """It was sent to this clone's inbox."""
    overtaken: int = 0
    """Races for the chain that were lost to others, where there were so many that the inbox was taken instead."""
    left: bool = False
    """A shallow clone does not fetch whole chains unless it is told to."""
    problem: str = ""
    """Why it was left where it is."""
    blocked: bool = False
    """The problem is one of this clone: trying again does not help."""
    replacing: bool = False
    """Its chain on the remote holds what was taken out, and is to be replaced."""
    replaced: bool = False
    """And was."""

    @property
    def touched(self) -> bool:
        """Whether there is anything to say about it."""
        counts = (self.came, self.sent, self.waiting, self.reparented, self.folded)
        return any(counts) or bool(self.quarantined or self.left or self.problem or self.replaced)


@dataclass(slots=True, kw_only=True)
class Report:
    """One remote."""

    remote: str
    experiments: dict[str, Experiment] = field(default_factory=dict)
    rewound: list[Rewound] = field(default_factory=list)
    refused: list[StoreFault] = field(default_factory=list)
    """Chains of the remote that can't be built on."""
    odd: list[StoreFault] = field(default_factory=list)
    """Records that came and can't be read."""
    boxed: int = 0
    """Records that came in inboxes."""
    redacted: list[Redaction] = field(default_factory=list)
    """What others took out of runs, told for the first time."""
    restored: int = 0
    """Records that had gone from their chains, and were put back from their sealed files."""
    pushes: int = 0
    """How often something was sent."""
    code: int = 0
    """Code commits that were published."""
    requests: int = 0
    """Heads of merged pull requests that came, for runs on branches that are gone."""
    said: list[str] = field(default_factory=list)
    """What the server said where it refused something."""
    accepted: frozenset[str] = frozenset()
    """Slugs whose rewinding was taken over."""
    links_sent: int = 0
    """Links of rewritten history, and those made by hand."""
    links_came: int = 0
    trouble: str = ""
    """Why not everything could be done."""
    dry_run: bool = False
    sends: bool = False
    """A push: what the server refused, now or before, is its concern."""

    def of(self, slug: str) -> Experiment:
        return self.experiments.setdefault(slug, Experiment(slug=slug))

    def total(self, what: str) -> int:
        return sum(getattr(one, what) for one in self.experiments.values())

    @property
    def exit_code(self) -> int:
        """4: the remote is not what it should be, or somebody is always first; 1: the server refused records, or a ref here is in the way."""
        rewound = any(one.slug not in self.accepted for one in self.rewound)
        every = self.experiments.values()
        problems = any(one.problem and not one.blocked for one in every)
        if rewound or problems or self.refused or self.trouble:
            return 4
        return 1 if any(one.blocked or (self.sends and one.quarantined) for one in every) else 0
