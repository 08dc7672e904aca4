"""Take a value out of a run: note it in the log of redactions, rebuild the chain, clean up beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ledger import canonical
from ledger.errors import InputError, NotFoundError
from ledger.git import refs
from ledger.model import Author, new_id
from ledger.share import inbox, journals, redactions
from ledger.share.carried import texts
from ledger.share.cleanse import Changed, Cleanser
from ledger.share.elsewhere import elsewhere
from ledger.share.fetch import Wanted
from ledger.share.merge import Merged, Task, merge
from ledger.share.redactions import Redaction
from ledger.share.session import Session, home, local
from ledger.store import chain
from ledger.store.redacted import Place
from ledger.store.slug import RUNS

_DRAIN_SECONDS = 30.0
_TELLING = 4
"""Characters of a value that may not stand in the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    run: str
    """Its whole id."""
    place: Place
    reason: str
    by: Author
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    redactions: tuple[Redaction, ...]
    records: int
    """Records that held the value."""
    rebuilt: int
    """Commits that are new on the chains: those records, and all that stood on them."""
    forced: tuple[str, ...]
    """Experiments whose chain, or an inbox of it, still holds it on the home remote."""
    elsewhere: tuple[str, ...]
    """Where the same text stands besides."""


def redact(session: Session, request: Request) -> Done:
    """Raises NotFoundError where no record of the run has such a value, ContentionError, GitError."""
    repository, name = session.repository, home(session.workspace) or "origin"
    chain.drain(repository, home=name, wait_seconds=_DRAIN_SECONDS)
    found = _found(session, request, _tips(session))
    if not found:  # an inbox may have it
        merge(session, Task(name=name, wanted=Wanted(), fold=True))
        found = _found(session, request, _tips(session))
    if not found:
        raise NotFoundError(
            f"no record of run {request.run[:8]} has a value at {request.place}",
            hint=f"ledger show {request.run[:8]} --json shows where values stand",
        )
    values = [value for _, held in found.values() for one in held.values() for value in one.values]
    _require_silent(request.reason, values)
    entries = tuple(one for one, _ in found.values())
    here, tips = local(repository, name), _tips(session)
    boxed = _boxed(session, here.inboxes, entries)
    redactions.add(session, here.redactions, entries)
    outcome = merge(session, Task(name=name, wanted=Wanted(slugs=frozenset(found))))
    merged = {slug: outcome.experiments[slug] for slug in found if slug in outcome.experiments}
    return Done(
        redactions=entries,
        records=sum(len(held) for _, held in found.values()),
        rebuilt=sum(_rebuilt(session, tips[slug], one) for slug, one in merged.items()),
        forced=tuple(slug for slug, one in merged.items() if one.forced or slug in boxed),
        elsewhere=(
            *elsewhere(session.repository, {text for value in values for text in texts(value)}),
            *(f"{path} (the run goes on)" for path in journals.going_on(repository, request.run)),
        ),
    )


def _require_silent(reason: str, values: Sequence[object]) -> None:
    """Raises InputError for a reason that says the value: it is published, and stays."""
    if any(text in canonical.compact(reason) for value in values for text in texts(value, shortest=_TELLING)):
        raise InputError(
            "the reason holds the value that is to be taken out",
            hint="everybody can read the reason, and it stays: say why without the value",
        )


def _tips(session: Session) -> dict[str, str]:
    return {
        ref.removeprefix(RUNS): tip.id
        for ref, tip in refs.tips(session.repository, RUNS).items()
        if tip.kind == "commit" and not tip.symbolic
    }


_Found = dict[str, tuple[Redaction, dict[str, Changed]]]


def _found(session: Session, request: Request, tips: Mapping[str, str]) -> _Found:
    """Chains that hold the value: the redaction of each, and what it changes."""
    return {
        slug: (one, held) for slug, tip in tips.items() for one, held in _held(session, request, slug, tip)
    }


def _boxed(session: Session, boxes: Mapping[str, str], entries: Sequence[Redaction]) -> set[str]:
    """Experiments with an inbox, as it was last seen, that holds the value."""
    cleanser = Cleanser(session.repository, entries)
    named = ((inbox.parse(ref), tip) for ref, tip in boxes.items())
    return {box.slug for box, tip in named if box and cleanser.changes(box.slug, [tip])}


def _held(
    session: Session, request: Request, slug: str, tip: str
) -> Iterator[tuple[Redaction, dict[str, Changed]]]:
    one = Redaction(
        id=new_id(),
        slug=slug,
        run=request.run,
        place=request.place,
        reason=request.reason,
        at=request.at,
        by=request.by,
    )
    cleanser = Cleanser(session.repository, [one])
    held = cleanser.changes(slug, [tip])
    if held:
        banned = tuple(dict.fromkeys(oid for changed in held.values() for oid in changed.banned))
        records = tuple(dict.fromkeys(changed.record for changed in held.values()))
        new = cleanser.chain(slug, tip)[0]
        yield replace(one, old=tip, new=new, banned=banned, records=records), held


def _rebuilt(session: Session, old: str, merged: Merged) -> int:
    return int(session.repository.git("rev-list", "--count", merged.tip, f"^{old}"))
