"""Running a program of any language as a run: its output passes through, signals reach it, and how it ended is known.

The program is a child in a process group of its own, to which signals go on. Where it was started from a terminal, it
stays in the terminal's group, which Ctrl-C reaches by itself. Where we print to a terminal, so does it (`screen`).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Self

from ledger.errors import LedgerError
from ledger.record import secrets
from ledger.record.screen import Screen
from ledger.record.tee import Tails, Tee

NOT_FOUND, NOT_STARTED = 127, 126
"""Exit codes of a shell for a program that isn't there, and for one that can't be started."""
_NOTHING = "nothing was run, and nothing recorded"
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PASSED_ON = (*_ENDING, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_OF_THE_TERMINAL = frozenset((signal.SIGINT, signal.SIGHUP, signal.SIGQUIT))
"""These a terminal sends to its whole group."""
_KILLING = frozenset((*_ENDING, signal.SIGKILL, signal.SIGXCPU))
"""Deaths that come from outside; any other signal is the program's own failure."""
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
    tails: Tails = field(default_factory=Tails)
    """The last of what it printed; nothing where it had our streams themselves."""
    died_of: int | None = None
    received: int | None = None
    """The last signal that was to end it, as far as it passed through here."""

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
    screen = (Screen.like(1) or Screen.like(2)) if tee else None
    terminal = _owns_terminal()
    with _Signals(alone=not terminal, grace=grace, screen=screen) as signals, Tee(screen, on=tee) as output:
        child = subprocess.Popen(
            words,
            cwd=directory,
            env=_unbuffered(environ) if tee and not screen else environ,
            stdout=output.stdout,
            stderr=output.stderr,
            process_group=None if terminal else 0,
        )
        signals.reach(child)
        with output.passing():
            code = child.wait()
    return Ended(
        code=128 - code if code < 0 else code,
        tails=output.tails,
        died_of=-code if code < 0 else None,
        received=signals.received,
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

    def __init__(self, *, alone: bool, grace: float | None, screen: Screen | None) -> None:
        self.received: int | None = None
        self._alone = alone
        """The child has a process group of its own."""
        self._grace = grace
        self._screen = screen
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._previous: dict[int, object] = {}
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        for number in _PASSED_ON:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._previous[number] = signal.signal(number, self._handle)
        if self._screen is not None:
            self._previous[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._resize)
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

    def _resize(self, number: int, frame: FrameType | None) -> None:
        """The terminal told its group already, which may have looked before the new size was known here."""
        del frame
        if self._screen is None or not self._screen.fit() or self._child is None:
            return
        if self._alone:
            self._send(number)
        else:
            os.killpg(0, number)

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


def reason(ended: Ended) -> str | None:
    """Why it did not end well, in one line; None where it did."""
    if ended.killed or ended.died_of:
        return _name(ended.received or ended.died_of or 0)
    if not ended.code:
        return None
    lines = last_lines(ended.tails.stderr or ended.tails.terminal)
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
