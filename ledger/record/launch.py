"""Running a program of any language as a run: its output passes through, signals reach it, and how it ended is known.

The program is a child in a process group of its own, to which signals go on. Where it was started from a terminal, it
stays in the terminal's group, which Ctrl-C reaches by itself.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Self

from ledger.errors import LedgerError
from ledger.record import secrets

TAIL_BYTES = 65_536
"""Kept of each stream."""
NOT_FOUND, NOT_STARTED = 127, 126
"""Exit codes of a shell for a program that isn't there, and for one that can't be started."""
_NOTHING = "nothing was run, and nothing recorded"
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PASSED_ON = (*_ENDING, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_OF_THE_TERMINAL = frozenset((signal.SIGINT, signal.SIGHUP, signal.SIGQUIT))
"""These a terminal sends to its whole group."""
_KILLING = frozenset((*_ENDING, signal.SIGKILL, signal.SIGXCPU))
"""Deaths that come from outside; any other signal is the program's own failure."""
_PIPE_BYTES = 1 << 20
"""The most that a pipe holds: what comes later was written after the program had ended."""
_DRAIN_SECONDS = 1.0
_LINES, _MAX_LINE = 40, 1000
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""Colours and the like of a terminal."""


class ProgramNotFoundError(LedgerError):
    """There is no such program."""

    kind = "not-found"
    exit_code = NOT_FOUND


class NotExecutableError(LedgerError):
    """The program may not be run, or the system can't run it."""

    kind = "not-executable"
    exit_code = NOT_STARTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended."""

    code: int
    """As a shell has it: 128 + the signal that it died of."""
    died_of: int | None = None
    received: int | None = None
    """The last signal that was to end it, as far as it passed through here."""
    stdout: bytes = b""
    """The last of what it printed; empty where it had the stream itself."""
    stderr: bytes = b""

    @property
    def killed(self) -> bool:
        """Whether it ended because somebody wanted it to."""
        return self.received is not None or self.died_of in _KILLING


def located(program: str, directory: Path, environ: Mapping[str, str]) -> str:
    """The file of a program, as a shell finds it. Raises ProgramNotFoundError, NotExecutableError."""
    if os.sep in program:
        path = directory / program
        found = str(path) if path.is_file() and os.access(path, os.X_OK) else None
        there = path.exists()
    else:
        found = shutil.which(program, path=environ.get("PATH"))
        there = found is None and shutil.which(program, os.F_OK, environ.get("PATH")) is not None
    if found is not None:
        return found
    if there:
        raise NotExecutableError(f"{program}: not a program that may be run", hint=_NOTHING)
    raise ProgramNotFoundError(f"{program}: no such program", hint=_NOTHING)


def launch(
    words: Sequence[str],
    *,
    directory: Path,
    environ: Mapping[str, str],
    tee: bool = True,
    grace: float | None = None,
) -> Ended:
    """Run a program to its end. Only the main thread may.

    Args:
        words: the program, as `located` found it, and its arguments.
        directory: where it works.
        environ: its environment.
        tee: pass its output through here and keep the last of it; else it has our streams.
        grace: seconds after a signal that was to end it, after which it is killed; None waits as long as it takes.

    Raises:
        OSError: the system can't run the program.

    """
    terminal = _owns_terminal()
    with _Signals(alone=not terminal, grace=grace) as signals:
        child = subprocess.Popen(
            words,
            cwd=directory,
            env=_unbuffered(environ) if tee else environ,
            stdout=subprocess.PIPE if tee else None,
            stderr=subprocess.PIPE if tee else None,
            process_group=None if terminal else 0,
        )
        signals.reach(child)
        with _pumps(child) as (out, err):
            code = child.wait()
    return Ended(
        code=128 - code if code < 0 else code,
        died_of=-code if code < 0 else None,
        received=signals.received,
        stdout=out.tail if out else b"",
        stderr=err.tail if err else b"",
    )


def _owns_terminal() -> bool:
    """Whether this process group is the one that a terminal's keys reach."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _unbuffered(environ: Mapping[str, str]) -> Mapping[str, str]:
    """A Python program at a pipe keeps its lines back, and somebody may be watching."""
    if not os.isatty(1):
        return environ
    return {"PYTHONUNBUFFERED": "1", **environ}


class _Signals:
    """Passes signals on to a child."""

    def __init__(self, *, alone: bool, grace: float | None) -> None:
        self.received: int | None = None
        self._alone = alone
        """The child has a process group of its own."""
        self._grace = grace
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._previous: dict[int, object] = {}
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        for number in _PASSED_ON:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as it was given to us
        if self._timer is not None:
            self._timer.cancel()

    def reach(self, child: subprocess.Popen[bytes]) -> None:
        """The child has started: signals that came before go to it now."""
        self._child = child
        for number in self._early:
            self._pass_on(number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number in _ENDING:
            self.received = number
        if self._child is None:
            self._early.append(number)
        else:
            self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        if self._alone or number not in _OF_THE_TERMINAL:
            self._send(number)
        if number in _ENDING and self._grace is not None and self._timer is None:
            self._timer = threading.Timer(self._grace, self._send, (signal.SIGKILL,))
            self._timer.daemon = True
            self._timer.start()

    def _send(self, number: int) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            return
        with suppress(ProcessLookupError, PermissionError):
            if self._alone:
                os.killpg(child.pid, number)
            else:
                os.kill(child.pid, number)


@contextmanager
def _pumps(child: subprocess.Popen[bytes]) -> Iterator[tuple[_Pump | None, _Pump | None]]:
    """Its two streams, passed through while the block runs, and to their ends after it."""
    pumps = tuple(
        _Pump(stream, sink) if stream else None for stream, sink in ((child.stdout, 1), (child.stderr, 2))
    )
    for pump in pumps:
        if pump is not None:
            pump.start()
    try:
        yield pumps[0], pumps[1]
    finally:
        for pump in pumps:
            if pump is not None:
                pump.drain()


class _Pump(threading.Thread):
    """Passes one stream on, byte by byte as it came, and keeps the last of it."""

    def __init__(self, source: IO[bytes], sink: int) -> None:
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
        descriptor = self._source.fileno()
        while data := os.read(descriptor, 65_536):
            self._writing = True
            self._keep(data)
            try:
                _write(self._sink, data)
            except OSError:  # whoever read our output is gone: the program is to learn it
                break
            self._passed += len(data)
            self._writing = False
        self._source.close()

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


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:  # a terminal that somebody else made so
            select.select((), (descriptor,), ())


def reason(ended: Ended) -> str | None:
    """Why it did not end well, in one line; None where it did."""
    if ended.killed or ended.died_of:
        return _name(ended.received or ended.died_of or 0)
    if not ended.code:
        return None
    lines = last_lines(ended.stderr)
    return f"exit code {ended.code}: {lines[-1]}"[:_MAX_LINE] if lines else f"exit code {ended.code}"


def last_lines(output: bytes) -> list[str]:
    """The end of an output as people saw it: of a line that was written over and over the last state; no secrets."""
    text = output.decode("utf-8", "replace")
    states = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    shown = (_ESCAPES.sub("", line).rstrip() for line in states)
    lines = ["".join(c if c.isprintable() or c == "\t" else "?" for c in line) for line in shown if line]
    kept = "\n".join(line[:_MAX_LINE] for line in lines[-_LINES:])
    return secrets.scrub_text("output", kept)[0].split("\n") if kept else []


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
