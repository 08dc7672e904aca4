"""Refs: read in one process, written in one transaction in which every write names the value it replaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.git.process import Repository

_SYNCED = (
    "-c",
    "core.fsync=all",
    "-c",
    "core.filesRefLockTimeout=2000",
    "-c",
    "core.logAllRefUpdates=always",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefUpdate:
    ref: str
    new: str
    old: str | None
    """The value that is replaced; None: the ref must not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    id: str
    kind: str
    """Type of the object: anything but `commit` is not a ledger."""
    symbolic: str = ""
    """The ref that this one is another name for."""


def update(
    repository: Repository, updates: Sequence[RefUpdate], *, reason: str, keep: tuple[int, ...] = ()
) -> None:
    """All updates or none, fsynced, with a reflog entry. Raises RefMovedError when one holds another value."""
    lines = b"".join(
        b"update %s\0%s\0%s\0"
        % (item.ref.encode(), item.new.encode(), (item.old or repository.zeros).encode())
        for item in updates
    )
    words = (*_SYNCED, "update-ref", "-m", reason, "--create-reflog", "--stdin", "-z")
    repository.git(*words, stdin=lines, keep=keep)


def tips(repository: Repository, *patterns: str) -> dict[str, Tip]:
    """Refs that match (whole names, or prefixes that end at a slash), with what they point to."""
    form = "%(refname)%00%(objectname)%00%(objecttype)%00%(symref)"
    output = repository.git("for-each-ref", f"--format={form}", *patterns).decode("utf-8", "surrogateescape")
    rows = (line.split("\0") for line in output.splitlines())
    return {name: Tip(id=oid, kind=kind, symbolic=symbolic) for name, oid, kind, symbolic in rows}
