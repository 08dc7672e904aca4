"""Where in a JSON text a value stands, so that a message can name the line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from ledger.schema.explain import Path, json_path

_SPACE = re.compile(r"[ \t\r\n]*")
_CONFLICT = re.compile(rb"^(?:<{7} |={7}\r?$|>{7} |\|{7} )", re.MULTILINE)


def line_of(text: str, path: str) -> int | None:
    """The line, from 1, of the value at a JSON path (`$.metrics[3].scale`); its nearest parent's if it is absent.

    `text` is valid JSON; None where it is not.
    """
    found: dict[str, int] = {}
    try:
        found.update((json_path(place), at) for place, at in _places(text))
    except (ValueError, IndexError, RecursionError):
        return None
    while path not in found and path != "$":
        path = path[: max(path.rfind("."), path.rfind("["))] or "$"
    return text.count("\n", 0, found[path]) + 1 if path in found else None


def conflict_line(data: bytes) -> int | None:
    """The line of the first mark of a merge conflict in a file that is no JSON; None where there is none."""
    found = _CONFLICT.search(data)
    return data.count(b"\n", 0, found.start()) + 1 if found else None


def _places(text: str) -> Iterator[tuple[Path, int]]:
    """Every value's path and offset, without recursion: (path, offset) pairs in the order of the text."""
    decode = json.JSONDecoder().raw_decode
    open_paths: list[tuple[Path, int | None]] = []
    path: Path = ()
    at = _skip(text, 0)
    while True:
        yield path, at
        if text[at] in "{[":
            open_paths.append((path, None if text[at] == "{" else -1))
            at = _skip(text, at + 1)
        else:
            at = _skip(text, decode(text, at)[1])
        while open_paths and text[at] in "}]":
            open_paths.pop()
            at = _skip(text, at + 1)
        if not open_paths:
            return
        at = _skip(text, at + 1) if text[at] == "," else at
        parent, index = open_paths[-1]
        if index is None:
            name, at = decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
            path = (*parent, name)
        else:
            open_paths[-1] = (parent, index + 1)
            path = (*parent, index + 1)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
