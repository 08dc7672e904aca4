"""`ledger hooks install` and `uninstall` beside real hooks of every kind, with real commits and amends."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Ledger, Repo

import ledger as package

NOTED = Path(".git/ledger/rewritten")
SHELL = 'echo "$# $1 $(cat)" > ran\nexit 3\n'
KINDS = {
    "sh": f"#!/bin/sh -eu\n{SHELL}",
    "bash": f"#!/usr/bin/env bash\nset -euo pipefail\n{SHELL}",
    "dash": f"#!/usr/bin/dash\n{SHELL}",
    "no first line": SHELL,
    "no newline": "#!/bin/sh",
    "no last newline": f"#!/bin/sh\n{SHELL.rstrip()}",
    "exec": '#!/bin/sh\nexec sh -c \'echo "$# $1 $(cat)" > ran\' sh "$@"\n',
    "python": f"#!{sys.executable}\nimport sys\nprint(len(sys.argv) - 1, sys.argv[1], sys.stdin.read().strip(), file=open('ran', 'w'))\n",
    "python by name": f"#!{sys.executable}\nimport os, sys\nassert os.path.basename(sys.argv[0]) == 'post-rewrite'\nprint(len(sys.argv) - 1, sys.argv[1], sys.stdin.read().strip(), file=open('ran', 'w'))\n",
}

EVERYDAY = ("sh", "no first line", "python by name")


def put(repo: Repo, name: str, text: str, *, folder: str = ".git/hooks", mode: int = 0o755) -> Path:
    path = repo.write(f"{folder}/{name}", text)
    path.chmod(mode)
    return path


def everything(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    """All files below a folder, with their modes, and links as what they say."""
    return {
        str(path.relative_to(folder)): (
            stat.S_IMODE(path.lstat().st_mode),
            os.readlink(path) if path.is_symlink() else path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def amend(repo: Repo) -> str:
    """Amend, and return what git tells the hook."""
    old = repo.git("rev-parse", "HEAD")
    repo.git("commit", "-q", "--amend", "-m", f"amended {old}")
    return f"{old} {repo.git('rev-parse', 'HEAD')}"


@pytest.mark.parametrize(
    "kind", [kind if kind in EVERYDAY else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_what_is_there_runs_as_before_and_comes_back_to_the_byte(
    repo: Repo, ledger: Ledger, kind: str
) -> None:
    put(repo, "post-rewrite", KINDS[kind])
    hooks = repo.path / ".git/hooks"
    before = everything(hooks)
    ledger("hooks", "install")
    pair = amend(repo)
    if kind != "no newline":
        assert (repo.path / "ran").read_text().strip() == f"1 amend {pair}"
    (noted,) = NOTED.iterdir()
    assert noted.read_text().strip() == pair
    whole = everything(hooks)
    ledger("hooks", "install")
    assert everything(hooks) == whole, "once is enough"
    ledger("hooks", "uninstall")
    assert everything(hooks) == before


def test_a_link_is_called_where_it_leads_and_stays_one(repo: Repo, ledger: Ledger) -> None:
    target = put(repo, "hook.sh", KINDS["sh"], folder="tools")
    link = repo.path / ".git/hooks/post-rewrite"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to("../../tools/hook.sh")
    before, text = everything(link.parent), target.read_bytes()
    ledger("hooks", "install", "post-rewrite")
    pair = amend(repo)
    assert (repo.path / "ran").read_text().strip() == f"1 amend {pair}"
    assert target.read_bytes() == text
    ledger("hooks", "uninstall")
    assert everything(link.parent) == before


def test_a_hook_that_is_switched_off_stays_off(repo: Repo, ledger: Ledger) -> None:
    path = put(repo, "post-rewrite", KINDS["sh"], mode=0o644)
    before = everything(path.parent)
    ledger("hooks", "install")
    amend(repo)
    assert not (repo.path / "ran").exists()
    assert len(list(NOTED.iterdir())) == 1
    ledger("hooks", "uninstall")
    assert everything(path.parent) == before


def test_where_nothing_was_nothing_is_left(repo: Repo, ledger: Ledger) -> None:
    hooks = repo.path / ".git/hooks"
    ledger("hooks", "install")
    assert sorted(path.name for path in hooks.iterdir()) == ["post-commit", "post-rewrite"]
    states = {one["hook"]: one["installed"] for one in ledger.json("hooks", "list")}
    assert states == {"post-commit": True, "post-rewrite": True}
    ledger("hooks", "uninstall", "post-commit")
    ledger("hooks", "uninstall")
    assert everything(hooks) == {}
    assert "nothing is installed" in ledger("hooks", "uninstall")
    ledger("hooks", "install", "pre-push", code=1)


def test_what_people_add_to_our_file_stays(repo: Repo, ledger: Ledger) -> None:
    ledger("hooks", "install", "post-commit")
    path = repo.path / ".git/hooks/post-commit"
    path.write_bytes(path.read_bytes() + b"echo mine\n")
    ledger("hooks", "uninstall")
    assert path.read_bytes() == b"#!/bin/sh\necho mine\n"


def test_a_block_of_another_version_is_replaced(repo: Repo, ledger: Ledger) -> None:
    path = put(repo, "post-rewrite", KINDS["sh"])
    before = path.read_bytes()
    ledger("hooks", "install")
    new = path.read_bytes()
    path.write_bytes(new.replace(b"ledger/rewritten", b"ledger/elsewhere"))
    assert "another version" in ledger("hooks", "list")
    ledger("hooks", "install")
    assert path.read_bytes() == new
    ledger("hooks", "uninstall")
    assert path.read_bytes() == before


def test_hooks_elsewhere_are_respected(repo: Repo, ledger: Ledger) -> None:
    repo.git("config", "core.hooksPath", "tools/hooks")
    put(repo, "post-rewrite", KINDS["sh"], folder="tools/hooks")
    ledger("hooks", "install")
    pair = amend(repo)
    assert (repo.path / "ran").read_text().strip() == f"1 amend {pair}"
    assert len(list(NOTED.iterdir())) == 1
    repo.git("config", "core.hooksPath", "moved")
    assert len(ledger.json("hooks", "list")) == 2


def test_those_of_all_repositories_are_asked_for(
    repo: Repo, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = tmp_path / "wide"
    (tmp_path / "config").write_text(f"[core]\n\thooksPath = {wide}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    ledger("hooks", "install", code=1)
    assert "--everywhere" in ledger.err
    assert not wide.exists()
    ledger("hooks", "install", "--everywhere")
    amend(repo)
    assert len(list(NOTED.iterdir())) == 1


def test_a_block_in_the_old_place_comes_out_after_the_configuration_changed(
    repo: Repo, ledger: Ledger
) -> None:
    ledger("hooks", "install")
    repo.git("config", "core.hooksPath", "tools/hooks")
    assert {one["installed"] for one in ledger.json("hooks", "list")} == {True, False}
    ledger("hooks", "uninstall")
    assert everything(repo.path / ".git/hooks") == {}


def test_beside_husky(repo: Repo, ledger: Ledger) -> None:
    """Its own folder is made anew at each install; the user's scripts beside it are run by `sh -e`."""
    put(
        repo,
        "h",
        '#!/usr/bin/env sh\nn=$(basename "$0")\ns=$(dirname "$(dirname "$0")")/$n\n[ ! -f "$s" ] && exit 0\nsh -e "$s" "$@"\n',
        folder=".husky/_",
    )
    put(repo, "post-rewrite", '#!/usr/bin/env sh\n. "$(dirname "$0")/h"\n', folder=".husky/_")
    mine = put(repo, "post-rewrite", SHELL, folder=".husky", mode=0o644)
    repo.git("config", "core.hooksPath", ".husky/_")
    ledger("hooks", "install", "post-rewrite")
    pair = amend(repo)
    assert (repo.path / "ran").read_text().strip() == f"1 amend {pair}"
    assert len(list(NOTED.iterdir())) == 1
    ledger("hooks", "uninstall")
    assert (mine.read_text(), stat.S_IMODE(mine.stat().st_mode)) == (SHELL, 0o644)


