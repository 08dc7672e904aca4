"""Something that is wrong with a clone, or about to go wrong, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    code: str
    """Stable: what scripts look at."""
    what: str
    hint: str
    severity: Literal["error", "warning"] = "error"
    """A warning is about what ledger works without."""


def warning(code: str, what: str, hint: str) -> Problem:
    return Problem(code=code, what=what, hint=hint, severity="warning")
