"""What a run says about its code, and where it belongs: the values that attaching is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.frozen import frozen
from ledger.model import Level

CLEAN_COLUMNS = ("code_commit", "code_tree", "code_base", "code_patch")
COLUMNS = (*CLEAN_COLUMNS, "code_dirty", "code_snapshot_tree", "code_ignored")


@frozen(kw_only=False)
class Attachment:
    commit: str | None
    level: Level
    of: int = 1
    """How many commits it could as well be."""


UNATTACHED = Attachment(None, Level.UNATTACHED)


@frozen(kw_only=False)
class CodeKey:
    """What a run says about its code, as far as it decides where the run belongs."""

    commit: str | None
    tree: str | None
    dirty: bool = False
    snapshot_tree: str | None = None
    ignored: str | None = None
    """A JSON array of paths."""
    base: str | None = None
    """Merge base with the default branch, when the run was recorded."""
    patch: str | None = None
    """Patch id of base..commit."""

    @property
    def clean(self) -> CodeKey:
        """The same commit without the uncommitted changes."""
        return CodeKey(self.commit, self.tree, base=self.base, patch=self.patch) if self.dirty else self


def key_of(said: Mapping[str, Any]) -> CodeKey:
    """From columns of the index, where nothing is the empty text."""
    return CodeKey(
        said["code_commit"] or None,
        said.get("code_tree") or None,
        bool(said.get("code_dirty")),
        said.get("code_snapshot_tree") or None,
        said.get("code_ignored") or None,
        said.get("code_base") or None,
        said.get("code_patch") or None,
    )
