"""Neighbours that share a code, found without looking at each: rows come in the order in which they were recorded."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby


def stretches(codes: Sequence[int]) -> Iterator[tuple[int, range]]:
    """Each code and the places where it stands, as long as it goes on, in order."""
    first = 0
    if list(codes) == sorted(codes):
        while first < len(codes):
            end = bisect_right(codes, codes[first], first)
            yield codes[first], range(first, end)
            first = end
        return
    for code, group in groupby(codes):
        end = first + sum(1 for _ in group)
        yield code, range(first, end)
        first = end
