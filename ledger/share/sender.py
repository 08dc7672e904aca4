"""Sends to one remote, remembers what was sent, and finds and sets aside what the server refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ledger.errors import NotAllowedError, RemoteError
from ledger.git import remote
from ledger.git.remote import Fate, Sent, Wish
from ledger.share import inbox, quarantine
from ledger.share.chainlog import Link
from ledger.share.isolate import isolate
from ledger.share.merge import Merged
from ledger.share.report import Report
from ledger.share.session import Session
from ledger.store.slug import RUNS

_HOPELESS = 3
"""Records refused one after the other, and none taken: it is not about the records."""
_BROKEN = 5
"""Pushes in a row that broke off, none of which arrived: it is not by chance."""
_ABOUT_RECORDS = re.compile(r"declined|unpack|object|too large", re.IGNORECASE)
_REASON = re.compile(r"\[remote rejected\] \((?P<reason>.*)\)")
_DETAILS = 10


class Sender:
    """One push's conversation with a remote."""

    def __init__(self, session: Session, name: str, report: Report) -> None:
        self.session = session
        self.name = name
        self.report = report
        self.ours: set[str] = set()
        """Commits that were sent: wherever they are seen, they need not be fetched."""
        self._taken = 0
        self._broken = 0
        self._culprits: list[tuple[str, Link]] = []

    def send(self, wishes: Sequence[Wish], merged: Mapping[str, Merged]) -> frozenset[str]:
        """Send, deal with what is refused, and name the experiments for which others were first, or may have been.

        Raises RemoteError for a refusal that has nothing to do with records, and for a remote that can't be reached.
        """
        done = self.raw(wishes)
        self._require_through(done)
        for wish in wishes:
            if done.fates[wish.ref] is Fate.REFUSED:
                self._refused(wish, merged, done)
        open_ = (Fate.CONTENDED, Fate.UNKNOWN)
        return frozenset(slug_of(ref) for ref, fate in done.fates.items() if fate in open_)

    def _require_through(self, done: Sent) -> None:
        self._broken = self._broken + 1 if done.trouble else 0
        if done.trouble and (done.shut or self._broken >= _BROKEN):
            raise done.trouble

    def raw(self, wishes: Sequence[Wish]) -> Sent:
        """Send, and nothing else."""
        self.session.told(f"sending to {self.name}")
        self.report.pushes += 1
        self.ours.update(wish.new for wish in wishes if wish.new)
        done = remote.send(self.session.repository, self.name, wishes, keep=self.session.keep)
        self._taken += sum(fate is Fate.TAKEN for fate in done.fates.values())
        return done

    def _refused(self, wish: Wish, merged: Mapping[str, Merged], done: Sent) -> None:
        reason = done.reasons.get(wish.ref, "")
        slug = slug_of(wish.ref)
        if merged[slug].forced:
            raise self._error(wish.ref, reason, done, NotAllowedError)
        if not _ABOUT_RECORDS.search(reason):
            raise self._error(wish.ref, reason, done)
        search = _Prefixes(self, wish)
        culprit = isolate(merged[slug].suffix, search.send, done.said)
        if culprit is None:
            return
        quarantine.add(self.session, slug, [culprit])
        self.report.said += [line for line in _said(done) if line not in self.report.said]
        self._culprits.append((slug, culprit))
        if len(self._culprits) >= _HOPELESS and not self._taken:
            for where, link in self._culprits:
                quarantine.release(self.session, where, {link.record})
            raise self._error(wish.ref, reason, done)

    def _error(self, ref: str, reason: str, done: Sent, kind: type[RemoteError] = RemoteError) -> RemoteError:
        found = _REASON.search(reason)
        hint = "nothing is lost: it waits here"
        return kind(
            f"{self.name} refuses {ref}: {found['reason'] if found else reason}",
            hint=hint if kind is RemoteError else f"its owner has to allow it (docs/redaction.md); {hint}",
            details=tuple(_said(done)),
        )


def _said(done: Sent) -> list[str]:
    """The server's own words: of its hooks, most often."""
    lines = (line.strip() for line in done.said.splitlines())
    return [line for line in lines if line.startswith("remote:") and line != "remote:"][:_DETAILS]


class _Prefixes:
    """Sends the beginnings of a chain, each on top of the last that was taken."""

    def __init__(self, sender: Sender, wish: Wish) -> None:
        self._sender = sender
        self._ref, self._old = wish.ref, wish.old

    def send(self, commit: str) -> Fate:
        done = self._sender.raw([Wish(ref=self._ref, new=commit, old=self._old)])
        fate = done.fates[self._ref]
        if fate is Fate.TAKEN:
            self._old = commit
        return fate


def slug_of(ref: str) -> str:
    """Of a chain's or an inbox's ref."""
    box = inbox.parse(ref)
    return box.slug if box else ref.removeprefix(RUNS)
