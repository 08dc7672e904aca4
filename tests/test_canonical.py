"""Canonical bytes have one form, whichever way they are made."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical
from ledger.errors import InputError

_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
)
_keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_keys, _values, max_size=6))
def test_an_object_has_one_form_whatever_kind_of_mapping_holds_it(value: dict[str, Any]) -> None:
    # Only a plain dict of plain values takes the short way.
    assert canonical.dumps(value) == canonical.dumps(_slow(value))
    assert canonical.compact(value) == canonical.compact(_slow(value))


def _slow(value: Any) -> Any:
    if isinstance(value, dict):
        return OrderedDict((key, _slow(item)) for key, item in value.items())
    return [_slow(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(_keys, _values, max_size=6))
def test_what_is_written_is_json_with_sorted_keys(value: dict[str, Any]) -> None:
    text = canonical.dumps(value).decode()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "{}\n"),
        ({"b": 1, "a": 0.1}, '{\n  "a": 0.1,\n  "b": 1\n}\n'),
        (
            {"a": math.nan, "b": math.inf, "c": -math.inf},
            '{\n  "a": "NaN",\n  "b": "Infinity",\n  "c": "-Infinity"\n}\n',
        ),
        ({"a": {"b": None, "c": True}}, '{\n  "a": {\n    "b": null,\n    "c": true\n  }\n}\n'),
        ({"é\n": "\u2028"}, '{\n  "é\\n": "\u2028"\n}\n'),
    ],
)
def test_literal_forms(value: dict[str, Any], text: str) -> None:
    assert canonical.dumps(value).decode() == text


@pytest.mark.parametrize("value", [{1: "a"}, {"a": {2: 3}}, {"a": object()}, {"a": {1}}])
def test_what_json_can_not_hold_is_refused(value: dict[Any, Any]) -> None:
    with pytest.raises(TypeError):
        canonical.dumps(value)


_LONG = "1" * 301


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"a": {"b": 1, "b": 1}}]', 'x: the key "b" stands twice'),
        ('[{"a" :1, "a": "\\":"}]', 'x: the key "a" stands twice'),
        ("[-1e999]", "x: the number -1e999 is too large"),
        (f"[{_LONG}]", "x: an integer of 301 digits"),
        (f"[-{_LONG[1:]}]", "x: an integer of 301 digits"),
        (f"[{'1' * 5000}]", "x: an integer of 5000 digits"),
        ("[-Infinity]", "x: -Infinity is not JSON"),
        ('{"a": 1}\n{"a": 2}', "x: not JSON at line 2, column 1"),
        ("[1,\n 2,]", "x: not JSON at line 2"),
        ("[" * 65 + "]" * 65, "x: nested more than 64"),
        ('{"a":' * 65 + "1" + "}" * 65, "x: nested more than 64"),
        ("[" * 100_000, "x: nested more than 64"),
        (" \n", "x: the file is empty"),
    ],
)
def test_what_is_not_strictly_json_is_named(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        canonical.loads(text.encode(), what="x")
    assert caught.value.message.startswith(said)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 64 + "]" * 64,
        '["' + "[{" * 100 + '"]',
        "[" + "[]," * 100 + "{}]",
        f"[{'1' * 300}, 1.5e308, -0.0, 12]",
        '{"a": {"a": [{"a": 1}, {"a": 2}]}}',
        "7",
    ],
)
def test_what_is_strictly_json_is_read_as_any_reader_does(text: str) -> None:
    assert repr(canonical.loads(text.encode(), what="x")) == repr(json.loads(text))


def test_words_that_are_not_numbers_are_read_where_they_are_asked_for() -> None:
    read = canonical.loads(b'{"a": NaN, "b": [-Infinity]}', what="x", bare_non_finite=True)
    assert repr(read) == "{'a': nan, 'b': [-inf]}"


_TEXTS = [
    '{"a": 1, "a": 1}\n', '{\n  "a": 1,\n  "a": 1\n}\n', '{\n  "a": 1e999\n}\n', '{\n  "a": -1e999\n}\n', '{\n  "a": NaN\n}\n',
    '{\n  "a": "NaN"\n}\n', '{\n  "a": 1e16\n}\n', '{\n  "a": 1e+16\n}\n', '{\n  "a": 1.0\n}\n', '{\n  "a": 01\n}\n', '{\n  "a": -0\n}\n',
    '{\n  "a": -0.0\n}\n', '{\n  "a": "\\ud800"\n}\n', '{\n  "a": "\\u0041"\n}\n', '{\n  "b": 1,\n  "a": 1\n}\n', "{}\n", "{}", "{} \n", "[]\n",
    "\ufeff{}\n", "", " ", "null\n", "{}\n{}\n", "[" * 70 + "]" * 70 + "\n", "[" * 100_000, '{\n  "a": ' + "9" * 300 + "\n}\n",
    '{\n  "a": ' + "9" * 301 + "\n}\n", '{\n  "a": ' + "9" * 5000 + "\n}\n", '{\n  "a": \t1\n}\n', '{\n  "a": "\t"\n}\n', '{"a": {}}\n',
]  # fmt: skip


@pytest.mark.parametrize("text", _TEXTS, ids=range(len(_TEXTS)))
def test_exact_bytes_among_those_that_look_like_it(text: str) -> None:
    _same_verdict(text.encode())


@given(st.dictionaries(_keys, _values, max_size=6), st.integers(0), st.binary(max_size=2))
def test_exact_bytes_are_those_that_are_read_strictly_and_written_again(
    value: dict[str, Any], at: int, put: bytes
) -> None:
    data = canonical.dumps(value)
    assert repr(canonical.exact(data)) == repr(canonical.loads(data, what="x"))
    at %= len(data)
    _same_verdict(data[:at] + put + data[at:])
    _same_verdict(data[:at] + put + data[at + len(put) :])


@given(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["{:r}", "{:.17g}", "{:e}", "{:.25f}"])
)
def test_exact_numbers_are_those_that_python_writes(number: float, form: str) -> None:
    said = repr(number) if form == "{:r}" else form.format(number)
    for text in {said, said.rstrip("0"), said.replace("e-0", "e-").replace("e+", "e"), f"{said}.0"}:
        _same_verdict(f'{{\n  "a": {text}\n}}\n'.encode())
        _same_verdict(f"[\n  {text},\n  {text}\n]\n".encode())


@pytest.mark.parametrize("text", _TEXTS, ids=range(len(_TEXTS)))
def test_a_plain_document_is_read_as_any_other(text: str) -> None:
    _plain_or_not(text.encode())


@given(st.dictionaries(_keys, _values, max_size=6), st.integers(0), st.binary(max_size=2))
def test_plain_documents_have_their_keys_in_any_order(value: dict[str, Any], at: int, put: bytes) -> None:
    data = f"{json.dumps(value, indent=2, ensure_ascii=False)}\n".encode()
    _plain_or_not(data)
    at %= len(data)
    _plain_or_not(data[:at] + put + data[at:])
    names = {f"{key}{i}": i for i, key in enumerate(sorted(value, reverse=True))}
    assert canonical.plain(f"{json.dumps(names, indent=2, ensure_ascii=False)}\n".encode()) == names


@pytest.mark.parametrize("depth", [60, 200, 300, 900])
def test_depth_without_a_limit_ends_in_an_answer(depth: int) -> None:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    _plain_or_not(f"{json.dumps(nested, indent=2)}\n".encode())


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000])
def test_depth_without_end_is_no_plain_document(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        canonical.plain(text.encode())


def _plain_or_not(data: bytes) -> None:
    try:
        found = canonical.plain(data)
    except ValueError:
        return
    assert repr(found) == repr(canonical.loads(data, what="x", max_depth=len(data)))


def _same_verdict(data: bytes) -> None:
    try:
        value = canonical.loads(data, what="x")
        strictly = value if canonical.dumps(value) == data else None
    except InputError:
        strictly = None
    try:
        found = canonical.exact(data)
    except (ValueError, RecursionError):
        found = None
    if data != b"null\n":
        assert repr(found) == repr(strictly)
