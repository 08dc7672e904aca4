"""What a process logged after its run was recorded: one further record of the run, once that process is over.

A part stays beside the journals until then. The id of the record follows from the name of the part, so that however
often it is tried, and by whomever, there is one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ledger.config import Workspace
from ledger.errors import NotFoundError, RefusedError
from ledger.model import Record
from ledger.record import fold
from ledger.record.claim import claimed
from ledger.record.retold import added, earlier
from ledger.record.run import Recorded, record
from ledger.store import journal
from ledger.store.journal import Name

LATER = "the next ledger command after its end adds what it logs"
"""What becomes of a process that goes on when its run is recorded."""


def taken(workspace: Workspace, part: Path) -> Recorded | None:
    """Record what a part adds to its run, then remove the part; None where it adds nothing, or another process does it.

    A record that is refused is kept as such, and the part goes too. Raises NotFoundError where the run is not recorded
    here: the part is then in `kept`. Raises LedgerError, OSError: the part stays.
    """
    name = journal.parsed(part.name)
    if name is None:
        raise ValueError(f"{part} is no part of a journal")
    with claimed(part) as descriptor:
        if descriptor is None:
            return None
        own = _own_record(name)
        if _is_known(workspace, own):
            _away(part)
            return None
        before = newest(workspace, name.run)
        if before is None:
            journal.kept([part])
            raise _homeless(part)
        return _recorded(workspace, part, before, own)


def _recorded(workspace: Workspace, part: Path, before: Record, own: str) -> Recorded | None:
    folded = fold.rest(part)
    if "attempt" not in folded.head:
        folded.head = {**folded.head, "attempt": _attempt(workspace, part, before)}
    told = added(folded, before, own)
    if told is not None and told.share > 1:
        journal.mark_thinned(part)
    try:
        done = record(workspace, [told.draft])[0] if told is not None else None
    except RefusedError:
        _away(part)
        raise
    _away(part)
    return done


def aside(workspace: Workspace) -> list[Path]:
    """Parts in `kept` that no record holds: not those that are there because not every point could be recorded."""
    return [path for path in _kept(workspace) if not journal.is_thinned(path)]


def _kept(workspace: Workspace) -> Iterator[Path]:
    for folder in journal.folders(workspace.repository):
        for path in sorted((folder / journal.KEPT).glob(f"*{journal.PART}")):
            if journal.parsed(path.name) is not None:
                yield path


def newest(workspace: Workspace, run_id: str) -> Record | None:
    """The record of a run that was made last, of those that no other was made from; None where there is none here."""
    from ledger.store import index

    found = index.load(workspace.repository)
    rows: dict[str, tuple[int, str | None]] = {}
    for part in found.segments:
        for row in part.exact("run", run_id):
            own, base, recorded = (part.column(name)[row] for name in ("record", "base", "recorded"))
            if own not in found.dropped:
                rows[own] = (recorded or 0, base)
    edited = {base for _, base in rows.values()}
    tips = [(rows[own][0], own) for own in rows if own not in edited]
    return earlier(workspace, max(tips)[1]) if tips else None


def _own_record(name: Name) -> str:
    whole = replace(name, held=-1)
    return hashlib.sha256(whole.file.encode()).hexdigest()[:32]


def _is_known(workspace: Workspace, own: str) -> bool:
    from ledger.store import index

    return bool(index.load(workspace.repository).exact("record", own))


def attempt_of(before: Record) -> int:
    """The number of the attempt that a record ends with."""
    from ledger.store import history
    from ledger.store.history.live import last_attempt

    return last_attempt(history.decode(before.history)) if before.history else 1


def _attempt(workspace: Workspace, part: Path, before: Record) -> int:
    """Of parts that do not say which attempt they belong to: that of the record for which they were begun."""
    name = journal.parsed(part.name)
    begun = before
    with suppress(NotFoundError):
        begun = earlier(workspace, name.record) if name else before
    return attempt_of(begun)


def _away(part: Path) -> None:
    if journal.is_thinned(part):
        journal.kept([part])
    else:
        part.unlink(missing_ok=True)


def _homeless(part: Path) -> NotFoundError:
    where = journal.kept_of(part) / part.name
    return NotFoundError(
        f"what was logged after its end is in {where}: the run itself is not recorded here",
        hint="`ledger recover` adds it once the run is (ledger status lists refused runs)",
    )
