"""Many chains followed in one git process: a process for each costs more than reading it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ledger.errors import GitError
from ledger.git.process import Repository, lines

_FEW = 4
"""Chains for which one process each is as good."""
_AT_ONCE = 500
_MOST_COMMITS = 200_000
"""Of one process. A chain that is not reached to its end by then is long enough for a process of its own."""


class Step(NamedTuple):
    """A commit of a chain."""

    id: str
    told: str
    """What was asked of it."""


def grown(
    repository: Repository, tips: Mapping[str, str], old: Mapping[str, str], *, form: str
) -> dict[str, list[Step]]:
    """Key → commits from its tip down to its old tip (to the beginning, where it has none), newest first.

    Left out are those that have to be looked at alone: few of them, chains that fork, that don't go on from their old tip,
    that can't be read. `form` is a format of git's for one line.
    """
    found: dict[str, list[Step]] = {}
    keys = [key for key, tip in tips.items() if old.get(key) != tip]
    for start in range(0, len(keys), _AT_ONCE) if len(keys) >= _FEW else ():
        part = {key: tips[key] for key in keys[start : start + _AT_ONCE]}
        rows = _rows(repository, part, old, form)
        followed = {key: _line(tip, old.get(key), rows) for key, tip in part.items()}
        found.update({key: line for key, line in followed.items() if line is not None})
    return found


_Rows = dict[str, tuple[str, str]]
"""Commit → its parents, and what was asked."""


def _rows(repository: Repository, tips: Mapping[str, str], old: Mapping[str, str], form: str) -> _Rows:
    known = {old[key] for key in tips if key in old}
    asked = "".join(f"{word}\n" for word in (*set(tips.values()), *(f"^{one}" for one in known)))
    words = ("log", f"--max-count={_MOST_COMMITS}", f"--format=%H%x00%P%x00{form}", "--stdin")
    try:
        output = repository.git(*words, stdin=asked.encode())
    except GitError:
        return {}  # one of them can't be read: who looks at them alone finds out which
    split = (line.split("\0", 2) for line in lines(output))
    return {commit: (parents, told) for commit, parents, told in split}


def _line(tip: str, old: str | None, rows: _Rows) -> list[Step] | None:
    found: list[Step] = []
    at = tip
    while at and at != old:
        parents, told = rows.get(at, (" ", ""))
        if " " in parents:
            return None
        found.append(Step(at, told))
        at = parents
    return found if at == (old or "") else None
