"""Journals whose process died: recorded once, by whoever comes, and never while anything lives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo

from ledger import start
from ledger.store import journal
from ledger.store.journal import END, HEAD, frame, json_frame

_DIES = """
import ledger, os
run = ledger.start(params={"lr": 1})
run.log(loss=1.0, step=7)
run.flush()
print(run.id, flush=True)
os._exit(9)
"""
_LIVES = """
import ledger, sys
with ledger.start() as run:
    run.log(acc=3.0, step=1)
    run.flush()
    print(run.id, flush=True)
    sys.stdin.read()
    run.log(acc=4.0, step=2)
"""


def died(repo: Repo) -> tuple[str, Path]:
    """A run that is over and not recorded, and its journal."""
    done = subprocess.run(
        [sys.executable, "-c", _DIES], cwd=repo.path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 9, done.stderr
    [path] = folder(repo).glob("*.journal")
    return done.stdout.strip(), path


def folder(repo: Repo) -> Path:
    return repo.path / ".git/ledger/journal"


def recorded(repo: Repo) -> list[str]:
    return repo.git("log", "--format=%(trailers:key=Ledger-Run,valueonly)", "refs/runs/main", "--").split()


@pytest.mark.slow
def test_a_journal_that_no_code_understands_holds_nothing_up(repo: Repo, ledger: Ledger) -> None:
    run, path = died(repo)
    head = journal.head(path)
    path.write_bytes(json_frame(HEAD, {**head, "note": 5, "tags": {"a": ["b"]}}))
    for words in (["runs"], ["recover"], ["record", "-m", "f1=1"]):
        ledger(*words)
        assert f"warning: run {run[:8]}: {path} holds what can't be recorded (" in ledger.err
    assert len(ledger.json("runs")) == 1
    with start() as other:
        other.log(f1=0.5)
    assert len(ledger.json("runs")) == 2
    assert path.exists()


@pytest.mark.slow
def test_a_journal_whose_record_is_chained_is_only_removed(repo: Repo, tmp_path: Path) -> None:
    """The process was killed between the two."""
    with start() as run:
        run.log(loss=1.0)
        run.flush()
        [path] = folder(repo).glob("*.journal")
        shutil.copy(path, tmp_path / "journal")
    _bury(tmp_path / "journal", path, end={"status": "finished", "reason": None, "finished": _now()})
    assert "lost" not in subprocess.check_output(
        [sys.executable, "-m", "ledger", "runs", "--json"], cwd=repo.path, text=True
    )
    assert recorded(repo) == [run.id]
    assert not path.exists()


def test_a_run_that_ended_and_was_not_sealed_has_the_status_of_its_end(repo: Repo, ledger: Ledger) -> None:
    run, path = died(repo)
    with path.open("ab") as file:
        file.write(json_frame(END, {"status": "killed", "reason": "SIGTERM", "finished": _now()}))
    [found] = ledger.json("runs")
    assert (found["run_id"], found["status"], found["params.lr"]) == (run, "killed", 1)
    assert ledger.json("show", run)["run"]["reason"] == "SIGTERM"


def test_a_torn_tail_costs_what_was_not_flushed_only(repo: Repo, ledger: Ledger) -> None:
    run, path = died(repo)
    with path.open("ab") as file:
        file.write(frame(b"P", b"x" * 100)[:60])
    [found] = ledger.json("runs")
    assert (found["run_id"], found["status"], found["metrics.loss"]) == (run, "lost", 1.0)


@pytest.mark.slow
def test_a_run_lives_as_long_as_any_process_that_logs_into_it(repo: Repo, ledger: Ledger) -> None:
    owner = "import ledger, os, sys\nrun = ledger.start()\nrun.log(loss=1.0)\nrun.flush()\nprint(run.id, flush=True)\nsys.stdin.read()"
    pipes: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "text": True,
        "cwd": repo.path,
    }
    with subprocess.Popen([sys.executable, "-c", owner], **pipes) as first:
        assert first.stdout
        run = first.stdout.readline().strip()
        environ = {**os.environ, "LEDGER_RUN": run}
        with subprocess.Popen([sys.executable, "-c", _LIVES], **pipes, env=environ) as second:
            assert second.stdout
            assert second.stdout.readline().strip() == run
            first.kill()
            first.wait()
            assert ledger.json("runs") == []
            second.communicate()
            assert second.returncode == 0
    [found] = ledger.json("runs")
    assert (found["run_id"], found["status"]) == (run, "lost")
    assert [(one["metric"], one["value"]) for one in ledger.json("show", run, "--history")] == [
        ("loss", 1.0),
        ("acc", 3.0),
        ("acc", 4.0),
    ]


def test_of_another_host_the_heartbeat_counts(repo: Repo, ledger: Ledger) -> None:
    run, path = died(repo)
    shutil.copy(path, repo.path / "copy")
    _bury(repo.path / "copy", path, host="node17")
    assert ledger.json("runs") == []
    two_hours_ago = time.time() - 2 * 3600
    os.utime(path, (two_hours_ago, two_hours_ago))
    assert ledger.json("runs") == []
    repo.git("config", "ledger.lostAfterHours", "1.5")
    [found] = ledger.json("runs")
    assert (found["run_id"], found["status"]) == (run, "lost")


def test_a_silly_number_of_hours_is_an_error(repo: Repo, ledger: Ledger) -> None:
    repo.git("config", "ledger.lostAfterHours", "soon")
    ledger("runs", code=1)
    assert "lostAfterHours" in ledger.err


@pytest.mark.long
def test_a_lost_attempt_goes_on_from_the_one_before(repo: Repo, ledger: Ledger) -> None:
    run, _ = died(repo)
    again = _DIES.replace("params={", f"resume={run!r}, params={{'second': 2, ").replace(
        "1.0, step=7", "9.0, step=8"
    )
    done = subprocess.run([sys.executable, "-c", again], cwd=repo.path, check=False)
    assert done.returncode == 9
    [found] = ledger.json("runs")
    assert (found["run_id"], found["status"], found["params.second"]) == (run, "lost", 2)
    assert [(one["step"], one["value"]) for one in ledger.json("show", run, "--history")] == [
        (7, 1.0),
        (8, 9.0),
    ]
    assert recorded(repo) == [run, run]


def _bury(source: Path, target: Path, *, host: str | None = None, end: dict[str, Any] | None = None) -> None:
    """A journal as a process that is dead, or elsewhere, would have left it."""
    pieces = []
    for block in journal.read(source):
        if block.kind == HEAD:
            head = block.document()
            who = {**head["who"], "start": "1", "host": host or head["who"]["host"]}
            pieces.append(json_frame(HEAD, {**head, "who": who}))
        else:
            pieces.append(frame(block.kind, bytes(block.payload)))
    if end:
        pieces.append(json_frame(END, end))
    target.write_bytes(b"".join(pieces))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())


def test_what_belongs_to_no_run_that_is_recorded_here_is_put_aside_and_named(
    repo: Repo, ledger: Ledger
) -> None:
    run, path = died(repo)
    part = path.with_name(f"{path.stem}.000001-x.part")
    _bury(path, part)
    path.unlink()
    ledger("runs")
    assert f"run {run[:8]}: what was logged after its end is in" in ledger.err
    assert [one.name for one in (folder(repo) / "kept").iterdir()] == [part.name]
    ledger("runs")
    assert ledger.err == "no runs yet: ledger record --help shows how to record one\n"
