"""JSON documents of many records, parsed together: one call for a hundred costs two thirds of a hundred calls."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

from ledger.errors import InputError, LedgerError
from ledger.store import codec

Document = dict[str, Any] | Exception
"""What a file says, or what is wrong with it."""

WRONG = (LedgerError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What reading something else than a run can end in."""

_TOGETHER_BYTES: Final = 8 << 20
"""Above this a text of them all would cost more memory than it saves time."""

# Each call of it forgets the names it has seen: documents that are parsed together share them.
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


def parsed(data: bytes | None, name: str) -> dict[str, Any]:
    """Fast, not strict: what was recorded was checked when it was; `ledger verify` reads strictly.

    Raises InputError, ValueError.
    """
    if data is None:
        raise InputError(f"{name} is missing or too large")
    if len(data) > codec.MAX_BYTES[name]:
        raise InputError(f"{name}: {len(data):,} bytes")
    text = data.decode()
    if "\\ud" in text or "\\uD" in text:
        return _decoded(json.dumps(json.loads(text), ensure_ascii=False).encode().decode(), name)
    return _decoded(text, name)


def all_parsed(files: Sequence[bytes | None], name: str) -> list[Document]:
    """As `parsed` does, each or why not, in order."""
    together = _together(files, codec.MAX_BYTES[name])
    return [_alone(data, name) for data in files] if together is None else together


def sound(document: Document) -> dict[str, Any]:
    """What a file says; raises what is wrong with it."""
    if isinstance(document, Exception):
        raise document
    return document


def said(error: Exception) -> str:
    """One line about one of `WRONG`."""
    return error.message if isinstance(error, LedgerError) else f"not a run: {type(error).__name__}: {error}"


def _alone(data: bytes | None, name: str) -> Document:
    try:
        return parsed(data, name)
    except (InputError, ValueError) as error:
        return error


def _together(files: Sequence[bytes | None], limit: int) -> list[Document] | None:
    """All as one JSON array; None where one of them is not plainly an object, and they have to be looked at alone.

    Between any two stands a text that no file can hold, since it is made now: where all of these come back as
    elements of the array, nothing in a file has reached beyond it.
    """
    whole = [data for data in files if data is not None and len(data) <= limit and data[:1] == b"{"]
    if len(whole) < len(files) or sum(map(len, whole)) > _TOGETHER_BYTES:
        return None
    mark = secrets.token_hex(16)
    try:
        data = b"".join((b"[", f',"{mark}",'.encode().join(whole), b"]"))
        if b"\\u" in data:  # maybe half of a pair
            return None
        text = data.decode()
        found, end = _scan(text, 0)
    except (ValueError, StopIteration, RecursionError):
        return None
    documents: list[Document] = found[::2]
    apart = end == len(text) and found[1::2] == [mark] * (len(files) - 1)
    return documents if apart and len(documents) == len(files) and _are_objects(documents) else None


def _are_objects(documents: Sequence[object]) -> bool:
    return {dict}.issuperset(map(type, documents))


def _decoded(text: str, name: str) -> dict[str, Any]:
    try:
        value, end = _scan(text, 0)
    except RecursionError as error:
        raise InputError(f"{name}: nested too deep") from error
    except StopIteration as error:
        raise InputError(f"{name} is not JSON") from error
    if not isinstance(value, dict) or text[end:].strip():
        raise InputError(f"{name} is not a JSON object")
    return value
