"""What became of code commits: pairs of old and new from rewritten history, and runs that were put somewhere by hand.

Each event is one small file, named by the hash of its content, so that two logs of them merge by union and one event
is told apart from its copy. What comes from elsewhere is checked when it is read: shape, sizes, the hash.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from ledger import canonical
from ledger.errors import FormatError, LedgerError
from ledger.frozen import frozen
from ledger.ids import is_id, is_object_id

FORMAT = 1
"""1: the first (2026-11)."""
MAX_BYTES = 1 << 20
"""Of one file."""
MAX_PAIRS = 5_000
"""In one file."""
MAX_TEXT = 2_000
"""Characters of a reason or an author."""

_NAME = re.compile(r"[0-9a-f]{32}\.json")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")
_BY = frozenset({"amend", "rebase", "map"})
_KEYS = {
    "rewritten": frozenset({"format", "kind", "by", "recorded", "pairs"}),
    "manual": frozenset({"format", "kind", "recorded", "run", "commit", "author", "reason"}),
}


@frozen(kw_only=False)
class Pair:
    """A commit that another one took the place of."""

    old: str
    new: str
    tree: str | None = None
    """Of the old commit, which other clones may not have."""


@frozen()
class Rewritten:
    """One rewriting of history."""

    by: str
    """`amend`, `rebase`, or `map`: a list that another tool made (git-filter-repo)."""
    recorded: str
    pairs: tuple[Pair, ...]


@frozen()
class Manual:
    """Where somebody says that a run belongs."""

    recorded: str
    run: str
    commit: str | None
    """None: an earlier link no longer holds."""
    author: str
    reason: str | None = None


Event = Rewritten | Manual


def is_name(name: str) -> bool:
    """Whether a file of this name is an event."""
    return bool(_NAME.fullmatch(name))


def encode(event: Event) -> tuple[str, bytes]:
    """Name and content of an event's file."""
    data = canonical.dumps(_document(event))
    return _name(data), data


def _name(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()[:32]}.json"


def _document(event: Event) -> dict[str, Any]:
    if isinstance(event, Manual):
        return {
            "format": FORMAT,
            "kind": "manual",
            "recorded": event.recorded,
            "run": event.run,
            "commit": event.commit,
            "author": event.author,
            "reason": event.reason,
        }
    return {
        "format": FORMAT,
        "kind": "rewritten",
        "by": event.by,
        "recorded": event.recorded,
        "pairs": [" ".join(filter(None, (pair.old, pair.new, pair.tree))) for pair in event.pairs],
    }


def decode(name: str, data: bytes) -> Event:
    """The event in a file. Raises FormatError for what is none, and for one that a newer ledger wrote."""
    if _name(data) != name:
        raise FormatError(f"{name}: its content is not what it is named by")
    try:
        found = canonical.loads(data, what=name, max_bytes=MAX_BYTES, max_depth=4)
        return _event(found)
    except (LedgerError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        said = error.message if isinstance(error, LedgerError) else f"not a link: {error}"
        raise FormatError(f"{name}: {said}") from error


def _event(found: Mapping[str, Any]) -> Event:
    version = found["format"]
    if isinstance(version, int) and version > FORMAT:
        raise FormatError(
            f"format {version} is newer than this ledger reads ({FORMAT})", hint="upgrade ledger"
        )
    if version != FORMAT or found.keys() != _KEYS[found["kind"]]:
        raise ValueError("other fields than a link has")
    recorded = _matching(_TIME.fullmatch, found["recorded"])
    if found["kind"] == "rewritten":
        return Rewritten(by=_known(found["by"]), recorded=recorded, pairs=_pairs(found["pairs"]))
    return Manual(
        recorded=recorded,
        run=_matching(is_id, found["run"]),
        commit=None if found["commit"] is None else _matching(is_object_id, found["commit"]),
        author=_text(found["author"]),
        reason=None if found["reason"] is None else _text(found["reason"]),
    )


def _pairs(lines: Sequence[str]) -> tuple[Pair, ...]:
    if not isinstance(lines, list) or not 0 < len(lines) <= MAX_PAIRS:
        raise ValueError(f"a list of 1 to {MAX_PAIRS:,} pairs is wanted")
    return tuple(_pair(line.split(" ")) for line in lines)


def _pair(ids: Sequence[str]) -> Pair:
    if len(ids) not in (2, 3) or not all(map(is_object_id, ids)):
        raise ValueError("a pair is two ids of commits, and one of a tree")
    return Pair(*ids)


def _matching(fits: Callable[[str], object], text: str) -> str:
    if not fits(text):
        raise ValueError(f"{text[:80]!r}")
    return text


def _known(by: str) -> str:
    if by not in _BY:
        raise ValueError(f"{by!r}")
    return by


def _text(text: object) -> str:
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise ValueError("a text that is none, or too long")
    return text


@frozen(kw_only=False)
class Links:
    """Everything that the log says, as it is asked for."""

    rewritten: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Old commit → those that took its place."""
    trees: Mapping[str, str] = field(default_factory=dict)
    """Old commit → its tree, where that was known."""
    by_hand: Mapping[str, str] = field(default_factory=dict)
    """Run → commit: what was said last."""

    def __bool__(self) -> bool:
        return bool(self.rewritten or self.by_hand)


def gathered(events: Iterable[Event]) -> Links:
    """The events as one, whatever order they come in."""
    rewritten: dict[str, dict[str, None]] = {}
    trees: dict[str, str] = {}
    said: dict[str, tuple[str, str]] = {}
    for event in events:
        if isinstance(event, Manual):
            said[event.run] = max(said.get(event.run, ("", "")), (event.recorded, event.commit or ""))
            continue
        for pair in event.pairs:
            if pair.old != pair.new:
                rewritten.setdefault(pair.old, {})[pair.new] = None
            if pair.tree:
                trees[pair.old] = pair.tree
    return Links(
        rewritten={old: tuple(sorted(new)) for old, new in rewritten.items()},
        trees=trees,
        by_hand={run: commit for run, (_, commit) in said.items() if commit},
    )
