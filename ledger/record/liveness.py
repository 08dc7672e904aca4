"""Who writes a journal, and whether that process still lives. When in doubt it does."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ledger.store.boot import boot_id

_PROC = Path("/proc")
_GONE = frozenset("ZXx")
"""States of a process that has ended and is not yet reaped."""
_STATE, _START = 0, 19
"""Places behind the name in /proc/PID/stat (fields 3 and 22 of proc(5))."""


def who() -> dict[str, Any]:
    """The calling process, as a journal's head names it: `host`, `boot`, `space` (pid namespace), `pid` and `start`."""
    return {
        "host": os.uname().nodename,
        "boot": boot_id(),
        "space": _space(),
        "pid": os.getpid(),
        "start": _start(os.getpid()),
    }


def alive(writer: Mapping[str, Any], heartbeat: float, *, lost_after_hours: float) -> bool:
    """Whether the process that a head names still lives. `heartbeat` is its journal's time, seconds since 1970."""
    if not _here(writer):
        return time.time() - heartbeat < lost_after_hours * 3600
    if writer.get("boot") != boot_id():
        return False
    fields = _stat(int(writer["pid"]))
    if fields is None:
        return not _PROC.joinpath("self/stat").exists() and _answers(writer["pid"])
    return fields[_STATE] not in _GONE and writer.get("start") in (None, fields[_START])


def _here(writer: Mapping[str, Any]) -> bool:
    """Whether it ran on this host and its process ids are ours. After a restart of the host the namespace is another."""
    if writer.get("host") != os.uname().nodename:
        return False
    return writer.get("space") == _space() or writer.get("boot") != boot_id()


def _space() -> str | None:
    try:
        return os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return None


def _start(pid: int) -> str | None:
    fields = _stat(pid)
    return fields[_START] if fields else None


def _stat(pid: int) -> list[str] | None:
    """What /proc says of a process, behind its name; None where there is none."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _answers(pid: int) -> bool:
    """Where there is no /proc."""
    from ledger.git.housekeeping import lives  # a process that logs for a moment starts without git

    return lives(pid)
