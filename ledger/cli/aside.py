"""Values that do not count, as people and programs see them: in parentheses, in the terms of their own frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ledger.model import Metric
    from ledger.schema.definition import Definition


ADOPT = "if they mean the same, `ledger schema migrate` drafts the migration that joins them"
"""What becomes of values that were recorded before a schema said what they mean."""


def parenthesised(text: str, own: Definition | None, target_unit: str | None) -> str:
    """`(0.842)`, with the unit where it is not that of the column: `(1500 ms)`, `(0.842 [1])`; nothing for nothing."""
    unit = own.unit if own and own.unit != (target_unit or "1") else None
    if unit == "1":
        unit = "[1]"
    return f"({text} {unit})" if unit and text else f"({text})" if text else ""


def own_document(value: Metric, own: Definition | None) -> dict[str, Any] | None:
    """The value under the newest definition of its own frame; None where it has no other frame."""
    return None if own is None else {"value": value, "unit": own.unit, "definition": own.did}
