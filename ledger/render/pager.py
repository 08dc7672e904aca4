"""Output through a pager, as git does it: the same choice of program, the same environment, the same silence."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from subprocess import Popen

DEFAULT_PAGER = "less"
_CHILD_DEFAULTS = {"LESS": "FRX", "LV": "-c"}
_SHELL_CHARACTERS = frozenset("|&;<>()$`\\*?[#~=%")


def pager_command(environ: Mapping[str, str], configured: str | None = None) -> str:
    """GIT_PAGER, then `core.pager` (`configured`), then PAGER, then less; empty where that names no pager."""
    choices = (environ.get("GIT_PAGER"), configured, environ.get("PAGER"), DEFAULT_PAGER)
    command = next(choice for choice in choices if choice is not None).strip()
    return "" if command == "cat" else command


@contextmanager
def paged(stdout: TextIO, command: str, environ: Mapping[str, str]) -> Iterator[IO[str]]:
    """A stream that ends up on `stdout`, through `command` unless that is empty or can't be started.

    Leaving waits until the reader quits. A reader who quits early ends the block silently.
    """
    stdout.flush()
    process = _start(command, stdout, environ) if command else None
    if process is None:
        yield stdout
        return
    assert process.stdin is not None  # noqa: S101 - it was asked for
    try:
        with suppress(BrokenPipeError):
            yield process.stdin
    finally:
        _finish(process, process.stdin)


def _start(command: str, stdout: TextIO, environ: Mapping[str, str]) -> Popen[str] | None:
    """None where the program is missing: output that nobody can page is still output."""
    import subprocess

    try:
        return subprocess.Popen(
            _words(command),
            stdin=subprocess.PIPE,
            stdout=stdout,
            env={**_CHILD_DEFAULTS, **environ},
            text=True,
            encoding=getattr(stdout, "encoding", None) or "utf-8",
            errors="backslashreplace",
        )
    except (OSError, ValueError):
        return None


def _words(command: str) -> list[str]:
    """A shell only where the command needs one, so that a missing program is noticed before output is lost."""
    return ["sh", "-c", command] if _SHELL_CHARACTERS & set(command) else shlex.split(command)


def _finish(process: Popen[str], pipe: IO[str]) -> None:
    """An interrupt belongs to the reader in front: killing the writer would leave the pager an orphan."""
    try:
        with suppress(BrokenPipeError):
            pipe.close()
    finally:
        while process.returncode is None:
            with suppress(KeyboardInterrupt):
                process.wait()
