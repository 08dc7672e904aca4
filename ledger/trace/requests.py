"""Runs on the way of what was merged as one commit: of a pull request that a forge numbers, or of a squashed branch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ledger.git import requests
from ledger.trace.attachment import CodeKey
from ledger.trace.outside import Outside
from ledger.trace.patched import match
from ledger.trace.reached import Reached


def find(outside: Outside, wanted: frozenset[str], squashed: Mapping[str, str]) -> dict[str, list[str]]:
    """Commit outside → commits of the range that it was merged in, the likeliest first.

    `squashed` are commits outside whose branch up to there is known to be one commit of the range.
    """
    landed = {**_branches(outside, wanted), **squashed, **_numbered(outside)}
    found: dict[str, list[tuple[int, str]]] = {}
    for tip, into in landed.items():
        below = outside.below(tip)
        for commit in below & wanted:
            found.setdefault(commit, []).append((len(below), into))
    # Of several heads that hold a commit (stacked requests) the one with the fewest others.
    return {commit: list(dict.fromkeys(into for _, into in sorted(many))) for commit, many in found.items()}


def _numbered(outside: Outside) -> dict[str, str]:
    """Heads of the pull requests that the range says it has merged."""
    numbers = {head.number for head in outside.heads} - {None}
    merged = dict(_merges(outside.reached)) if numbers else {}
    return {head.commit: merged[head.number] for head in outside.heads if head.number in merged}


def _merges(reached: Reached) -> Iterator[tuple[int | None, str]]:
    """Number and commit, newest first: the oldest counts, others mention it."""
    for commit in reached.commits:
        if number := requests.of_subject(commit.subject):
            yield number, commit.id


def _branches(outside: Outside, wanted: frozenset[str]) -> dict[str, str]:
    """Heads with some of these runs that the range has as one commit."""
    holding = outside.holding(wanted)
    heads = [head for head in outside.heads if head.commit in holding and head.commit not in wanted]
    found = match(outside, (CodeKey(head.commit, None) for head in heads))
    return {commit: same[0] for commit, same in found.squashed.items()}
