"""Spool → chain: nothing lost, nothing twice, nothing on top of what is foreign."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Repo
from store.chains import chained, die_announcing, left_lock, pending, repository, sealed
from store.plumbing import REF, blob, files_of, object_file, put, recorded

from ledger.git import refs
from ledger.git.process import Repository
from ledger.store import chain, lock
from ledger.store.sealed import Sealed
from ledger.store.spool import Spool

# The usual way ----------------------------------------------------------------------------------------------------


def test_one_drain_takes_everything_at_once(repo: Repo) -> None:
    spool = Spool.of(repository(repo))
    spool.seal([sealed(1), sealed(2, slug="other")], name="1")
    spool.seal([sealed(3)], name="2")
    done = chain.drain(repository(repo))
    assert (done.records, done.busy, done.faults) == (3, False, [])
    assert chained(repo) == [f"{3:032x}", f"{1:032x}"]
    assert chained(repo, "refs/runs/other") == [f"{2:032x}"]
    assert pending(repo) == []
    assert chain.drain(repository(repo)).records == 0


def test_every_write_leaves_a_reflog(repo: Repo) -> None:
    recorded(repo)
    recorded(repo)
    assert repo.git("reflog", "--format=%gs", REF).splitlines() == ["ledger: 1 recorded"] * 2
    assert repo.git("reflog", "--format=%gs", "refs/ledger/code/main") == "ledger: 1 recorded"


def test_the_code_ref_grows_by_one_commit_for_each_new_code_commit(repo: Repo) -> None:
    recorded(repo)
    recorded(repo)
    assert repo.git("rev-list", "--count", "refs/ledger/code/main", "^HEAD") == "1"
    repo.commit("second", train__py="2\n")
    recorded(repo)
    assert repo.git("rev-parse", "refs/ledger/code/main^2") == repo.git("rev-parse", "HEAD")
    assert repo.git("ls-tree", "refs/ledger/code/main") == ""


def test_code_that_is_not_here_holds_nothing_up(repo: Repo) -> None:
    spool = Spool.of(repository(repo))
    spool.seal([sealed(1, code=("1" * 40,)), sealed(2, code=(repo.git("rev-parse", "HEAD"),))], name="1")
    assert chain.drain(repository(repo)).records == 2
    assert (
        repo.git("show", "-s", "--format=%s", "refs/ledger/code/main")
        == f"keep {repo.git('rev-parse', 'HEAD')}"
    )


def test_a_fetched_chain_that_only_adds_is_built_upon(repo: Repo, make_repo: Callable[..., Repo]) -> None:
    recorded(repo)
    other = make_repo("other")
    other.commit("its own")
    other.git("fetch", "-q", str(repo.path), f"{REF}:refs/ledger/pins/origin/main")
    done = recorded(other)
    assert chained(other) == [done.record, *chained(repo)]
    diverged = repo.git("rev-parse", REF)
    recorded(repo)
    other.git("fetch", "-q", str(repo.path), f"+{REF}:refs/ledger/pins/origin/main")
    recorded(other)
    assert repo.git("rev-parse", REF) not in other.git("rev-list", REF).split(), "it waits for push and pull"
    assert diverged in other.git("rev-list", REF).split()


# Compare and swap -------------------------------------------------------------------------------------------------


def test_a_ref_that_moves_in_between_is_built_upon_again(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(repo)
    real = refs.update_each
    racers = [sealed(10), sealed(11)]

    def update(*words: Any, **options: Any) -> Any:
        if racers:
            _chain_behind_its_back(repo, racers.pop())
        return real(*words, **options)

    monkeypatch.setattr(refs, "update_each", update)
    mine = recorded(repo)
    assert mine.chained
    assert len(set(chained(repo))) == len(chained(repo)) == 4
    assert mine.record == chained(repo)[0]


def _chain_behind_its_back(repo: Repo, item: Sealed) -> None:
    """As a process on another machine would, where the lock does not reach."""
    parent = repo.git("rev-parse", REF)
    put(repo, f"{REF}^{{tree}}", parents=[parent], message=item.message)


def test_two_writers_without_a_common_lock_lose_nothing(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Correctness rests on compare-and-swap: here each writer has a lock, and a spool, of its own."""
    places = [repository(repo), repository(repo)]
    folders = {id(place): repo.path / f"spool-{number}" for number, place in enumerate(places)}
    real = Repository.folder.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Repository, "folder", property(lambda self: folders.get(id(self)) or real(self)))
    failed: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for count in range(6):
                Spool.of(places[number]).seal([sealed(100 * number + count)], name=str(count))
                chain.drain(places[number])
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place in places:
        chain.drain(place)
    assert failed == []
    assert sorted(chained(repo)) == sorted(
        f"{100 * number + count:032x}" for number in range(2) for count in range(6)
    )


