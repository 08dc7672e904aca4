"""git's post-rewrite hook: it notes, never fails, and the next command takes in what it noted."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from rewriting import HOOK, install_hook

from ledger.git.process import discover
from ledger.store import link_log

NOTED = Path(".git/ledger/rewritten")


def test_an_amend_and_a_rebase_are_noted_and_taken_in(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.5")
    install_hook(repo)
    old = repo.git("rev-parse", "HEAD")
    repo.git("commit", "-q", "--amend", "-m", "reworded")
    middle = repo.git("rev-parse", "HEAD")
    repo.commit("on top", train__py="2")
    top = repo.git("rev-parse", "HEAD")
    repo.git("rebase", "-q", "--onto", repo.git("commit-tree", "HEAD~1^{tree}", "-m", "root"), "HEAD~1")
    new = repo.git("rev-parse", "HEAD")
    assert sorted(path.name.partition(".")[0] for path in NOTED.iterdir()) == ["amend", "rebase"]
    found = discover(repo.path, os.environ)
    known = link_log.load(found)
    assert known.rewritten == {old: (middle,), top: (new,)}
    assert known.trees == {one: repo.git("rev-parse", f"{one}^{{tree}}") for one in (old, top)}
    assert list(NOTED.iterdir()) == []
    assert link_log.fold(found) == 0


def test_in_a_linked_work_tree_it_notes_in_the_common_folder(repo: Repo) -> None:
    install_hook(repo)
    repo.git("worktree", "add", "-q", "../other", "-b", "other")
    repo.git("-C", "../other", "commit", "-q", "--amend", "-m", "elsewhere")
    assert len(list(NOTED.iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [((), b""), (("amend",), b""), (("rebase",), b"\xff\0 garbage\n"), (("else",), b"a b\n")],
    ids=["nothing", "no line", "garbage", "another command"],
)
def test_it_ends_with_0_and_what_is_no_pair_says_nothing(
    repo: Repo, words: tuple[str, ...], said: bytes
) -> None:
    done = subprocess.run([HOOK, *words], cwd=repo.path, input=said, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert not link_log.load(discover(repo.path, os.environ))


def test_where_nothing_can_be_written_the_rebase_goes_on(repo: Repo) -> None:
    install_hook(repo)
    repo.write(".git/ledger", "in the way")
    repo.git("commit", "-q", "--amend", "-m", "reworded")
    assert repo.git("show", "-s", "--format=%s") == "reworded"


def test_killed_before_the_note_was_deleted_nothing_is_noted_twice(repo: Repo) -> None:
    install_hook(repo)
    repo.git("commit", "-q", "--amend", "-m", "reworded")
    found = discover(repo.path, os.environ)
    (path,) = NOTED.iterdir()
    told = path.stat()
    text = path.read_bytes()
    assert link_log.fold(found) == 1
    path.write_bytes(text)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert link_log.fold(found) == 1
    assert repo.git("rev-list", "--count", link_log.REF) == "1"
