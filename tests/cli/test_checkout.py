"""`ledger checkout`: the code of a run, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Ledger, Repo


def record(ledger: Ledger) -> str:
    run: str = ledger.json("record", "-m", "f1=0.5")["id"]
    return run


def test_a_clean_run_at_its_commit(repo: Repo, ledger: Ledger) -> None:
    run, commit = record(ledger), repo.git("rev-parse", "HEAD")
    repo.commit("later", train__py="later\n")
    said = ledger.json("checkout", run[:6])
    place = repo.path.parent / f"repo-{run[:8]}"
    assert said == {"run": run, "path": str(place), "commit": commit, "snapshot": None, "dirty": False}
    there = Repo(place)
    assert there.git("rev-parse", "HEAD") == commit
    assert there.git("status", "--porcelain") == ""
    assert there.git("symbolic-ref", "-q", "HEAD", check=False) == ""
    assert repo.git("status", "--porcelain") == ""


def test_uncommitted_changes_are_uncommitted_there(repo: Repo, ledger: Ledger) -> None:
    repo.write("gone.py", "1\n")
    repo.commit("two files")
    repo.write("train.py", "changed\n")
    repo.git("rm", "-q", "gone.py")
    repo.write("new.py", "new\n")
    repo.git("add", "new.py")
    run = record(ledger)
    repo.git("reset", "-q", "--hard")
    assert "with its uncommitted changes" in ledger("checkout", run, "../then")
    there = Repo(repo.path.parent / "then")
    assert (there.path / "train.py").read_text(encoding="utf-8") == "changed\n"
    assert not (there.path / "gone.py").exists()
    assert there.git("diff", "--name-status").split("\n") == ["D\tgone.py", "M\ttrain.py"]
    assert there.git("ls-files", "--others") == "new.py"
    assert there.git("rev-parse", "HEAD") == repo.git("rev-parse", "HEAD")
    assert repo.git("status", "--porcelain") == ""


def test_no_hook_runs(repo: Repo, ledger: Ledger, tmp_path: Path) -> None:
    run = record(ledger)
    for name in ("post-checkout", "post-index-change"):
        hook = repo.write(f".git/hooks/{name}", f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
    ledger("checkout", run)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_what_is_there_stays(repo: Repo, ledger: Ledger, kind: str) -> None:
    run = record(ledger)
    place = repo.path.parent / "there"
    if kind == "folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("mine", encoding="utf-8")
    else:
        place.symlink_to("nowhere")
    ledger("checkout", run, str(place), code=1)
    assert "is there already" in ledger.err
    assert repo.git("worktree", "list").count("\n") == 0


def test_code_that_is_not_here_is_told(repo: Repo, ledger: Ledger) -> None:
    repo.commit("a try", train__py="a try\n")
    run = record(ledger)
    repo.git("reset", "-q", "--hard", "HEAD~1")
    for ref in repo.git("for-each-ref", "--format=%(refname)", "refs/ledger/code").split():
        repo.git("update-ref", "-d", ref)
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    ledger("checkout", run, code=1)
    assert "is not here" in ledger.err
    assert not (repo.path.parent / f"repo-{run[:8]}").exists()


@pytest.mark.usefixtures("repo")
def test_an_option_is_no_run(ledger: Ledger) -> None:
    ledger("checkout", "--", "--detach", code=2)
    ledger("checkout", "ffff", code=1)


@pytest.mark.slow
def test_published_code_is_fetched_by_the_command_that_the_hint_names(
    repo: Repo, ledger: Ledger, tmp_path: Path
) -> None:
    bare, other = tmp_path / "hub.git", Repo(tmp_path / "other")
    repo.git("clone", "-q", "--bare", str(repo.path), str(bare))
    repo.git("remote", "add", "origin", f"file://{bare}")
    repo.git("config", "ledger.pushCode", "always")
    repo.write("train.py", "changed\n")
    run = record(ledger)
    ledger("push")
    repo.git("clone", "-q", f"file://{bare}", str(other.path))
    ledger("-C", str(other.path), "pull")
    ledger("-C", str(other.path), "checkout", run, "../then", code=1)
    command = ledger.err.partition("published it: ")[2].split()
    assert command[:3] == ["git", "fetch", "origin"]
    other.git(*command[1:])
    ledger("-C", str(other.path), "checkout", run, "../then")
    assert (tmp_path / "then" / "train.py").read_text(encoding="utf-8") == "changed\n"


def test_changes_inside_submodules_are_missed_in_words(repo: Repo, ledger: Ledger, tmp_path: Path) -> None:
    inner = repo.path / "sub"
    repo.git("init", "-q", str(tmp_path / "inner"))
    Repo(tmp_path / "inner").commit("inner", a__py="1\n")
    repo.git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "inner"), "sub"
    )
    repo.commit("with a submodule")
    repo.write("train.py", "changed\n")
    (inner / "a.py").write_text("2\n", encoding="utf-8")
    run = record(ledger)
    assert "uncommitted changes were not all kept: changes inside submodules" in ledger.err
    ledger("checkout", run)
    assert "uncommitted changes were not all kept: changes inside submodules" in ledger.err
