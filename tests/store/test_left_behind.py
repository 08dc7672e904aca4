"""What half-done work, a power cut or `git gc` leave behind, and that nothing of it is lost or chained twice."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from conftest import Repo
from store.plumbing import object_file, recorded, workspace

from ledger.errors import FormatError, RefusedError
from ledger.git import history, housekeeping, objects
from ledger.git.process import Repository
from ledger.record.refused import corrected
from ledger.record.run import Draft, record
from ledger.store import chain
from ledger.store.lock import Intent, acquire
from ledger.store.recover import recover
from ledger.store.sealed import read
from ledger.store.spool import Spool

REF = "refs/runs/main"


def repository(repo: Repo) -> Repository:
    return workspace(repo).repository


def count(repo: Repo, ref: str = REF) -> int:
    return int(repo.git("rev-list", "--count", ref))


def waiting(repo: Repo) -> list[Path]:
    return Spool.of(repository(repo)).pending()


def dirty(repo: Repo, text: str = "changed\n") -> None:
    repo.write("train.py", text)


def sealed_only(repo: Repo, **given: object) -> str | None:
    """Record while somebody else holds the lock; the snapshot."""
    with acquire(repository(repo).folder / "lock", wait_seconds=0) as held:
        assert held
        done = recorded(repo, **given)
    assert not done.chained
    assert done.code
    return done.code.snapshot


def test_a_file_of_two_experiments_one_of_which_is_stuck_is_chained_once(repo: Repo) -> None:
    repo.git("update-ref", "refs/runs/stuck", "HEAD")
    drafts = [Draft(metrics={"f1": 1}, experiment=name) for name in ("main", "stuck")]
    record(workspace(repo), drafts)
    for _ in range(3):
        assert chain.drain(repository(repo)).faults
    recorded(repo)
    assert (count(repo), len(waiting(repo))) == (2, 1)
    repo.git("update-ref", "-d", "refs/runs/stuck")
    assert not chain.drain(repository(repo)).faults
    assert (count(repo), count(repo, "refs/runs/stuck"), waiting(repo)) == (2, 1, [])


def test_a_record_that_is_sealed_twice_is_chained_once(repo: Repo) -> None:
    sealed_only(repo)
    (path,) = waiting(repo)
    path.with_name(f"9{path.name}").write_bytes(path.read_bytes())
    chain.drain(repository(repo))
    assert (count(repo), waiting(repo)) == (1, [])


def test_the_work_of_a_dead_holder_stays_known_until_it_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    intent = Intent(ref=REF, old=None, new="1" * 40)
    first = acquire(path, wait_seconds=0)
    held = first.__enter__()
    assert held
    held.announce(intent)
    first.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    second = acquire(path, wait_seconds=0)
    assert second.__enter__()
    second.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    with acquire(path, wait_seconds=0) as third:
        assert third
        assert third.predecessor.died
        assert third.predecessor.intents == (intent,)
        third.mended()
    with acquire(path, wait_seconds=0) as fourth:
        assert fourth
        assert not fourth.predecessor.died


def test_doubt_and_what_is_not_settled_are_handed_on(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    intent = Intent(ref=REF, old=None, new="1" * 40)
    for settle, doubt, died in ((True, False, False), (False, False, True), (True, True, True)):
        with acquire(path, wait_seconds=0) as held:
            assert held
            held.mended()
            held.announce(intent)
            if settle:
                held.settle(intent)
            if doubt:
                held.doubt()
        with acquire(path, wait_seconds=0) as after:
            assert after
            assert after.predecessor.died == died
            assert after.predecessor.intents == (() if settle else (intent,))
            after.mended()


def test_a_fallback_spool_on_another_disk_is_set_aside_too(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path("/dev/shm")
    if not place.is_dir() or place.stat().st_dev == repo.path.stat().st_dev:
        pytest.skip("one disk only")
    monkeypatch.setenv("XDG_STATE_HOME", str(place / f"ledger-test-{os.getpid()}"))
    sealed_only(repo)
    (path,) = waiting(repo)
    fallback = Spool.of(repository(repo)).fallback
    fallback.mkdir(parents=True)
    try:
        elsewhere = fallback / path.name
        elsewhere.write_bytes(path.read_bytes())
        path.unlink()
        chain.drain(repository(repo))
        assert (count(repo), waiting(repo)) == (1, [])
        (kept,) = Spool.of(repository(repo)).chained.glob("*/*.zip")
        assert read(kept)
        assert not elsewhere.exists()
    finally:
        import shutil

        shutil.rmtree(place / f"ledger-test-{os.getpid()}")


def test_files_that_were_never_sealed_go_after_an_hour(repo: Repo) -> None:
    spool = Spool.of(repository(repo))
    spool.refused.mkdir(parents=True)
    old = [spool.folder / ".1-a.zip.7.tmp", spool.refused / ".1-a.zip.7.tmp"]
    young = spool.folder / ".2-b.zip.7.tmp"
    for path in (*old, young):
        path.write_bytes(b"PK")
    for path in old:
        os.utime(path, (0, time.time() - 4000))
    recorded(repo)
    assert [path.exists() for path in (*old, young)] == [False, False, True]


def test_recover_chains_nothing_that_a_dead_process_had_chained(repo: Repo) -> None:
    for _ in range(3):
        recorded(repo)
    spool = Spool.of(repository(repo))
    for path in spool.chained.glob("*/*.zip"):
        path.rename(spool.folder / path.name)
    lock = repository(repo).folder / "lock"
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "open": True}))
    assert recover(repository(repo)).chained == 0
    assert (count(repo), waiting(repo)) == (3, [])


def _damage(repo: Repo, revision: str) -> None:
    path = object_file(repo, repo.git("rev-parse", revision))
    path.chmod(0o644)
    path.write_bytes(b"")


def _last_holder_died(repo: Repo) -> None:
    path = repository(repo).folder / "lock"
    path.write_text(json.dumps({**json.loads(path.read_text()), "open": True}))


def _raw_count(repo: Repo) -> int:
    """Entries of the chain's reflog: how often something was put on it, whatever can be read of it."""
    return len((repo.path / ".git/logs" / REF).read_text().splitlines())


