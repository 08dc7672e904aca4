"""From a journal to a record: what `finish` does, and recovery in its place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ledger.config import Workspace
from ledger.errors import LedgerError, RefusedError
from ledger.git import worktree
from ledger.model import Status, utc_text
from ledger.record import fold, late, liveness, underway
from ledger.record.begin import Begun
from ledger.record.outlet import Outlet
from ledger.record.retold import retold
from ledger.record.run import Recorded, record
from ledger.store import journal
from ledger.store.journal import END, PART, Name, Writer, parsed

PATIENCE_SECONDS, IMPATIENCE_SECONDS = 10.0, 1.0
"""How long a run that ends, well or not, waits for the other processes that log into it."""
_POLL_SECONDS = 0.05
_SILENT_HOURS = 0.1


def finished(
    begun: Begun, outlet: Outlet, *, status: Status, reason: str | None, say: Callable[[str], None]
) -> Recorded | None:
    """End the run that this process owns, and record it. Raises LedgerError, OSError: the journal is kept then."""
    workspace = begun.workspace
    if workspace is None:
        raise ValueError("an inert run has nothing to record")
    end = ending(workspace, status, reason, dropped=outlet.dropped)
    outlet.add_block(journal.json_frame(END, end))
    with suppress(OSError):
        outlet.flush()
    tail = outlet.unwritten()
    if begun.attached:
        outlet.writer.close()
        if not begun.late and _was_left_behind(begun, outlet.writer):
            say(f"run {begun.id[:8]} was recorded before this process ended: {late.LATER}")
        return None
    for change in _code_changes(workspace, begun):
        say(change)
    path = outlet.writer.path
    _await_parts(path, PATIENCE_SECONDS if status is Status.FINISHED else IMPATIENCE_SECONDS)
    done = concluded(workspace, path, tail=tail)
    outlet.writer.close()
    for warning in done.warnings:
        say(warning)
    return done


def _was_left_behind(begun: Begun, part: Writer) -> bool:
    """Whether the run was recorded without all that this process logged."""
    if part.path.exists():
        return not part.path.with_name(Name(begun.id, begun.record).main).exists()
    names = (parsed(path.name) for path in part.path.parent.glob(f"{part.path.stem}.*{PART}"))
    return any(name is not None and name.held < part.size for name in names)


def ending(workspace: Workspace, status: Status, reason: str | None, *, dropped: int = 0) -> dict[str, Any]:
    """The last block of a journal."""
    return {
        "status": status.value,
        "reason": reason,
        "finished": utc_text(workspace.now()),
        "dropped": dropped,
    }


def concluded(workspace: Workspace, path: Path, *, tail: Sequence[bytes] = ()) -> Recorded:
    """Record what an ended journal tells, then remove its files. Raises LedgerError, OSError.

    A run that is refused is kept as such, and its journal goes too. One of which not every point could be recorded
    goes into a folder `kept` beside the others.
    """
    parts = journal.claimed(parts_of(path))
    folded = fold.fold(path, parts, tail)
    if folded.end is None:
        raise ValueError(f"{path} has no end")
    told = retold(workspace, folded, folded.end)
    folded.series.clear()  # the same numbers are in the draft, as Parquet
    if told.share > 1:
        journal.mark_thinned(path)
    try:
        done = record(workspace, [told.draft])[0]
    except RefusedError:
        done_with(workspace, path)
        raise
    done_with(workspace, path)
    return done


def done_with(workspace: Workspace, main: Path) -> None:
    """Remove the files of a journal whose record is made, but for parts in which more is, or may come to be, than it holds."""
    away = journal.kept if journal.is_thinned(main) else journal.removed
    away([main, *(part for part in parts_of(main) if _is_spent(workspace, part))])


def _is_spent(workspace: Workspace, part: Path) -> bool:
    """Whether the record holds all of a part, and nothing will be added."""
    name = parsed(part.name)
    if name is None or name.writer == journal.SHELL:
        return True  # who comes after the end to a shell's is told so
    if name.held < 0:
        return False  # it came when the others had been read
    over = True
    with suppress(LedgerError, OSError, LookupError, TypeError, ValueError):
        over = underway.is_over(workspace, part)
    return over and next(journal.read(part, name.held), None) is None


def parts_of(main: Path) -> list[Path]:
    """What attached processes wrote for a journal."""
    own = parsed(main.name)
    found = []
    for file in sorted(main.parent.iterdir()):
        name = parsed(file.name)
        if own is not None and name is not None and name.writer and name.main == own.main:
            found.append(file)
    return found


def _await_parts(main: Path, seconds: float) -> None:
    """Let attached processes end first, as long as they live."""
    end = time.monotonic() + seconds
    while any(map(_goes_on, parts_of(main))) and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)


def _goes_on(part: Path) -> bool:
    with suppress(OSError, LedgerError, LookupError):
        if not any(block.kind == END for block in journal.read(part)):
            heartbeat = part.stat().st_mtime
            return liveness.alive(journal.head(part)["who"], heartbeat, lost_after_hours=_SILENT_HOURS)
    return False


_TICK_SECONDS = 0.01
"""Files are stamped with the kernel's last tick: one that is changed right after a start can look older than it."""


def _code_changes(workspace: Workspace, begun: Begun) -> list[str]:
    """What was changed in the code while the run went on: it was recorded as it was at the start."""
    top = workspace.repository.work_tree
    if top is None or begun.code is None:
        return []
    try:
        now = worktree.status(
            workspace.repository, ignored=begun.code.ignored, paths=workspace.config.code_paths
        )
    except LedgerError:
        return []
    later = begun.started.timestamp() - _TICK_SECONDS
    touched = [path for path in now.changed if _modified(top / path) > later]
    said = (
        [f"the code moved on during the run: recorded is {begun.code.commit[:9]}"]
        if now.commit != begun.code.commit
        else []
    )
    if touched:
        said.append(f"changed during the run, recorded as it was at the start: {', '.join(touched[:5])}")
    return said


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0
