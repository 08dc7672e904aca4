"""Bytes made worse: JSON by its structure, everything else byte by byte."""

from __future__ import annotations

import json
import random
from typing import Any

_DEEP = "a value far down"
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**63, -(2**63) - 1, 10**400, 1e308, -0.0, float("nan"), float("inf"),
    "", "x", "é", "\ud800", "\0", "\x1b[2J", "\u202e", "../../x", "refs/heads/main", "--output=x", "a" * 5000, "NaN",
    "9" * 400, "1e999", "1/0", "(a+)+$", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z",
    "2026-11-21T02:57:05+99:99", "a" * 32, "1" * 40, "#", "#/properties", "https://example.com/x.json",
    [], {}, [[]], [None], {"": {}}, {"$ref": "#"}, _DEEP,
)  # fmt: skip


def mutated(data: bytes, source: random.Random) -> bytes:
    """One to four changes: of the structure where the bytes are JSON, three times of four."""
    if source.random() < 0.75:
        try:
            value = json.loads(data)
            for _ in range(source.randint(1, 3)):
                value = _changed(value, source)
            text = json.dumps(value, ensure_ascii=source.random() < 0.5)
        except (ValueError, RecursionError):
            return _torn(data, source)
        depth = source.choice((5, 70, 900, 9_000))
        text = text.replace(f'"{_DEEP}"', "[" * depth + "]" * depth)
        return text.encode("utf-8", "surrogatepass")
    return _torn(data, source)


def _changed(value: Any, source: random.Random) -> Any:
    """One node somewhere in a document replaced, wrapped, added or taken away."""
    if value and source.random() < 0.85:
        if isinstance(value, dict):
            return _changed_object(value, source)
        if isinstance(value, list):
            return _changed_list(value, source)
    return source.choice((source.choice(_ODD), source.choice(_ODD), [value], {"x": value}))


def _changed_object(value: dict[str, Any], source: random.Random) -> dict[str, Any]:
    key = source.choice(list(value))
    if (dice := source.randrange(10)) == 0:
        return {name: one for name, one in value.items() if name != key}
    name = str(source.choice(_ODD)) if dice == 1 else key
    return {**value, name: _changed(value[key], source)}


def _changed_list(value: list[Any], source: random.Random) -> list[Any]:
    place = source.randrange(len(value))
    if (dice := source.randrange(8)) == 0:
        return value[:place] + value[place + 1 :]
    return [*value[: place + (dice == 1)], _changed(value[place], source), *value[place + 1 :]]


def _torn(data: bytes, source: random.Random) -> bytes:
    torn = bytearray(data)
    for _ in range(source.randint(1, 4)):
        place = source.randrange(len(torn) + 1)
        end = place + source.randint(1, 20)
        width = source.choice((1, 2, 4, 8))
        number = source.choice((0, 1, 2**31, 2**32 - 1, 2**63)).to_bytes(8, "little")[:width]
        kept = bytes(torn[place:end])
        there, instead = source.choice(
            (
                (end, b""),
                (place, source.randbytes(source.randint(1, 8))),
                (place, kept),
                (place + width, number),
                (place + 1, source.randbytes(1)),
            )
        )
        torn[place:there] = instead
    return bytes(torn)
