"""How a run ends by an exception: its status, the reason in one line, and an event that says where."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.model import Status
from ledger.record.signals import Terminated

MAX_LINE = 1000
_TRACE_LINES = 30
_ENDING = (signal.SIGTERM, signal.SIGHUP)
"""After these any exception is an end from without: a handler may raise one of its own. An interrupt may have been
handled long ago, as in a notebook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    status: Status
    reason: str | None = None
    event: Mapping[str, Any] = field(default_factory=dict)
    """Level, message and fields; empty for an end that needs none."""


def of(error: BaseException, received: int | None) -> Ending:
    """What an exception that leaves the block of a run makes of it; `received` is the last signal that came."""
    told_to_end = received in _ENDING
    if isinstance(error, SystemExit) and not isinstance(error, Terminated) and not told_to_end:
        if error.code in (None, 0):
            return Ending(status=Status.FINISHED)
        said = f"exit code {error.code}" if isinstance(error.code, int) else _one_line(error)
        return Ending(status=Status.FAILED, reason=said[:MAX_LINE])
    if isinstance(error, (KeyboardInterrupt, SystemExit)) or told_to_end:
        return Ending(status=Status.KILLED, reason=_signal_name(received))
    lines = "".join(traceback.format_exception(error)).splitlines()
    event = {
        "level": "error",
        "message": _one_line(error),
        "fields": {"type": type(error).__name__, "traceback": lines[-_TRACE_LINES:]},
    }
    return Ending(status=Status.FAILED, reason=_one_line(error), event=event)


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:MAX_LINE] if lines else type(error).__name__


def _signal_name(number: int | None) -> str:
    return signal.Signals(number).name if number is not None else "KeyboardInterrupt"
