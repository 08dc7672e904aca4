"""The branches that experiments are named by, and the one that others are merged into."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.config import Workspace
from ledger.frozen import frozen
from ledger.git import refs

_HEADS, _REMOTES = "refs/heads/", "refs/remotes/"
_REMOTE_HEAD = "refs/remotes/origin/HEAD"


@frozen()
class Branches:
    """What stands now."""

    tips: Mapping[str, str]
    """Name → tip: of the local branch, else of a remote's."""
    default: str | None
    """The configured one, else the remote's, else main or master."""


def branches(workspace: Workspace) -> Branches:
    """One git process."""
    found = refs.tips(workspace.repository, _HEADS, _REMOTES)
    tips: dict[str, str] = {}
    for ref, tip in found.items():
        name = _name(ref)
        if (
            name
            and not tip.symbolic
            and tip.kind == "commit"
            and (ref.startswith(_HEADS) or name not in tips)
        ):
            tips[name] = tip.id
    head = found.get(_REMOTE_HEAD)
    remote = _name(head.symbolic) if head and head.symbolic else None
    wanted = (workspace.config.default_branch, remote, "main", "master")
    return Branches(tips=tips, default=next((name for name in wanted if name and name in tips), None))


def _name(ref: str) -> str:
    """`refs/remotes/origin/exp/lr` → `exp/lr`."""
    return (
        ref.removeprefix(_HEADS) if ref.startswith(_HEADS) else ref.removeprefix(_REMOTES).partition("/")[2]
    )
