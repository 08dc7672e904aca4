"""The one door to git: found as git finds it, a clean environment, errors with a type."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Repo

from ledger.errors import GitError, RefMovedError, RepositoryError, StorageError
from ledger.git.process import LOCAL_VARIABLES, LockedError, Repository, discover, scrubbed


def found(repo: Repo, **environ: str) -> Repository:
    return discover(repo.path, {**os.environ, **environ})


def test_the_facts_of_a_repository(repo: Repo) -> None:
    here = found(repo)
    assert (here.git_dir, here.common_dir, here.work_tree) == (
        repo.path / ".git",
        repo.path / ".git",
        repo.path,
    )
    assert (here.object_format, here.shallow, here.zeros) == ("sha1", False, "0" * 40)
    assert here.folder == repo.path / ".git/ledger"


def test_from_a_folder_inside(repo: Repo) -> None:
    (repo.path / "a/b").mkdir(parents=True)
    here = discover(repo.path / "a/b", os.environ)
    assert here.work_tree == repo.path
    assert here.git("rev-parse", "--show-prefix").decode().strip() == "", "git works from the top"


def test_inside_the_git_folder_there_is_no_work_tree(repo: Repo) -> None:
    assert discover(repo.path / ".git", os.environ).work_tree is None


def test_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="not a git repository") as caught:
        discover(tmp_path, os.environ)
    assert "git init" in caught.value.hint
    with pytest.raises(RepositoryError, match="no such folder") as absent:
        discover(tmp_path / "absent", os.environ)
    assert absent.value.hint == ""


def test_without_git(repo: Repo) -> None:
    with pytest.raises(RepositoryError, match="git is not installed"):
        found(repo, PATH="/nonexistent")


def test_git_dir_counts_when_looking_and_never_again(repo: Repo, make_repo: Callable[..., Repo]) -> None:
    """Inside hooks git sets GIT_DIR, GIT_INDEX_FILE and others: meant for the command that runs the hook."""
    other = make_repo("other")
    other.commit("its own")
    here = found(other, GIT_DIR=str(repo.path / ".git"), GIT_WORK_TREE=str(repo.path))
    assert here.git_dir == repo.path / ".git"
    assert here.git("rev-parse", "HEAD").decode().strip() == repo.git("rev-parse", "HEAD")
    assert not set(here.environ) & set(LOCAL_VARIABLES)


def test_the_list_of_local_variables_is_gits_own(repo: Repo) -> None:
    kept = {"GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_NO_REPLACE_OBJECTS", "GIT_GRAFT_FILE"}
    assert set(repo.git("rev-parse", "--local-env-vars").split()) - kept <= set(LOCAL_VARIABLES)


def test_configuration_given_for_one_command_reaches_git(repo: Repo) -> None:
    here = found(repo, GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="ledger.snapshot", GIT_CONFIG_VALUE_0="off")
    assert here.git("config", "ledger.snapshot") == b"off\n"


def test_output_is_gits_own_language(repo: Repo) -> None:
    assert scrubbed({"LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de"})["LC_ALL"] == "C"
    with pytest.raises(GitError, match="fatal: Needed a single revision"):
        found(repo, LANGUAGE="de").git("rev-parse", "--verify", "nope")


def test_replaced_objects_are_not_followed(repo: Repo) -> None:
    blob, other = (repo.git("hash-object", "-w", str(repo.write(name, name))) for name in ("a", "b"))
    repo.git("replace", blob, other)
    assert repo.git("cat-file", "blob", blob) == "b"
    assert found(repo).git("cat-file", "blob", blob) == b"a"


def test_errors_have_a_type(repo: Repo) -> None:
    here = found(repo)
    head = repo.git("rev-parse", "HEAD")
    with pytest.raises(RefMovedError):
        here.git("update-ref", "refs/x/y", head, head)
    with pytest.raises(RefMovedError):
        here.git("update-ref", "refs/heads/main", head, here.zeros)
    lock = repo.path / ".git/refs/heads/other.lock"
    lock.write_text("")
    with pytest.raises(LockedError) as caught:
        here.git("-c", "core.filesRefLockTimeout=1", "update-ref", "refs/heads/other", head)
    assert caught.value.path == lock
    assert caught.value.exit_code == 4
    with pytest.raises(GitError) as wrong:
        here.git("nonsense")
    assert wrong.value.code == 1
    assert not isinstance(wrong.value, (RefMovedError, StorageError))


def test_exit_codes_that_are_answers(repo: Repo) -> None:
    assert found(repo).git("config", "no.such", accept=(0, 1)) == b""


def test_hooks_of_the_repository_do_not_run(repo: Repo) -> None:
    hook = repo.write(".git/hooks/reference-transaction", f"#!/bin/sh\ntouch {repo.path}/ran\n")
    hook.chmod(0o755)
    found(repo).git("update-ref", "refs/x/y", repo.git("rev-parse", "HEAD"))
    assert not (repo.path / "ran").exists()


def test_a_git_that_is_killed_is_named(repo: Repo, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nkill -9 $$\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(RepositoryError, match="git refuses this repository: it ended with code -9"):
        discover(repo.path, {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"})
