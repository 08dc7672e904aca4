"""Runs in a process of its own: forks training programs that have everything imported, so that a kill hits a live run.

Reads one line a trainer from standard input (`KEY STEPS ACKNOWLEDGEMENTS`), forks it into a process group of its own, says
its process id, and at an empty line waits until it is gone and says how it ended.

A trainer writes into its file of acknowledgements: `run ID` when `start` has returned, `flushed STEP` when `flush`
has, `done ID` when `finish` has.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import pyarrow.parquet  # noqa: F401 - what finishing needs is there already

import ledger


def train(key: str, steps: int, acknowledgements: str) -> None:
    descriptor = os.open(acknowledgements, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def acknowledge(text: str) -> None:
        os.write(descriptor, f"{text}\n".encode())

    run = ledger.start(params={"trainer": key}, on_error="raise")
    acknowledge(f"run {run.id}")
    for step in range(steps):
        run.log({"loss": step / 7, "acc": step / 3}, step=step)
        if step % 100 == 0:
            run.log(f1=step / 5, step=step)
            run.flush()
            acknowledge(f"flushed {step}")
    done = run.finish()
    if done is None:
        raise RuntimeError("not recorded")
    acknowledge(f"done {done.id}")


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def serve() -> None:
    with ledger.start(params={"trainer": "nursery"}) as run:
        run.log(loss=1.0)
    while line := sys.stdin.readline():
        key, steps, acknowledgements = line.split()
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            status = 1
            try:
                train(key, int(steps), acknowledgements)
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        with suppress(PermissionError, ProcessLookupError):
            os.setpgid(child, child)
        say(child)
        sys.stdin.readline()
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    serve()
