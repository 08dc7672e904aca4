"""Signals that end a process, while runs are live: the run is finished first, and then all goes as it would have gone.

Handlers stand only while a run is live, only in the main thread, and never in place of an ignored signal. One that
would have killed becomes `Terminated`, which unwinds the block of the run; a handler of the user's is called as before.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
Handler = Callable[[int, FrameType | None], Any]


class Terminated(SystemExit):
    """A signal that would have killed this process. Its code is what a shell says of such a death."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = number


class Guard:
    """A lock that a signal never breaks into: one that comes meanwhile is delivered when it is let go."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        """Of the main thread, the only one that runs handlers."""
        self.deferred: int | None = None

    @property
    def busy(self) -> bool:
        return self._depth > 0

    def __enter__(self) -> None:
        if _is_main():
            self._depth += 1
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
        if _is_main():
            self._depth -= 1
            if not self._depth and self.deferred is not None:
                number, self.deferred = self.deferred, None
                _deliver(number, None)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """No signals, and no lock either."""
        if _is_main():
            self._depth += 1
        try:
            yield
        finally:
            if _is_main():
                self._depth -= 1


class Watcher:
    """What a live run hands in to be told of signals."""

    def __init__(self) -> None:
        self.guard = Guard()
        self.signal: int | None = None
        """The last that came."""


_watchers: list[Watcher] = []
_previous: dict[int, Any] = {}
_fatal: list[int] = []
"""The signal that this process dies of when its last run is finished."""


def watch(watcher: Watcher) -> None:
    """Tell a run of signals from now on."""
    _watchers.append(watcher)
    if _is_main():
        for number in _ENDING:
            if number not in _previous and signal.getsignal(number) not in (signal.SIG_IGN, None):
                _previous[number] = signal.signal(number, _handle)


def unwatch(watcher: Watcher) -> None:
    """The run is finished. After the last one a signal that would have killed does so."""
    with suppress(ValueError):
        _watchers.remove(watcher)
    if not _watchers:
        _restore()
    late, watcher.guard.deferred = watcher.guard.deferred, None
    number = _fatal.pop() if _fatal and not _watchers else late
    if number is not None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os.kill(os.getpid(), number)


def dying() -> bool:
    """Whether a signal came that kills this process when its runs are finished."""
    return bool(_fatal)


def forget() -> None:
    """In a forked child: no run is live here, and signals do what they did before."""
    _watchers.clear()
    _fatal.clear()
    _restore()


def _restore() -> None:
    for number, handler in list(_previous.items()):
        del _previous[number]
        if signal.getsignal(number) is _handle:
            with suppress(ValueError):  # not the main thread
                signal.signal(number, handler)


def _handle(number: int, frame: FrameType | None) -> None:
    busy = next((watcher.guard for watcher in _watchers if watcher.guard.busy), None)
    if busy is not None:
        busy.deferred = number
    else:
        _deliver(number, frame)


def _deliver(number: int, frame: FrameType | None) -> None:
    for watcher in _watchers:
        watcher.signal = number
    previous = _previous.get(number)
    if callable(previous):
        previous(number, frame)
    elif _watchers:
        _fatal[:] = [number]
        raise Terminated(number)
    else:
        _die(number)


def _die(number: int) -> None:
    """As if no handler had ever been there."""
    if signal.getsignal(number) is _handle:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _is_main() -> bool:
    return threading.get_ident() == threading.main_thread().ident
