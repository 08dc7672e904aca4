"""Runs that go on, and runs whose process died: the next command records those, once, as far as they were written."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger.config import Workspace
from ledger.errors import FormatError, LedgerError
from ledger.model import Status, utc_text
from ledger.record import conclude, fold, liveness
from ledger.record.run import Recorded
from ledger.store import journal
from ledger.store.journal import END, json_frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """A run that is not recorded yet."""

    path: Path
    run: str
    record: str
    experiment: str = ""
    name: str | None = None
    started: str = ""
    host: str = ""
    pid: int = 0
    attempt: int = 1
    alive: bool = True
    written: float = 0.0
    """When its journal was last written: seconds since 1970."""
    fault: str = ""
    """Why its journal can't be read; it counts as alive then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What one look found."""

    recorded: tuple[Recorded, ...] = ()
    problems: tuple[str, ...] = field(default=())


def journals(workspace: Workspace) -> list[Journal]:
    """Every run that is not recorded yet, the oldest first."""
    listed = journal.listed(workspace.repository)
    hours = workspace.config.lost_after_hours
    parts = [(path, name) for path, name in listed.items() if name.writer]
    found = [
        _look(path, name, [part for part, other in parts if other.main == name.main], hours)
        for path, name in listed.items()
        if not name.writer
    ]
    return sorted((one for one in found if one is not None), key=lambda one: (one.started, one.run))


def _look(path: Path, name: journal.Name, parts: Sequence[Path], hours: float) -> Journal | None:
    """It lives as long as any process that writes to it does. None for one that was recorded meanwhile."""
    try:
        found = _described(path, journal.head(path), path.stat().st_mtime, hours)
        return found if found.alive else _with_parts(found, parts, hours)
    except FileNotFoundError:
        return None
    except (FormatError, OSError, LookupError, TypeError, ValueError) as error:
        return Journal(path=path, run=name.run, record=name.record, fault=str(error))


def _with_parts(found: Journal, parts: Sequence[Path], hours: float) -> Journal:
    alive, written = False, found.written
    for part in parts:
        moment = part.stat().st_mtime
        alive = alive or liveness.alive(journal.head(part)["who"], moment, lost_after_hours=hours)
        written = max(written, moment)
    return replace(found, alive=alive, written=written)


def _described(path: Path, head: dict[str, Any], written: float, hours: float) -> Journal:
    who = head["who"]
    return Journal(
        path=path,
        run=str(head["run"]),
        record=str(head["record"]),
        experiment=str(head["experiment"]),
        name=head.get("name"),
        started=str(head["started"]),
        host=str(who["host"]),
        pid=int(who["pid"]),
        attempt=int(head.get("attempt", 1)),
        alive=liveness.alive(who, written, lost_after_hours=hours),
        written=written,
    )


def settle(workspace: Workspace) -> Settled:
    """Record the runs of processes that died. One `listdir` where there are none; what fails is said and tried again."""
    recorded = []
    problems = _orphans(workspace)
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
        else:
            recorded += [done] if done else []
    return Settled(recorded=tuple(recorded), problems=tuple(problems))


def _orphans(workspace: Workspace) -> list[str]:
    """Parts that came when their run was recorded already: put aside and named, once their process is gone."""
    listed = journal.listed(workspace.repository)
    owners = {name.main for name in listed.values() if not name.writer}
    said = []
    for path, name in listed.items():
        with suppress(LedgerError, OSError, LookupError, TypeError, ValueError):
            if name.writer and name.main not in owners and not _lives(workspace, path):
                journal.kept([path])
                where = path.parent / "kept" / path.name
                said.append(f"run {name.run[:8]}: what was logged after it was recorded is in {where}")
    return said


def _lives(workspace: Workspace, path: Path) -> bool:
    hours = workspace.config.lost_after_hours
    return liveness.alive(journal.head(path)["who"], path.stat().st_mtime, lost_after_hours=hours)


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
