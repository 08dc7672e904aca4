"""Runs in a process of its own: records runs in a clone and pushes each, until so many are acknowledged.

syncing.py ACKNOWLEDGEMENTS COUNT
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import ledger
from ledger.cli.main import run


def main(acknowledgements: Path, count: int) -> int:
    """0 when all are recorded and a push after the last of them said that all is well."""
    done = len(acknowledgements.read_text().split()) if acknowledgements.exists() else 0
    descriptor = os.open(acknowledgements, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    code = run(["push"]) if done >= count else 0
    for number in range(done, count):
        made = ledger.record({"number": number}, {"f1": number / 10})
        os.write(descriptor, f"{made.id}\n".encode())
        os.fsync(descriptor)
        code = run(["push"])
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
