"""The same results for machines and for issues: JSON, CSV and Markdown, made piece by piece.

JSON and CSV carry full precision; non-finite numbers are the words NaN, Infinity and -Infinity, as in all files
that ledger writes.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from ledger.canonical import non_finite_name
from ledger.render.format import number
from ledger.render.terminal import UNSAFE, escape

Value: TypeAlias = str | int | float | bool | None

_INDENT = "  "
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MARKDOWN_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKDOWN = re.compile(r"[\\`*\[\]|~&<>]|(?<!\w)_|_(?!\w)")


def json_document(value: object, *, ascii_only: bool = False) -> str:
    r"""One strict JSON document with 2-space indent, keys in the order given, and a final newline.

    Characters that a terminal would act on are written as `\u` escapes, which is the same JSON.
    """
    return "".join(json_chunks(value, ascii_only=ascii_only))


def json_chunks(value: object, *, ascii_only: bool = False) -> Iterator[str]:
    """The text of `json_document` in pieces; an iterator at the top becomes an array, one piece an item."""
    encoder = _Encoder(ascii_only=ascii_only)
    if isinstance(value, (list, tuple, Iterator)):
        start = "["
        for item in value:
            yield f"{start}\n{_INDENT}{encoder.text(item, 1)}"
            start = ","
        yield "[]\n" if start == "[" else "\n]\n"
    else:
        yield encoder.text(value, 0) + "\n"


class _Encoder:
    """Writes indented JSON through the C encoder, which itself only knows one separator.

    So containers of scalars are encoded in one go with a separator that holds the line break and the indent,
    one encoder a depth; only containers of containers are walked here.
    """

    def __init__(self, *, ascii_only: bool) -> None:
        self._ascii_only = ascii_only
        self._at_depth: dict[int, json.JSONEncoder] = {}

    def text(self, value: object, depth: int) -> str:
        return UNSAFE.sub(_json_escape, self._text(value, depth))

    def _text(self, value: object, depth: int) -> str:
        if isinstance(value, Mapping):
            return self._block(list(value.values()), depth, keys=[_key(key) for key in value])
        if isinstance(value, (list, tuple)):
            return self._block(value, depth, keys=None)
        return self._leaf(_finite(value), depth)

    def _block(self, values: Sequence[object], depth: int, keys: list[str] | None) -> str:
        opening, closing = "[]" if keys is None else "{}"
        if not values:
            return opening + closing
        inner = "\n" + _INDENT * (depth + 1)
        if any(isinstance(value, (Mapping, list, tuple)) for value in values):
            heads = [""] * len(values) if keys is None else [f"{self._leaf(key, depth)}: " for key in keys]
            parts = (head + self._text(value, depth + 1) for head, value in zip(heads, values, strict=True))
            body = f",{inner}".join(parts)
        else:
            body = self._flat(values, depth, keys)[1:-1]
        return f"{opening}{inner}{body}\n{_INDENT * depth}{closing}"

    def _flat(self, values: Sequence[object], depth: int, keys: list[str] | None) -> str:
        """A container of scalars, whose separators hold the indent."""
        try:
            return self._leaf(values if keys is None else dict(zip(keys, values, strict=True)), depth)
        except ValueError:  # a number that is not finite
            return self._flat([_finite(value) for value in values], depth, keys)

    def _leaf(self, value: object, depth: int) -> str:
        if depth not in self._at_depth:
            self._at_depth[depth] = json.JSONEncoder(
                ensure_ascii=self._ascii_only,
                allow_nan=False,
                separators=(",\n" + _INDENT * (depth + 1), ": "),
            )
        return self._at_depth[depth].encode(value)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"no JSON key: {key!r}")
    return key


def _finite(value: object) -> object:
    return non_finite_name(value) if isinstance(value, float) and not math.isfinite(value) else value


def _json_escape(match: re.Match[str]) -> str:
    """Between the tokens only line breaks match, and those stay."""
    return match.group() if match.group() == "\n" else json.dumps(match.group())[1:-1]


def csv_document(
    headers: Sequence[str], rows: Iterable[Sequence[Value]], *, escaped: bool = False
) -> Iterator[str]:
    """RFC 4180 lines with their line ends. None is an empty field.

    Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay numbers. `escaped`
    makes control characters visible, for output that goes to a terminal.
    """
    lines: list[str] = []
    writer = csv.writer(_Appender(lines))
    for row in _with_header(headers, rows):
        writer.writerow([_csv_cell(value, escaped=escaped) for value in row])
        yield lines.pop()


class _Appender:
    """What csv.writer takes for a file."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def write(self, line: str) -> None:
        self._lines.append(line)


def _with_header(headers: Sequence[str], rows: Iterable[Sequence[Value]]) -> Iterator[Sequence[Value]]:
    yield headers
    yield from rows


def _csv_cell(value: Value, *, escaped: bool) -> Value:
    if isinstance(value, str):
        shown = escape(value) if escaped else value
        formula = value.startswith(FORMULA_STARTS) and not _PLAIN_NUMBER.fullmatch(value)
        return f"'{shown}" if formula else shown
    if isinstance(value, bool):
        return "true" if value else "false"
    return non_finite_name(value) if isinstance(value, float) and not math.isfinite(value) else value


def markdown_document(headers: Sequence[str], rows: Iterable[Sequence[Value]]) -> Iterator[str]:
    """Lines of a GitHub table, with their line ends; numbers short as in a terminal, text shown literally.

    A column is right-aligned when the first row has a number in it.
    """
    remaining = iter(rows)
    first = next(remaining, None)
    yield _markdown_line([_markdown_cell(header) for header in headers])
    yield _markdown_line([_rule(value) for value in (first or [None] * len(headers))])
    if first is not None:
        yield _markdown_line([_markdown_cell(value) for value in first])
    for row in remaining:
        yield _markdown_line([_markdown_cell(value) for value in row])


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _rule(value: Value) -> str:
    return "---:" if isinstance(value, (int, float)) and not isinstance(value, bool) else "---"


def _markdown_cell(value: Value) -> str:
    if not isinstance(value, str):
        return number(value)
    return _MARKDOWN.sub(
        lambda match: _MARKDOWN_ENTITIES.get(match.group(), "\\" + match.group()), escape(value)
    )
