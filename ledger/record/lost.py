"""Runs whose process died: the next command records them, once, as far as they were written."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ledger.config import Workspace
from ledger.errors import LedgerError
from ledger.model import Status, utc_text
from ledger.record import conclude, fold
from ledger.record.run import Recorded
from ledger.record.underway import Journal, journals, strays
from ledger.store import journal
from ledger.store.journal import END, json_frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What one look found."""

    recorded: tuple[Recorded, ...] = ()
    problems: tuple[str, ...] = field(default=())


def settle(workspace: Workspace) -> Settled:
    """Record the runs of processes that died. One `listdir` where there are none; what fails is said and tried again."""
    recorded = []
    problems = _put_aside(workspace)
    journal.swept(workspace.repository)
    for one in journals(workspace):
        if one.alive:
            continue
        try:
            done = _recovered(workspace, one)
        except LedgerError as error:
            problems.append(f"run {one.run[:8]}: {error.message}{f' ({error.hint})' if error.hint else ''}")
        except OSError as error:
            problems.append(f"run {one.run[:8]}: {one.path}: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - whatever one journal holds, it holds up nothing else
            told = f"{type(error).__name__}: {error}"
            problems.append(f"run {one.run[:8]}: {one.path} holds what can't be recorded ({told})")
        else:
            recorded += [done] if done else []
    return Settled(recorded=tuple(recorded), problems=tuple(problems))


def _put_aside(workspace: Workspace) -> list[str]:
    said = []
    for path in strays(workspace):
        with suppress(OSError):
            journal.kept([path])
            where = path.parent / "kept" / path.name
            said.append(f"run {path.name[:8]}: what was logged after it was recorded is in {where}")
    return said


def _recovered(workspace: Workspace, one: Journal) -> Recorded | None:
    """None where another process does it, or did."""
    with _claimed(one.path) as descriptor:
        if descriptor is None:
            return None
        folded = fold.fold(one.path)
        if folded.end is None:
            _end(workspace, descriptor, one)
        elif _known(workspace, one.record):
            journal.removed([one.path, *conclude.parts_of(one.path)])
            return None
        return conclude.concluded(workspace, one.path)


def _end(workspace: Workspace, descriptor: int, one: Journal) -> None:
    """Say how it ended before anything is sealed: whoever comes after this process writes the same record."""
    end = conclude.ending(workspace, Status.LOST, f"process {one.pid} on {one.host} ended without a word")
    end["finished"] = utc_text(datetime.fromtimestamp(one.written, UTC))
    os.pwrite(descriptor, json_frame(END, end), os.fstat(descriptor).st_size)
    os.fsync(descriptor)


def _known(workspace: Workspace, record: str) -> bool:
    """Whether the record of an ended journal is sealed or on a chain already."""
    from ledger.store import index

    return bool(index.load(workspace.repository).exact("record", record))


@contextmanager
def _claimed(path: Path) -> Iterator[int | None]:
    """Of several that recover a run at once, one does."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        gone = True
        with suppress(FileNotFoundError):
            gone = not os.path.samestat(os.fstat(descriptor), path.stat())
        yield None if gone else descriptor
    finally:
        os.close(descriptor)
