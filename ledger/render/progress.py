"""One line on standard error that says how far a long task is, and leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from ledger.render.terminal import escape

_SECONDS_BETWEEN = 0.1
_SECONDS_BEFORE_FIRST = 0.3
_ERASE_LINE = "\r\x1b[K"


class Progress:
    """Counts towards `total` (None: unknown), at most ten times a second; what is soon done shows nothing."""

    def __init__(
        self,
        stream: TextIO,
        *,
        enabled: bool,
        label: str,
        total: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._enabled = enabled
        self._label = escape(label, ascii_only=True)
        self._total = total
        self._clock = clock
        self._done = 0
        self._due = clock() + _SECONDS_BEFORE_FIRST
        self._shown = False

    def advance(self, count: int = 1) -> None:
        self._done += count
        if self._enabled and self._clock() >= self._due:
            self._show()

    def reach(self, done: int, total: int) -> None:
        """So much of so much is done."""
        self._total = total
        self.advance(done - self._done)

    def close(self) -> None:
        """Clears the line."""
        if self._shown:
            self._stream.write(_ERASE_LINE)
            self._stream.flush()
            self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _show(self) -> None:
        self._stream.write(f"{_ERASE_LINE}{self._label}: {self._amount()}")
        self._stream.flush()
        self._shown = True
        self._due = self._clock() + _SECONDS_BETWEEN

    def _amount(self) -> str:
        if not self._total:
            return f"{self._done:,}"
        return f"{min(100, 100 * self._done // self._total):3d}% ({self._done:,}/{self._total:,})"
