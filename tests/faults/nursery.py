"""Runs in a process of its own: forks writers that have everything imported, so that a kill hits recording and not start-up.

Reads one line a writer from standard input (`KEY COUNT ACKNOWLEDGEMENTS`), forks it into a process group of its own, says
its process id, and at an empty line waits until it is gone and says how it ended.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import ledger


def write(key: str, count: int, acknowledgements: str) -> None:
    """Record `count` runs; an id stands in the file as soon as `record` has returned."""
    descriptor = os.open(acknowledgements, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for number in range(count):
        done = ledger.record(
            {"writer": key, "number": number}, {"f1": number / 1000, "loss": 1 / (number + 1)}
        )
        os.write(descriptor, f"{done.id}\n".encode())
        os.fsync(descriptor)


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def serve() -> None:
    ledger.record(
        {"writer": "nursery"}, {"f1": 1.0}
    )  # what is imported or looked up at the first run is so now
    while line := sys.stdin.readline():
        key, count, acknowledgements = line.split()
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            status = 1
            try:
                write(key, int(count), acknowledgements)
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        with suppress(PermissionError, ProcessLookupError):
            os.setpgid(child, child)  # whoever of the two is first: the group exists before its id is known
        say(child)
        sys.stdin.readline()  # its process id stays taken until whoever kills it has done so
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    serve()
