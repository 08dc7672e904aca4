"""Pull: fetch, then merge into the local chains. Push begins with one, and ends with one."""

from __future__ import annotations

from ledger.errors import ContentionError, RefMovedError
from ledger.share import kept, links, requests
from ledger.share.fetch import Fetched, Wanted, fetch
from ledger.share.merge import Merged, Task, merge
from ledger.share.report import STILL_THERE, Report
from ledger.share.session import Session
from ledger.store import chain
from ledger.store.slug import INBOX, RUNS

DRAIN_SECONDS = 5.0


def pull(session: Session, name: str, wanted: Wanted) -> Report:
    """Bring local chains up to the home remote's. Raises RemoteError, ContentionError."""
    report = Report(remote=name)
    chain.drain(session.repository, home=name, wait_seconds=DRAIN_SECONDS)
    report.restored = kept.restore(session, name)
    fetched, _ = pull_once(session, name, wanted, report, fold=False)
    requests.fetch(session, name, report)
    _note_left(report, fetched)
    return report


def fetch_only(session: Session, name: str, wanted: Wanted) -> Report:
    """Fetch, and leave local chains as they are."""
    report = Report(remote=name)
    fetched = fetch(session, name, wanted)
    note(report, fetched)
    if wanted.boxes:  # the home remote
        requests.fetch(session, name, report)
    _note_left(report, fetched)
    return report


def _note_left(report: Report, fetched: Fetched) -> None:
    for slug in fetched.lacking:
        report.of(slug).left = True


def pull_once(
    session: Session, name: str, wanted: Wanted, report: Report, *, fold: bool
) -> tuple[Fetched, dict[str, Merged]]:
    """One fetch and one merge; what they did is added to the report."""
    fetched = fetch(session, name, wanted)
    note(report, fetched)
    if fetched.seen.links:
        _merge_links(session, name, report)
    chain.drain(session.repository, home=name, wait_seconds=DRAIN_SECONDS)
    outcome = merge(session, Task(name=name, wanted=wanted, leave=fetched.unusable, fold=fold))
    for fault in outcome.faults:
        entry = report.of(fault.ref.removeprefix(RUNS))
        entry.problem, entry.blocked = fault.what, True
    for slug, one in outcome.experiments.items():
        entry = report.of(slug)
        entry.reparented += one.reparented
        entry.folded += one.folded
        entry.quarantined = list(one.quarantined)
        entry.waiting = len(one.suffix)
        if one.forced:
            entry.problem = STILL_THERE
        elif entry.problem == STILL_THERE:
            entry.problem = ""
    return fetched, outcome.experiments


def _merge_links(session: Session, name: str, report: Report) -> None:
    try:
        before = links.known(session)
        report.odd += [fault for fault in links.merge(session, name) if fault not in report.odd]
        report.links_came += links.count(session, links.known(session), before)
    except (ContentionError, RefMovedError) as error:  # runs go on without
        report.trouble = error.message


def note(report: Report, fetched: Fetched) -> None:
    """What a fetch found; what an earlier one of the same push found is not said twice."""
    for slug, count in fetched.came.items():
        report.of(slug).came += count
    report.rewound = list(fetched.rewound)
    report.accepted |= fetched.accepted
    report.refused = list(fetched.refused)
    report.odd += [fault for fault in fetched.odd if fault not in report.odd]
    report.redacted += [one for one in fetched.redacted if one not in report.redacted]
    report.boxed += sum(fetched.boxed.values())
    for one in fetched.rewound:
        if one.slug not in fetched.accepted:
            report.of(one.slug).problem = "the remote was rewound"
    for fault in fetched.refused:
        if fault.ref.startswith(INBOX):
            continue
        report.of(fault.ref.removeprefix(RUNS)).problem = f"{fault.commit[:12]} {fault.path}: {fault.what}"
