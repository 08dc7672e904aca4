"""ledger inside every hook that git runs, with the variables that git sets there, in a work tree and in a linked one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from share.clones import Hub

RECORD = """#!/bin/sh
env | grep '^GIT_' | sort >> {out}.env
{python} -m ledger record -q -m f1=0.5 --experiment hook >> {out} 2>> {out}.err </dev/null || echo failed >> {out}.err
{python} -m ledger runs --json >> {out}.runs 2>> {out}.err </dev/null
exit 0
"""


def commit(place: Repo) -> None:
    place.write("train.py", "changed\n")
    place.git("commit", "-q", "-a", "-m", "second")


def amend(place: Repo) -> None:
    place.git("commit", "-q", "--amend", "-m", "again")


def checkout(place: Repo) -> None:
    place.git("checkout", "-q", "-b", "elsewhere")


def diverge(place: Repo) -> None:
    place.git("checkout", "-q", "-b", "side")
    place.commit("aside", aside__py="1\n")
    place.git("checkout", "-q", "-")
    place.commit("ahead", ahead__py="1\n")


def merge(place: Repo) -> None:
    diverge(place)
    place.git("merge", "-q", "--no-edit", "side")


def rebase(place: Repo) -> None:
    diverge(place)
    place.git("checkout", "-q", "side")
    place.git("rebase", "-q", "-")


def apply_mail(place: Repo) -> None:
    place.commit("to be sent", sent__py="1\n")
    patch = place.git("format-patch", "-1", "--stdout")
    place.git("reset", "-q", "--hard", "HEAD~1")
    path = place.path.parent / "patch"
    path.write_text(patch + "\n")
    place.git("am", "-q", str(path))


def add(place: Repo) -> None:
    place.write("new.py", "1\n")
    place.git("add", "new.py")


def collect(place: Repo) -> None:
    place.git("-c", "gc.auto=1", "-c", "gc.autoDetach=false", "gc", "--auto", "-q")


HOOKS: dict[str, Callable[[Repo], None]] = {
    "pre-commit": commit, "prepare-commit-msg": commit, "commit-msg": commit, "post-commit": commit, "post-rewrite": amend,
    "post-checkout": checkout, "post-merge": merge, "pre-merge-commit": merge, "pre-rebase": rebase,
    "applypatch-msg": apply_mail, "pre-applypatch": apply_mail, "post-applypatch": apply_mail, "post-index-change": add,
    "reference-transaction": commit, "pre-auto-gc": collect,
}  # fmt: skip


def installed(repo: Repo, name: str, out: Path) -> None:
    path = repo.write(f".git/hooks/{name}", RECORD.format(python=sys.executable, out=out))
    path.chmod(0o755)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "linked"),
    [(name, linked) for name in HOOKS for linked in (False, True)],
)
def test_runs_are_recorded_and_nothing_is_disturbed(
    repo: Repo, tmp_path: Path, ledger: Ledger, name: str, *, linked: bool
) -> None:
    place = repo
    if linked:
        repo.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
        place = Repo(tmp_path / "tree")
    if name == "pre-auto-gc":
        for number in range(1200):  # git counts a 256th part of the loose objects
            repo.write(f"many/{number}.txt", f"{number}\n")
        repo.commit("many")
    out = tmp_path / "out"
    installed(repo, name, out)
    HOOKS[name](place)
    assert (tmp_path / "out.err").read_text().replace("warning: ", "") == ""
    made = out.read_text().split()
    assert made, "the hook ran"
    there = repo.git(
        "log", "--format=%(trailers:key=Ledger-Run,valueonly,separator=)", "refs/runs/hook"
    ).split()
    assert sorted(there) == sorted(made)
    expected = {"new.py"} if name == "post-index-change" else set()
    assert {line[3:] for line in place.git("status", "--short").splitlines()} == expected
    place.git("fsck", "--strict", "--no-dangling", "--connectivity-only")
    (repo.path / ".git/hooks" / name).unlink()
    assert ledger.json("verify")["faults"] == []


SERVER = ("update", "pre-receive", "post-receive", "post-update")


@pytest.mark.long
@pytest.mark.parametrize("name", SERVER)
def test_a_server_that_records_what_is_pushed(hub: Hub, tmp_path: Path, name: str) -> None:
    """Inside git's quarantine objects of others are not written, and refs may not move: the run waits, and is kept."""
    one = hub.clone("one")
    out = tmp_path / "out"
    hub.hook(name, RECORD.format(python=sys.executable, out=out).removeprefix("#!/bin/sh\n"))
    one.commit("pushed", pushed__py="1\n")
    one.git("push", "-q", "origin", "main")
    (made,) = out.read_text().split()
    assert hub.repo.git("rev-parse", "main") == one.git("rev-parse", "main"), "the push itself is as ever"
    done = subprocess.run(
        [sys.executable, "-m", "ledger", "recover"],
        cwd=hub.repo.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(
        subprocess.run(
            [sys.executable, "-m", "ledger", "runs", "--json"],
            cwd=hub.repo.path,
            capture_output=True,
            check=True,
        ).stdout
    )
    assert [row["run_id"] for row in told] == [made]
    hub.repo.git("fsck", "--strict", "--no-dangling")


def test_variables_of_every_hook_at_once(repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a hook of another repository: GIT_DIR alone says which one is meant."""
    index = repo.path / ".git/index"
    before = index.read_bytes()
    for name, value in {
        "GIT_INDEX_FILE": "/nowhere/index",
        "GIT_PREFIX": "sub/",
        "GIT_REFLOG_ACTION": "rebase",
        "GIT_EXEC_PATH": "",
        "GIT_QUARANTINE_PATH": "/nowhere",
        "GIT_OBJECT_DIRECTORY": "/nowhere",
        "GIT_PUSH_OPTION_COUNT": "1",
        "GIT_CHERRY_PICK_HELP": "x",
    }.items():
        if value:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_DIR", str(repo.path / ".git"))
    ledger("record", "-m", "f1=0.5")
    assert index.read_bytes() == before
    assert not os.path.exists("/nowhere")
    assert len(ledger.json("runs")) == 1
