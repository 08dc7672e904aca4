"""How a recorded value relates to the definition it is to be shown under.

Without migrations a value is either under the very same definition, or it is not comparable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ledger import canonical
from ledger.model import Grade
from ledger.schema.definition import IDENTITY, Definition, undeclared
from ledger.schema.document import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A grade, and in words why it is not simply identical."""

    grade: Grade
    reason: str = ""


_BY_NAME = Comparison(grade=Grade.IDENTICAL, reason="not declared, compared by name")
_ABSENT = object()


def target_of(metric: str, schema: Schema | None) -> Definition:
    """Find the definition that `schema` gives a metric, or the implicit one of its bare name."""
    declared = schema.metrics.get(metric) if schema else None
    return declared or undeclared(metric)


def compare(recorded: Definition | None, target: Definition | None) -> Comparison:
    """Grades values recorded under one definition for a view under another; None is undeclared.

    A definition that says nothing but its name counts as undeclared. Both are of the same metric unless they
    say otherwise.
    """
    if recorded is None or target is None:
        return _one_sided(recorded, target)
    if recorded.did == target.did:
        return Comparison(grade=Grade.IDENTICAL) if target.declared else _BY_NAME
    if recorded.name == target.name and recorded.declared != target.declared:
        return _one_sided(recorded if recorded.declared else None, target if target.declared else None)
    changes = "; ".join((*differences(recorded, target), "no migration"))
    return Comparison(grade=Grade.INCOMPARABLE, reason=changes)


def _one_sided(recorded: Definition | None, target: Definition | None) -> Comparison:
    if target is not None and target.declared:
        return Comparison(
            grade=Grade.UNDECLARED, reason=f"recorded without a definition, wanted as d1:{target.short}"
        )
    if recorded is not None and recorded.declared:
        return Comparison(
            grade=Grade.UNDECLARED, reason=f"recorded as d1:{recorded.short}, which is not declared here"
        )
    return _BY_NAME


def differences(recorded: Definition, target: Definition) -> tuple[str, ...]:
    """Name the identifying fields that differ: `unit % → 1`, `how.average macro → weighted`."""
    fields = ("role", "name", *dict.fromkeys((*IDENTITY[recorded.role], *IDENTITY[target.role])))
    pairs = (_pair(field, getattr(recorded, field), getattr(target, field)) for field in fields)
    return tuple(text for texts in pairs for text in texts)


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
