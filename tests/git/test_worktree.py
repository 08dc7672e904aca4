"""The state of the code, and a snapshot of it that leaves everything of the user's byte-identical."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import Repo
from store.plumbing import recorded, workspace

from ledger.git import worktree
from ledger.git.process import Repository, discover
from ledger.git.worktree import Snapshot, SnapshotTooLargeError


def repository(repo: Repo) -> Repository:
    return discover(repo.path, os.environ)


def snapshot(
    repo: Repo, *, ignored: tuple[str, ...] = (), untracked: tuple[str, ...] = (), max_bytes: int = 10**6
) -> Snapshot:
    here = repository(repo)
    state = worktree.status(here, ignored=ignored)
    return worktree.snapshot(here, state, ignored=ignored, untracked=untracked, max_bytes=max_bytes)


def everything_of_the_users(repo: Repo) -> dict[str, tuple[bytes, int]]:
    """All files but ledger's own and the object store, with the time of their last change."""
    skipped = (
        ".git/objects",
        ".git/ledger",
        ".git/refs/runs",
        ".git/refs/ledger",
        ".git/logs/refs/runs",
        ".git/logs/refs/ledger",
    )
    return {
        str(name): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in repo.path.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and not str(name := path.relative_to(repo.path)).startswith(skipped)
    }


# Status -----------------------------------------------------------------------------------------------------------


def test_what_counts_as_changed(repo: Repo) -> None:
    repo.commit("more", a__py="1", b__py="1", c__py="1", metrics__json="{}")
    repo.write("a.py", "2")
    repo.git("rm", "-q", "b.py")
    repo.git("mv", "c.py", "d.py")
    repo.write("metrics.json", "[]")
    repo.write(".ledger/config.toml", "")
    repo.git("add", ".ledger")
    repo.write("new.py", "")
    repo.write("notes.txt", "")
    state = worktree.status(repository(repo), ignored=("metrics.json",))
    assert (state.commit, state.branch) == (repo.git("rev-parse", "HEAD"), "main")
    assert state.changed == ("a.py", "b.py", "c.py", "d.py")
    assert state.untracked_sources == ("new.py",)


def test_odd_file_names(repo: Repo) -> None:
    names = ["a b.py", "é.py", "tab\t.py", "line\nfeed.py", "-x.py", ":(top)y.py", "*.py", '"q".py']
    for name in names:
        (repo.path / name).write_text("1")
    repo.commit("odd")
    for name in names:
        (repo.path / name).write_text("2")
    state = worktree.status(repository(repo))
    assert sorted(state.changed) == sorted(names)
    made = snapshot(repo, ignored=("*.py",))
    repo.git("unpack-objects", "-q", check=False)
    recorded(repo)
    changed = repo.git("diff-tree", "-r", "-z", "--name-only", "HEAD^{tree}", made.tree, check=False)
    assert set(changed.split("\0")) - {""} <= set(names)


def test_paths_narrow_what_counts(repo: Repo) -> None:
    repo.write("model/train.py", "1")
    repo.write("web/app.py", "1")
    repo.commit("two parts")
    repo.write("web/app.py", "2")
    assert worktree.status(repository(repo), paths=("model",)).changed == ()
    assert worktree.status(repository(repo), paths=("web",)).changed == ("web/app.py",)


def test_detached_and_unborn(repo: Repo) -> None:
    repo.git("checkout", "-q", "--detach")
    assert worktree.status(repository(repo)).branch is None
    repo.git("checkout", "-q", "--orphan", "new")
    assert worktree.status(repository(repo)).commit is None


def test_a_merge_with_conflicts(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "other")
    repo.commit("theirs", train__py="theirs\n")
    repo.git("checkout", "-q", "main")
    repo.commit("ours", train__py="ours\n")
    repo.git("merge", "-q", "other", check=False)
    assert worktree.status(repository(repo)).changed == ("train.py",)
    done = recorded(repo)
    assert done.code
    assert "<<<<<<<" in repo.git("show", f"{done.code.snapshot}:train.py")


# Snapshots --------------------------------------------------------------------------------------------------------


def test_nothing_of_the_users_is_touched(repo: Repo) -> None:
    repo.commit("more", a__py="1\n", b__py="1\n")
    repo.write("a.py", "staged\n")
    repo.git("add", "a.py")
    repo.write("a.py", "staged and changed again\n")
    repo.write("b.py", "changed\n")
    repo.write("new.txt", "untracked\n")
    repo.git("stash", "list")
    before = everything_of_the_users(repo)
    status = repo.git("status", "--porcelain=v2", env={"GIT_OPTIONAL_LOCKS": "0"})
    done = recorded(repo)
    assert everything_of_the_users(repo) == before
    assert repo.git("status", "--porcelain=v2", env={"GIT_OPTIONAL_LOCKS": "0"}) == status
    assert done.code
    shown = {name: repo.git("show", f"{done.code.snapshot}:{name}") for name in ("a.py", "b.py", "train.py")}
    assert shown == {"a.py": "staged and changed again", "b.py": "changed", "train.py": "print('training')"}
    assert "new.txt" not in repo.git("ls-tree", "--name-only", f"{done.code.snapshot}")
    assert repo.git("rev-parse", f"{done.code.snapshot}^") == repo.git("rev-parse", "HEAD")


