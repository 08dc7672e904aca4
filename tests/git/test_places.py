"""Every kind of place that a repository can be: all of it works the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from store.plumbing import REF, recorded, told, verified, workspace


def runs(ledger: Ledger) -> list[float]:
    return sorted(row["metrics.f1"] for row in ledger.json("runs"))


def test_a_sha256_repository(
    ledger: Ledger, make_repo: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo("long", "--object-format=sha256")
    repo.commit("first", train__py="1\n")
    monkeypatch.chdir(repo.path)
    run_id = ledger("record", "-q", "-m", "f1=0.9").strip()
    repo.write("train.py", "changed\n")
    ledger("record", "-m", "f1=0.8")
    ledger("amend", run_id, "-m", "f1=0.7", "--reason", "r")
    assert runs(ledger) == [0.7, 0.8]
    assert len(json.loads(repo.git("show", f"{REF}~1:run.json"))["code"]["snapshot"]) == 64
    assert [row["level"] for row in ledger.json("log", "--metric", "f1")["rows"]] == ["commit"]
    assert ledger.json("verify")["faults"] == []
    repo.git("fsck", "--strict")


def test_linked_work_trees_share_everything(
    repo: Repo, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger("record", "-m", "f1=0.9")
    repo.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    monkeypatch.chdir(tmp_path / "tree")
    (tmp_path / "tree/train.py").write_text("changed\n")
    ledger("record", "-m", "f1=0.8")
    assert runs(ledger) == [0.8, 0.9]
    monkeypatch.chdir(repo.path)
    assert runs(ledger) == [0.8, 0.9]
    assert sorted(repo.git("for-each-ref", "--format=%(refname)", "refs/runs").split()) == [
        REF,
        "refs/runs/other",
    ]
    assert sorted(
        path.name for path in (repo.path / ".git").glob("**/ledger") if path.parent.name != "refs"
    ) == ["ledger"]
    assert repo.git("status", "--short") == ""


def test_a_submodule_has_a_ledger_of_its_own(
    repo: Repo, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "inner"
    repo.git("clone", "-q", str(repo.path), str(inner))
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub")
    repo.commit("with a submodule")
    monkeypatch.chdir(repo.path / "sub")
    ledger("record", "-m", "f1=0.9")
    assert runs(ledger) == [0.9]
    assert (repo.path / ".git/modules/sub/ledger").is_dir()
    monkeypatch.chdir(repo.path)
    assert runs(ledger) == []


def test_a_bare_repository_is_read(
    repo: Repo, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = ledger("record", "-q", "-m", "f1=0.9").strip()
    bare = tmp_path / "bare.git"
    repo.git("clone", "-q", "--mirror", str(repo.path), str(bare))
    monkeypatch.chdir(bare)
    assert runs(ledger) == [0.9]
    assert ledger.json("show", run_id)["run"]["id"] == run_id
    assert len(ledger.json("log", "--metric", "f1")["rows"]) == 1
    ledger("tag", run_id, "a=b")
    assert ledger.json("verify")["faults"] == []


def test_a_separate_git_folder(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo(tmp_path / "tree")
    words = ["git", "init", "-q", "-b", "main", f"--separate-git-dir={tmp_path / 'store'}", str(repo.path)]
    subprocess.run(words, check=True, capture_output=True)
    repo.commit("first", train__py="1\n")
    monkeypatch.chdir(repo.path)
    ledger("record", "-m", "f1=0.9")
    assert (tmp_path / "store/ledger").is_dir()


def test_a_shallow_clone(repo: Repo, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit("second", train__py="2\n")
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", f"file://{repo.path}", str(tmp_path / "shallow")],
        check=True,
        capture_output=True,
    )
    monkeypatch.chdir(tmp_path / "shallow")
    assert workspace(Repo(tmp_path / "shallow")).repository.shallow
    ledger("record", "-m", "f1=0.9")
    assert ledger.json("verify")["faults"] == []


def test_packed_refs_and_packed_objects(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.9")
    repo.git("gc", "-q")
    assert not (repo.path / ".git/refs/runs/main").exists()
    ledger("record", "-m", "f1=0.8")
    assert runs(ledger) == [0.8, 0.9]
    assert ledger.json("verify")["faults"] == []


# Inside hooks -----------------------------------------------------------------------------------------------------

_HOOK = """#!/bin/sh
env | grep -q ^GIT_INDEX_FILE= || echo 'no GIT_INDEX_FILE: not as git runs hooks' >&2
exec {python} -m ledger record -q -m f1=0.5 --experiment hook > {out} 2>&1
"""


def install(repo: Repo, name: str, out: Path) -> None:
    hook = repo.write(f".git/hooks/{name}", _HOOK.format(python=sys.executable, out=out))
    hook.chmod(0o755)


@pytest.mark.parametrize("linked", [False, True])
def test_a_post_commit_hook_records_the_commit_that_was_made(
    repo: Repo, tmp_path: Path, *, linked: bool
) -> None:
    out = tmp_path / "out"
    install(repo, "post-commit", out)
    place = repo
    if linked:
        repo.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
        place = Repo(tmp_path / "tree")
    place.write("sub/x.py", "1\n")
    place.git("add", "-A")
    index = Path(place.git("rev-parse", "--path-format=absolute", "--git-path", "index"))
    done = subprocess.run(
        ["git", "commit", "-q", "-m", "from a folder inside"],
        cwd=place.path / "sub",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "not as git runs hooks" not in done.stderr
    head = place.git("rev-parse", "HEAD")
    run = json.loads(place.git("show", "refs/runs/hook:run.json"))
    assert run["id"] == out.read_text().strip()
    assert (run["code"]["commit"], run["code"]["dirty"]) == (head, False)
    assert place.git("status", "--short") == ""
    assert index.exists()


def test_a_pre_commit_hook_sees_what_is_staged_and_disturbs_nothing(repo: Repo, tmp_path: Path) -> None:
    """`git commit -a` runs its hook on a temporary index: neither it nor the user's own may change."""
    install(repo, "pre-commit", tmp_path / "out")
    before = repo.git("rev-parse", "HEAD")
    repo.write("train.py", "changed\n")
    repo.git("commit", "-q", "-a", "-m", "second")
    run = json.loads(repo.git("show", "refs/runs/hook:run.json"))
    assert (run["code"]["commit"], run["code"]["dirty"]) == (before, True)
    assert run["code"]["snapshot_tree"] == repo.git("rev-parse", "HEAD^{tree}")
    assert repo.git("show", "HEAD:train.py") == "changed"
    assert repo.git("status", "--short") == ""


def test_git_ledger_is_a_git_command(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """`git -c name=value ledger` hands its configuration on."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    repo.write("train.py", "changed\n")
    repo.git("-c", "ledger.snapshot=false", "ledger", "record", "-m", "f1=0.9")
    assert json.loads(repo.git("show", f"{REF}:run.json"))["code"]["problem"] == "ledger.snapshot is off"


def test_git_sees_sound_commits(repo: Repo) -> None:
    for number in range(3):
        recorded(repo, metrics={"f1": number / 10})
    repo.git("fsck", "--strict", "--no-dangling")
    shown = repo.git("diff", f"{REF}~1", REF, "--", "metrics.json")
    assert '-  "f1": 0.1' in shown
    assert '+  "f1": 0.2' in shown
    assert told(verified(repo)) == []
