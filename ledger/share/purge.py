"""What is beside the chains and may hold a value that was taken out: sealed files, inboxes, journals, the index, reflogs.

Done when the new chain stands, and again until the home remote has it too: until then refs of that remote's chain
here still lead to the old one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import FormatError, GitError
from ledger.git import objects, refs
from ledger.git.process import Repository
from ledger.git.refs import RefUpdate
from ledger.share import inbox, journals
from ledger.share.carried import Carried
from ledger.share.cleanse import Cleanser
from ledger.share.redactions import Redaction
from ledger.share.session import Session
from ledger.store.redacted import message_without
from ledger.store.sealed import Sealed, read
from ledger.store.slug import INBOX, PINS, QUARANTINE, RUNS, TRACKING
from ledger.store.spool import SUFFIX, Spool, rewrite, write_durably

if TYPE_CHECKING:
    from ledger.share.merge import Merged

_STAMP = "redacted.json"
_INDEX = "index-v*"


def before(session: Session, cleanser: Cleanser) -> None:
    """Clean up where only the value itself tells what to look for, while it still can be read."""
    if cleanser.taken:
        journals.cleanse(session.repository, cleanser.taken)


def after(session: Session, cleanser: Cleanser, merged: Mapping[str, Merged]) -> None:
    """Clean up for the experiments of a merge, unless that is done already. The chain lock is held."""
    stamp = _Stamp(session.repository.folder / _STAMP)
    due = {}
    for slug, one in merged.items():
        ids = sorted(redaction.id for redaction in cleanser.of(slug))
        if ids and (one.cleansed or stamp.done.get(slug) != ids):
            due[slug] = (ids, one.forced)
    if not due:
        return
    wanted = [one for slug in due for one in cleanser.of(slug)]
    _sealed(Spool.of(session.repository), wanted, cleanser.carried)
    for slug in due:
        for ref in _beside(session.repository, slug):
            _cleansed(session, cleanser, slug, ref)
        _reflogs(session.repository, slug)
    for folder in session.repository.folder.glob(_INDEX):
        shutil.rmtree(folder, ignore_errors=True)
    stamp.add({slug: ids for slug, (ids, forced) in due.items() if not forced})


def _sealed(spool: Spool, wanted: Sequence[Redaction], carried: Carried) -> None:
    for path in _files(spool):
        with suppress(FormatError, FileNotFoundError):
            records = read(path)
            clean = [_without(item, wanted, carried) for item in records]
            if clean != records:
                rewrite(path, clean)


def _files(spool: Spool) -> Iterator[Path]:
    yield from spool.pending()
    for folder in (spool.refused, spool.fallback / spool.refused.name, spool.chained):
        yield from folder.rglob(f"*{SUFFIX}") if folder.is_dir() else ()


def _without(item: Sealed, wanted: Sequence[Redaction], carried: Carried) -> Sealed:
    """A sealed record without what was taken out of its run."""
    for one in wanted:
        data = item.files.get(one.place.file) if one.run == item.run else None
        done = carried.without(one, item.record, data) if data is not None else None
        if done is not None:
            message = message_without(item.message.encode(), done[1], one.place, one.mark)
            item = replace(item, files={**item.files, one.place.file: done[0]}, message=message.decode())
    return item


def _beside(repository: Repository, slug: str) -> list[str]:
    """What a server refused is published later, perhaps; inboxes are read, and folded in."""
    boxes = (inbox.parse(ref) for ref in refs.tips(repository, INBOX))
    return [QUARANTINE + slug, *(box.ref for box in boxes if box and box.slug == slug)]


def _cleansed(session: Session, cleanser: Cleanser, slug: str, ref: str) -> None:
    tip = refs.commit(session.repository, ref)
    if tip is None:
        return
    clean, made = cleanser.chain(slug, tip)
    if made:
        with objects.held(session.repository, made, keep=session.keep):
            session.move([RefUpdate(ref=ref, new=clean, old=tip)], "ledger: redacted")


def _reflogs(repository: Repository, slug: str) -> None:
    """They would lead `git fsck` and `git gc` to the old chain for months."""
    found = refs.tips(repository, RUNS + slug, QUARANTINE + slug, PINS, TRACKING, INBOX)
    for ref in found:
        if ref.endswith((f"/{slug}", f".{slug}")):
            with suppress(GitError):  # it has none
                words = ("--expire=now", "--expire-unreachable=now", ref)
                repository.git("reflog", "expire", *words)


class _Stamp:
    """Which redactions were cleaned up after, by experiment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.done: dict[str, list[str]] = {}
        with suppress(OSError, ValueError, AttributeError, TypeError, RecursionError):
            self.done = {str(slug): list(ids) for slug, ids in json.loads(path.read_bytes()).items()}

    def add(self, done: Mapping[str, list[str]]) -> None:
        if done:
            self.done |= done
            write_durably(self._path, json.dumps(self.done).encode())