def test_all_work_trees_share_them(repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.git("worktree", "add", "-q", "../other", "-b", "other")
    monkeypatch.chdir(repo.path.parent / "other")
    ledger("hooks", "install")
    assert (repo.path / ".git/hooks/post-rewrite").exists()
    monkeypatch.chdir(repo.path)
    amend(repo)
    assert len(list(NOTED.iterdir())) == 1


@pytest.mark.slow
def test_a_commit_records_who_died_without_waiting(
    repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    ledger("hooks", "install")
    script = "import ledger, os\nrun = ledger.start()\nrun.log(f1=0.5)\nrun.flush()\nos.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script], check=False)
    folder = repo.path / ".git/ledger/journal"
    assert len(list(folder.iterdir())) == 1
    repo.commit("next")
    for _ in range(600):
        if not list(folder.iterdir()):
            break
        time.sleep(0.05)
    assert repo.git("log", "--format=%s", "refs/runs/main") == "main: f1 0.5 (lost)"
    assert package.runs(repository=repo.path).num_rows == 1


def test_a_hook_without_ledger_or_with_a_broken_one_disturbs_no_commit(repo: Repo, ledger: Ledger) -> None:
    ledger("hooks", "install")
    repo.write(".git/ledger/journal/x.journal", "")
    bare = {"PATH": "/usr/bin:/bin"}
    assert repo.git("commit", "-q", "--allow-empty", "-m", "next", env=bare) == ""
    (repo.path / ".git/ledger/rewritten").write_text("in the way")
    assert repo.git("commit", "-q", "--amend", "--allow-empty", "-m", "again", env=bare) == ""
