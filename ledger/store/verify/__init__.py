"""Reads everything back and names every fault: refs, commits, trees, files, edits, code, the spool, the index.

The rest of ledger reads quickly and passes over what it can't read; here nothing is passed over, and one thing
that is broken hides no other. Nothing is changed, but by `repair`, which makes anew what is derived.
"""

from __future__ import annotations

from ledger.git.process import Repository
from ledger.store.verify.chains import chains
from ledger.store.verify.links import code, edits, firsts, made_by_hand
from ledger.store.verify.local import index, spool
from ledger.store.verify.records import records
from ledger.store.verify.repair import repair
from ledger.store.verify.walk import Report, Told, Walk

__all__ = ["Report", "repair", "verify"]

_CHUNK = 2_000


def verify(repository: Repository, *, told: Told | None = None) -> Report:
    """Read everything strictly. Raises RepositoryError where git itself can't go on."""
    walk = Walk(repository)
    found = list(chains(walk))
    placed = [(ref, commit) for ref, commits in found for commit in commits]
    for start in range(0, len(placed), _CHUNK):
        part = placed[start : start + _CHUNK]
        records(walk, part)
        if told:
            told(start + len(part), len(placed))
    edits(walk)
    firsts(walk)
    code(walk)
    made_by_hand(walk)
    spool(walk)
    index(walk)
    return Report(
        experiments=len({one.experiment for one in walk.records.values()}),
        runs=len({one.run for one in walk.records.values()}),
        records=len(walk.records),
        faults=tuple(walk.faults),
        notes=tuple(walk.notes),
        seen=walk.records,
    )
