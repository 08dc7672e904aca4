"""A pseudo-terminal for what a program prints, where somebody watches: it draws and colours as if we were not there.

For output alone. The program keeps the real terminal as its input and as the one that its keys and its job control
come from, so nothing is to be put right again where we are killed.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from contextlib import suppress
from typing import Self

_OUTPUT_FLAGS = 1
"""Where tcgetattr puts them."""
_SIZE = struct.Struct("HHHH")
"""Lines, columns, and both in pixels."""


class Screen:
    """Its two ends: `inside` is for the program, `outside` for us."""

    def __init__(self, shown: int) -> None:
        self._shown = shown
        self.outside, self.inside = os.openpty()
        try:
            self._pass_bytes_as_they_are()
        except termios.error:
            self.close()
            raise

    @classmethod
    def like(cls, shown: int) -> Self | None:
        """One for what is to appear on the terminal `shown`; None where that is no terminal, or the system has none left."""
        try:
            return cls(shown) if os.isatty(shown) else None
        except (OSError, termios.error):
            return None

    def shows(self, descriptor: int) -> bool:
        """Whether a stream goes to the very terminal that this stands for."""
        if not os.isatty(descriptor):
            return False
        return os.fstat(descriptor).st_rdev == os.fstat(self._shown).st_rdev

    def _pass_bytes_as_they_are(self) -> None:
        """The modes of the terminal, but line ends are left to it: they would be changed twice."""
        modes = termios.tcgetattr(self._shown)
        modes[_OUTPUT_FLAGS] &= ~termios.OPOST
        termios.tcsetattr(self.inside, termios.TCSANOW, modes)
        self.fit()

    def fit(self) -> bool:
        """Take on the size of the terminal. Returns whether it had changed."""
        wanted, there = _size(self._shown), _size(self.outside)
        if wanted == there or wanted is None:
            return False
        with suppress(OSError):
            fcntl.ioctl(self.outside, termios.TIOCSWINSZ, wanted)
        return True

    def close(self) -> None:
        os.close(self.inside)
        os.close(self.outside)


def _size(descriptor: int) -> bytes | None:
    try:
        return fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(_SIZE.size))
    except OSError:
        return None
