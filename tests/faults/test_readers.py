"""Readers beside writers: they never fail, never see half a run, and what they have seen never goes away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Repo
from faults.crew import LEDGER, Clock, acknowledged, assert_recorded, assert_sound, recover, say

pytestmark = pytest.mark.faults

_READER = Path(__file__).with_name("reader.py")
_WRITER = Path(__file__).with_name("writer.py")
_RUNS_EACH = 150


def _reader(repo: Repo, stop: Path, output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as stdout:
        return subprocess.Popen([sys.executable, str(_READER), str(stop)], cwd=repo.path, stdout=stdout)


def test_readers_beside_four_writers_never_fail_and_see_whole_runs_only(repo: Repo, tmp_path: Path) -> None:
    clock = Clock()
    stop, folder = tmp_path / "stop", tmp_path / "acknowledged"
    folder.mkdir()
    outputs = [tmp_path / f"reader-{number}" for number in range(3)]
    readers = [_reader(repo, stop, output) for output in outputs]
    writers = [
        subprocess.Popen(
            [sys.executable, str(_WRITER), str(number), str(_RUNS_EACH), str(folder / str(number))],
            cwd=repo.path,
        )
        for number in range(4)
    ]
    commands = 0
    while any(writer.poll() is None for writer in writers):
        _read_by_command(repo, commands)
        commands += 1
    stop.touch()
    assert [writer.wait() for writer in writers] == [0] * 4
    assert [reader.wait() for reader in readers] == [0] * 3, "a reader failed"
    looks = [len(output.read_text().split()) for output in outputs]
    assert min(looks) > 5

    runs = acknowledged(folder)
    recover(repo)
    assert len(runs) == 4 * _RUNS_EACH
    assert_recorded(repo, runs)
    assert_sound(repo)
    say(
        f"{sum(looks)} looks by 3 readers and {commands} commands beside {len(runs)} records in {clock.seconds:.0f} s"
    )


def _read_by_command(repo: Repo, number: int) -> None:
    words = (("log", "--metric", "f1", "--json"), ("runs", "--json"))[number % 2]
    done = subprocess.run([*LEDGER, *words], cwd=repo.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "unreadable" not in done.stderr


def test_an_index_that_is_deleted_while_it_is_read_is_made_again(repo: Repo, tmp_path: Path) -> None:
    import shutil

    from faults.crew import recorded

    runs = [recorded(repo) for _ in range(3)]
    stop = tmp_path / "stop"
    readers = [_reader(repo, stop, tmp_path / f"reader-{number}") for number in range(2)]
    end = time.monotonic() + 4
    while time.monotonic() < end:
        for folder in (repo.path / ".git/ledger").glob("index-*"):
            shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.03)
    stop.touch()
    assert [reader.wait() for reader in readers] == [0, 0]
    assert_recorded(repo, runs)
    assert os.listdir(repo.path / ".git/ledger")
