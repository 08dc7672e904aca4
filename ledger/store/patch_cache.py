"""Patch ids that were found before: a commit never changes, so neither do they."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from ledger.frozen import frozen
from ledger.git import patches
from ledger.git.process import Repository
from ledger.store import cachefile

_FORMAT = "1"
_AT_ONCE = 2_000
"""Commits after which what was found is kept: who is interrupted goes on from there."""
_LINE = re.compile(r"(?P<key>[0-9a-f.]{40,130}) (?P<patch>[0-9a-f]{40}|[0-9a-f]{64}|-)")


@frozen(kw_only=False, slots=False)
class Patches:
    """Patch ids of commits and of ranges with so many lines of context, asked of git once."""

    repository: Repository
    context: int = patches.CONTEXT

    def of_commits(self, commits: Iterable[str]) -> dict[str, str]:
        """Commit → patch id against its parent; those without one are left out."""
        wanted = list(dict.fromkeys(commits))
        lacking = [commit for commit in wanted if commit not in self._known]
        for start in range(0, len(lacking), _AT_ONCE):
            part = lacking[start : start + _AT_ONCE]
            self._keep(part, patches.of_commits(self.repository, part, context=self.context))
        return {commit: patch for commit in wanted if (patch := self._known[commit]) != _NONE}

    def of_ranges(self, bases: Mapping[str, str]) -> dict[str, str]:
        """Commit → patch id of base..commit; those that do not differ from their base are left out."""
        keys = {commit: f"{commit}..{base}" for commit, base in bases.items()}
        lacking = {commit: base for commit, base in bases.items() if keys[commit] not in self._known}
        if lacking:
            found = patches.of_ranges(self.repository, lacking, context=self.context)
            self._keep(
                [keys[commit] for commit in lacking], {keys[commit]: patch for commit, patch in found.items()}
            )
        return {commit: patch for commit, key in keys.items() if (patch := self._known[key]) != _NONE}

    @cached_property
    def _known(self) -> dict[str, str]:
        body = cachefile.read(self._path, _FORMAT)
        lines = body.decode("ascii", "replace").splitlines() if body is not None else ()
        pairs = (line.split(" ") for line in lines if _LINE.fullmatch(line))
        return {key: patch for key, patch in pairs}  # noqa: C416 - two words each

    def _keep(self, asked: Iterable[str], found: Mapping[str, str]) -> None:
        self._known.update({key: found.get(key, _NONE) for key in asked})
        body = "".join(f"{key} {patch}\n" for key, patch in self._known.items())
        cachefile.keep(self._path, _FORMAT, body.encode())

    @property
    def _path(self) -> Path:
        return self.repository.folder / "cache" / f"patches-{self.context}.txt"


_NONE = "-"
