"""Whether a `git gc` is at work, as its pid file says: when in doubt it is."""

from __future__ import annotations

import os
import subprocess

import pytest
from conftest import Repo

from ledger.git import housekeeping
from ledger.git.process import discover


def is_running(repo: Repo, text: str) -> bool:
    (repo.path / ".git" / "gc.pid").write_text(text, encoding="utf-8")
    return housekeeping.is_running(discover(repo.path, os.environ))


def test_a_process_of_this_host_is_asked_for(repo: Repo) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert is_running(repo, f"{os.getpid()} {os.uname().nodename}")
    assert not is_running(repo, f"{ended.pid} {os.uname().nodename}")
    assert is_running(repo, f"{ended.pid} another")


@pytest.mark.parametrize("pid", ["", "-", "²", str(1 << 80), "9" * 5000])
def test_what_is_no_process_id_is_taken_for_one(repo: Repo, pid: str) -> None:
    assert is_running(repo, f"{pid} {os.uname().nodename}")
