"""What a live run says to people: lines on standard error, and nothing where there is none. No run fails of it."""

from __future__ import annotations

import sys
from contextlib import suppress


def say(message: str) -> None:
    """One line, whatever the text holds."""
    line = "".join(c if c.isprintable() else "?" for c in message)
    with suppress(OSError, ValueError, AttributeError):  # closed, or none
        sys.stderr.write(f"ledger: {line}\n")


class Voice:
    """That of one run. `quiet`: remarks on what was recorded are not said, errors are."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._said: set[str] = set()

    def remark(self, message: str) -> None:
        if not self._quiet:
            say(message)

    def once(self, message: str, key: str = "") -> None:
        """Say what comes again and again the first time: the same message, or another of the same key."""
        if (key or message) not in self._said:
            self._said.add(key or message)
            say(message)
