"""Runs of many clones become one chain on the remote."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Repo
from share.clones import REF, Hub, exists, listed, runs, tip

import ledger as api


def test_runs_of_two_clones_become_one_chain(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    first, second = hub.record(one), hub.record(one)
    assert hub.push(one)["experiments"][0]["sent"] == 2
    third = hub.record(other)
    before = other.git("show", "-s", "--format=%T %an %ae %ad %cn %cd %B", REF)

    done = hub.push(other)["experiments"][0]

    assert (done["came"], done["sent"], done["reparented"]) == (2, 1, 1)
    assert hub.runs() == [first, second, third]
    assert runs(other) == [first, second, third]
    assert other.git("show", "-s", "--format=%T %an %ae %ad %cn %cd %B", REF) == before
    assert hub.pull(one)["experiments"][0]["came"] == 1
    assert tip(one) == tip(hub.repo)
    assert listed(hub, one) == listed(hub, other)
    assert hub.ledger.json("-C", str(other.path), "verify")["faults"] == []


@pytest.mark.slow
def test_nothing_to_do_is_one_look_and_no_write(hub: Hub, tmp_path: Path) -> None:
    one = hub.clone("one")
    hub.record(one)
    hub.push(one)
    before = one.git("for-each-ref")
    trace = tmp_path / "trace"
    done = subprocess.run(
        [sys.executable, "-m", "ledger", "push"], cwd=one.path, env={**os.environ, "GIT_TRACE": str(trace)}, check=True, capture_output=True
    )  # fmt: skip
    assert done.stdout == b"origin: up to date\n"
    network = [line for line in trace.read_text().splitlines() if "-pack '" in line and "run_command" in line]
    assert len(network) == 1, network
    assert "git-upload-pack" in network[0]
    assert one.git("for-each-ref") == before


@pytest.mark.slow
def test_only_the_named_experiments_go(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    hub.record(one, "--experiment", "LR/sweep")
    done = hub.push(one, "-e", "LR/sweep")
    (ref,) = hub.repo.git("for-each-ref", "--format=%(refname)", "refs/runs/").split()
    assert ref.startswith("refs/runs/lr-sweep-")
    assert [item["sent"] for item in done["experiments"]] == [1]
    hub.push(one)
    assert exists(hub.repo, REF)
    hub.ledger("-C", str(one.path), "push", "-e", "mian", code=1)
    assert "no runs of mian" in hub.ledger.err


def test_a_dry_run_sends_nothing(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    done = hub.push(one, "--dry-run")
    assert done["experiments"][0]["waiting"] == 1
    assert not exists(hub.repo, REF)
    assert "1 record to send" in hub.ledger("-C", str(one.path), "push", "-n")


def test_code_stays_at_home(hub: Hub) -> None:
    one = hub.clone("one")
    one.commit("secret", secret__py="token = 1\n")
    one.write("train.py", "dirty = 1\n")
    hub.record(one)
    hub.push(one)
    assert hub.repo.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main", REF]
    assert hub.repo.git("cat-file", "-t", tip(one, "refs/ledger/code/main"), check=False) == ""


def test_a_remote_is_a_name_from_the_configuration(hub: Hub) -> None:
    one = hub.clone("one")
    for word in (hub.url, str(hub.repo.path), "--upload-pack=touch hacked", "nowhere"):
        hub.ledger("-C", str(one.path), "push", "--", word, code=1)
        assert "no such remote" in hub.ledger.err
    one.git("remote", "set-url", "origin", "ext::sh -c touch% hacked")
    one.git("config", "protocol.ext.allow", "always")
    hub.record(one)
    hub.ledger("-C", str(one.path), "push", code=4)
    assert not (one.path / "hacked").exists()


def test_a_remote_that_cannot_be_reached_is_no_disaster(hub: Hub) -> None:
    one = hub.clone("one")
    run = hub.record(one)
    one.git("remote", "set-url", "origin", f"file://{hub.folder}/gone.git")
    hub.ledger("-C", str(one.path), "push", code=4)
    assert "gone.git" in hub.ledger.err
    one.git("remote", "set-url", "origin", hub.url)
    hub.push(one)
    assert hub.runs() == [run]


@pytest.mark.slow
def test_without_a_remote_it_says_what_to_do(hub: Hub) -> None:
    one = hub.clone("one")
    one.git("remote", "remove", "origin")
    hub.ledger("-C", str(one.path), "push", code=1)
    assert "git remote add" in hub.ledger.err
    one.git("remote", "add", "left", hub.url)
    one.git("remote", "add", "right", hub.url)
    hub.ledger("-C", str(one.path), "push", code=1)
    assert "git config ledger.remote" in hub.ledger.err
    one.git("config", "ledger.remote", "right")
    hub.record(one)
    hub.push(one)
    assert exists(one, "refs/ledger/pins/right/main")
    second = hub.record(one)
    assert runs(one)[-1] == second


@pytest.mark.slow
def test_a_mirror_gets_what_home_has(hub: Hub, tmp_path: Path) -> None:
    one = hub.clone("one")
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "mirror.git")], check=True)
    one.git("remote", "add", "backup", f"file://{tmp_path}/mirror.git")
    hub.record(one)
    hub.ledger("-C", str(one.path), "push", "backup", code=4)
    assert "not on origin yet" in hub.ledger("-C", str(one.path), "push", "backup", code=4)
    hub.ledger("-C", str(one.path), "push", "backup", "origin")
    assert one.git("ls-remote", "backup", REF).split()[0] == tip(hub.repo)


@pytest.mark.slow
def test_a_remote_that_cannot_be_reached_keeps_nothing_from_the_others(hub: Hub, tmp_path: Path) -> None:
    one = hub.clone("one")
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "mirror.git")], check=True)
    one.git("remote", "add", "gone", f"file://{tmp_path}/gone.git")
    one.git("remote", "add", "backup", f"file://{tmp_path}/mirror.git")
    hub.record(one)
    told = hub.ledger.json("-C", str(one.path), "push", "origin", "gone", "backup", code=4)["remotes"]
    assert [bool(remote["trouble"]) for remote in told] == [False, True, False]
    assert [sum(entry["sent"] for entry in remote["experiments"]) for remote in told] == [1, 0, 1]
    assert one.git("ls-remote", "backup", REF).split()[0] == tip(hub.repo)
    assert "gone: nothing moved" in hub.ledger("-C", str(one.path), "fetch", "gone", "backup", code=4)


@pytest.mark.slow
def test_the_configuration_of_the_user_changes_nothing_and_is_not_changed(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    hub.push(one)
    for key, value in {
        "remote.origin.prune": "true",
        "fetch.prune": "true",
        "remote.origin.mirror": "true",
        "push.followTags": "true",
        "remote.origin.tagOpt": "--tags",
        "push.default": "matching",
    }.items():
        one.git("config", key, value)
    one.git("config", "--add", "remote.origin.fetch", "+refs/*:refs/*")
    one.git("tag", "-a", "-m", "mine", "v1")
    one.git("branch", "private")
    before = (one.path / ".git/config").read_bytes()
    run = hub.record(one)
    hub.push(one)
    assert hub.runs()[-1] == run
    assert hub.repo.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main", REF]
    assert exists(one, "refs/heads/private")
    assert (one.path / ".git/config").read_bytes() == before


@pytest.mark.slow
def test_a_run_is_read_after_its_old_commit_is_gone(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one)
    hub.push(one)
    run = hub.record(other)
    assert listed(hub, other) == {run: 1}
    hub.push(other)
    assert len(listed(hub, other)) == 2
    other.git("reflog", "expire", "--expire=now", "--all")
    other.git("gc", "-q", "--prune=now")
    assert hub.ledger.json("-C", str(other.path), "show", run)["metrics"]["f1"]["value"] == 0.5
    assert set(listed(hub, other)) == set(hub.runs())
    assert hub.ledger.json("-C", str(other.path), "verify")["faults"] == []


def _code_refs(hub: Hub) -> list[str]:
    return hub.repo.git("for-each-ref", "--format=%(refname)", "refs/ledger/code/").split()


@pytest.mark.slow
def test_code_goes_along_where_the_user_says_so(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    one.git("config", "ledger.pushCode", "auto")
    assert hub.push(one)["code"] == 0, "the remote has that commit already"
    mine = one.commit("mine", train__py="print('mine')\n")
    hub.record(one)
    one.write("train.py", "print('not committed')\n")
    run = hub.record(one)
    assert hub.push(one)["code"] == 1
    (ref,) = _code_refs(hub)
    snapshot = hub.ledger.json("-C", str(one.path), "show", run)["run"]["code"]["snapshot"]
    assert hub.repo.git("show", f"{snapshot}:train.py") == "print('not committed')"
    assert mine in hub.repo.git("rev-list", ref)
    assert hub.push(one)["code"] == 0
    one.commit("later", train__py="print('later')\n")
    hub.record(one)
    assert hub.push(one)["code"] == 1
    assert _code_refs(hub) == [ref]


@pytest.mark.slow
def test_a_remote_for_runs_alone_gets_code_only_always(hub: Hub, tmp_path: Path) -> None:
    one = hub.clone("one")
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "runs.git")], check=True)
    one.git("remote", "add", "runs", f"file://{tmp_path}/runs.git")
    one.git("config", "ledger.remote", "runs")
    one.git("config", "ledger.pushCode", "auto")
    hub.record(one)
    assert hub.push(one)["code"] == 0
    one.git("config", "ledger.pushCode", "always")
    assert hub.push(one)["code"] == 1
    one.git("config", "ledger.pushCode", "sometimes")
    hub.record(one)
    hub.ledger("-C", str(one.path), "push", code=1)
    assert "ledger.pushCode" in hub.ledger.err


@pytest.mark.slow
def test_code_that_a_shallow_clone_cannot_give_is_told_with_what_helps(hub: Hub, tmp_path: Path) -> None:
    one = hub.clone("one")
    one.commit("more")
    one.git("push", "-q", "origin", "main")
    shallow = hub.clone("shallow", "--depth", "1")
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "runs.git")], check=True)
    shallow.git("remote", "add", "runs", f"file://{tmp_path}/runs.git")
    shallow.git("config", "ledger.remote", "runs")
    shallow.git("config", "ledger.pushCode", "always")
    hub.record(shallow)
    assert "git fetch --unshallow" in hub.push(shallow, code=4)["trouble"]
    shallow.git("fetch", "-q", "--unshallow", "origin")
    assert hub.push(shallow)["code"] == 1


@pytest.mark.slow
def test_the_code_of_many_runs_takes_no_more_processes_than_that_of_few(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = hub.clone("one")
    one.git("config", "ledger.pushCode", "always")
    counts = []
    for number in (2, 9):
        commits = [
            one.git("commit-tree", "HEAD^{tree}", "-m", f"{number} {n}", "-p", "HEAD") for n in range(number)
        ]
        runs = [{"metrics": {"f1": 0.5}, "experiment": "main", "code": commit} for commit in commits]
        api.record_many(runs, repository=one.path)
        with _counted(tmp_path / f"trace-{number}", monkeypatch) as count:
            assert hub.push(one)["code"] == number
        counts.append(count())
    assert counts[1] <= counts[0], "the second push has less to set up"


@pytest.mark.slow
def test_a_mirror_of_many_experiments_takes_no_more_processes_than_one_of_few(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = hub.clone("one")
    counts = []
    for number in (2, 9):
        subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / f"mirror-{number}.git")], check=True)
        one.git("remote", "add", f"mirror-{number}", f"file://{tmp_path}/mirror-{number}.git")
        runs = [{"metrics": {"f1": 0.5}, "experiment": f"e{number}-{n}"} for n in range(number)]
        api.record_many(runs, repository=one.path)
        hub.push(one)
        with _counted(tmp_path / f"trace-{number}", monkeypatch) as count:
            hub.ledger("-C", str(one.path), "push", f"mirror-{number}")
        counts.append(count())
        mirrored = Repo(tmp_path / f"mirror-{number}.git").git("for-each-ref", "refs/runs/")
        assert mirrored == hub.repo.git("for-each-ref", "refs/runs/")
    assert counts[1] == counts[0]


@contextmanager
def _counted(trace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """How many git processes the block starts."""
    monkeypatch.setenv("GIT_TRACE", str(trace))
    yield lambda: sum("trace: built-in: " in line for line in trace.read_text().splitlines())
    monkeypatch.delenv("GIT_TRACE")
