"""Take a value out of a run: note it in the log of redactions, rebuild the chain, clean up beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ledger import canonical
from ledger.errors import NotFoundError
from ledger.git import refs
from ledger.model import Author, new_id
from ledger.share import inbox, journals, redactions
from ledger.share.cleanse import Changed, Cleanser
from ledger.share.fetch import Wanted
from ledger.share.merge import Merged, Task, merge
from ledger.share.redactions import Redaction
from ledger.share.session import Session, home, local
from ledger.store import chain, codec
from ledger.store.arrivals import Commit
from ledger.store.reading import read_ahead
from ledger.store.redacted import Place
from ledger.store.slug import RUNS

_DRAIN_SECONDS = 30.0
_AT_ONCE = 20_000
_SHOWN = 20


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
    entries = tuple(one for one, _ in found.values())
    here, tips = local(repository, name), _tips(session)
    boxed = _boxed(session, here.inboxes, entries)
    redactions.add(session, here.redactions, entries)
    outcome = merge(session, Task(name=name, wanted=Wanted(slugs=frozenset(found))))
    merged = {slug: outcome.experiments[slug] for slug in found if slug in outcome.experiments}
    values = [value for _, held in found.values() for one in held.values() for value in one.values]
    return Done(
        redactions=entries,
        records=sum(len(held) for _, held in found.values()),
        rebuilt=sum(_rebuilt(session, tips[slug], one) for slug, one in merged.items()),
        forced=tuple(slug for slug, one in merged.items() if one.forced or slug in boxed),
        elsewhere=(
            *_elsewhere(session, set(filter(None, map(_text, values)))),
            *(f"{path} (the run goes on)" for path in journals.going_on(repository, request.run)),
        ),
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
        yield _told(one, tip, cleanser.chain(slug, tip)[0], banned), held


def _told(one: Redaction, old: str, new: str, banned: tuple[str, ...]) -> Redaction:
    return replace(one, old=old, new=new, banned=banned)


def _rebuilt(session: Session, old: str, merged: Merged) -> int:
    return int(session.repository.git("rev-list", "--count", merged.tip, f"^{old}"))


def _text(value: object) -> str:
    """What to look for: a text as it stands in JSON."""
    if not isinstance(value, str) or len(value) < journals.SHORTEST:
        return ""
    return canonical.compact(value)[1:-1]


def _elsewhere(session: Session, texts: set[str]) -> Iterator[str]:
    """Other places of the same text on the chains: runs of a sweep share their tokens."""
    if not texts:
        return
    wanted = [text.encode() for text in texts]
    shown = 0
    for ref, tip in refs.tips(session.repository, RUNS).items():
        output = session.repository.git("log", "--format=%H %T", tip.id, "--").decode()
        commits = [Commit(ref, *line.split(" ")) for line in output.splitlines()]
        for start in range(0, len(commits), _AT_ONCE):
            for chunk in read_ahead(session.repository, commits[start : start + _AT_ONCE]):
                hit = {oid for oid, body in chunk.blobs.items() if body and any(w in body for w in wanted)}
                for commit, tree in zip(chunk.commits, chunk.trees, strict=True) if hit else ():
                    for file, oid in tree.items() if not isinstance(tree, str) else ():
                        if oid in hit and file in codec.MAX_BYTES and shown < _SHOWN:
                            shown += 1
                            yield f"{ref} {commit.id[:12]} {file}"
