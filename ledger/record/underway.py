"""Runs that are not recorded yet: which there are, and whether anything that logs into them still lives.

Every command asks it, so it imports next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ledger.config import Workspace
from ledger.errors import FormatError, LedgerError
from ledger.frozen import frozen
from ledger.record import liveness
from ledger.store import journal


@frozen()
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


def strays(workspace: Workspace) -> list[Path]:
    """Parts with more in them than the record that their run has, and whose process is over with them."""
    listed = journal.listed(workspace.repository)
    owners = {name.main for name in listed.values() if not name.writer}
    found = []
    for path, name in listed.items():
        with suppress(LedgerError, OSError, LookupError, TypeError, ValueError):
            stray = name.writer not in ("", journal.SHELL) and name.main not in owners
            if stray and is_over(workspace, path):
                found.append(path)
    return found


def is_over(workspace: Workspace, part: Path) -> bool:
    """Whether the process that writes a part has said that it ended, or is gone. Raises FormatError, OSError, LookupError."""
    hours = workspace.config.lost_after_hours
    alive = liveness.alive(journal.head(part)["who"], part.stat().st_mtime, lost_after_hours=hours)
    return not alive or journal.ended(part)


def all_well(workspace: Workspace) -> bool:
    """Whether there is nothing to recover. One look into a folder where no run goes on."""
    if not journal.listed(workspace.repository):
        return True
    return all(one.alive for one in journals(workspace)) and not strays(workspace)
