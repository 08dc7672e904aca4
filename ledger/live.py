"""`ledger.start`: a run that logs as it goes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ledger.config import Workspace, open_workspace
from ledger.record import lost
from ledger.record.begin import Begin, begin
from ledger.record.live import OnError, Run

__all__ = ["Run", "start"]

_workspaces: dict[tuple[Path, str | None], Workspace] = {}


def start(
    experiment: str | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    name: str | None = None,
    note: str | None = None,
    parent: str | None = None,
    schema: str | None = None,
    on_error: OnError = "warn",
    ranges: OnError = "warn",
    repository: str | os.PathLike[str] | None = None,
) -> Run:
    """Start a run, and return it: use it in a `with` block, or call its `finish`."""
    workspace = _workspace(repository)
    lost.settle(workspace)
    begun = begin(
        workspace,
        Begin(
            experiment=experiment,
            params=params or {},
            tags=tags or {},
            name=name,
            note=note,
            parent=parent,
            schema=schema,
        ),
    )
    return Run(begun, on_error=on_error, ranges=ranges)


def _workspace(repository: str | os.PathLike[str] | None) -> Workspace:
    """The repository around a folder. Found once a process; its settings are read once, too."""
    start_at = Path(repository).absolute() if repository is not None else Path.cwd()
    key = (start_at, os.environ.get("GIT_DIR"))
    if key not in _workspaces:
        _workspaces[key] = open_workspace(start_at, os.environ)
    return _workspaces[key]
