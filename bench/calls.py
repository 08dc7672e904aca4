"""How many git processes a command starts, and how many times it asks the disk to flush, as the kernel saw it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.clock import environment
from bench.line import Calls

_GIT = re.compile(r"execve\(\"[^\"]*/git\".* = 0$")
# sync_file_range: how git flushes each object of a batch before the one fsync at its end.
_FLUSH = re.compile(r"\b(fsync|fdatasync|syncfs)\(.* = 0$")


def count(words: Sequence[str], folder: Path) -> Calls:
    """Of one process and its children; nothing where the system has no strace."""
    if shutil.which("strace") is None:
        return Calls()
    with tempfile.NamedTemporaryFile("r", prefix="ledger-bench-", suffix=".strace", encoding="utf-8") as log:
        tracer = ["strace", "-f", "-qq", "-e", "signal=none", "-e", "trace=execve,fsync,fdatasync,syncfs"]
        subprocess.run(
            [*tracer, "-o", log.name, *words],
            cwd=folder,
            env=environment(),
            check=True,
            capture_output=True,
        )
        lines = log.read().splitlines()
    return Calls(git=sum(map(_is_git, lines)), fsyncs=sum(map(_is_flush, lines)))


def each(one: Sequence[str], three: Sequence[str], folder: Path) -> Calls:
    """Of one of several equal steps within a process: the difference between three of them and one, halved."""
    first, last = count(one, folder), count(three, folder)
    if first.git is None or last.git is None or first.fsyncs is None or last.fsyncs is None:
        return Calls()
    return Calls(git=(last.git - first.git) / 2, fsyncs=(last.fsyncs - first.fsyncs) / 2)


def _is_git(line: str) -> bool:
    return bool(_GIT.search(line))


def _is_flush(line: str) -> bool:
    return bool(_FLUSH.search(line))
