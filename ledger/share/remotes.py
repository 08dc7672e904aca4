"""Sets a remote up so that plain `git fetch` brings its runs along, into tracking refs only."""

from __future__ import annotations

from ledger.config import Workspace
from ledger.git import remote
from ledger.share.session import home
from ledger.store.slug import RUNS, TRACKING, remote_part


def refspec(name: str) -> str:
    return f"+{RUNS}*:{TRACKING}{remote_part(name)}/*"


def set_up(workspace: Workspace, name: str) -> list[str]:
    """Write the user's git configuration, as asked, and say what was written. Raises NotFoundError, ConfigError."""
    repository = workspace.repository
    remote.require(repository, name)
    done = []
    if workspace.config.remote != name and (workspace.config.remote or _home(workspace) != name):
        repository.git("config", "ledger.remote", name)
        done.append(f"ledger.remote = {name}")
    if refspec(name) not in remote.refspecs(repository, name, "fetch"):
        repository.git("config", "--add", f"remote.{name}.fetch", refspec(name))
        done.append(f"remote.{name}.fetch += {refspec(name)}")
    return done


def _home(workspace: Workspace) -> str | None:
    known = remote.names(workspace.repository)
    return home(workspace) if "origin" in known or len(known) == 1 else None