def test_recover_puts_nothing_on_a_chain_that_it_can_not_read(repo: Repo) -> None:
    for _ in range(3):
        recorded(repo)
    _damage(repo, f"{REF}~1")
    done = recover(repository(repo))
    assert (done.restored, done.chained, done.waiting) == (0, 0, 0)
    assert [fault.ref for fault in done.faults] == [REF]
    assert _raw_count(repo) == 3


def test_the_second_look_leaves_the_files_of_a_chain_that_it_can_not_read(repo: Repo) -> None:
    for _ in range(3):
        recorded(repo)
    spool = Spool.of(repository(repo))
    (hour,) = (path for path in spool.chained.iterdir() if path.is_dir())
    hour.rename(spool.chained / "1")
    (spool.chained / ".looked").unlink()
    _damage(repo, f"{REF}~2")
    recorded(repo, experiment="other")
    assert len(list((spool.chained / "1").iterdir())) == 3
    assert (waiting(repo), _raw_count(repo)) == ([], 3)


def test_what_a_dead_holder_may_have_chained_waits_while_its_chain_can_not_be_read(repo: Repo) -> None:
    for _ in range(3):
        recorded(repo)
    spool = Spool.of(repository(repo))
    (kept, *_) = spool.chained.glob("*/*.zip")
    kept.rename(spool.folder / kept.name)
    whole = object_file(repo, repo.git("rev-parse", f"{REF}~2")).read_bytes()
    damaged = object_file(repo, repo.git("rev-parse", f"{REF}~2"))
    _damage(repo, f"{REF}~2")
    _last_holder_died(repo)
    for _ in range(2):
        (fault,) = chain.drain(repository(repo)).faults
        assert "can't be read to its end" in fault.what
    assert (len(waiting(repo)), _raw_count(repo)) == (1, 3)
    damaged.write_bytes(whole)
    assert not chain.drain(repository(repo)).faults
    assert (waiting(repo), count(repo)) == ([], 3)


# git gc -------------------------------------------------------------------------------------------------------------


def test_a_snapshot_that_was_pruned_before_its_run_was_chained_comes_back(repo: Repo) -> None:
    dirty(repo)
    snapshot = sealed_only(repo)
    assert snapshot
    repo.git("prune", "--expire=now")
    assert repo.git("cat-file", "-t", snapshot, check=False) == ""
    chain.drain(repository(repo))
    assert repo.git("show", f"{snapshot}:train.py") == "changed"
    assert snapshot in repo.git("rev-list", "refs/ledger/code/main").split()
    repo.git("fsck", "--strict", "--no-dangling")


