"""Full and read-only disks at every step: what is acknowledged is there, what is not says so, nothing is half there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import Repo
from faults.crew import (
    Clock,
    Mount,
    assert_recorded,
    assert_sound,
    chained_runs,
    fill,
    indexed_runs,
    ledger,
    recorded,
    recover,
    say,
)

pytestmark = pytest.mark.faults

_PAGES = (*range(24), *range(24, 80, 4))
"""How many pages of 4 KiB are left: few enough to run out at each step, and in the end enough for all."""


def _record(repo: Repo, state: Path) -> subprocess.CompletedProcess[str]:
    return ledger(repo, "record", "-q", "-m", "f1=0.5", "-p", "depth=3", env={"XDG_STATE_HOME": str(state)})


def _no_half_files(*folders: Path) -> bool:
    """No temporary file and nothing empty."""
    return not [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
        and (path.name.endswith(".tmp") or (path.suffix == ".zip" and not path.stat().st_size))
    ]


def test_a_full_disk_seals_the_run_on_another_one(small: Repo) -> None:
    runs = [recorded(small)]
    state = Path(os.environ["XDG_STATE_HOME"])
    filler = fill(small.path.parent)

    done = _record(small, state)

    assert done.returncode == 0, done.stderr
    runs.append(done.stdout.strip())
    assert len(list(state.rglob("*.zip"))) == 1
    assert set(indexed_runs(small)) == set(runs)
    filler.unlink()
    recover(small)
    assert not list(state.rglob("*.zip"))
    assert_recorded(small, runs)
    assert_sound(small)


def test_two_full_disks_are_an_error_that_says_what_to_do_and_leaves_nothing_behind(
    small: Repo, mount: Mount
) -> None:
    first = recorded(small)
    other = mount("other", 64)
    fillers = [fill(small.path.parent), fill(other)]

    done = _record(small, other)

    assert done.returncode == 1
    assert done.stdout == ""
    assert "error: the run could not be stored anywhere" in done.stderr
    assert done.stderr.count("No space left on device") == 2
    assert "hint: make room" in done.stderr
    assert "Traceback" not in done.stderr
    assert _no_half_files(small.path / ".git/ledger", other)
    for filler in fillers:
        filler.unlink()
    assert_recorded(small, [first])
    again = _record(small, other)
    assert again.returncode == 0
    assert_recorded(small, [first, again.stdout.strip()])
    assert_sound(small)


@pytest.mark.parametrize("elsewhere", [True, False], ids=["state on another disk", "state on the same disk"])
def test_a_disk_that_fills_up_at_any_step_loses_nothing(small: Repo, elsewhere: bool) -> None:
    clock = Clock()
    runs = [recorded(small)]
    disk = small.path.parent
    state = Path(os.environ["XDG_STATE_HOME"]) if elsewhere else disk / "state"
    refused = waited = 0
    for pages in _PAGES:
        small.write("train.py", f"print({pages})\n")  # a snapshot needs room too
        filler = fill(disk, leave_pages=pages)
        done = _record(small, state)
        assert "Traceback" not in done.stderr
        assert done.returncode in ((0,) if elsewhere else (0, 1)), done.stderr
        if done.returncode:
            assert done.stdout == ""
            assert "No space left on device" in done.stderr or "disk is full" in done.stderr, done.stderr
            refused += 1
        else:
            runs.append(done.stdout.strip())
            waited += runs[-1] not in chained_runs(small)
        assert _no_half_files(disk / "repo/.git/ledger", state)
        filler.unlink()
        recovered = ledger(small, "recover", env={"XDG_STATE_HOME": str(state)})
        assert recovered.returncode == 0, recovered.stdout + recovered.stderr
        assert runs[-1] in chained_runs(small)
    assert_recorded(small, runs)
    assert_sound(small)
    assert 0 < waited < len(runs) - 1
    assert elsewhere or refused
    say(
        f"{len(_PAGES)} amounts of room: {len(runs) - 1} recorded, {waited} of them sealed only, {refused} refused, {clock.seconds:.0f} s"
    )


def test_a_read_only_repository_is_read_and_its_runs_wait_elsewhere(small: Repo) -> None:
    runs = [recorded(small)]
    disk, state = small.path.parent, Path(os.environ["XDG_STATE_HOME"])
    small.write("train.py", "print('changed, and no snapshot can be written')\n")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        done = _record(small, state)
        assert done.returncode == 0, done.stderr
        runs.append(done.stdout.strip())
        assert "uncommitted changes were not kept" in done.stderr
        listed = ledger(small, "runs", "--json")
        assert listed.returncode == 0, listed.stderr
        assert {run["run_id"] for run in json.loads(listed.stdout)} == set(runs)
        stuck = ledger(small, "recover")
        assert stuck.returncode == 1
        assert "Read-only file system" in stuck.stdout + stuck.stderr
        assert "Traceback" not in stuck.stderr
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    recover(small)
    assert_recorded(small, runs)
    assert_sound(small)


def test_a_full_disk_keeps_nobody_from_reading(small: Repo) -> None:
    runs = [recorded(small) for _ in range(3)]
    for folder in (small.path / ".git/ledger").glob("index-*"):
        subprocess.run(["rm", "-r", str(folder)], check=True)
    filler = fill(small.path.parent)
    for words in (
        ("runs", "--json"),
        ("log", "--metric", "f1", "--json"),
        ("show", runs[0], "--json"),
        ("verify",),
        ("status",),
    ):
        done = ledger(small, *words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    filler.unlink()
