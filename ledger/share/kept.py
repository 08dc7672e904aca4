"""Sealed files of records that were not seen on the home remote yet: they outlive the refs.

A user's `git fetch --prune origin '+refs/*:refs/*'` deletes or overwrites every local ref. What was never published
is then in its sealed file only; those that were published carry a mark in their name, and go after the second look.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from ledger.durable import sync_folder
from ledger.errors import FormatError, GitError
from ledger.git.process import Repository
from ledger.share.chainlog import beyond, records_of
from ledger.share.session import Local, Session, chain_lock, local
from ledger.store import chain
from ledger.store.sealed import contents
from ledger.store.slug import RUNS
from ledger.store.spool import PUBLISHED, SUFFIX, Spool

_DRAIN_SECONDS = 30.0


def restore(session: Session, name: str) -> int:
    """Put back what is gone from its chain, and chain it again; the number of records."""
    spool = Spool.of(session.repository)
    held = _held(spool)
    if not held:
        return 0
    here = local(session.repository, name)
    chains = _Chains(session.repository, _tips(here), here.pins)
    gone = [path for path, records in held.items() if not chains.hold(records)]
    if not gone:
        return 0
    lost = sum(not chains.hold([one]) for path in gone for one in held[path])
    with chain_lock(session.repository) as lock:
        for path in gone:
            with suppress(FileNotFoundError):
                path.rename(spool.folder / path.name)
        sync_folder(spool.folder)
        lock.doubt()  # some of their records may still be on their chains: the drain looks
    chain.drain(session.repository, home=name, wait_seconds=_DRAIN_SECONDS)
    return lost


def mark(session: Session, name: str) -> None:
    """Mark the files whose records all stand on the remote."""
    held = _held(Spool.of(session.repository))
    if not held:
        return
    here = local(session.repository, name)
    ahead = _Chains(session.repository, _tips(here), here.pins)
    there = _Chains(session.repository, here.pins, {})
    for path, records in held.items():
        if not any(ahead.near(record) for record in records) and there.hold(records):
            with suppress(FileNotFoundError):
                path.rename(path.with_name(path.name.removesuffix(SUFFIX) + PUBLISHED))


def _held(spool: Spool) -> dict[Path, list[tuple[str, str]]]:
    """Sealed files of chained records that carry no mark, with what they hold."""
    found = {}
    for path in spool.chained.glob(f"*/*{SUFFIX}") if spool.chained.is_dir() else ():
        if not path.name.endswith(PUBLISHED):
            with suppress(FormatError, FileNotFoundError):
                found[path] = contents(path)
    return found


def _tips(here: Local) -> dict[str, str]:
    return {ref.removeprefix(RUNS): tip.id for ref, tip in here.runs.items() if tip.kind == "commit"}


class _Chains:
    """Records on chains: those beyond what is published first, and a whole chain only where that is not enough."""

    def __init__(self, repository: Repository, tips: Mapping[str, str], known: Mapping[str, str]) -> None:
        self._repository = repository
        self._tips = {
            slug: [tip for tip in (tips.get(slug), known.get(slug)) if tip] for slug in {*tips, *known}
        }
        self._near = {
            slug: frozenset(link.record for link in line.links)
            for slug, line in beyond(repository, tips, list(known.values())).items()
        }
        self._whole: dict[str, Collection[str] | None] = {}

    def near(self, record: tuple[str, str]) -> bool:
        return record[0] in self._near.get(record[1], ())

    def hold(self, records: Iterable[tuple[str, str]]) -> bool:
        """Whether all are there, or may be: a chain that can't be read has them for all that is known."""
        return all(self.near(one) or self._in_whole(*one) for one in records)

    def _in_whole(self, record: str, slug: str) -> bool:
        if slug not in self._whole:
            self._whole[slug] = self._read(slug)
        whole = self._whole[slug]
        return whole is None or record in whole

    def _read(self, slug: str) -> Collection[str] | None:
        try:
            tips = self._tips.get(slug, ())
            return frozenset().union(*(records_of(self._repository, tip) for tip in tips))
        except GitError:
            return None
