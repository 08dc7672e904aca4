"""A work tree with all that lies about in one: what is untracked stays out of snapshots, and nothing is touched or waited for."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from conftest import Repo
from store.plumbing import recorded

FIVE_GIGABYTES = 5 << 30
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n".format("a" * 64)


def odds_and_ends(repo: Repo) -> None:
    repo.commit("tracked", pointer__bin=POINTER, lib__py="1\n")
    repo.write(".env", "AWS_SECRET_ACCESS_KEY=abcdefghijklmnopqrstuvwxyz0123456789ABCD\n")
    with (repo.path / "data.bin").open("wb") as file:
        file.truncate(FIVE_GIGABYTES)  # holes: no block of it is on the disk
    os.mkfifo(repo.path / "pipe")
    (repo.path / "outside").symlink_to("/etc/passwd")
    nested = repo.path / "nested"
    nested.mkdir()
    subprocess.run(["git", "init", "-q", str(nested)], check=True)
    Repo(nested).commit("its own", inner__py="1\n")
    repo.write("lib.py", "changed\n")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_snapshot_holds_what_is_tracked(repo: Repo) -> None:
    odds_and_ends(repo)
    index = repo.path / ".git/index"
    before = (digest(index), index.stat().st_mtime_ns)
    done = recorded(repo)
    assert done.code
    assert done.code.dirty
    assert done.code.snapshot
    names = repo.git("ls-tree", "-r", "--name-only", done.code.snapshot).split()
    assert names == ["lib.py", "pointer.bin", "train.py"]
    assert repo.git("show", f"{done.code.snapshot}:pointer.bin") == POINTER.strip()
    assert (digest(index), index.stat().st_mtime_ns) == before
    assert (repo.path / "pipe").is_fifo()
    size = sum(path.stat().st_size for path in (repo.path / ".git").rglob("*") if path.is_file())
    assert size < 1 << 20, "no byte of the data went anywhere"


@pytest.mark.slow
def test_a_glob_that_matches_them_all_is_bounded(repo: Repo) -> None:
    """`ledger.snapshotUntracked = *` is the user's own word; what is too large is said, and the run is recorded."""
    odds_and_ends(repo)
    repo.git("config", "ledger.snapshotUntracked", "*")
    done = recorded(repo)
    assert done.chained
    assert done.code
    assert done.code.snapshot is None
    assert "bytes" in (done.code.problem or "")


@pytest.mark.slow
def test_beside_git_add_in_a_loop(repo: Repo) -> None:
    """The user's index moves all the time: each snapshot is of one state, and the index stays git's."""
    repo.commit("lib", lib__py="0\n")
    script = "while :; do for i in 1 2; do echo $i > lib.py; git add lib.py; done; done"
    adding = subprocess.Popen(["sh", "-c", script], cwd=repo.path, stderr=subprocess.DEVNULL)
    try:
        for _ in range(10):
            done = recorded(repo)
            assert done.code
            kept = done.code.snapshot or done.code.commit
            assert repo.git("show", f"{kept}:lib.py") in {"0", "1", "2", ""}
    finally:
        adding.kill()
        adding.wait()
    (repo.path / ".git/index.lock").unlink(missing_ok=True)  # of the git that was killed
    repo.git("fsck", "--strict", "--no-dangling")
    repo.git("add", "-A")
    assert repo.git("ls-files").split() == ["lib.py", "train.py"]
