"""Values from files and from Python programs as plain JSON values, within fixed bounds."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from ledger.canonical import MAX_DEPTH, compact
from ledger.errors import InputError
from ledger.model import Json

MAX_BITS = 1000
"""Of an integer; doubles end at 1024."""

Path = tuple[str | int, ...]


def plain(value: object, what: str, path: Path = ()) -> Json:
    """Turn `value` into what JSON has, keeping numbers exact.

    Takes mappings, lists, tuples, dates (ISO text), paths, enum members (their value), and scalars and arrays of
    numpy, torch and the like (whatever has `tolist()` or `item()`). Raises InputError that names `what` and the JSON path.
    """
    kind = type(value)
    if kind in _ATOMS:
        return value  # type: ignore[return-value]
    if len(path) > MAX_DEPTH:
        raise InputError(f"{what}: nested more than {MAX_DEPTH} levels deep", hint="flatten it")
    if kind is int:
        return _bounded(value, what, path)  # type: ignore[arg-type]
    if isinstance(value, Mapping):
        return _object(value, what, path)
    if isinstance(value, (list, tuple)):
        return [plain(item, what, (*path, index)) for index, item in enumerate(value)]
    return _converted(value, what, path)


_ATOMS = frozenset({str, float, bool, type(None)})


def _bounded(value: int, what: str, path: Path) -> int:
    if value.bit_length() > MAX_BITS:
        raise InputError(
            f"{what}: {json_path(path)}: an integer of {value.bit_length()} bits", hint="write it as text"
        )
    return value


def _object(value: Mapping[Any, object], what: str, path: Path) -> dict[str, Json]:
    result: dict[str, Json] = {}
    for key, item in value.items():
        name = key if type(key) is str else _key(key, what, path)
        if name in result:
            raise InputError(
                f"{what}: {json_path(path)}: two keys become {compact(name)}", hint="rename one of them"
            )
        result[name] = plain(item, what, (*path, name))
    return result


def _key(key: object, what: str, path: Path) -> str:
    value = _converted(key, what, path) if not isinstance(key, (int, float, type(None))) else key
    return value if isinstance(value, str) else compact(value).strip('"')


def _converted(value: object, what: str, path: Path) -> Json:
    reader = next((reader for types, reader in _CONVERSIONS if isinstance(value, types)), None)
    if reader is not None:
        return plain(reader(value), what, path)
    raw = _raw(value)
    if type(raw) is type(value):
        raise no_json(value, what, path)
    return plain(raw, what, path)


def _raw(value: object) -> object:
    """Give the Python value of a numpy or torch scalar or array, and anything else as it is."""
    reader = getattr(value, "tolist", None) or getattr(value, "item", None)
    if not callable(reader):
        return value
    try:
        return reader()
    except (TypeError, ValueError, RuntimeError):
        return value


def no_json(value: object, what: str, path: Path) -> InputError:
    """Make the error for a value that JSON has no form for."""
    return InputError(
        f"{what}: {json_path(path)}: a value of type {type(value).__name__} has no JSON form",
        hint="give a number, a text, a list or an object",
    )


# Enum stands first: members of IntEnum and StrEnum are numbers and texts too
_CONVERSIONS: tuple[tuple[Any, Callable[[Any], object]], ...] = (
    (Enum, lambda value: value.value),
    (bool, bool),
    (int, int),
    (float, float),
    (str, str),
    ((dt.date, dt.time), lambda value: value.isoformat()),
    (os.PathLike, os.fspath),
)


def json_path(path: Path) -> str:
    """Write a path as `$.val.f1`, with brackets where a name is not a word."""
    return "$" + "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" if part.isidentifier() else f"[{compact(part)}]"
        for part in path
    )
