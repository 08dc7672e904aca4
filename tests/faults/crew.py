"""Writers to race and to kill, and what must hold of a repository afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from conftest import Repo

LEDGER = (sys.executable, "-m", "ledger")
_NURSERY = Path(__file__).with_name("nursery.py")
_PAGE = 4096
Mount = Callable[[str, int], Path]
"""Makes a small disk of its own at a name: a tmpfs of so many KiB."""


def say(text: str) -> None:
    """A figure for whoever watches `make faults`."""
    sys.stdout.write(f"\n    {text}\n")


def ledger(
    repo: Repo, *words: str, env: dict[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LEDGER, *words],
        cwd=repo.path,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env={**os.environ, **(env or {})},
    )


def recorded(repo: Repo, *words: str, env: dict[str, str] | None = None) -> str:
    """The id of a run that the command line recorded."""
    done = ledger(repo, "record", "-q", "-m", "f1=0.5", *words, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Nursery:
    """A process that forks writers which have everything imported."""

    def __init__(self, repo: Repo) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_NURSERY)],
            cwd=repo.path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, key: str, count: int, acknowledgements: Path) -> int:
        """Fork a writer; its process id, which is its process group too."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{key} {count} {acknowledgements}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def wait(self) -> int:
        """The exit code of the writer, negative for a signal."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@contextmanager
def nursery(repo: Repo) -> Iterator[Nursery]:
    made = Nursery(repo)
    try:
        yield made
    finally:
        made.close()


def kill_group(leader: int) -> bool:
    """SIGKILL a whole process group; False when it was gone already."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def acknowledged(folder: Path) -> list[str]:
    """All run ids that were handed out."""
    return [line for path in sorted(folder.iterdir()) for line in path.read_text().split()]


def chained_runs(repo: Repo) -> Counter[str]:
    """Run id → commits that carry it, as plain git tells."""
    refs = repo.git("for-each-ref", "--format=%(refname)", "refs/runs/").split()
    form = "--format=%(trailers:key=Ledger-Run,valueonly)"
    return Counter(run for ref in refs for run in repo.git("log", form, ref, "--").split())


def indexed_runs(repo: Repo) -> Counter[str]:
    """Run id → rows in the index."""
    from ledger.git.process import discover
    from ledger.store import index

    loaded = index.load(discover(repo.path, os.environ))
    assert not loaded.faults
    return Counter(run for part in loaded.segments for run in part.column("run_id"))


def lock_files(repo: Repo) -> list[Path]:
    return [
        path
        for part in ("refs", "logs", ".")
        for path in _below(repo.path / ".git" / part)
        if path.suffix == ".lock"
    ]


def _below(folder: Path) -> list[Path]:
    return list(folder.glob("*") if folder.name == ".git" else folder.rglob("*"))


def assert_sound(repo: Repo) -> None:
    """git finds no fault, and no lock is left."""
    checked = subprocess.run(
        ["git", "fsck", "--strict", "--no-dangling"],
        cwd=repo.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert not lock_files(repo)


def assert_recorded(repo: Repo, runs: list[str]) -> None:
    """Every acknowledged run stands once, no other stands twice, and git and the index agree."""
    on_chains = chained_runs(repo)
    assert len(set(runs)) == len(runs)
    lost = [run for run in runs if run not in on_chains]
    assert not lost, f"{len(lost)} of {len(runs)} acknowledged runs lost"
    twice = {run: count for run, count in on_chains.items() if count > 1}
    assert not twice
    assert indexed_runs(repo) == on_chains


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start


def recover(repo: Repo) -> None:
    """`ledger recover`, and nothing is left to recover."""
    done = ledger(repo, "recover")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list((repo.path / ".git/ledger/spool").glob("*.zip"))


def fill(disk: Path, *, leave_pages: int = 0) -> Path:
    """Fill a disk but for so many pages of 4 KiB."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * _PAGE)
        except OSError:
            file.truncate(max(file.tell() // _PAGE - leave_pages, 0) * _PAGE)
    return filler
