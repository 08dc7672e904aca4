"""Stretches of one code cover everything, in order."""

from __future__ import annotations

from array import array
from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from ledger.trace.stretches import low_bytes, stretches


@given(st.lists(st.integers(0, 3)) | st.lists(st.sampled_from([0, 10, 255, 256, 70_000])))
def test_stretches_are_the_groups_of_neighbours(codes: list[int]) -> None:
    buffers = (memoryview(array("i", order)) for order in (codes, sorted(codes)))
    for given_codes in (codes, sorted(codes), *buffers):
        found = list(stretches(given_codes))
        assert [(code, len(places)) for code, places in found] == [
            (code, len(list(group))) for code, group in groupby(given_codes)
        ]
        assert all(one.stop == other.start for (_, one), (_, other) in pairwise(found))


@given(st.lists(st.integers(0, 255)))
def test_codes_that_are_bytes_have_the_same_stretches(codes: list[int]) -> None:
    text = low_bytes(memoryview(array("i", codes)))
    assert (text, low_bytes(codes)) == (bytes(codes), bytes(codes))
    assert list(stretches(text)) == list(stretches(codes))