def test_a_busy_lock_leaves_the_record_sealed_and_the_next_call_chains_it(repo: Repo) -> None:
    with lock.acquire(repository(repo).folder / "lock", wait_seconds=0) as held:
        assert held
        done = recorded(repo)
        assert not done.chained
        assert chain.drain(repository(repo)).busy
    assert len(pending(repo)) == 1
    recorded(repo)
    assert done.record in chained(repo)
    assert pending(repo) == []


# What is foreign --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("foreign", ["commit", "blob", "symbolic"])
def test_nothing_is_put_on_top_of_what_is_not_a_ledger(repo: Repo, foreign: str) -> None:
    if foreign == "symbolic":
        repo.git("symbolic-ref", REF, "refs/heads/main")
    else:
        repo.git("update-ref", REF, "HEAD" if foreign == "commit" else blob(repo, b"x"))
    before = repo.git("rev-parse", REF)
    done = recorded(repo)
    assert not done.chained
    assert recorded(repo, experiment="other").chained, "other experiments go on"
    assert repo.git("rev-parse", REF) == before
    (fault,) = chain.drain(repository(repo)).faults
    assert "not a ledger" in fault.what
    repo.git("update-ref", "--no-deref", "-d", REF)
    assert chain.drain(repository(repo)).records == 1
    assert chained(repo) == [done.record]


def test_a_damaged_sealed_file_holds_nothing_else_up(repo: Repo) -> None:
    spool = Spool.of(repository(repo))
    spool.seal([sealed(1)], name="1")
    (spool.folder / "0.zip").write_bytes(b"torn")
    done = chain.drain(repository(repo))
    assert done.records == 1
    assert [fault.path for fault in done.faults] == [str(spool.folder / "0.zip")]
    assert pending(repo) == [spool.folder / "0.zip"], "it is left as it is"


# Stale locks ------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_an_old_lock_of_our_own_refs_is_removed(repo: Repo) -> None:
    recorded(repo)
    path = left_lock(repo, REF, age_seconds=700)
    assert recorded(repo).chained
    assert not path.exists()


@pytest.mark.long
def test_a_fresh_lock_is_respected_and_the_record_waits(repo: Repo) -> None:
    recorded(repo)
    path = left_lock(repo, REF)
    done = recorded(repo)
    assert not done.chained
    assert path.exists()
    path.unlink()
    assert chain.drain(repository(repo)).records == 1
    assert chained(repo)[0] == done.record


def test_a_fresh_lock_of_a_holder_that_died_is_removed(repo: Repo) -> None:
    recorded(repo)
    path = left_lock(repo, REF)
    die_announcing(repo, REF)
    assert recorded(repo).chained
    assert not path.exists()


def test_what_a_dead_holder_had_chained_already_is_not_chained_again(repo: Repo) -> None:
    done = recorded(repo)
    spool = Spool.of(repository(repo))
    (kept,) = spool.chained.glob("*/*.zip")
    kept.rename(spool.folder / kept.name)  # it died after the ref stood, and before the file was set aside
    die_announcing(repo, REF)
    assert chain.drain(repository(repo)).faults == []
    assert chained(repo) == [done.record]
    assert pending(repo) == []


def test_objects_that_vanished_under_a_dead_holder_are_written_again(repo: Repo) -> None:
    recorded(repo, metrics={"f1": 0.123456789})
    spool = Spool.of(repository(repo))
    (kept,) = spool.chained.glob("*/*.zip")
    kept.rename(spool.folder / kept.name)
    object_file(repo, repo.git("rev-parse", f"{REF}:metrics.json")).unlink()
    die_announcing(repo, REF)
    chain.drain(repository(repo))
    assert json.loads(files_of(repo)["metrics.json"]) == {"f1": 0.123456789}


def test_a_holder_whose_lock_was_removed_chains_nothing_twice(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another holder chains the very file that this one has read already."""
    recorded(repo)
    Spool.of(repository(repo)).seal([sealed(1)], name="1")
    real = refs.tips
    ran: list[int] = []

    def tips(*words: Any) -> dict[str, refs.Tip]:
        if not ran:
            ran.append(1)
            (repository(repo).folder / "lock").unlink()
            chain.drain(repository(repo))
        return real(*words)

    monkeypatch.setattr(refs, "tips", tips)
    chain.drain(repository(repo))
    assert len(chained(repo)) == len(set(chained(repo))) == 2
