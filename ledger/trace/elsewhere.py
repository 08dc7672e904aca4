"""Where code went that a range does not hold: by its changes, and by the pull request that it was part of.

These are guesses, and are shown as such: the level says which, gates trust none of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from ledger.model import Level
from ledger.trace import requests
from ledger.trace.attachment import Attachment, CodeKey
from ledger.trace.guess_cache import Guesses
from ledger.trace.outside import Outside, standing
from ledger.trace.patched import match
from ledger.trace.reached import Reached


def find(reached: Reached, keys: Sequence[CodeKey]) -> dict[CodeKey, Attachment]:
    """Those of some keys that something of the range is likely to have come from."""
    clean = {key.clean for key in keys if key.commit and key.commit not in reached.by_id}
    if not reached.commits or not (clean or any(key.snapshot_tree for key in keys)):
        return {}
    heads, told = standing(reached)
    kept = Guesses.of(reached, told, keys)
    found = kept.load()
    if found is None:
        found = _found(Outside.look(reached, heads, (key.commit for key in clean if key.commit)), clean, keys)
        kept.keep(found)
    return found


def _found(
    outside: Outside, clean: Collection[CodeKey], keys: Sequence[CodeKey]
) -> dict[CodeKey, Attachment]:
    committed = _committed(outside, keys)
    found = _of_commits(outside, [*clean, *committed.values()])
    return {key: one for key in keys if (one := _of_key(key, committed, found))}


def _committed(outside: Outside, keys: Iterable[CodeKey]) -> dict[CodeKey, CodeKey]:
    """Dirty runs whose changes somebody committed, on a branch that the range does not hold."""
    trees = {key: outside.by_tree.get(key.snapshot_tree or "") for key in keys if key.dirty}
    return {key: CodeKey(commit, key.snapshot_tree) for key, commit in trees.items() if commit}


def _of_key(
    key: CodeKey, committed: Mapping[CodeKey, CodeKey], found: Mapping[str, Attachment]
) -> Attachment | None:
    if not key.dirty:
        return found.get(key.commit or "")
    if key in committed and (one := found.get(committed[key].commit or "")):
        return one
    base = found.get(key.commit or "")
    return replace(base, level=Level.DIRTY_BASE) if base else None


def _of_commits(outside: Outside, keys: Sequence[CodeKey]) -> dict[str, Attachment]:
    exact = match(outside, keys)
    found = _attached(Level.PATCH, {**exact.picked, **exact.squashed})
    wanted = frozenset(
        key.commit for key in keys if key.commit in outside.commits and key.commit not in found
    )
    if wanted:
        squashed = {commit: same[0] for commit, same in exact.squashed.items()}
        found |= _attached(
            Level.PULL_REQUEST, requests.find(outside, frozenset(filter(None, wanted)), squashed)
        )
    return found | _without_context(outside, [key for key in keys if key.commit not in found])


def _without_context(outside: Outside, keys: Sequence[CodeKey]) -> dict[str, Attachment]:
    """The same lines between other neighbours: main changed beside them. Believed where only one commit has them."""
    loose = match(outside, keys, context=0)
    single = {c: same for c, same in {**loose.picked, **loose.squashed}.items() if len(same) == 1}
    return _attached(Level.PATCH, single)


def _attached(level: Level, found: Mapping[str, Sequence[str]]) -> dict[str, Attachment]:
    """The first counts."""
    return {commit: Attachment(many[0], level, len(many)) for commit, many in found.items()}
