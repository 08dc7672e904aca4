"""Links between clones: the union of what two of them know, checked before it is taken in."""

from __future__ import annotations

from ledger.errors import GitError, RefMovedError
from ledger.git import history, refs
from ledger.git.process import LockedError
from ledger.git.remote import Wish
from ledger.model import StoreFault
from ledger.share.session import LINKS_FROM, Session
from ledger.store import link_log
from ledger.store.slug import remote_part

_ATTEMPTS = 10


def merge(session: Session, name: str) -> list[StoreFault]:
    """Bring `refs/ledger/links` to the union of itself and what was fetched from a remote; why not, where it can't.

    Raises RefMovedError, LockedError when others write all the time.
    """
    _fold(session)
    for attempt in range(_ATTEMPTS):
        theirs, ours = (
            refs.commit(session.repository, LINKS_FROM + remote_part(name)),
            refs.commit(session.repository, link_log.REF),
        )
        if theirs is None or _reaches(session, ours, theirs):
            return []
        faults = _faults(session, theirs, ours)
        if faults:
            return faults
        try:
            _move(session, ours, theirs)
        except (RefMovedError, LockedError) as error:
            if attempt == _ATTEMPTS - 1 or (isinstance(error, LockedError) and not session.unlocked(error)):
                raise
        else:
            return []
    raise AssertionError  # the last attempt returns or raises


def _move(session: Session, ours: str | None, theirs: str) -> None:
    repository = session.repository
    if ours is None or _reaches(session, theirs, ours):
        update = refs.RefUpdate(ref=link_log.REF, new=theirs, old=ours)
        refs.update(repository, [update], reason="ledger: links of a remote")
    else:
        link_log.publish(
            repository, link_log.union(repository, [ours, theirs]), ours, "ledger: links of a remote"
        )


def wish(session: Session, there: str | None) -> Wish | None:
    """What to send so that a remote has all links; nothing where it has, or has others that were not merged yet."""
    _fold(session)
    ours = refs.commit(session.repository, link_log.REF)
    if ours is None or ours == there or (there and not _reaches(session, ours, there)):
        return None
    return Wish(ref=link_log.REF, new=ours, old=there)


def known(session: Session) -> str | None:
    """The tip of what this clone knows."""
    return refs.commit(session.repository, link_log.REF)


def count(session: Session, tip: str | None, before: str | None) -> int:
    """How many additions to the log a tip has beyond another."""
    if tip is None or tip == before:
        return 0
    words = ("rev-list", "--count", "--no-merges", tip, *([f"^{before}"] if before else []))
    return int(session.repository.git(*words))


def _fold(session: Session) -> None:
    """Take in what the hook noted."""
    try:
        link_log.fold(session.repository)
    except LockedError as error:
        if not session.unlocked(error):
            raise
        link_log.fold(session.repository)


def _reaches(session: Session, tip: str | None, commit: str) -> bool:
    return tip is not None and history.reaches(session.repository, tip, commit)


def _faults(session: Session, theirs: str, ours: str | None) -> list[StoreFault]:
    """Nothing is passed on to others that readers would have to pass over."""
    try:
        return list(link_log.read(session.repository, theirs, known=ours).faults)
    except GitError as error:
        return [StoreFault(ref=link_log.REF, commit=theirs, path="", what=error.message)]
