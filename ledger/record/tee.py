"""What a program prints, passed on byte by byte as it came, the last of it kept.

Through a pseudo-terminal where our own stream is a terminal, else through a pipe. Streams that go to one terminal go
through one, in the order in which they were written, and can't be told apart any more.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from ledger.frozen import frozen
from ledger.record.screen import Screen

TAIL_BYTES = 65_536
"""Kept of each stream."""
_STDOUT, _STDERR = 1, 2
_PIPE_BYTES = 1 << 20
"""The most that a pipe holds: what comes later was written after the program had ended."""
_DRAIN_SECONDS = 1.0


@frozen()
class Tails:
    """The last of what a program printed."""

    stdout: bytes = b""
    stderr: bytes = b""
    terminal: bytes = b""
    """Of both, where they went to one terminal; of the one that did, where the other did not."""


class Tee:
    """The ends of a program's output: `stdout` and `stderr` are what it is started with, None for our own."""

    stdout: int | None = None
    stderr: int | None = None

    def __init__(self, screen: Screen | None, *, on: bool) -> None:
        self._screen = screen
        self._pumps: dict[str, _Pump] = {}
        self._inside: list[int] = []
        if screen is not None:
            self._pumps["terminal"] = _Pump(screen.outside, _STDOUT if screen.shows(_STDOUT) else _STDERR)
            self._inside.append(screen.inside)
        if on:
            self.stdout = self._end("stdout", _STDOUT)
            self.stderr = self._end("stderr", _STDERR)

    def _end(self, name: str, sink: int) -> int:
        if self._screen is not None and self._screen.shows(sink):
            return self._screen.inside
        outside, inside = os.pipe()
        self._pumps[name] = _Pump(outside, sink)
        self._inside.append(inside)
        return inside

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._inside:  # nothing was started
            self._close_inside()
            for pump in self._pumps.values():
                pump.close()

    def _close_inside(self) -> None:
        while self._inside:
            os.close(self._inside.pop())

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Pass on while the block runs, and after it what was written up to its end. The program has been started."""
        self._close_inside()  # so that its output ends with the last process that has it
        for pump in self._pumps.values():
            pump.start()
        try:
            yield
        finally:
            for pump in self._pumps.values():
                pump.drain()

    @property
    def tails(self) -> Tails:
        return Tails(**{name: pump.tail for name, pump in self._pumps.items()})


class _Pump(threading.Thread):
    """Passes one stream on, and keeps the last of it."""

    def __init__(self, source: int, sink: int) -> None:
        super().__init__(name="ledger-output", daemon=True)
        self._source = source
        self._sink = sink
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._passed = 0
        self._writing = False

    @property
    def tail(self) -> bytes:
        return b"".join(self._kept)[-TAIL_BYTES:]

    def run(self) -> None:
        while data := _read(self._source):
            self._writing = True
            self._keep(data)
            try:
                _write(self._sink, data)
            except OSError:  # whoever read our output is gone: the program is to learn it
                break
            self._passed += len(data)
            self._writing = False
        self.close()

    def close(self) -> None:
        os.close(self._source)

    def _keep(self, data: bytes) -> None:
        self._kept.append(data)
        self._size += len(data)
        while self._size - len(self._kept[0]) >= TAIL_BYTES:
            self._size -= len(self._kept.popleft())

    def drain(self) -> None:
        """Wait for all that the program had written when it ended, not for what it left running."""
        before = self._passed
        while self.is_alive():
            passed = self._passed
            self.join(_DRAIN_SECONDS)
            idle = self._passed == passed and not self._writing
            if idle or self._passed - before > _PIPE_BYTES:
                return


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # how a pseudo-terminal says that nobody has its other end any more
        return b""


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:  # a terminal that somebody else made so
            select.select((), (descriptor,), ())
