"""What happened, as it stands in a journal. Shell scripts log through this in a loop: it imports next to nothing."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.errors import LedgerError

MAX_MESSAGE = 16_384
"""Characters."""


def event(
    message: str,
    *,
    level: str,
    time: int,
    logger: str | None = None,
    fields: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """A note of the kind `event`; `time` in microseconds since 1970."""
    return {
        "op": "event",
        "time": time,
        "level": level,
        "message": message[:MAX_MESSAGE],
        **({"logger": logger} if logger else {}),
        **({"fields": {name: _shown(value) for name, value in fields.items()}} if fields else {}),
    }


def _shown(value: object) -> object:
    """Numbers and texts as they are, anything else as JSON or as it prints."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    from ledger.record.plain import plain

    try:
        return plain(value, "event")
    except LedgerError:
        return repr(value)[:MAX_MESSAGE]
