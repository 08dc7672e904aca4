"""What the doctor finds, and that its hints mend it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Repo
from share.clones import Hub

from ledger import resources
from ledger.share import git_releases
from ledger.share.git_releases import FIXES, lacking, parsed


def _found(hub: Hub, repo: Repo, code: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = hub.ledger.json("-C", str(repo.path), "doctor", code=code)["problems"]
    assert all(one["hint"] for one in found)
    assert code == any(one["severity"] == "error" for one in found)
    return found


def _codes(hub: Hub, repo: Repo, code: int) -> list[str]:
    return [one["code"] for one in _found(hub, repo, code)]


@pytest.fixture
def sound_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever git runs the tests, nothing is said of its release."""
    monkeypatch.setattr(git_releases, "FIXES", ())


DANGERS = [
    ("remote.origin.fetch", "+refs/*:refs/*", "fetch-overwrites-runs"),
    ("remote.origin.fetch", "+refs/runs/main:refs/runs/main", "fetch-overwrites-runs"),
    ("remote.origin.fetch", "refs/runs/*:refs/runs/*", "fetch-overwrites-runs"),
    ("remote.origin.push", "+refs/runs/*:refs/runs/*", "push-overwrites-runs"),
    ("remote.origin.push", ":refs/runs/main", "push-overwrites-runs"),
    ("remote.origin.mirror", "true", "push-mirrors"),
    ("gc.pruneExpire", "now", "prunes-at-once"),
    ("ledger.pushCode", "perhaps", "push-code"),
]


@pytest.mark.usefixtures("sound_git")
@pytest.mark.parametrize(
    ("key", "value", "code"),
    [DANGERS[0], *(pytest.param(*danger, marks=pytest.mark.slow) for danger in DANGERS[1:])],
)
def test_settings_that_endanger_runs(hub: Hub, key: str, value: str, code: str) -> None:
    one = hub.clone("one")
    assert _codes(hub, one, 0) == []
    assert hub.ledger("-C", str(one.path), "doctor") == "all is well\n"
    one.git("config", "--add", key, value)
    assert _codes(hub, one, 1) == [code]
    assert code in hub.ledger("-C", str(one.path), "doctor", code=1)


@pytest.mark.slow
@pytest.mark.usefixtures("sound_git")
def test_settings_that_are_meant_to_be_are_no_danger(hub: Hub) -> None:
    one = hub.clone("one")
    hub.ledger("-C", str(one.path), "init", "--remote", "origin")
    one.git("config", "fetch.prune", "true")
    one.git("config", "--add", "remote.origin.push", "refs/heads/main:refs/heads/main")
    one.git("config", "--add", "remote.origin.fetch", "+refs/pull/*/head:refs/remotes/origin/pull/*")
    assert _codes(hub, one, 0) == []


@pytest.mark.slow
@pytest.mark.usefixtures("sound_git")
def test_the_hint_for_a_dangerous_refspec_mends_it(hub: Hub) -> None:
    one = hub.clone("one")
    one.git("config", "--add", "remote.origin.fetch", "+refs/*:refs/*")
    (problem,) = _found(hub, one, 1)
    for words in problem["hint"].split("; "):
        program, *rest = words.replace("'", "").split(" ")
        one.git(*rest) if program == "git" else hub.ledger("-C", str(one.path), *rest)
    assert _codes(hub, one, 0) == []
    assert "+refs/heads/*:refs/remotes/origin/*" in one.git("config", "--get-all", "remote.origin.fetch")


