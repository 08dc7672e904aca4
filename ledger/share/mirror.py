"""Mirrors: remotes beside the home remote are sent exactly what that has, and only what adds to theirs."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ledger.errors import LedgerError
from ledger.git import refs, remote
from ledger.git.refs import RefUpdate
from ledger.git.remote import Fate, Sent, Wish
from ledger.share import redactions
from ledger.share.backoff import pauses
from ledger.share.cleanse import Cleanser
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
    report = Report(remote=name, dry_run=options.dry_run, sends=True)
    here = local(session.repository, home)
    known = {s: tip for s, tip in here.pins.items() if _wanted(options, s)}
    for ref in here.runs:
        slug = ref.removeprefix(RUNS)
        if slug not in known and _wanted(options, slug):
            report.of(slug).problem = f"not on {home} yet: ledger push {home}"
    seen = look(session, name)
    log = _log(session, here.redactions, seen, options)
    if log and not options.dry_run:
        remote.send(session.repository, name, [log], keep=session.keep)
    wishes = _wishes(session, known, seen, report, options)
    for pause in pauses(_ATTEMPTS):
        if not wishes or options.dry_run:
            break
        session.told(f"sending to {name}")
        report.pushes += 1
        done = remote.send(session.repository, name, wishes, keep=session.keep)
        seen = look(session, name)
        _note_fates(report, wishes, done, seen, options)
        again = _wishes(session, known, seen, report, options)
        wishes = [w for w in again if done.fates.get(w.ref) is not Fate.REFUSED]
        time.sleep(pause if wishes else 0)
    if wishes and not options.dry_run:
        report.trouble = f"{name}: others were first {_ATTEMPTS} times; try again"
    _note(session, name, seen, known)
    return report


def _note_fates(report: Report, wishes: Sequence[Wish], done: Sent, seen: Seen, options: Options) -> None:
    for wish in wishes:
        entry = report.of(wish.ref.removeprefix(RUNS))
        if done.fates[wish.ref] is Fate.REFUSED:
            entry.problem, entry.blocked = done.reasons[wish.ref], options.redacted
        entry.replaced = entry.replacing and seen.runs.get(entry.slug) == wish.new


def _wanted(options: Options, slug: str) -> bool:
    return options.slugs is None or slug in options.slugs


def _log(session: Session, own: str | None, seen: Seen, options: Options) -> Wish | None:
    """The log of redactions, where it goes along and only adds to the mirror's."""
    if own is None or own == seen.redactions or not options.redacted:
        return None
    there = seen.redactions
    if there and session.repository.outcome("merge-base", "--is-ancestor", there, own).code:
        return None
    return Wish(ref=REDACTIONS, new=own, old=there)


def _own_log(session: Session) -> str | None:
    tip = refs.tips(session.repository, REDACTIONS).get(REDACTIONS)
    return tip.id if tip else None


def _redacted(session: Session, slug: str, tip: str, there: str | None) -> bool:
    """Whether a mirror's chain differs from the home remote's by what was taken out, and by nothing else."""
    log = redactions.read(session.repository, _own_log(session))
    cleanser = Cleanser(session.repository, log.entries.values())
    try:
        return bool(there and cleanser.of(slug) and cleanser.grown_from(slug, tip, there))
    except LedgerError:
        return False  # it has what was never here


def _wishes(
    session: Session, known: dict[str, str], seen: Seen, report: Report, options: Options
) -> list[Wish]:
    found = []
    for slug, tip in known.items():
        there = seen.runs.get(slug)
        entry = report.of(slug)
        count = _beyond(session, tip, there) if there != tip else 0
        if count is None:
            redacted = _redacted(session, slug, tip, there)
            if redacted and options.redacted:
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


def _beyond(session: Session, tip: str, there: str | None) -> int | None:
    """How many records the mirror lacks; None where it has others."""
    git = session.repository.outcome
    if there is not None and git("merge-base", "--is-ancestor", there, tip).code:
        return None
    return int(git("rev-list", "--count", tip, *([f"^{there}"] if there else [])).stdout)


def _note(session: Session, name: str, seen: Seen, known: dict[str, str]) -> None:
    before = local(session.repository, name).pins
    tips = {s: tip for s, tip in seen.runs.items() if known.get(s) == tip and before.get(s) != tip}
    updates = [RefUpdate(ref=pin(name, s), new=tip, old=before.get(s)) for s, tip in tips.items()]
    session.move(updates, f"ledger: seen on {name}")
