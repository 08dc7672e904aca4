"""Many writers at once, writers in several work trees, and git's own housekeeping in between."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Repo
from faults.crew import Clock, acknowledged, assert_recorded, assert_sound, chained_runs, recover, say

pytestmark = pytest.mark.faults

_WRITER = Path(__file__).with_name("writer.py")


def _start(
    folder: Path, key: str, count: int, acknowledgements: Path, *options: str
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(_WRITER), key, str(count), str(acknowledgements), *options], cwd=folder
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "acknowledged"
    made.mkdir()
    return made


def _slowest(folder: Path) -> float:
    """Milliseconds that the slowest call took: nobody chains for the others for ever."""
    return max(
        float(line) for path in folder.parent.glob("acknowledged.*.ms") for line in path.read_text().split()
    )


def test_sixteen_processes_record_fifty_runs_each_into_one_experiment(repo: Repo, folder: Path) -> None:
    clock = Clock()
    writers = [_start(repo.path, str(number), 50, folder / str(number)) for number in range(16)]
    assert [writer.wait() for writer in writers] == [0] * 16
    taken = clock.seconds

    runs = acknowledged(folder)
    assert len(runs) == 800
    recover(repo)
    assert_recorded(repo, runs)
    assert sum(chained_runs(repo).values()) == 800
    assert_sound(repo)
    slowest = _slowest(folder)
    assert slowest < 10_000
    say(
        f"800 runs by 16 processes in {taken:.1f} s ({800 / taken:.0f} a second), slowest call {slowest:.0f} ms"
    )


def test_eight_processes_record_in_work_trees_of_their_own(repo: Repo, folder: Path, tmp_path: Path) -> None:
    clock = Clock()
    places = [tmp_path / f"tree-{number}" for number in range(8)]
    for number, place in enumerate(places):
        repo.git("worktree", "add", "-q", "-b", f"exp/{number}", str(place))
        (place / "train.py").write_text(f"print({number})\n")  # dirty: each has a snapshot of its own
    writers = [_start(place, str(number), 30, folder / str(number)) for number, place in enumerate(places)]
    assert [writer.wait() for writer in writers] == [0] * 8

    runs = acknowledged(folder)
    assert len(runs) == 240
    recover(repo)
    assert_recorded(repo, runs)
    refs = repo.git("for-each-ref", "--format=%(refname)", "refs/runs/").split()
    assert len(refs) == 8
    assert {int(repo.git("rev-list", "--count", ref)) for ref in refs} == {30}
    snapshots = {repo.git("log", "-1", "--format=%(trailers:key=Ledger-Code,valueonly)", ref) for ref in refs}
    assert len(snapshots) <= 8
    for number, place in enumerate(places):
        assert (place / "train.py").read_text() == f"print({number})\n"
        assert Repo(place).git("status", "--porcelain") == "M train.py"
    assert_sound(repo)
    say(f"240 runs from 8 work trees in {clock.seconds:.1f} s")


@contextmanager
def _looping(work: Callable[[], None], counted: Counter[str]) -> Iterator[None]:
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            work()
            counted["times"] += 1

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(("count", "options"), [(250, ()), (100, ("--dirty",))], ids=["clean", "dirty"])
def test_gc_in_a_loop_takes_nothing_from_hundreds_of_records(
    repo: Repo, folder: Path, count: int, options: tuple[str, ...]
) -> None:
    clock = Clock()
    counted: Counter[str] = Counter()

    def collect() -> None:
        subprocess.run(["git", "gc", "-q", "--prune=now"], cwd=repo.path, check=False, capture_output=True)

    with _looping(collect, counted):
        writers = [
            _start(repo.path, str(number), count, folder / str(number), *options) for number in range(2)
        ]
        assert [writer.wait() for writer in writers] == [0, 0]
    runs = acknowledged(folder)
    assert len(runs) == 2 * count
    recover(repo)
    assert_recorded(repo, runs)
    # The commit-graph is git's own cache, and its own loop of gc may have damaged it.
    (repo.path / ".git/objects/info/commit-graph").unlink(missing_ok=True)
    assert_sound(repo)
    assert not list((repo.path / ".git/objects/pack").glob("*.keep"))
    assert counted["times"] > 10
    refs = repo.git("for-each-ref", "--format=%(refname)", "refs/").split()
    assert repo.git("rev-list", "--objects", *refs)
    say(f"{2 * count} runs beside {counted['times']} times git gc --prune=now in {clock.seconds:.0f} s")