@pytest.mark.slow
@pytest.mark.usefixtures("sound_git")
def test_what_dead_processes_left(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    hub.ledger("-C", str(one.path), "hooks", "install")
    locks = [one.path / ".git" / name for name in ("refs/runs/main.lock", "shallow.lock", "packed-refs.lock")]
    for lock in locks:
        lock.touch()
    assert _codes(hub, one, 0) == [], "it may be at work"
    for lock in locks:
        os.utime(lock, (time.time() - 3600,) * 2)
    one.git("symbolic-ref", "refs/runs/strange", "refs/heads/main")
    found = _found(hub, one, 1)
    assert [problem["code"] for problem in found] == ["stale-lock"] * 3 + ["no-chain"]
    for problem in found[:3]:
        Path(problem["hint"].rpartition("rm ")[2]).unlink()
    assert _codes(hub, one, 1) == ["no-chain"]


@pytest.mark.slow
@pytest.mark.usefixtures("sound_git")
def test_more_loose_objects_than_git_likes(hub: Hub) -> None:
    one = hub.clone("one")
    folder = one.path / "many"
    folder.mkdir()
    for number in range(6_800):
        (folder / str(number)).write_text(str(number))
    one.git("add", "many")
    assert _codes(hub, one, 1) == ["loose-objects"]
    one.git("commit", "-q", "-m", "many")
    one.git("gc", "-q")
    assert _codes(hub, one, 0) == []


@pytest.mark.slow
@pytest.mark.usefixtures("sound_git")
def test_sealed_files_and_refused_records_that_wait(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    hub.ledger("-C", str(one.path), "hooks", "install")
    hub.refuse("poison")
    hub.record(one, "--name", "poison")
    hub.push(one, code=1)
    assert _codes(hub, one, 1) == ["quarantine"]
    (one.path / ".git/ledger/spool/broken.zip").write_bytes(b"no zip")
    assert _codes(hub, one, 1) == ["waiting", "quarantine"]


@pytest.mark.slow
@pytest.mark.usefixtures("sound_git")
def test_a_clone_whose_rewritten_commits_nobody_notes(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    hook = one.path / ".git/hooks/post-rewrite"
    assert _codes(hub, one, 0) == ["hook-missing"]
    assert "warning" in hub.ledger("-C", str(one.path), "doctor")

    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho mine\n")
    hook.chmod(0o755)
    (foreign,) = _found(hub, one, 0)
    assert (foreign["code"], "another's" in foreign["what"]) == ("hook-missing", True)

    hub.ledger("-C", str(one.path), "hooks", "install")
    assert _codes(hub, one, 0) == []
    hook.write_text(hook.read_text().replace("mkdir -p", "mkdir"))
    assert [(p["code"], p["hint"]) for p in _found(hub, one, 0)] == [
        ("hook-outdated", "ledger hooks install")
    ]
    hub.ledger("-C", str(one.path), "hooks", "install")
    assert _codes(hub, one, 0) == []
    hook.chmod(0o644)
    assert _codes(hub, one, 1) == ["hook-not-called"]


@pytest.mark.slow
@pytest.mark.usefixtures("sound_git")
def test_hooks_are_looked_for_where_git_looks(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    shared = hub.folder / "shared"
    shared.mkdir()
    shutil.copy(resources.folder("hooks") / "post-rewrite", shared)
    assert _codes(hub, one, 0) == ["hook-missing"]
    one.git("config", "core.hooksPath", str(shared))
    (shared / "post-rewrite").chmod(0o755)
    assert _codes(hub, one, 0) == []
    (shared / "post-rewrite").write_text((shared / "post-rewrite").read_text().replace("date", "dates"))
    (outdated,) = _found(hub, one, 0)
    assert outdated["hint"].startswith("cp ")
    shutil.copy(*map(Path, outdated["hint"].split(" ")[1:]))
    assert _codes(hub, one, 0) == []


@pytest.mark.slow
@pytest.mark.usefixtures("sound_git")
def test_a_bare_repository_that_lets_anybody_rewrite_runs(hub: Hub) -> None:
    one = hub.clone("one")
    assert _codes(hub, hub.repo, 0) == [], "it holds no runs"
    hub.record(one)
    hub.push(one)
    assert _codes(hub, hub.repo, 1) == ["server-hook-missing"]
    hook = hub.repo.path / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    shutil.copy(resources.folder("hooks") / "update", hook)
    hook.chmod(0o644)
    assert _codes(hub, hub.repo, 1) == ["hook-not-called"]
    hook.chmod(0o755)
    assert _codes(hub, hub.repo, 0) == []
    hub.repo.git("config", "ledger.serverCheck", "/nowhere/ledger")
    assert _codes(hub, hub.repo, 1) == ["server-check-missing"]
    hub.repo.git("config", "--unset", "ledger.serverCheck")
    hook.write_text(hook.read_text().replace("exit 0", "exit 1"))
    assert _codes(hub, hub.repo, 0) == ["hook-outdated"]
    hook.write_text("#!/bin/sh\nexec /opt/bin/ledger server-check $*\n")
    assert _codes(hub, hub.repo, 0) == [], "what people wrote themselves is theirs"


@pytest.mark.parametrize(
    ("said", "fixes"),
    [
        ("git version 2.35.1", FIXES),
        ("git version 2.39.3", FIXES),
        ("git version 2.39.5 (Apple Git-154)", FIXES[1:]),
        ("git version 2.43.6", FIXES[2:]),
        ("git version 2.43.7", ()),
        ("git version 2.46.2.windows.1", FIXES[1:]),
        ("git version 2.50.0.rc1", FIXES[2:]),
        ("git version 2.50.1", ()),
        ("git version 2.51.0", ()),
        ("git version 3.0", ()),
    ],
)
def test_releases_and_what_they_lack(said: str, fixes: tuple[object, ...]) -> None:
    version = parsed(said)
    assert version
    assert lacking(version) == list(fixes)


def test_what_a_distribution_mended_is_not_held_against_its_git() -> None:
    assert lacking((2, 39, 5), {"CVE-2025-48384", "CVE-2025-48385", "CVE-2024-50349"}) == [FIXES[1]]
    assert parsed("git version unknown") is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "codes", "code"),
    [
        ("2.30.2", ["old-git", *["vulnerable-git"] * 3], 1),
        ("2.45.1", ["vulnerable-git"] * 2, 0),
        ("2.51.0", [], 0),
    ],
)
def test_an_old_git(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, version: str, codes: list[str], code: int
) -> None:
    """Another program of that name is first on the PATH; all but its version is git's."""
    one = hub.clone("one")
    program = hub.folder / "bin/git"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\ncase " $* " in *" version "*) echo git version {version} ;; *) exec {shutil.which("git")} "$@" ;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    found = _found(hub, one, code)
    assert [problem["code"] for problem in found] == codes
    assert all("changelog" in problem["hint"] for problem in found if problem["code"] == "vulnerable-git")
