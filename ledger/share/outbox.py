"""What a push sends to this clone's own inbox, where the chain is not fetched or others always win it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from ledger.errors import GitError
from ledger.git import refs
from ledger.git.refs import RefUpdate
from ledger.git.remote import Wish
from ledger.share import inbox
from ledger.share.chainlog import Link, beyond, records_of
from ledger.share.cleanse import Cleanser
from ledger.share.fetch import Fetched
from ledger.share.merge import Merged
from ledger.share.report import STILL_THERE, Report
from ledger.share.sender import Sender
from ledger.share.session import Session, rename_writer, writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """Of one push."""

    session: Session
    sender: Sender
    report: Report
    cleanser: Cleanser
    redacted: bool = False
    """Replace an inbox that holds what was taken out here."""

    def wish(self, fetched: Fetched, one: Merged) -> tuple[Wish, set[str]] | None:
        """What to send, and what it is for (records, or the experiment); None where the inbox holds everything."""
        entry = self.report.of(one.slug)
        entry.inbox = True
        ref = inbox.ref_of(writer(self.session.repository), one.slug)
        there, old = fetched.seen.inboxes.get(ref), refs.commit(self.session.repository, ref)
        new = self._left(one, ref, there, old)
        entry.waiting = len(new)
        stale = self._stale(one.slug, there, old)
        if stale and not self.redacted:
            entry.problem = STILL_THERE
        if one.send is None or one.forced or not (new or (stale and self.redacted)):
            return None
        if there is not None and not self._holds(one, there):
            ref, there = inbox.ref_of(rename_writer(self.session.repository), one.slug), None
        wanted = {link.record for link in new} | ({one.slug} if stale else set())
        return Wish(ref=ref, new=one.send, old=there), wanted

    def _left(self, one: Merged, ref: str, there: str | None, old: str | None) -> list[Link]:
        """Records that the inbox lacks. What is seen in it now is published, and counted as sent."""
        new = self._beyond(one, old)
        if there is None or there == old or there not in (one.send, *self.sender.ours):
            return new
        # Readers here find it there too, which changes nothing.
        self.session.move([RefUpdate(ref=ref, new=there, old=old)], f"ledger: seen on {self.report.remote}")
        left = self._beyond(one, there)
        self.report.of(one.slug).sent += len(new) - len(left)
        return left

    def _stale(self, slug: str, there: str | None, old: str | None) -> bool:
        """Whether the inbox on the remote is the one here, with what was taken out since."""
        if there is None or there == old or not self.cleanser.of(slug):
            return False
        with suppress(GitError):  # not here: nobody's but another's
            return self.cleanser.chain(slug, there)[0] == old
        return False

    def _beyond(self, one: Merged, tip: str | None) -> list[Link]:
        """What was not sent to the inbox before: the remote's is gone when somebody has taken it in."""
        there = records_of(self.session.repository, tip) if tip else frozenset()
        return [link for link in one.suffix if link.record not in there]

    def _holds(self, one: Merged, there: str) -> bool:
        """Whether all that the inbox holds is here. Else a copy of this clone has its name, and its records stay there."""
        repository = self.session.repository
        try:
            extra = beyond(repository, {there: there}, [one.tip])[there].links
            return not extra or {link.record for link in extra} <= records_of(repository, one.tip)
        except GitError:
            return False
