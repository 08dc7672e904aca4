"""Records that a server refused. They stay on their chain, behind all others, and are not sent until asked."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ledger.git import objects, refs
from ledger.git.process import Repository
from ledger.git.refs import RefUpdate
from ledger.share.chainlog import Link, beyond
from ledger.share.reparent import reparented
from ledger.share.session import Session
from ledger.store.slug import QUARANTINE


def entries(repository: Repository) -> dict[str, list[Link]]:
    """By slug, oldest first."""
    found = refs.tips(repository, QUARANTINE)
    tips = {ref.removeprefix(QUARANTINE): tip.id for ref, tip in found.items() if tip.kind == "commit"}
    return {slug: line.links for slug, line in beyond(repository, tips, []).items()}


def add(session: Session, slug: str, links: Sequence[Link]) -> None:
    """Put records there; those that are there already stay."""
    there = entries(session.repository).get(slug, [])
    known = {link.record for link in there}
    _write(session, slug, [*there, *(link for link in links if link.record not in known)], there)


def release(session: Session, slug: str, records_: Collection[str]) -> None:
    """Take records out: the next push sends them again."""
    there = entries(session.repository).get(slug, [])
    left = [link for link in there if link.record not in records_]
    if left != there:
        _write(session, slug, left, there)


def _write(session: Session, slug: str, links: Sequence[Link], there: Sequence[Link]) -> None:
    repository = session.repository
    made = reparented(repository, [link.id for link in links], None)
    old = there[-1].id if there else None
    with objects.held(repository, made, keep=session.keep):
        new = made[-1].id if made else repository.zeros
        session.move([RefUpdate(ref=QUARANTINE + slug, new=new, old=old)], "ledger: refused by the remote")
