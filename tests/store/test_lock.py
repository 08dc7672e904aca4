"""The chain lock: one holder, freed by death, and a note of what the dead one was doing."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.store import boot, lock
from ledger.store.lock import Intent

INTENT = Intent(
    ref="refs/runs/main", old=None, new="1" * 40, code_ref="refs/ledger/code/main", files=("1.zip",)
)
_HOLD = """
import sys, time
from pathlib import Path
from ledger.store import boot, lock
with lock.acquire(Path(sys.argv[1]), wait_seconds=0) as held:
    held.announce(lock.Intent(ref="refs/runs/x", old=None, new="2" * 40))
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger" / "lock"


@contextmanager
def other_holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_one_at_a_time(path: Path) -> None:
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        with lock.acquire(path, wait_seconds=0) as second:
            assert second is None
        started = time.monotonic()
        with lock.acquire(path, wait_seconds=0.1) as third:
            assert third is None
        assert time.monotonic() - started >= 0.1
    with lock.acquire(path, wait_seconds=0) as again:
        assert again


def test_who_waits_comes_before_who_does_not(path: Path) -> None:
    waits, goes = threading.Event(), threading.Event()

    def waiter() -> None:
        with lock.acquire(path, wait_seconds=60) as held:
            assert held
            waits.set()
            goes.wait(60)

    thread = threading.Thread(target=waiter)
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        thread.start()
        with path.with_name("lock.turn").open("rb") as turn:
            while not _is_locked(turn.fileno()):
                time.sleep(0.001)
    with lock.acquire(path, wait_seconds=0) as too_soon:
        assert too_soon is None
    assert waits.wait(60)
    goes.set()
    thread.join()
    with lock.acquire(path, wait_seconds=0) as again:
        assert again


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def test_after_a_clean_end_there_is_nothing_to_mend(path: Path) -> None:
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        assert not held.predecessor.died
        held.announce(INTENT)
        held.settle(INTENT)
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        assert not held.predecessor.died
        assert held.predecessor.intents == ()


def test_what_is_in_doubt_stays_on_record_until_it_is_mended(path: Path) -> None:
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        held.announce(INTENT)
    for _ in range(2):  # the second holder ends without having mended anything
        with lock.acquire(path, wait_seconds=0) as held:
            assert held
            assert held.predecessor.died
            assert held.predecessor.intents == (INTENT,)
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        held.mended()
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        assert not held.predecessor.died


def test_a_killed_holder_frees_the_lock_and_leaves_its_intent(path: Path) -> None:
    with other_holder(path) as process:
        with lock.acquire(path, wait_seconds=0) as held:
            assert held is None
        found = lock.holder(path)
        assert found
        assert (found.pid, found.alive) == (process.pid, True)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert alive(path) is False
    with lock.acquire(path, wait_seconds=1) as held:
        assert held
        assert held.predecessor.died
        assert not held.predecessor.rebooted
        assert [intent.ref for intent in held.predecessor.intents] == ["refs/runs/x"]


def test_nobody_holds_a_lock_that_was_given_back_or_never_taken(path: Path) -> None:
    assert lock.holder(path) is None
    with lock.acquire(path, wait_seconds=0):
        pass
    assert lock.holder(path) is None


@pytest.mark.parametrize(
    ("data", "rebooted"),
    [
        (b"{", True),
        (b"[]", True),
        (b"7", True),
        (b'{"open": true}', False),
        (b'{"intents": [{"ref": 1}]}', True),
        (b"\xff\xfe", True),
    ],
)
def test_a_torn_note_is_not_trusted(path: Path, data: bytes, *, rebooted: bool) -> None:
    path.parent.mkdir()
    path.write_bytes(data)
    assert lock.holder(path) is None
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        assert held.predecessor.intents == ()
        assert (held.predecessor.died, held.predecessor.rebooted) == (True, rebooted)


def alive(path: Path) -> bool | None:
    """Whether the holder lives; None where that can't be seen from here."""
    found = lock.holder(path)
    assert found
    return found.alive


def note(path: Path, **values: object) -> None:
    path.parent.mkdir(exist_ok=True)
    mine = {
        "host": os.uname().nodename,
        "boot": boot.boot_id(),
        "pid": os.getpid(),
        "since": 1.0,
        "open": True,
        "intents": [],
    }
    path.write_text(json.dumps({**mine, **values}))


def test_a_machine_that_started_anew_and_one_that_is_another(path: Path) -> None:
    note(path, boot="another")
    assert alive(path) is False
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        assert held.predecessor.rebooted
    note(path, host="elsewhere", boot="another")
    assert alive(path) is None
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        assert held.predecessor.elsewhere
        assert not held.predecessor.rebooted


def test_that_the_machine_started_anew_is_known_until_it_is_mended(path: Path) -> None:
    note(path, boot="another", open=False)
    for _ in range(2):  # the first is killed while it mends
        killed = lock.acquire(path, wait_seconds=0)
        held = killed.__enter__()
        assert held
        assert held.predecessor.rebooted
        killed.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        assert held.predecessor.rebooted
        held.mended()
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        assert not held.predecessor.rebooted
        assert not held.predecessor.died


@pytest.mark.slow
def test_a_child_keeps_the_lock_until_it_ends(path: Path) -> None:
    """Children of git inherit it: nobody gets the lock while an orphan still writes."""
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        child = subprocess.Popen(["sleep", "0.3"], pass_fds=(held.descriptor,))
    with lock.acquire(path, wait_seconds=0) as second:
        assert second is None
    child.wait()
    with lock.acquire(path, wait_seconds=0) as third:
        assert third


def test_a_holder_whose_file_was_removed_knows_that_it_is_not_alone(path: Path) -> None:
    with lock.acquire(path, wait_seconds=0):
        pass
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        assert held.alone()
        path.unlink()
        with lock.acquire(path, wait_seconds=0) as other:
            assert other
            assert not other.alone()
        assert not held.alone()


def test_a_holder_beside_whom_another_one_wrote_knows_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where `flock` does nothing."""
    with lock.acquire(path, wait_seconds=0):
        pass
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    with lock.acquire(path, wait_seconds=0) as held:
        assert held
        with lock.acquire(path, wait_seconds=0) as other:
            assert other
            assert not other.alone()
        held.announce(INTENT)
        held.settle(INTENT)
        assert not held.alone()


@pytest.mark.slow
def test_who_waited_for_a_removed_file_takes_the_new_one(path: Path) -> None:
    first = lock.acquire(path, wait_seconds=0)
    assert first.__enter__()

    def give_back() -> None:
        path.unlink()
        first.__exit__(None, None, None)

    waiting = threading.Timer(0.2, give_back)
    waiting.start()
    with lock.acquire(path, wait_seconds=5) as held:
        assert held
        with lock.acquire(path, wait_seconds=0) as other:
            assert other is None
    waiting.join()
