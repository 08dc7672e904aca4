"""Runs whose process died: the next command records them, once, as far as they were written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ledger.config import Workspace
from ledger.errors import LedgerError
from ledger.model import Status, utc_text
from ledger.record import conclude, fold, late
from ledger.record.claim import claimed
from ledger.record.run import Recorded
from ledger.record.underway import Journal, journals, strays
from ledger.store import journal
from ledger.store.journal import END, json_frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What one look found."""

    recorded: tuple[Recorded, ...] = ()
    """Runs whose process died."""
    added: tuple[Recorded, ...] = ()
    """Further records of runs that did not wait for all who logged into them."""
    problems: tuple[str, ...] = field(default=())


def settle(workspace: Workspace, *, aside: bool = False) -> Settled:
    """Record the runs of processes that died, and what others logged after the end of theirs.

    One `listdir` where there is neither; what fails is said and tried again. `aside`: look at what was put into
    `kept`, too.
    """
    recorded, added = [], []
    problems: list[str] = []
    journal.swept(workspace.repository)
    for one in journals(workspace):
        if not one.alive:
            with _told(problems, one.run, one.path):
                recorded.append(_recovered(workspace, one))
    for path in [*strays(workspace), *(late.aside(workspace) if aside else ())]:
        with _told(problems, path.name, path):
            added.append(late.taken(workspace, path))
    return Settled(
        recorded=tuple(filter(None, recorded)), added=tuple(filter(None, added)), problems=tuple(problems)
    )


@contextmanager
def _told(problems: list[str], run: str, path: Path) -> Iterator[None]:
    """What fails for one is said, and the others go on."""
    try:
        yield
    except LedgerError as error:
        problems.append(f"run {run[:8]}: {error.message}{f' ({error.hint})' if error.hint else ''}")
    except OSError as error:
        problems.append(f"run {run[:8]}: {path}: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - whatever one journal holds, it holds up nothing else
        problems.append(
            f"run {run[:8]}: {path} holds what can't be recorded ({type(error).__name__}: {error})"
        )


def _recovered(workspace: Workspace, one: Journal) -> Recorded | None:
    """None where another process does it, or did."""
    with claimed(one.path) as descriptor:
        if descriptor is None:
            return None
        folded = fold.fold(one.path)
        if folded.end is None:
            _end(workspace, descriptor, one)
        elif _known(workspace, one.record):
            conclude.done_with(workspace, one.path)
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
