"""Standard streams that are closed, full, or read by nobody any more."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import TextIO

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_missing() -> None:
    """Open what the caller closed (`>&-`), so that no file which is opened later takes its number."""
    for name, mode in _STREAMS:
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest free number: that of the stream
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8"))


def reader_gone() -> bool:
    """Whether who read standard output or standard error went away; a broken pipe can be another program's."""
    return any(_gone(stream) for stream in (sys.stdout, sys.stderr))


def _gone(stream: TextIO) -> bool:
    with suppress(OSError, ValueError):
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    return False


def give_up(stream: TextIO) -> None:
    """Send to nowhere what a stream still holds and gets: Python would fail on it once more at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def settle() -> None:
    """Write what is left; what can't be written has been said, or there is nobody to say it to."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            give_up(stream)
