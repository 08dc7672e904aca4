"""The bounds of a migration file, and what identifies it: what it does, with ids of definitions in place of names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.schema.edges import Edge, Hyper

FORMAT = 1
"""Version of migration files that this ledger reads. 1: the first (2026-11)."""

MAX_BYTES = 1024 * 1024
"""A larger file is refused unread; callers need not read more than this and one byte."""
MAX_OPERATIONS = 500

_UNHASHED = frozenset({"note", "see", "reason", "evidence", "cause"})
"""Words about an operation, which change no number: they may be improved without a new id."""


def lowered(words: Mapping[str, Any], edge: Edge) -> dict[str, Any]:
    """An operation as its migration's id holds it: texts, and lists of texts."""
    if isinstance(edge, Hyper):
        told = {"op", "exactness"} & words.keys()
        return {
            **{key: words[key] for key in told},
            "from": sorted(edge.inputs),
            "to": edge.target,
            "do": edge.text,
        }
    kept = {**words, "from": edge.source}
    if edge.target is not None:
        kept["to"] = edge.target
    for key in _UNHASHED & kept.keys():
        del kept[key]
    return kept


def by_target(words: Mapping[str, Any]) -> str:
    """What lowered operations are sorted by."""
    return f"{words.get('to')} {words.get('from')}"