def test_one_state_has_one_snapshot_whoever_takes_it_and_whenever(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write("train.py", "changed\n")
    one = snapshot(repo)
    monkeypatch.setenv("GIT_AUTHOR_DATE", "1800000000 +0900")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Bea")
    repo.git("add", "-A")
    other = snapshot(repo)
    assert (one.commit, one.tree) == (other.commit, other.tree)
    repo.write("train.py", "changed again\n")
    assert snapshot(repo).commit != one.commit


def test_the_runs_own_files_and_the_settings_stay_as_head_has_them(repo: Repo) -> None:
    repo.commit("more", metrics__json="{}\n")
    repo.write("metrics.json", '{"f1": 1}\n')
    repo.write("train.py", "changed\n")
    made = recorded(repo, own_files=(str(repo.path / "metrics.json"),)).code
    assert made
    assert made.ignored == ("metrics.json",)
    assert repo.git("show", f"{made.snapshot}:metrics.json") == "{}"


def test_untracked_files_by_glob_only(repo: Repo) -> None:
    repo.write("conf/a.yaml", "1\n")
    repo.write("conf/b.bin", "1\n")
    repo.write("train.py", "changed\n")
    repo.git("config", "ledger.snapshotUntracked", "conf/*.yaml")
    made = recorded(repo).code
    assert made
    assert repo.git("ls-tree", "-r", "--name-only", f"{made.snapshot}").split() == ["conf/a.yaml", "train.py"]


def test_the_size_has_a_limit_and_a_run_is_recorded_all_the_same(repo: Repo) -> None:
    repo.write("train.py", "x" * 5000)
    with pytest.raises(SnapshotTooLargeError, match="5,000 bytes"):
        snapshot(repo, max_bytes=4999)
    repo.git("config", "ledger.snapshotMaxBytes", "4k")
    done = recorded(repo)
    assert done.chained
    assert done.code
    assert (done.code.dirty, done.code.snapshot) == (True, None)
    assert "5,000 bytes changed" in (done.code.problem or "")
    assert any("were not kept" in warning for warning in done.warnings)


def test_snapshots_can_be_switched_off(repo: Repo) -> None:
    repo.write("train.py", "changed\n")
    repo.git("config", "ledger.snapshot", "false")
    done = recorded(repo)
    assert done.code
    assert (done.code.dirty, done.code.snapshot, done.code.problem) == (True, None, "ledger.snapshot is off")


def test_deleted_files_links_and_modes(repo: Repo) -> None:
    repo.commit("more", a__py="1\n", b__py="1\n", c__py="1\n")
    (repo.path / "a.py").unlink()
    (repo.path / "b.py").unlink()
    (repo.path / "b.py").symlink_to("/etc/passwd")
    (repo.path / "c.py").chmod(0o755)
    made = recorded(repo).code
    assert made
    listed = repo.git("ls-tree", f"{made.snapshot}").splitlines()
    assert [(line.split()[0], line.split("\t")[1]) for line in listed] == [
        ("120000", "b.py"), ("100755", "c.py"), ("100644", "train.py"),
    ]  # fmt: skip


def test_the_snapshot_is_kept_alive(repo: Repo) -> None:
    repo.write("train.py", "changed\n")
    made = recorded(repo).code
    assert made
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    assert repo.git("show", f"{made.snapshot}:train.py") == "changed"


def test_filters_and_hooks_of_the_repository(repo: Repo) -> None:
    """A clean filter is part of what the code is; a hook that would say no is not asked."""
    repo.write(".gitattributes", "*.py filter=shout\n")
    repo.git("config", "filter.shout.clean", "tr a-z A-Z")
    repo.git("config", "core.hooksPath", str(repo.path / "hooks"))
    hook = repo.write("hooks/pre-commit", "#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    repo.write("train.py", "changed\n")
    made = recorded(repo).code
    assert made
    assert repo.git("show", f"{made.snapshot}:train.py") == "CHANGED"


def test_a_submodule_is_dirty_and_never_in_a_snapshot(repo: Repo, tmp_path: Path) -> None:
    inner = Repo(tmp_path / "inner")
    repo.git("init", "-q", "-b", "main", str(inner.path))
    inner.commit("inner", lib__py="1\n")
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.path), "sub")
    repo.commit("with a submodule")
    recorded_at = repo.git("rev-parse", "HEAD:sub")
    (repo.path / "sub/lib.py").write_text("changed\n")
    made = recorded(repo).code
    assert made
    assert made.dirty
    assert "submodules" in (made.problem or "")
    assert repo.git("rev-parse", f"{made.snapshot}:sub") == recorded_at
    assert recorded(Repo(repo.path / "sub")).code, "and a submodule is a repository like any other"


def test_a_bare_repository_takes_a_named_commit(repo: Repo, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    repo.git("clone", "-q", "--bare", str(repo.path), str(bare))
    done = recorded(Repo(bare), experiment="nightly")
    assert done.code
    assert (done.code.commit, done.code.captured) == (repo.git("rev-parse", "HEAD"), "start")
    assert workspace(Repo(bare)).repository.work_tree is None
