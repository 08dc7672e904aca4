"""The facts for `ledger status`, looked at without touching anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import Repo
from store.plumbing import REF, recorded, workspace

from ledger.errors import RefusedError
from ledger.schema import starters
from ledger.store import index as store_index
from ledger.store import lock
from ledger.store.spool import Spool
from ledger.store.state import State, look


def state(repo: Repo) -> State:
    repository = workspace(repo).repository
    return look(repository, store_index.load(repository))


def test_an_empty_repository(repo: Repo) -> None:
    found = state(repo)
    assert (found.experiments, found.waiting, found.refused, found.holder) == ((), (), (), None)


def test_experiments_newest_first_with_runs_and_records(repo: Repo) -> None:
    from store.plumbing import files_of

    from ledger.record.edit import Change, Tip, edit
    from ledger.store import codec

    recorded(repo, experiment="exp/a")
    recorded(repo)
    recorded(repo)
    base = codec.record(files_of(repo), what="x")
    assert edit(workspace(repo), Tip(record=base), Change(tags={"a": "b"}))
    found = state(repo).experiments
    assert [(one.name, one.runs, one.records) for one in found] == [("main", 2, 3), ("exp/a", 1, 1)]
    assert [one.ref for one in found] == [REF, "refs/runs/exp-a-" + found[1].ref[-8:]]
    assert found[0].last
    assert found[0].last > (found[1].last or 0)


def test_records_that_no_ref_reaches_do_not_count(repo: Repo) -> None:
    recorded(repo)
    recorded(repo)
    state(repo)
    repo.git("update-ref", REF, f"{REF}~1")
    assert [one.records for one in state(repo).experiments] == [1]


def test_what_waits_and_why(repo: Repo) -> None:
    repo.git("update-ref", REF, "HEAD")
    recorded(repo)
    (one,) = state(repo).waiting
    assert (one.records, "not a ledger" in one.why) == (1, True)
    repo.git("update-ref", "-d", REF)
    (one,) = state(repo).waiting
    assert "the next `ledger record`" in one.why
    with lock.acquire(workspace(repo).repository.folder / "lock", wait_seconds=0):
        found = state(repo)
        assert found.holder
        assert (found.holder.pid, found.holder.alive) == (os.getpid(), True)
        assert found.waiting[0].why == f"process {os.getpid()} on {os.uname().nodename} is writing"
    one.path.write_bytes(b"torn")
    (one,) = state(repo).waiting
    assert (one.records, "not a sealed record" in one.why) == (0, True)


def test_looking_changes_nothing(repo: Repo) -> None:
    repo.git("update-ref", REF, "HEAD")
    recorded(repo)
    repo.git("update-ref", "-d", REF)
    state(repo)
    before = _everything(repo.path / ".git")
    state(repo)
    assert _everything(repo.path / ".git") == before
    assert len(Spool.of(workspace(repo).repository).pending()) == 1


def _everything(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_refused_runs_with_their_first_fault(repo: Repo) -> None:
    repo.write(".ledger/schemas/main.json", starters.load("classification").decode())
    with pytest.raises(RefusedError):
        recorded(repo, metrics={"accuracy": 7.0})
    spool = Spool.of(workspace(repo).repository)
    (spool.refused / "torn.zip").write_bytes(b"x")
    one, torn = state(repo).refused
    assert "$.metrics.accuracy = 7.0" in one.fault
    assert "can't be read" in torn.fault


def test_the_size_of_the_index(repo: Repo) -> None:
    recorded(repo)
    assert state(repo).index_bytes > 1000
