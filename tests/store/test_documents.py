"""Parsed together or alone: the same answer for every file, whatever stands beside it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.store import codec
from ledger.store.documents import Document, all_parsed, parsed, said, sound

WHOLE = [b'{"a": 1}', b"{}\n", '{"é": [1.5, null, {"b": true}]}'.encode(), b'{"a": NaN, "a": 2}']
TORN = [
    None, b"", b"{", b"}", b"[]", b"1", b"{},{}", b'{"a": 1', b'"b": 2}', b"{} {}", b' {"a": 1}', b'{"a":',
    b"\xff", b'{"a": "\xff"}', b'{"a": "x', b'x"}', b'\xef\xbb\xbf{"a": 1}', b"{}]", b"[{}", b'{"a": "\\ud800"}',
    b'{"a": "\\ud83d\\ude00"}', b'{"a": "\\u0000"}', "{}\u00a0".encode(), b'{"a": ' + b"[" * 5_000,
    b'{"a": ' + b"[" * 400 + b"]" * 400 + b"}",
]  # fmt: skip


def alone(data: bytes | None) -> Document:
    try:
        return parsed(data, codec.RUN)
    except (LedgerError, ValueError) as error:
        return error


def plain(document: Document) -> str:
    return said(document) if isinstance(document, Exception) else json.dumps(document)


@given(st.lists(st.sampled_from([*WHOLE, *TORN]), max_size=6))
def test_a_file_reads_the_same_beside_any_others(files: list[bytes | None]) -> None:
    assert list(map(plain, all_parsed(files, codec.RUN))) == [plain(alone(data)) for data in files]


@given(st.lists(st.sampled_from(WHOLE), min_size=1, max_size=6), st.integers(1, 20))
def test_no_two_halves_become_a_whole(files: list[bytes], cut: int) -> None:
    """A file that is cut in two, each part beside the other: neither is a document."""
    data = b"".join(files)
    halves = [data[:cut], data[cut:]]
    assert list(map(plain, all_parsed(halves, codec.RUN))) == [plain(alone(half)) for half in halves]


def test_what_is_too_large_is_refused_beside_others() -> None:
    large = b'{"a": "' + b"x" * codec.MAX_BYTES[codec.RUN] + b'"}'
    first, second = all_parsed([large, b"{}"], codec.RUN)
    assert isinstance(first, Exception)
    assert sound(second) == {}
    with pytest.raises(type(first)):
        sound(first)
