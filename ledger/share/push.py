"""Push: fetch, merge, send, and look again instead of believing what the push said, until nothing is left to send."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ledger.errors import ContentionError, RefMovedError
from ledger.git.refs import RefUpdate
from ledger.git.remote import Fate, Wish
from ledger.share import code, inbox, kept, links, quarantine
from ledger.share.backoff import pauses
from ledger.share.chainlog import records_of
from ledger.share.cleanse import cleanser
from ledger.share.fetch import Fetched, Wanted, look
from ledger.share.merge import Merged
from ledger.share.outbox import Outbox
from ledger.share.pull import DRAIN_SECONDS, pull_once
from ledger.share.races import Races
from ledger.share.report import Report
from ledger.share.sender import Sender, slug_of
from ledger.share.session import REDACTIONS, Session, local, writer
from ledger.store import chain
from ledger.store.slug import RUNS

_LINK_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    slugs: frozenset[str] | None = None
    """Experiments; None: all."""
    inbox: bool = False
    """Send to this clone's inbox, whatever is known of the chains."""
    retry: bool = False
    """Send what is in quarantine again."""
    dry_run: bool = False
    redacted: bool = False
    """Replace chains of the remote that hold what was taken out here."""


def push(session: Session, name: str, options: Options) -> Report:
    """Publish what the home remote lacks. Raises RemoteError, ContentionError."""
    return _Push(session, name, options).run()


