"""The chain lock of a repository: for speed, and to know what a dead holder left.

The kernel frees it when its last holder dies; git children inherit it, so that nobody gets it while an orphan
still writes. Correctness rests on compare-and-swap, so a file system whose locks do nothing only costs retries.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a holder is about to do to one ref."""

    ref: str
    old: str | None
    new: str
    code_ref: str | None = None
    files: tuple[str, ...] = ()
    """Names of the sealed files whose records the update chains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predecessor:
    """The last holder, as far as it matters to its successor."""

    died: bool
    """It did not say good-bye: its intents may be done, half done or not begun."""
    rebooted: bool
    """The machine has started anew since: what was not fsynced is gone, its intents included."""
    intents: tuple[Intent, ...] = ()


@dataclass(slots=True)
class Held:
    """The lock while it is held; `descriptor` is handed to git children."""

    descriptor: int
    predecessor: Predecessor
    _intents: list[Intent] = field(default_factory=list)

    def announce(self, intents: list[Intent]) -> None:
        self._intents = intents
        self._write(open_=True)

    def close(self) -> None:
        self._intents = []
        self._write(open_=False)

    def _write(self, *, open_: bool) -> None:
        state = {**_who(), "open": open_, "intents": [asdict(intent) for intent in self._intents]}
        data = json.dumps(state).encode()
        os.pwrite(self.descriptor, data, 0)
        os.ftruncate(self.descriptor, len(data))


@contextmanager
def acquire(path: Path, *, wait_seconds: float) -> Iterator[Held | None]:
    """The lock, or None when others hold it for longer than `wait_seconds`. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if not _lock(descriptor, wait_seconds):
            yield None
            return
        held = Held(descriptor, _predecessor(os.pread(descriptor, 1 << 24, 0)))
        held.announce([])
        yield held
        held.close()
    finally:
        os.close(descriptor)


def _lock(descriptor: int, wait_seconds: float) -> bool:
    end = time.monotonic() + wait_seconds
    pause = 0.001
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.02)
        else:
            return True


def _predecessor(data: bytes) -> Predecessor:
    try:
        state: dict[str, Any] = json.loads(data) if data.strip(b"\0") else {}
        intents = tuple(
            Intent(**{**item, "files": tuple(item["files"])}) for item in state.get("intents", ())
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return Predecessor(died=True, rebooted=True)  # torn: trust nothing of it
    me = _who()
    rebooted = bool(state) and state.get("host") == me["host"] and state.get("boot") != me["boot"]
    return Predecessor(died=bool(state.get("open")), rebooted=rebooted, intents=intents)


def _who() -> dict[str, object]:
    return {"host": socket.gethostname(), "boot": boot_id(), "pid": os.getpid(), "since": time.time()}


def boot_id() -> str:
    """Changes at every start of the machine; empty where the system doesn't tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
