"""Locks that dead and living processes leave: records are never lost, the dead never block, the living are never broken."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Repo
from faults.crew import Clock, assert_recorded, assert_sound, chained_runs, recorded, recover, say

pytestmark = pytest.mark.faults

REFS = ("refs/runs/main", "refs/ledger/code/main")
_DAY = 86_400


def _lock_of(repo: Repo, ref: str, *, age_seconds: float = 0) -> Path:
    path = repo.path / ".git" / f"{ref}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    moment = time.time() - age_seconds
    os.utime(path, (moment, moment))
    return path


def _own_lock(
    repo: Repo, *, refs: tuple[str, ...] = (), boot: str | None = None, host: str | None = None
) -> Path:
    """Ledger's lock as a holder leaves it that was killed while it wrote `refs`."""
    from ledger.store.boot import boot_id

    path = repo.path / ".git/ledger/lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    intents: list[dict[str, object]] = [
        {"ref": ref, "old": None, "new": "0" * 40, "code_ref": None, "files": []} for ref in refs
    ]
    state = {
        "host": host or os.uname().nodename,
        "boot": boot_id() if boot is None else boot,
        "pid": 2**22 - 1,
        "since": time.time(),
        "open": True,
        "intents": intents,
    }
    path.write_text(json.dumps(state))
    return path


def _change_code(repo: Repo) -> None:
    """A snapshot that the code ref does not reach: recording has to write that ref too."""
    repo.write("train.py", f"print({time.time()})\n")


@pytest.mark.parametrize("ref", REFS)
@pytest.mark.parametrize("first", [True, False], ids=["new experiment", "known experiment"])
def test_a_lock_that_a_killed_ledger_left_is_removed(repo: Repo, ref: str, first: bool) -> None:
    runs = [] if first else [recorded(repo)]
    _change_code(repo)
    left = _lock_of(repo, ref)
    _own_lock(repo, refs=(ref,))
    runs.append(recorded(repo))
    assert not left.exists()
    assert_recorded(repo, runs)
    assert_sound(repo)


def test_the_killed_holder_of_a_killed_holders_lock_hides_nothing(repo: Repo) -> None:
    from ledger.store.lock import acquire

    left = _lock_of(repo, REFS[0])
    path = _own_lock(repo, refs=REFS[:1])
    dying = acquire(path, wait_seconds=0)
    assert dying.__enter__()
    assert not dying.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)  # before it has mended anything
    run = recorded(repo)
    assert not left.exists()
    assert_recorded(repo, [run])


@pytest.mark.parametrize("ref", REFS)
def test_an_old_lock_of_nobody_is_removed(repo: Repo, ref: str) -> None:
    left = _lock_of(repo, ref, age_seconds=_DAY)
    run = recorded(repo)
    assert not left.exists()
    assert_recorded(repo, [run])
    assert_sound(repo)


@pytest.mark.parametrize("ref", REFS)
def test_a_fresh_lock_of_somebody_else_is_kept_and_the_run_is_chained_later(repo: Repo, ref: str) -> None:
    runs = [recorded(repo)]
    held = _lock_of(repo, ref)
    for _ in range(2):  # the second comes after one that gave up, which is no reason to break the lock either
        _change_code(repo)
        runs.append(recorded(repo))
        assert held.exists()
    assert set(chained_runs(repo)) == set(runs[:1])
    shown = _ledger_runs(repo)
    assert shown == set(runs)

    held.unlink()
    recover(repo)
    assert_recorded(repo, runs)
    assert_sound(repo)


def _ledger_runs(repo: Repo) -> set[str]:
    from faults.crew import indexed_runs

    return set(indexed_runs(repo))


@contextmanager
def _living_holder(path: Path) -> Iterator[None]:
    """Another process that holds ledger's lock."""
    code = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        yield
    finally:
        holder.communicate()


def test_a_living_holder_is_not_waited_for_and_not_broken(repo: Repo) -> None:
    path = _own_lock(repo, refs=REFS[:1])
    left = _lock_of(repo, REFS[0])
    with _living_holder(path):
        clock = Clock()
        runs = [recorded(repo) for _ in range(3)]
        seconds = clock.seconds / 3
        assert left.exists()
        assert not chained_runs(repo)
        assert _ledger_runs(repo) == set(runs)
        with path.open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    recover(repo)
    assert_recorded(repo, runs)
    assert not left.exists()
    say(f"record beside a living holder of the lock: {seconds * 1e3:.0f} ms")


def test_after_a_reboot_the_locks_of_before_do_not_block(repo: Repo) -> None:
    left = _lock_of(repo, REFS[0])
    _own_lock(repo, refs=REFS[:1], boot="another start of this machine")
    run = recorded(repo)
    assert not left.exists()
    assert_recorded(repo, [run])


def test_a_holder_on_another_machine_may_live(repo: Repo) -> None:
    left = _lock_of(repo, REFS[0])
    _own_lock(repo, refs=REFS[:1], boot="another machine's", host="elsewhere")
    run = recorded(repo)
    assert left.exists()
    assert _ledger_runs(repo) == {run}
    left.unlink()
    recover(repo)
    assert_recorded(repo, [run])


@pytest.mark.parametrize(
    "state", [b"", b"\0" * 300, b'{"host": "vm", "op', b"[]", b'{"open": true, "intents": [1]}']
)
def test_a_torn_lock_file_blocks_nobody(repo: Repo, state: bytes) -> None:
    first = recorded(repo)
    (repo.path / ".git/ledger/lock").write_bytes(state)
    assert_recorded(repo, [first, recorded(repo)])


def test_what_was_chained_by_one_who_died_before_he_said_so_is_not_chained_again(repo: Repo) -> None:
    runs = [recorded(repo), recorded(repo)]
    spool, chained = repo.path / ".git/ledger/spool", repo.path / ".git/ledger/chained"
    for path in chained.glob("*/*.zip"):
        path.rename(spool / path.name)
    _own_lock(repo, refs=REFS[:1])
    runs.append(recorded(repo))
    assert_recorded(repo, runs)


def test_a_ref_that_a_power_cut_threw_back_gets_its_records_again(repo: Repo) -> None:
    runs = [recorded(repo) for _ in range(3)]
    repo.git("update-ref", "refs/runs/main", "refs/runs/main~2")
    _own_lock(repo, boot="before the power cut")
    runs.append(recorded(repo))
    assert_recorded(repo, runs)
    assert_sound(repo)
