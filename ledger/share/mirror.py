"""Mirrors: remotes beside the home remote are sent exactly what that has, and only what adds to theirs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from ledger.errors import LedgerError
from ledger.git import history, objects, remote
from ledger.git.refs import RefUpdate
from ledger.git.remote import Fate, Sent, Wish
from ledger.share.backoff import pauses
from ledger.share.chainlog import beyond
from ledger.share.cleanse import cleanser
from ledger.share.fetch import Seen, look
from ledger.share.push import Options
from ledger.share.report import Report
from ledger.share.session import REDACTIONS, Session, local, pin
from ledger.store.slug import RUNS

_ATTEMPTS = 5
_STILL_THERE = "what was taken out of it is still on the remote: ledger push REMOTE --redacted"
_OTHERS = "has records that the home remote lacks; a mirror takes only what adds to it"


def push_mirror(session: Session, name: str, home: str, options: Options) -> Report:
    """Bring a mirror up to the home remote, as that was last seen. Raises RemoteError."""
    return _Mirror(session, name, home, options).run()


class _Mirror:
    def __init__(self, session: Session, name: str, home: str, options: Options) -> None:
        self.session = session
        self.repository = session.repository
        self.name = name
        self.options = options
        self.report = Report(remote=name, dry_run=options.dry_run, sends=True)
        here = local(self.repository, home)
        self.known = {s: tip for s, tip in here.pins.items() if self._wanted(s)}
        self.log = here.redactions
        self.cleanser = cleanser(self.repository, here.redactions)
        for ref in here.runs:
            slug = ref.removeprefix(RUNS)
            if slug not in self.known and self._wanted(slug):
                self.report.of(slug).problem = f"not on {home} yet: ledger push {home}"

    def run(self) -> Report:
        seen = look(self.session, self.name)
        log = self._log(seen)
        if log and not self.options.dry_run:
            remote.send(self.repository, self.name, [log], keep=self.session.keep)
        wishes = self._wishes(seen)
        for pause in pauses(_ATTEMPTS):
            if not wishes or self.options.dry_run:
                break
            self.session.told(f"sending to {self.name}")
            self.report.pushes += 1
            done = remote.send(self.repository, self.name, wishes, keep=self.session.keep)
            seen = look(self.session, self.name)
            self._note_fates(wishes, done, seen)
            again = self._wishes(seen)
            wishes = [w for w in again if done.fates.get(w.ref) is not Fate.REFUSED]
            time.sleep(pause if wishes else 0)
        if wishes and not self.options.dry_run:
            self.report.trouble = f"{self.name}: others were first {_ATTEMPTS} times; try again"
        self._note(seen)
        return self.report

    def _wanted(self, slug: str) -> bool:
        return self.options.slugs is None or slug in self.options.slugs

    def _log(self, seen: Seen) -> Wish | None:
        """The log of redactions, where it goes along and only adds to the mirror's."""
        own, there = self.log, seen.redactions
        if own is None or own == there or not self.options.redacted:
            return None
        if there and not history.reaches(self.repository, own, there):
            return None
        return Wish(ref=REDACTIONS, new=own, old=there)

    def _wishes(self, seen: Seen) -> list[Wish]:
        found = []
        lacking = self._lacking(seen)
        for slug, tip in self.known.items():
            there, count = seen.runs.get(slug), lacking.get(slug, 0)
            entry = self.report.of(slug)
            if count is None:
                redacted = self._redacted(slug, tip, there)
                if redacted and self.options.redacted:
                    entry.replacing = True
                    found.append(Wish(ref=RUNS + slug, new=tip, old=there))
                else:
                    entry.problem = _STILL_THERE if redacted else _OTHERS
                continue
            entry.sent += max(entry.waiting - count, 0)
            entry.waiting = count
            if count:
                found.append(Wish(ref=RUNS + slug, new=tip, old=there))
        return found

    def _lacking(self, seen: Seen) -> Mapping[str, int | None]:
        """How many records the mirror lacks of the chains that differ; None where it has others."""
        tips = {slug: tip for slug, tip in self.known.items() if seen.runs.get(slug) != tip}
        there = {slug: seen.runs[slug] for slug in tips if slug in seen.runs}
        gone = frozenset(objects.missing(self.repository, there.values())) if there else frozenset()
        lines = beyond(
            self.repository, tips, [one for one in there.values() if one not in gone], records=False
        )
        return {
            slug: len(line.links) if line.root == there.get(slug) else None for slug, line in lines.items()
        }

    def _redacted(self, slug: str, tip: str, there: str | None) -> bool:
        """Whether the mirror's chain differs from the home remote's by what was taken out, and by nothing else."""
        try:
            return bool(there and self.cleanser.of(slug) and self.cleanser.grown_from(slug, tip, there))
        except LedgerError:
            return False  # it has what was never here

    def _note_fates(self, wishes: Sequence[Wish], done: Sent, seen: Seen) -> None:
        for wish in wishes:
            entry = self.report.of(wish.ref.removeprefix(RUNS))
            if done.fates[wish.ref] is Fate.REFUSED:
                entry.problem, entry.blocked = done.reasons[wish.ref], self.options.redacted
            entry.replaced = entry.replacing and seen.runs.get(entry.slug) == wish.new

    def _note(self, seen: Seen) -> None:
        before = local(self.repository, self.name).pins
        tips = {s: tip for s, tip in seen.runs.items() if self.known.get(s) == tip and before.get(s) != tip}
        updates = [RefUpdate(ref=pin(self.name, s), new=tip, old=before.get(s)) for s, tip in tips.items()]
        self.session.move(updates, f"ledger: seen on {self.name}")
