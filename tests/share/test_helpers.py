"""Helpers answer in order, whatever becomes of them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

# In processes of their own: helpers are forked, and a test runner has threads.
_BEGIN = """
import os, signal, sys, time
from ledger.share import helpers

def gathered(work, count, crew=2):
    return [int.from_bytes(one) for one in helpers.answers(work, [1] * count, helpers=crew)]

def square(number):
    return (number * number).to_bytes(8)

me = os.getpid()
"""


def _run(script: str) -> str:
    argv = [sys.executable, "-c", _BEGIN + textwrap.dedent(script)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_answers_come_in_order_from_other_processes() -> None:
    _run("""
        assert gathered(square, 100) == [number * number for number in range(100)]
        assert gathered(square, 0) == []
        assert gathered(square, 3, crew=0) == [0, 1, 4]
        seen = set(gathered(lambda number: os.getpid().to_bytes(8), 50))
        assert me not in seen and 1 <= len(seen) <= 2, seen
        large = list(helpers.answers(lambda number: bytes([number]) * 3_000_000, [1 << 26] * 9, helpers=2))
        assert [(one[0], len(one)) for one in large] == [(number, 3_000_000) for number in range(9)]
    """)


@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), signal.SIGKILL)", "1 / 0", "sys.exit(3)", "os.close(1)"]
)
def test_what_a_dead_helper_leaves_is_done_here(end: str) -> None:
    said = _run(f"""
        def work(number):
            if os.getpid() != me and number in (3, 4, 17):
                {end}
            return square(number)

        assert gathered(work, 40) == [number * number for number in range(40)]
        print("once")
    """)
    assert said == "once\n"


def test_an_error_is_told_by_the_process_that_asked() -> None:
    said = _run("""
        def work(number):
            if number == 5:
                raise ValueError("five")
            return square(number)

        try:
            gathered(work, 10)
        except ValueError as error:
            print(error, os.getpid() == me)
    """)
    assert said == "five True\n"


def test_no_helper_outlives_who_asked() -> None:
    """Killed with tasks in the air, and left in the middle of the answers."""
    script = """
        def work(number):
            time.sleep(0.01)
            return os.getpid().to_bytes(8) * 50_000

        some = helpers.answers(work, [1] * 1_000, helpers=2)
        pids = {int.from_bytes(next(some)[:8]) for _ in range(8)}
        print(*pids, flush=True)
        LEFT
    """
    pids = _run(script.replace("LEFT", "some.close()")).split()
    assert pids
    for pid in map(int, pids):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    argv = [sys.executable, "-c", _BEGIN + textwrap.dedent(script.replace("LEFT", "os.kill(me, 9)"))]
    # Ends when nobody holds its output any more: not before the helpers have ended.
    killed = subprocess.run(argv, stdout=subprocess.PIPE, check=False, timeout=60)
    assert killed.returncode == -9
