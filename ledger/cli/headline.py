"""What every command that records a run says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.model import Status

if TYPE_CHECKING:
    from ledger.model import Code
    from ledger.record.draft import Recorded

_METRICS = 3


def headline(done: Recorded) -> str:
    """`recorded 3f9c21aa in main: f1 0.91 loss 0.31  code 6b86b273f`; the status too, where it did not finish."""
    from ledger.render.format import number
    from ledger.render.terminal import escape

    first = list(done.metrics.items())[:_METRICS]
    shown = " ".join(f"{name} {number(value) or 'null'}" for name, value in first) or "no metrics"
    left = len(done.metrics) - len(first)
    more = f" and {left} more" if left else ""
    status = "" if done.status is Status.FINISHED else f" ({done.status})"
    return escape(f"recorded {done.id[:8]} in {done.experiment}{status}: {shown}{more}{_code(done.code)}")


def _code(code: Code | None) -> str:
    if code is None:
        return ""
    kept = f", kept as {code.snapshot[:9]}" if code.snapshot else ""
    return f"  code {code.commit[:9]}{f' dirty{kept}' if code.dirty else ''}"
