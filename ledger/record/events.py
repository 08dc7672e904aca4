"""`events.jsonl`: one JSON object a line, with `time` (RFC 3339), `level`, `message`, and `logger` and `fields` if any."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ledger.model import utc_text_of
from ledger.record import secrets

MAX_BYTES = 32 << 20
"""What comes after is counted."""


def event(level: str, message: str) -> dict[str, Any]:
    """One that ledger itself adds."""
    return {"level": level, "message": message}


def lines(found: Sequence[Mapping[str, Any]]) -> bytes:
    """Events as they stand in a journal (`time` in microseconds since 1970), as the file; secrets are masked."""
    out: list[bytes] = []
    size = 0
    for number, one in enumerate(found):
        line = _line(one)
        size += len(line)
        if size > MAX_BYTES:
            out.append(_line(event("warning", f"{len(found) - number:,} further events left out")))
            break
        out.append(line)
    return b"".join(out)


def _line(one: Mapping[str, Any]) -> bytes:
    document = dict(one)
    if "time" in document:
        document["time"] = utc_text_of(document["time"])
    document["message"], _ = secrets.scrub_text("event", str(document.get("message", "")))
    text = json.dumps(_finite(document), ensure_ascii=False, sort_keys=True)
    return text.encode("utf-8", "replace") + b"\n"


def _finite(value: Any) -> Any:
    """Non-finite numbers as the words that all files of a run have for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value
