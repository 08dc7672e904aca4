"""Which start of the machine this is."""

from __future__ import annotations

from pathlib import Path


def boot_id() -> str:
    """Changes at every start of the machine; empty where the system doesn't tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
