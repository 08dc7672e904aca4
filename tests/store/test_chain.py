"""Spool → chain: nothing lost, nothing twice, nothing on top of what is foreign."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Repo
from store.plumbing import REF, blob, files_of, object_file, put, recorded, told, verified, workspace

from ledger.errors import ContentionError, FormatError
from ledger.git import refs
from ledger.git.process import Repository
from ledger.model import Author
from ledger.store import aftercare, chain, lock
from ledger.store.recover import rebuild_index, recover
from ledger.store.sealed import Sealed
from ledger.store.spool import Spool


def repository(repo: Repo) -> Repository:
    return workspace(repo).repository


def sealed(number: int, *, slug: str = "main", code: tuple[str, ...] = ()) -> Sealed:
    return Sealed(
        record=f"{number:032x}",
        run=f"{number:032x}",
        slug=slug,
        author=Author(),
        seconds=1_700_000_000,
        message=f"main: (finished)\n\nLedger-Run: {number:032x}\nLedger-Record: {number:032x}\n",
        code=code,
        files={"run.json": b"{}\n", "params.json": b"{}\n", "metrics.json": b"{}\n"},
    )


def chained(repo: Repo, ref: str = REF) -> list[str]:
    form = "--format=%(trailers:key=Ledger-Record,valueonly,separator=%x20)"
    return repo.git("log", form, ref, check=False).split()


def pending(repo: Repo) -> list[Path]:
    return Spool.of(repository(repo)).pending()


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


def left_lock(repo: Repo, ref: str, *, age_seconds: float = 0) -> Path:
    path = repo.path / ".git" / f"{ref}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    when = time.time() - age_seconds
    os.utime(path, (when, when))
    return path


def test_an_old_lock_of_our_own_refs_is_removed(repo: Repo) -> None:
    recorded(repo)
    path = left_lock(repo, REF, age_seconds=700)
    assert recorded(repo).chained
    assert not path.exists()


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
    _die_announcing(repo, REF)
    assert recorded(repo).chained
    assert not path.exists()


def _die_announcing(repo: Repo, ref: str) -> None:
    script = (
        "import os, sys; from pathlib import Path; from ledger.store import lock\n"
        "with lock.acquire(Path(sys.argv[1]), wait_seconds=5) as held:\n"
        "    held.announce(lock.Intent(ref=sys.argv[2], old=None, new='1' * 40)); os._exit(9)"
    )
    words = [sys.executable, "-c", script, str(repository(repo).folder / "lock"), ref]
    assert subprocess.run(words, check=False).returncode == 9


def test_what_a_dead_holder_had_chained_already_is_not_chained_again(repo: Repo) -> None:
    done = recorded(repo)
    spool = Spool.of(repository(repo))
    (kept,) = spool.chained.glob("*/*.zip")
    kept.rename(spool.folder / kept.name)  # it died after the ref stood, and before the file was set aside
    _die_announcing(repo, REF)
    assert chain.drain(repository(repo)).faults == []
    assert chained(repo) == [done.record]
    assert pending(repo) == []


def test_objects_that_vanished_under_a_dead_holder_are_written_again(repo: Repo) -> None:
    recorded(repo, metrics={"f1": 0.123456789})
    spool = Spool.of(repository(repo))
    (kept,) = spool.chained.glob("*/*.zip")
    kept.rename(spool.folder / kept.name)
    object_file(repo, repo.git("rev-parse", f"{REF}:metrics.json")).unlink()
    _die_announcing(repo, REF)
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


# The second look --------------------------------------------------------------------------------------------------


def _aged(repo: Repo) -> None:
    """As if everything had been chained hours ago, and nobody had looked since."""
    spool = Spool.of(repository(repo))
    for hour in list(spool.chained.iterdir()):
        if hour.is_dir():
            hour.rename(spool.chained / "1")
    (spool.chained / ".looked").unlink(missing_ok=True)


def test_sealed_files_go_after_hours_if_their_records_still_stand(repo: Repo) -> None:
    recorded(repo)
    _aged(repo)
    recorded(repo)
    assert not list(Spool.of(repository(repo)).chained.glob("1/*.zip"))


def _look(repo: Repo) -> None:
    """What a command does that chains something, be it a record of another experiment."""
    Spool.of(repository(repo)).seal([sealed(time.time_ns(), slug="other")], name=f"{time.time_ns()}")
    chain.drain(repository(repo))


def _old(repo: Repo) -> list[Path]:
    chained = Spool.of(repository(repo)).chained
    return [path for hour in ("1", "2") for path in (chained / hour).glob("*.zip")]


def _many_old(repo: Repo, count: int) -> None:
    spool = Spool.of(repository(repo))
    for number in range(1, count + 1):
        spool.seal([sealed(number)], name=f"{number:05d}")
    chain.drain(repository(repo))
    _aged(repo)


def test_the_second_look_asks_git_about_a_chain_and_not_about_each_file(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    _many_old(repo, 30)
    asked: list[tuple[str, ...]] = []
    real = Repository.git

    def git(self: Repository, *words: str, **given: Any) -> bytes:
        asked.append(words)
        return real(self, *words, **given)

    monkeypatch.setattr(Repository, "git", git)
    _look(repo)
    assert _old(repo) == []
    assert len([words for words in asked if words[0] == "log"]) == 1
    assert len(asked) < 20


def test_a_backlog_goes_bit_by_bit_and_what_can_not_be_read_holds_up_nothing(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    _many_old(repo, 6)
    chained = Spool.of(repository(repo)).chained
    (chained / "1").rename(chained / "2")
    (chained / "1").mkdir()
    torn = [chained / "1" / f"{number}.zip" for number in range(4)]
    for path in torn:
        path.write_bytes(b"no zip")
    monkeypatch.setattr(aftercare, "_LOOK_AT_MOST", 2)
    monkeypatch.setattr(aftercare, "_LOOK_SECONDS", 0)
    left = []
    for _ in range(4):
        _look(repo)
        left.append(len(_old(repo)))
        os.utime(chained / ".looked", (0, time.time() - 60))
    assert left == [8, 6, 4, 4]
    assert all(path.exists() for path in torn)


def test_a_look_in_the_future_stops_none(repo: Repo) -> None:
    _many_old(repo, 1)
    stamp = Spool.of(repository(repo)).chained / ".looked"
    stamp.write_text("")
    os.utime(stamp, (0, time.time() + 1e7))
    _look(repo)
    assert _old(repo) == []


def test_a_record_that_vanished_is_chained_again(repo: Repo) -> None:
    done = recorded(repo)
    _aged(repo)
    repo.git("update-ref", "-d", REF)
    recorded(repo, experiment="other")
    assert chained(repo) == [done.record]


# Recover ----------------------------------------------------------------------------------------------------------


def test_recover_has_nothing_to_do_in_a_sound_repository(repo: Repo) -> None:
    recorded(repo)
    done = recover(repository(repo))
    assert (done.predecessor, done.restored, done.chained, done.waiting, done.faults) == (None, 0, 0, 0, ())


def test_recover_puts_back_what_vanished_within_the_hour(repo: Repo) -> None:
    one, other = recorded(repo), recorded(repo)
    repo.git("update-ref", "-d", REF)
    done = recover(repository(repo))
    assert (done.restored, done.chained) == (2, 2)
    assert chained(repo) == [other.record, one.record]
    assert told(verified(repo)) == []
    assert recover(repository(repo)).restored == 0


def test_recover_restores_the_lost_half_of_a_rewound_chain_once(repo: Repo) -> None:
    one, other = recorded(repo), recorded(repo)
    repo.git("update-ref", REF, f"{REF}~1")
    recover(repository(repo))
    assert sorted(chained(repo)) == sorted([one.record, other.record])


def test_recover_mends_what_a_dead_process_left_even_with_an_empty_spool(repo: Repo) -> None:
    recorded(repo)
    path = left_lock(repo, REF)
    _die_announcing(repo, REF)
    done = recover(repository(repo))
    assert done.predecessor
    assert done.predecessor.alive is False
    assert not path.exists()
    assert recover(repository(repo)).predecessor is None


def test_recover_says_what_still_waits(repo: Repo) -> None:
    repo.git("update-ref", REF, "HEAD")
    recorded(repo)
    done = recover(repository(repo))
    assert (done.chained, done.waiting) == (0, 1)
    assert "not a ledger" in done.faults[0].what


def test_recover_waits_for_a_living_holder_and_then_says_so(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.store.recover._WAIT_SECONDS", 0.05)
    with (
        lock.acquire(repository(repo).folder / "lock", wait_seconds=0),
        pytest.raises(ContentionError, match="another process"),
    ):
        recover(repository(repo))


def test_a_rebuilt_index_holds_the_same_records(repo: Repo) -> None:
    recorded(repo)
    recorded(repo, experiment="other")
    assert rebuild_index(repository(repo)) == 2
    assert told(verified(repo)) == []


def test_a_foreign_tip_is_refused_by_name(repo: Repo) -> None:
    from ledger.store.aftercare import require_chain

    repo.git("update-ref", REF, "HEAD")
    with pytest.raises(FormatError) as caught:
        require_chain(REF, refs.tips(repository(repo), REF)[REF])
    assert f"git update-ref -d {REF}" in caught.value.hint
