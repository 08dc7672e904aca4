"""In which identifying fields two definitions differ, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ledger import canonical
from ledger.schema.definition import IDENTITY, Definition

_ABSENT = object()


def differences(recorded: Definition, target: Definition) -> tuple[str, ...]:
    """Name the identifying fields that differ: `unit % → 1`, `how.average macro → weighted`."""
    fields = ("role", "name", *dict.fromkeys((*IDENTITY[recorded.role], *IDENTITY[target.role])))
    pairs = (_pair(field, getattr(recorded, field), getattr(target, field)) for field in fields)
    return tuple(text for texts in pairs for text in texts)


def changed_fields(recorded: Definition, target: Definition) -> frozenset[str]:
    """The identifying fields that differ, each once: `how`, `unit`."""
    return frozenset(text.split(" ")[0].split(".")[0] for text in differences(recorded, target))


def _pair(label: str, old: object, new: object) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from _pair(f"{label}.{key}", old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif _text(old) != _text(new):
        yield f"{label} {_text(old)} → {_text(new)}"


def _text(value: object) -> str:
    """Show a field to people: bare text, lists joined, all else as JSON; what is not there is `(none)`."""
    if value is _ABSENT or value is None or value == ():
        return "(none)"
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return " or ".join(_text(item) for item in value)
    return canonical.jcs(value).decode()
