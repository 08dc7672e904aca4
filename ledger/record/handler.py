"""`ledger.LogHandler`: what a program logs becomes events of its run, and never more than that."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from ledger.model import LEVELS
from ledger.record.live import Run, newest

_NUMBERS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
_TRACE_LINES = 30
_BURST_SECONDS = 10.0
"""So many seconds' worth may come at once."""
_TELL_SECONDS = 10.0


class LogHandler(logging.Handler):
    """Puts log records into a run, with level, logger, time and message; exceptions with the end of their traceback.

    It waits for nothing and raises nothing: a record that can't be shown is counted, as are those beyond the rate,
    and an event says how many.

        logging.getLogger().addHandler(ledger.LogHandler(run))
    """

    def __init__(
        self, run: Run | None = None, level: int | str = logging.INFO, *, per_second: float = 100.0
    ) -> None:
        """Take records of `level` and above.

        Args:
            run: where they go; else the run of this process that started last, as long as one goes on.
            level: the least, as logging has it.
            per_second: how many on average; ten seconds' worth may come at once.

        """
        super().__init__(level)
        self._run = run
        self._bucket = _Bucket(per_second)
        self._within = threading.local()
        self._left_out = 0
        self._told = time.monotonic()

    def handle(self, record: logging.LogRecord) -> bool:
        """As every handler does, but for the lock: what `emit` does is safe without."""
        passed: Any = self.filter(record)  # from Python 3.12 on a filter may put another record in its place
        if passed:
            self.emit(record if passed is True else passed)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Make an event of a record. What is logged on the way, by a value that is shown, goes nowhere."""
        if getattr(self._within, "busy", False):
            return
        self._within.busy = True
        try:
            self._emit(record)
        except Exception:  # noqa: BLE001 - a program never fails because of what it logs
            self._left_out += 1
        finally:
            self._within.busy = False

    def _emit(self, record: logging.LogRecord) -> None:
        run = self._run or newest()
        if run is None or run.inert:
            return
        if not self._bucket.take():
            self._left_out += 1
            return
        self._tell(run)
        fields = _error(record)
        run.event(
            self.format(record) if self.formatter else record.getMessage(),
            level=level_of(record.levelno),
            logger=record.name,
            time=record.created,
            **fields,
        )

    def _tell(self, run: Run) -> None:
        now = time.monotonic()
        if self._left_out and now - self._told > _TELL_SECONDS:
            self._say(run)
            self._told = now

    def _say(self, run: Run) -> None:
        count, self._left_out = self._left_out, 0
        run.event(f"{count:,} log records left out", level="warning", logger=__name__)

    def flush(self) -> None:
        """Say what was left out so far."""
        run = self._run or newest()
        if self._left_out and run is not None and not run.inert:
            self._say(run)

    def close(self) -> None:
        """Say what was left out, and take no more."""
        self.flush()
        super().close()


class _Bucket:
    """So many a second on average, and some at once. Races make it a little generous, never wrong."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._most = self._there = max(per_second * _BURST_SECONDS, 1.0)
        self._clock = clock
        self._at = clock()

    def take(self) -> bool:
        now = self._clock()
        there = min(self._there + (now - self._at) * self._rate, self._most)
        self._at = now
        self._there = there - 1 if there >= 1 else there
        return there >= 1


def level_of(number: int) -> str:
    """The word for a level of logging: that of the standard level at or below it."""
    return LEVELS[sum(number >= least for least in _NUMBERS)]


def _error(record: logging.LogRecord) -> dict[str, object]:
    if not record.exc_info or record.exc_info[1] is None:
        return {}
    error = record.exc_info[1]
    lines = "".join(traceback.format_exception(error)).splitlines()
    return {"type": type(error).__name__, "traceback": lines[-_TRACE_LINES:]}