class _Push:
    def __init__(self, session: Session, name: str, options: Options) -> None:
        self.session = session
        self.repository = session.repository
        self.name = name
        self.options = options
        self.report = Report(remote=name, dry_run=options.dry_run, sends=True)
        self.sender = Sender(session, name, self.report)
        self.begun: dict[str, set[str]] = {}
        """Slug → records that were to be sent to its chain."""
        self.lacking: set[str] = set()
        """Records that are to be sent next, and slugs whose chain is to be replaced."""
        self.races: Races

    def run(self) -> Report:
        chain.drain(self.repository, home=self.name, wait_seconds=DRAIN_SECONDS)
        self.report.restored = kept.restore(self.session, self.name)
        if self.options.retry:
            self._release()
        fetched, merged = self._raced()
        self._tell_redactions(fetched, merged)
        self._count(merged)
        if not self.options.dry_run:
            kept.mark(self.session, self.name)
            self._send_links(fetched)
            published = code.publish(self.session, self.name, list(merged), fetched.seen.code)
            self.report.code, problem = published.commits, published.problem
            self.report.trouble = self.report.trouble or problem
            self._clear(fetched)
        return self.report

    def _raced(self) -> tuple[Fetched, dict[str, Merged]]:
        """Fetch, merge and send until nothing is left that this began with."""
        start = time.monotonic()
        fetched, merged = self._pulled()
        self.races = Races(window_seconds=time.monotonic() - start, crowded=bool(fetched.came))
        wishes = self._wishes(fetched, merged)
        goal = frozenset(self.lacking)  # what is recorded from now on must not keep this from ending
        while wishes and self.lacking & goal and not self.options.dry_run:
            if self._lost(wishes, fetched, merged):
                pause = self.races.pause()
                if pause is None:
                    self.report.trouble = f"{self.name}: others were first all the time; try again"
                    break
                time.sleep(pause)
            fetched, merged = self._pulled()
            wishes = self._wishes(fetched, merged)
        return fetched, merged

    def _lost(self, wishes: Sequence[Wish], fetched: Fetched, merged: Mapping[str, Merged]) -> bool:
        """Send, unless others were seen to be first already; whether they were."""
        ahead = self._ahead(wishes) if self.races.crowded else frozenset()
        told = not ahead and self._tell_redactions(fetched, merged)
        beaten = self.sender.send(wishes, merged) if told else ahead
        if beaten or not told:
            self.races.lose(beaten, sent=told)
        return bool(beaten) or not told

    def _send_links(self, fetched: Fetched) -> None:
        """What is known of rewritten history, joined with what the remote knows by now."""
        try:
            arrived = self._links_arrived(fetched)
        except (ContentionError, RefMovedError) as error:  # the runs are published
            self.report.trouble = self.report.trouble or error.message
            return
        if not arrived:
            said = f"{self.name}: others were first with links of rewritten history; the next push sends them"
            self.report.trouble = self.report.trouble or said

    def _links_arrived(self, fetched: Fetched) -> bool:
        there = fetched.seen.links
        for pause in pauses(_LINK_ATTEMPTS):
            wish = links.wish(self.session, there) if self.options.slugs is None else None
            fate = self.sender.raw([wish]).fates[wish.ref] if wish else Fate.TAKEN
            if wish and fate is Fate.REFUSED:
                self.report.trouble = self.report.trouble or f"{self.name} refuses {wish.ref}"
            if wish and fate is Fate.TAKEN:
                self.report.links_sent += links.count(self.session, wish.new, there)
            if fate in (Fate.TAKEN, Fate.REFUSED):
                return True
            time.sleep(pause)
            there = self._pulled()[0].seen.links
        return False

    def _release(self) -> None:
        for slug, records in quarantine.entries(self.repository).items():
            if self.options.slugs is None or slug in self.options.slugs:
                quarantine.release(self.session, slug, {link.record for link in records})

    def _pulled(self) -> tuple[Fetched, dict[str, Merged]]:
        wanted = Wanted(slugs=self.options.slugs, ours=frozenset(self.sender.ours))
        return pull_once(self.session, self.name, wanted, self.report, fold=True)

    def _ahead(self, wishes: Sequence[Wish]) -> frozenset[str]:
        """Where the remote moved while this clone merged: a look costs it less than a push that is too late."""
        seen = look(self.session, self.name)
        there = {**{RUNS + slug: tip for slug, tip in seen.runs.items()}, **seen.inboxes}
        return frozenset(slug_of(wish.ref) for wish in wishes if there.get(wish.ref) != wish.old)

    def _tell_redactions(self, fetched: Fetched, merged: Mapping[str, Merged]) -> bool:
        """Before the chains: others, and the server's hooks, know then why those are replaced."""
        held_back = not self.options.redacted and any(one.forced for one in merged.values())
        if held_back or self.options.dry_run or fetched.log in (None, fetched.seen.redactions):
            return True
        done = self.sender.raw([Wish(ref=REDACTIONS, new=fetched.log, old=fetched.seen.redactions)])
        return done.fates[REDACTIONS] is Fate.TAKEN

    def _wishes(self, fetched: Fetched, merged: Mapping[str, Merged]) -> list[Wish]:
        self.lacking = set()
        boxed = {slug for slug, one in merged.items() if self._to_inbox(fetched, one)}
        outbox = self._outbox(fetched) if boxed else None
        wishes = (
            self._inbox_wish(outbox, fetched, one) if outbox and slug in boxed else self._wish(fetched, one)
            for slug, one in merged.items()
        )
        return [wish for wish in wishes if wish]

    def _to_inbox(self, fetched: Fetched, one: Merged) -> bool:
        if self.options.inbox or one.slug in fetched.lacking:
            return True
        if one.forced or not one.suffix or not self.races.hopeless(one.slug):
            return False
        self.report.of(one.slug).overtaken = self.races.lost(one.slug)
        return True

    def _wish(self, fetched: Fetched, one: Merged) -> Wish | None:
        self.begun.setdefault(one.slug, set()).update(link.record for link in one.suffix)
        if one.send is None or (one.forced and not self.options.redacted):
            return None
        self.lacking.update([link.record for link in one.suffix], [one.slug] if one.forced else [])
        self.report.of(one.slug).replacing |= one.forced
        return Wish(ref=RUNS + one.slug, new=one.send, old=fetched.seen.runs.get(one.slug))

    def _outbox(self, fetched: Fetched) -> Outbox:
        return Outbox(
            session=self.session,
            sender=self.sender,
            report=self.report,
            cleanser=cleanser(self.repository, fetched.log),
            redacted=self.options.redacted,
        )

    def _inbox_wish(self, outbox: Outbox, fetched: Fetched, one: Merged) -> Wish | None:
        found = outbox.wish(fetched, one)
        if found is None:
            return None
        self.lacking |= found[1]
        return found[0]

    def _count(self, merged: Mapping[str, Merged]) -> None:
        for slug, records in self.begun.items():
            one = merged.get(slug)
            left = {link.record for link in (*one.suffix, *one.quarantined)} if one else records
            entry = self.report.of(slug)
            entry.sent += len(records - left)
            entry.replaced = entry.replacing and one is not None and not one.forced

    def _clear(self, fetched: Fetched) -> None:
        """Delete inboxes whose records were seen on their chains, each if it still is what was folded."""
        if not fetched.seen.inboxes:
            return
        here = local(self.repository, self.name)
        own, known, clean = writer(self.repository), here.pins, cleanser(self.repository, fetched.log)
        chains: dict[str, frozenset[str]] = {}
        folded = []
        for ref, tip in fetched.seen.inboxes.items():
            box = inbox.parse(ref)
            mine = box is not None and box.writer == own and self.options.inbox
            here_too = here.inboxes.get(ref)
            if box is None or mine or here_too is None or box.slug not in known:
                continue
            if here_too != tip and clean.chain(box.slug, tip)[0] != here_too:
                continue
            if box.slug not in chains:
                chains[box.slug] = records_of(self.repository, known[box.slug])
            if records_of(self.repository, here_too) <= chains[box.slug]:
                folded.append(Wish(ref=ref, new=None, old=tip))
        if folded:
            self.sender.raw(folded)
            gone = [
                RefUpdate(ref=one.ref, new=self.repository.zeros, old=here.inboxes[one.ref]) for one in folded
            ]
            self.session.move(gone, "ledger: folded")
