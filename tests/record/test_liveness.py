"""Is the writer of a journal alive? Asked of real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.record import liveness

_SAYS = "import json, sys\nfrom ledger.record import liveness\nprint(json.dumps(liveness.who()), flush=True)\nsys.stdin.read()"


def alive(writer: dict[str, Any], *, silent_hours: float = 0.0) -> bool:
    return liveness.alive(writer, time.time() - silent_hours * 3600, lost_after_hours=24)


@pytest.fixture
def process() -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    import json

    words = [sys.executable, "-c", _SAYS]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        yield child, json.loads(child.stdout.readline())
        child.kill()


def test_this_process_lives_however_long_it_is_silent() -> None:
    assert alive(liveness.who(), silent_hours=1000)


def test_a_process_lives_until_it_is_killed(process: tuple[subprocess.Popen[str], dict[str, Any]]) -> None:
    child, who = process
    assert who["pid"] == child.pid
    assert alive(who)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is dead, and nobody has reaped it
    assert not alive(who)
    child.wait()
    assert not alive(who)


def test_a_process_id_that_was_given_again_is_another_process() -> None:
    assert not alive({**liveness.who(), "start": "1"})


def test_a_restarted_host_has_none_of_its_old_processes() -> None:
    assert not alive({**liveness.who(), "boot": "before", "space": "pid:[1]"})


@pytest.mark.parametrize("elsewhere", [{"host": "node17"}, {"space": "pid:[1]"}], ids=["host", "container"])
def test_elsewhere_the_heartbeat_counts(elsewhere: dict[str, str]) -> None:
    who = {**liveness.who(), "pid": 1, "start": "1", **elsewhere}
    assert alive(who, silent_hours=23)
    assert not alive(who, silent_hours=25)
