"""The repository around a folder, for programs that call ledger again and again."""

from __future__ import annotations

import os
from pathlib import Path

from ledger.config import Workspace, open_workspace

_known: dict[tuple[Path, str | None], Workspace] = {}


def workspace(repository: str | os.PathLike[str] | None, *, anyhow: bool = False) -> Workspace:
    """That of a folder, else of the current one. Found once a process; its settings are read once, when they are sound.

    Raises RepositoryError, and ConfigError for settings that can't be read, unless `anyhow`.
    """
    start = Path(repository).absolute() if repository is not None else Path.cwd()
    key = (start, os.environ.get("GIT_DIR"))
    if key not in _known:
        found = open_workspace(start, os.environ, anyhow=anyhow)
        if found.config.fault:
            return found
        _known[key] = found
    return _known[key]
