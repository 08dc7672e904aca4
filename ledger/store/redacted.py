"""Values taken out of recorded files: where they stood, what stands there instead, and how files look without them.

The mark says which redaction took the value out and nothing of the value, not even a hash: a short secret could be
guessed from that. Everything here depends on its arguments only, so that every clone comes to the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ledger import canonical
from ledger.errors import InputError, LedgerError
from ledger.store import codec

MARK = re.compile(r"\[redacted [0-9a-f]{12}\]")
_DIGITS = 12
_MARKED_EVENT = re.compile(rb'\{"message": ?"\[redacted [0-9a-f]{12}\]"\}\n?')
_ANYTHING = frozenset({codec.PARAMS})
_TEXTS = frozenset({"note", "name", "reason", "tags", "command", "environment", "artifacts"})
"""Keys of run.json below which texts may be taken out: the others say what the record is."""
_KEPT_OF_EVENTS = (("time",), ("level",))
_MAX_PATH = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """A value in a run: `params.json:/optimizer/token` (RFC 6901).

    Or one in the third event: `events.jsonl:/2/message`; or the whole file of events: `events.jsonl:`.
    """

    file: str
    keys: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}:" + "".join(f"/{key.replace('~', '~0').replace('/', '~1')}" for key in self.keys)


def place(text: str) -> Place:
    """Raises InputError for what names no value that can be taken out."""
    file, colon, pointer = text.partition(":")
    keys = tuple(key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:])
    found = Place(file, keys)
    if not colon or len(text) > _MAX_PATH or (pointer and not pointer.startswith("/")) or not _allowed(found):
        raise InputError(
            f"not a value that can be taken out: {text[:80]}",
            hint="params.json:/token, run.json:/environment/KEY, run.json:/note, events.jsonl:/0/message or events.jsonl:",
        )
    return found


def _allowed(found: Place) -> bool:
    if found.file == codec.EVENTS:
        return not found.keys or (found.keys[0].isdecimal() and found.keys[1:2] not in _KEPT_OF_EVENTS)
    if found.file == codec.RUN:
        return bool(found.keys) and found.keys[0] in _TEXTS
    return found.file == codec.PARAMS and bool(found.keys)


def mark(redaction: str) -> str:
    """What stands where a value was."""
    return f"[redacted {redaction[:_DIGITS]}]"


def without(data: bytes, found: Place, marked: str) -> tuple[bytes, object] | None:
    """A file with the mark in the place of the value, and the value; None where there is none to take out."""
    if found.file == codec.EVENTS and not found.keys:
        line = _event(marked)
        return None if not data or _MARKED_EVENT.fullmatch(data) else (line, None)
    try:
        document = _parsed(data, found)
        holder, key = _holder(document, found.keys)
        value = holder[key]
    except (LedgerError, LookupError, TypeError, ValueError):
        return None
    if isinstance(value, str) and MARK.fullmatch(value):
        return None
    if found.file == codec.EVENTS:
        return _event_without(data, found, marked, value, document)
    if found.file not in _ANYTHING and not isinstance(value, str) and found.keys[0] != "environment":
        return None
    holder[key] = marked
    return canonical.dumps(document), value


def restored(data: bytes, found: Place, marked: str, value: object) -> bytes | None:
    """A file with a value where a mark stands: how it was, if that is the value that was taken out."""
    if found.file == codec.EVENTS:
        return None  # no edit changes them: a file that held the value is known by its id
    try:
        document = _parsed(data, found)
        holder, key = _holder(document, found.keys)
        if holder[key] != marked:
            return None
    except (LedgerError, LookupError, TypeError, ValueError):
        return None
    holder[key] = value
    return canonical.dumps(document)


def _parsed(data: bytes, found: Place) -> Any:
    if found.file != codec.EVENTS:
        return canonical.loads(data, what=found.file)
    number = int(found.keys[0])
    lines = data.splitlines()
    return {found.keys[0]: canonical.loads(lines[number], what=found.file)}


def _event_without(
    data: bytes, found: Place, marked: str, value: object, document: Any
) -> tuple[bytes, object] | None:
    """The other lines stay byte for byte."""
    lines = data.splitlines(keepends=True)
    number = int(found.keys[0])
    if not isinstance(document[found.keys[0]], dict) or _MARKED_EVENT.fullmatch(lines[number]):
        return None
    holder, key = _holder(document, found.keys)
    holder[key] = marked
    event = document[found.keys[0]]
    lines[number] = _event(marked) if event == marked else canonical.compact(event).encode() + b"\n"
    return b"".join(lines), value


def _event(message: str) -> bytes:
    return canonical.compact({"message": message}).encode() + b"\n"


def _holder(document: Any, keys: tuple[str, ...]) -> tuple[Any, Any]:
    """What holds the value, and under which key. Raises LookupError, TypeError, ValueError."""
    for key in keys[:-1]:
        document = document[int(key)] if isinstance(document, list) else document[key]
    if isinstance(document, str):
        raise TypeError("a text has no keys")
    return document, int(keys[-1]) if isinstance(document, list) else keys[-1]


def message_without(message: bytes, value: object, found: Place, marked: str) -> bytes:
    """The message of a commit without the value; a signature over what was taken out goes, too."""
    text = message.decode("utf-8", "surrogateescape")
    if isinstance(value, str) and value.strip():
        text = text.replace(value, marked)
    if found.keys[:1] == ("reason",):  # the subject may hold the beginning of it
        subject, end, rest = text.partition("\n")
        text = f"{subject.partition(': ')[0]}: {marked} (edited){end}{rest}"
    text = "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("Ledger-Signature: ")
    )
    return text.encode("utf-8", "surrogateescape")
