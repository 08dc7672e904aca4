"""What an exception makes of a run."""

from __future__ import annotations

import signal

import pytest

from ledger.model import Status
from ledger.record import ending
from ledger.record.signals import Terminated


@pytest.mark.parametrize(
    ("error", "received", "status", "reason"),
    [
        (SystemExit(), None, Status.FINISHED, None),
        (SystemExit(0), signal.SIGINT, Status.FINISHED, None),
        (SystemExit(2), None, Status.FAILED, "exit code 2"),
        (SystemExit("no data\nat all"), None, Status.FAILED, "SystemExit: no data"),
        (SystemExit(0), signal.SIGTERM, Status.KILLED, "SIGTERM"),
        (Terminated(signal.SIGTERM), signal.SIGTERM, Status.KILLED, "SIGTERM"),
        (KeyboardInterrupt(), None, Status.KILLED, "KeyboardInterrupt"),
        (KeyboardInterrupt(), signal.SIGINT, Status.KILLED, "SIGINT"),
        (ValueError("late"), signal.SIGINT, Status.FAILED, "ValueError: late"),
        (RuntimeError("preempted"), signal.SIGTERM, Status.KILLED, "SIGTERM"),
        (ValueError(), None, Status.FAILED, "ValueError"),
    ],
)
def test_endings(error: BaseException, received: int | None, status: Status, reason: str | None) -> None:
    found = ending.of(error, received)
    assert (found.status, found.reason) == (status, reason)
    assert bool(found.event) == (status is Status.FAILED and not isinstance(error, SystemExit))
