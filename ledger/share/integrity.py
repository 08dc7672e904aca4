"""What `ledger verify` reads beside the records: the log of redactions, and whether chains and pins agree with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ledger.errors import LedgerError
from ledger.git import refs
from ledger.git.process import Repository
from ledger.model import StoreFault
from ledger.share import inbox, redactions
from ledger.share.cleanse import Cleanser
from ledger.share.session import REDACTIONS
from ledger.store.slug import INBOX, PINS, RUNS


def faults(repository: Repository) -> Iterator[StoreFault]:
    """Nothing is changed."""
    tips = refs.tips(repository, RUNS, INBOX, PINS, REDACTIONS)
    yield from _pins(tips)
    yield from _inboxes(tips)
    log = tips.pop(REDACTIONS, None)
    if log is None:
        return
    if log.kind != "commit":
        yield StoreFault(
            ref=REDACTIONS, commit=log.id, path="", what=f"not a log of redactions: {log.nature}"
        )
        return
    try:
        found = redactions.read(repository, log.id)
    except LedgerError as error:
        yield StoreFault(ref=REDACTIONS, commit=log.id, path="", what=error.message)
        return
    yield from found.faults
    cleanser = Cleanser(repository, found.entries.values())
    for ref, tip in tips.items():
        if ref.startswith(RUNS) and tip.kind == "commit":
            yield from _brought_back(cleanser, ref, tip.id)


def _pins(tips: Mapping[str, refs.Tip]) -> Iterator[StoreFault]:
    for ref, tip in tips.items():
        if ref.startswith(PINS) and tip.kind != "commit":
            yield StoreFault(ref=ref, commit=tip.id, path="", what=f"not a chain of runs: {tip.nature}")


def _inboxes(tips: Mapping[str, refs.Tip]) -> Iterator[StoreFault]:
    for ref, tip in tips.items():
        if ref.startswith(INBOX) and inbox.parse(ref) is None:
            yield StoreFault(ref=ref, commit=tip.id, path="", what="not a name that ledger gives an inbox")


def _brought_back(cleanser: Cleanser, ref: str, tip: str) -> Iterator[StoreFault]:
    try:
        held = cleanser.changes(ref.removeprefix(RUNS), [tip])
    except LedgerError:
        return  # a chain that can't be read has its own fault
    for commit in held:
        what = "holds what was taken out of the run (`ledger pull` takes it out again)"
        yield StoreFault(ref=ref, commit=commit, path="", what=what)
