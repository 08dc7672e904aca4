"""What is beside the chains: after a redaction neither inboxes nor files hold the value, here, there and in other clones."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Repo
from share.clones import Hub, boxes, exists, listed, runs
from share.leaks import SECRET, leak, redact

import ledger as api
from ledger.store import journal


def reachable(repo: Repo) -> bytes:
    """Every object that any ref or reflog leads to."""
    ids = repo.git("rev-list", "--objects", "--no-object-names", "--all", "--reflog")
    words = ["git", "cat-file", "--batch"]
    return subprocess.run(words, cwd=repo.path, input=ids.encode(), capture_output=True, check=True).stdout


def files(repo: Repo) -> list[str]:
    """Files with the value that ledger keeps, beside git's objects and where `.git` can't be written."""
    common = Path(repo.git("rev-parse", "--path-format=absolute", "--git-common-dir"))
    state = Path(os.environ["XDG_STATE_HOME"])
    found = [path for folder in (common / "ledger", state) for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in found if SECRET.encode() in path.read_bytes()]


def assert_clean(repo: Repo) -> None:
    assert SECRET.encode() not in reachable(repo)
    assert files(repo) == []


@pytest.mark.long
def test_a_value_in_an_inbox_only(hub: Hub) -> None:
    one, stale = hub.clone("one"), hub.clone("stale")
    hub.record(one)
    hub.push(one)
    job = hub.clone("job", "--depth=1")
    leaked = leak(hub, job, "--note", "what stays")
    hub.push(job)
    for clone in (one, stale):
        hub.fetch(clone)
        assert SECRET.encode() in reachable(clone)
        assert leaked in listed(hub, clone), "an index that holds it"

    done = redact(hub, one, leaked)
    assert done["on_remote"] == ["main"]
    assert_clean(one)
    assert SECRET.encode() in reachable(hub.repo)
    hub.pull(one)
    hub.fetch(one)
    assert_clean(one)
    assert leaked in listed(hub, one)

    hub.push(one, "--redacted")
    assert_clean(hub.repo)
    assert boxes(hub.repo) == boxes(one) == []
    assert leaked in hub.runs()
    for clone in (stale, job):
        hub.push(clone)
        assert_clean(clone)
        assert leaked in listed(hub, clone)
    hub.record(job)
    hub.push(job)
    assert_clean(hub.repo)
    assert "what stays" in hub.repo.git("log", "-p", "refs/runs/main")


@pytest.mark.slow
def test_a_shallow_clone_takes_a_value_out_of_its_own_inbox(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    hub.push(one)
    job = hub.clone("job", "--depth=1")
    leaked = leak(hub, job)
    hub.push(job)
    assert redact(hub, job, leaked)["on_remote"] == ["main"]
    assert_clean(job)
    held = hub.push(job, code=4)
    assert "ledger push --redacted" in held["experiments"][0]["problem"]
    assert SECRET.encode() in reachable(hub.repo)
    hub.push(job, "--redacted")
    assert_clean(hub.repo)
    assert hub.push(job)["pushes"] == 0
    hub.push(one)
    assert leaked in hub.runs()
    assert_clean(one)
    assert_clean(hub.repo)


@pytest.mark.slow
def test_an_inbox_of_a_clone_that_lost_every_race(hub: Hub) -> None:
    """It stands on the chain, and so do later ones: the value may lie deep in it."""
    one = hub.clone("one")
    leaked = leak(hub, one)
    hub.push(one)
    mine = hub.record(one)
    hub.push(one, "--inbox")
    other = hub.clone("other")
    hub.fetch(other)
    hub.pull(other)
    redact(hub, other, leaked)
    assert [ref for ref in boxes(other) if SECRET in other.git("log", "-p", ref)] == []
    hub.push(other, "--redacted")
    assert_clean(hub.repo)
    assert_clean(other)
    assert hub.runs() == [leaked, mine]
    hub.pull(one)
    assert_clean(one)
    assert runs(one) == [leaked, mine]


@pytest.mark.slow
def test_journals_that_were_set_aside(hub: Hub) -> None:
    one = hub.clone("one")
    with api.start(params={"auth": {"pass": SECRET}, "lr": 0.1}, repository=one.path) as run:
        run.log({"loss": 0.25}, step=1)
        run.event(f"using {SECRET}")
        run.flush()
        (path,) = (one.path / ".git/ledger/journal").glob("*.journal")
        aside = path.parent / "kept" / path.name
        aside.parent.mkdir()
        shutil.copy(path, aside)
    before = [bytes(block.payload) for block in journal.read(aside) if block.kind == journal.POINTS]
    redact(hub, one, run.id)
    redact(hub, one, run.id, "events.jsonl:")
    assert_clean(one)
    blocks = list(journal.read(aside))
    assert before == [bytes(block.payload) for block in blocks if block.kind == journal.POINTS]
    head = blocks[0].document()
    assert (head["run"], head["params"]["lr"]) == (run.id, 0.1)
    assert head["params"]["auth"]["pass"].startswith("[redacted ")


@pytest.mark.slow
def test_a_run_that_goes_on_is_named_and_what_it_brings_is_taken_out(hub: Hub) -> None:
    one = hub.clone("one")
    leaked = leak(hub, one)
    hub.push(one)
    with api.start(resume=leaked, params={"auth": {"pass": SECRET}}, repository=one.path) as run:
        run.log({"loss": 0.25}, step=1)
        run.flush()
        (place,) = redact(hub, one, leaked)["elsewhere"]
        assert ".journal (the run goes on)" in place
        hub.push(one, "--redacted")
        assert_clean(hub.repo)
    assert files(one) != [], "it ended, and recorded what it knew"
    hub.push(one)
    assert_clean(one)
    assert_clean(hub.repo)
    assert len(hub.runs()) == 2


@pytest.mark.slow
def test_quarantine_refused_files_and_those_that_wait(hub: Hub) -> None:
    one = hub.clone("one")
    hub.refuse("pass", "params.json")
    hub.record(one)
    leaked = leak(hub, one)
    hub.push(one, code=1)
    assert exists(one, "refs/ledger/quarantine/main")
    sealed = next((one.path / ".git/ledger/chained").glob("*/*.zip"))
    shutil.copy(sealed, one.path / ".git/ledger/spool" / f"again-{sealed.name}")
    (one.path / ".git/ledger/spool/refused").mkdir(exist_ok=True)
    shutil.copy(sealed, one.path / ".git/ledger/spool/refused" / sealed.name)
    redact(hub, one, leaked)
    assert_clean(one)
