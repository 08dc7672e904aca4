"""What processes log after the end of the run that they belong to: added to it, once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo
from record.lived import journals, metrics, points, program, shown

from ledger import history, start
from ledger.store import journal

_RUN = "ab" * 16
_RANK_1 = """
import ledger, os, sys
with ledger.start(params={"seed": 7, "lr": 9}) as run:
    run.log(loss=2.0, step=1)
    run.flush()
    print("attached", flush=True)
    sys.stdin.readline()
    run.log(loss=3.0, step=2)
    run.log(acc=0.5, step=2)
    run.event("late", rows=3)
    run.tag("stage", "late")
    run.flush()
    print("logged", flush=True)
    sys.stdin.readline()
"""
_OWNER = """
with ledger.start(params={'lr': 1}, tags={'stage': 'sweep'}) as run:
    run.log(loss=1.0, step=1)
    run.summary['loss'] = 0.25
    open('go', 'w').close()
    while len(os.listdir('.git/ledger/journal')) < 2: time.sleep(0.01)
    run.finish('failed', reason='why')
"""


@contextmanager
def rank_1(repo: Repo) -> Iterator[subprocess.Popen[str]]:
    """A process of the run that goes on when its owner has ended."""
    environ = {**os.environ, "LEDGER_RUN": _RUN, "RANK": "1", "WORLD_SIZE": "2"}
    with subprocess.Popen(
        [sys.executable, "-c", _RANK_1],
        cwd=repo.path,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def left_behind(repo: Repo, *, kill: bool = False) -> str:
    """A run that was recorded before its second process had ended, and what that one said."""
    with rank_1(repo) as process:
        owner = program(repo, _OWNER, LEDGER_RUN=_RUN, RANK="0", WORLD_SIZE="2")
        assert owner.returncode == 0, owner.stderr
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "attached\n"
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "logged\n"
        if kill:
            process.kill()
        return process.communicate(None if kill else "\n", timeout=60)[1]


_EARLY, _LATE = [("loss", 1, 1.0), ("loss", 1, 2.0)], [("loss", 2, 3.0), ("acc", 2, 0.5)]


@pytest.mark.long
@pytest.mark.parametrize("kill", [False, True], ids=["ended", "killed"])
def test_what_a_rank_logs_after_the_owner_has_ended_is_added(repo: Repo, ledger: Ledger, kill: bool) -> None:
    said = left_behind(repo, kill=kill)
    assert kill or "was recorded before this process ended: the next ledger command" in said
    [part] = journals(repo)
    copy = shutil.copy(repo.path / ".git/ledger/journal" / part, repo.path / "copy")
    assert "recorded what 1 process logged after the end of a run" in ledger("recover")
    assert journals(repo) == []
    assert sorted(points(ledger, _RUN)) == sorted(_EARLY + _LATE)
    found = shown(ledger, _RUN)
    assert (found["run"]["status"], found["run"]["reason"]) == ("failed", "why")
    assert (found["params"], found["run"]["tags"]) == ({"lr": 1, "seed": 7}, {"stage": "sweep"})
    assert metrics(ledger, _RUN) == {"loss": 0.25, "acc": 0.5}
    events = [(one["message"], one.get("fields")) for one in ledger.json("show", _RUN, "--events")]
    assert ("late", {"rows": 3}) in events
    assert any(fields == {"tags.stage": "late"} for _, fields in events)
    ids = [one["record"] for one in found["records"]]
    assert len(ids) == 2
    shutil.copy(copy, repo.path / ".git/ledger/journal" / part)  # killed between sealing and removing
    assert ledger("recover") == "nothing to recover\n"
    assert journals(repo) == []
    assert [one["record"] for one in shown(ledger, _RUN)["records"]] == ids
    ledger("verify")


@pytest.mark.long
def test_it_is_left_alone_while_its_process_lives(repo: Repo, ledger: Ledger) -> None:
    with rank_1(repo) as process:
        assert program(repo, _OWNER, LEDGER_RUN=_RUN, RANK="0", WORLD_SIZE="2").returncode == 0
        ledger("recover")
        assert len(journals(repo)) == 1
        assert points(ledger, _RUN) == _EARLY
        process.communicate("\n\n", timeout=60)
    assert sorted(points(ledger, _RUN)) == sorted(_EARLY + _LATE)


@pytest.mark.long
def test_a_rank_that_comes_when_the_run_is_over_is_told_and_added(repo: Repo, ledger: Ledger) -> None:
    body = "with ledger.start() as run: run.log(loss=1.0 + int(os.environ['RANK']), step=1)"
    assert program(repo, body, RANK="0", WORLD_SIZE="2", LEDGER_RUN=_RUN).returncode == 0
    late = program(repo, body, RANK="1", WORLD_SIZE="2", LEDGER_RUN=_RUN)
    assert late.returncode == 0
    assert f"run {_RUN[:8]} is over, and this process goes on: the next ledger command" in late.stderr
    ledger("runs")
    assert f"run {_RUN[:8]} of main: what was logged after its end is recorded, too" in ledger.err
    contexts = {one["context"]: one["value"] for one in ledger.json("show", _RUN, "--history")}
    assert contexts == {None: 1.0, '{"rank": 1}': 2.0}
    assert metrics(ledger, _RUN) == {"loss": 1.0}


def _recorded_with_copy(repo: Repo) -> tuple[str, Path]:
    """A recorded run, and a copy of what a further process logged into it, as if that had come too late."""
    with start() as run:
        body = "with ledger.start() as run: run.log(f1=0.5, step=3)"
        assert program(repo, body, LEDGER_RUN=run.id).returncode == 0
        [part] = (repo.path / ".git/ledger/journal").glob("*.part")
        shutil.copy(part, repo.path / part.name)
        part.unlink()
        run.log(loss=1.0, step=1)
    return run.id, repo.path / part.name


@pytest.mark.slow
def test_what_was_set_aside_is_taken_in_by_recover(repo: Repo, ledger: Ledger) -> None:
    run, part = _recorded_with_copy(repo)
    kept = repo.path / ".git/ledger/journal/kept"
    kept.mkdir()
    part.rename(kept / part.name)
    ledger("runs")
    assert len(points(ledger, run)) == 1
    ledger("recover", "--json")
    assert points(ledger, run) == [("loss", 1, 1.0), ("f1", 3, 0.5)]
    assert list(kept.iterdir()) == []


def test_what_is_set_aside_because_a_series_was_thinned_is_not_taken_twice(
    repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.store.history.MAX_ROWS", 10)
    with start() as run:
        body = "with ledger.start() as run: run.log(f1=0.5, step=3)"
        assert program(repo, body, LEDGER_RUN=run.id).returncode == 0
        for step in range(40):
            run.log(loss=1.0, step=step)
    kept = repo.path / ".git/ledger/journal/kept"
    before = sorted(kept.iterdir())
    assert [path.suffix for path in before] == [".part", ".journal"]
    count = len(points(ledger, run.id))
    ledger("recover")
    assert len(points(ledger, run.id)) == count
    assert sorted(kept.iterdir()) == before


@pytest.mark.slow
def test_where_the_run_is_not_recorded_it_waits_aside(repo: Repo, ledger: Ledger) -> None:
    run, part = _recorded_with_copy(repo)
    ref = repo.git("rev-parse", "refs/runs/main").strip()
    name = journal.parsed(part.name)
    assert name is not None
    other = part.with_name(journal.Name("cd" * 16, name.record, name.writer).file)
    folder = repo.path / ".git/ledger/journal"
    part.rename(folder / other.name)
    ledger("runs")
    assert "the run itself is not recorded here" in ledger.err
    assert [one.name for one in (folder / "kept").iterdir()] == [other.name]
    ledger("runs")
    assert "not recorded here" not in ledger.err
    assert repo.git("rev-parse", "refs/runs/main").strip() == ref
    assert run in str(ledger.json("runs"))


@pytest.mark.slow
def test_points_of_an_earlier_attempt_count_less(repo: Repo) -> None:
    run, part = _recorded_with_copy(repo)
    with start(resume=run) as again:
        again.log(f1=0.9, step=3)
    part.rename(repo.path / ".git/ledger/journal" / part.name)
    with start():  # settles
        pass
    found: Any = history(run, metrics=["f1"])
    assert found.column("value").to_pylist() == [0.9]
    assert sorted(history(run, metrics=["f1"], all_attempts=True).column("value").to_pylist()) == [0.5, 0.9]
