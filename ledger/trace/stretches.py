"""Neighbours that share a code, found without looking at each: rows come in the order in which they were recorded."""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby

_RUN = re.compile(rb"(.)\1*", re.DOTALL)


def stretches(codes: Sequence[int]) -> Iterator[tuple[int, range]]:
    """Each code (from 0) and the places where it stands, as long as it goes on, in order."""
    try:
        text = bytes(
            codes if isinstance(codes, (bytes, list)) else iter(codes)
        )  # a buffer's own bytes are others
    except ValueError:  # a code beyond 255
        return _of_large(codes)
    return ((text[found.start()], range(*found.span())) for found in _RUN.finditer(text))


def _of_large(codes: Sequence[int]) -> Iterator[tuple[int, range]]:
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


def low_bytes(codes: Sequence[int]) -> bytes:
    """Codes below 256 as bytes, cut out of a column's memory at once."""
    if not isinstance(codes, memoryview):
        return bytes(codes)
    first = 0 if sys.byteorder == "little" else codes.itemsize - 1
    return bytes(codes.cast("B")[first :: codes.itemsize])