def test_the_snapshot_of_a_refused_run_waits_with_it(repo: Repo) -> None:
    repo.git("checkout", "-q", "--detach")
    dirty(repo)
    with pytest.raises(RefusedError, match="detached"):
        record(workspace(repo), [Draft(metrics={"f1": 1})])
    repo.git("checkout", "-q", "--", "train.py")
    repo.git("prune", "--expire=now")
    (path,) = Spool.of(repository(repo)).refused.glob("*.zip")
    done = record(workspace(repo), [corrected(path, Draft(experiment="main"))])[0]
    assert done.code
    assert repo.git("show", f"{done.code.snapshot}:train.py") == "changed"
    repo.git("fsck", "--strict", "--no-dangling")


def test_a_gc_at_work_gets_packs_that_it_must_not_take(repo: Repo) -> None:
    running = repo.path / ".git/gc.pid"
    running.write_text(f"{os.getpid()} {os.uname().nodename}")
    dirty(repo)
    done = recorded(repo)
    assert done.chained
    packs = list((repo.path / ".git/objects/pack").glob("*.pack"))
    assert packs
    assert not list((repo.path / ".git/objects/pack").glob("*.keep"))
    repo.git("fsck", "--strict", "--no-dangling")
    running.unlink()
    repo.git("gc", "-q", "--prune=now")
    assert count(repo) == 1


@pytest.mark.parametrize(
    ("text", "age_seconds", "expected"),
    [
        ("{pid} {host}", 0, True),
        ("{pid} {host}", 13 * 3600, False),
        ("4194303 {host}", 0, False),
        ("4194303 elsewhere", 0, True),
        ("", 0, True),
    ],
)
def test_whether_a_gc_is_at_work(repo: Repo, text: str, age_seconds: int, expected: bool) -> None:
    assert not housekeeping.is_running(repository(repo))
    path = repo.path / ".git/gc.pid"
    path.write_text(text.format(pid=os.getpid(), host=os.uname().nodename))
    os.utime(path, (0, time.time() - age_seconds))
    assert housekeeping.is_running(repository(repo)) == expected


def test_marks_that_a_killed_process_left_are_taken_away_and_no_others(repo: Repo) -> None:
    here = repository(repo)
    made = [objects.make("blob", b"%d" % number, here.object_format) for number in range(200)]
    with objects.held(here, made):
        (mark,) = (repo.path / ".git/objects/pack").glob("*.keep")
        text = mark.read_text()
    assert not mark.exists()
    assert not objects.missing(here, [item.id for item in made])
    mark.write_text(text)
    own = mark.with_name("pack-of-the-user.keep")
    own.write_text("mine\n")
    housekeeping.release_left(here)
    assert (mark.exists(), own.exists()) == (False, True)


def test_a_damaged_commit_graph_is_read_past(repo: Repo) -> None:
    """As git 2.39 leaves it when `gc` runs in a loop: a flag for data that is not there."""
    for number in range(3):
        repo.commit(f"work {number}")
    repo.git("commit-graph", "write", "--reachable")
    path = repo.path / ".git/objects/info/commit-graph"
    data = bytearray(path.read_bytes())
    entry = data.index(b"GDA2")
    start = int.from_bytes(data[entry + 4 : entry + 12], "big")
    for number in range(4):
        data[start + 4 * number] |= 0x80
    path.chmod(0o644)
    path.write_bytes(data)
    assert repo.git("log", "--format=%s", check=False) != "work 2\nwork 1\nwork 0\nfirst"
    found = history.walk(repository(repo), history.resolve_range(repository(repo), []))
    assert [commit.subject for commit in found] == ["work 2", "work 1", "work 0", "first"]
    recorded(repo)
    assert count_by_ledger(repo) == 1


def count_by_ledger(repo: Repo) -> int:
    from ledger.store import index

    return len(index.load(repository(repo)))


# A power cut --------------------------------------------------------------------------------------------------------


def test_after_a_reboot_what_was_chained_is_looked_at_again(repo: Repo) -> None:
    for _ in range(3):
        recorded(repo)
    repo.git("update-ref", REF, f"{REF}~2")
    path = repository(repo).folder / "lock"
    path.write_text(json.dumps({**json.loads(path.read_text()), "boot": "another"}))
    recorded(repo)
    assert count(repo) == 4
    assert count_by_ledger(repo) == 4


def test_a_foreign_sealed_file_is_named_and_left(repo: Repo) -> None:
    spool = Spool.of(repository(repo))
    spool.folder.mkdir(parents=True)
    path = spool.folder / "1-x.zip"
    path.write_bytes(b"no zip")
    with pytest.raises(FormatError, match="not a sealed record"):
        read(path)
    recorded(repo)
    assert path.exists()
    assert count(repo) == 1
