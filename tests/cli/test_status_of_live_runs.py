"""Live runs in `ledger status`, and what becomes of those whose process died."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import Ledger, Repo

from ledger import start

_DIES = """
import ledger, os
run = ledger.start(name="short")
run.log(loss=1.0, step=7)
run.flush()
run.log(loss=2.0, step=8)
os._exit(9)
"""


def _died(repo: Repo) -> None:
    done = subprocess.run([sys.executable, "-c", _DIES], cwd=repo.path, check=False)
    assert done.returncode == 9


@pytest.mark.usefixtures("repo")
def test_a_run_that_goes_on_is_listed_and_left_alone(ledger: Ledger) -> None:
    with start(name="long") as run:
        run.log({"loss": 1.0, "f1": 0.5}, step=41)
        run.flush()
        [one] = ledger.json("status")["running"]
        assert (one["run_id"], one["name"], one["state"], one["pid"]) == (
            run.id,
            "long",
            "running",
            os.getpid(),
        )
        assert (one["experiment"], one["step"], one["points"], one["attempt"]) == ("main", 41, 2, 1)
        text = ledger("status")
        assert run.id[:8] in text
        assert f"process {os.getpid()}" in text
        assert ledger.json("runs") == []
        assert "nothing to recover" in ledger("recover")
    assert ledger.json("status")["running"] == []
    assert len(ledger.json("runs")) == 1


def test_a_run_that_died_is_named_and_recorded_by_the_next_command(repo: Repo, ledger: Ledger) -> None:
    _died(repo)
    [one] = ledger.json("status")["running"]
    assert (one["state"], one["step"]) == ("died", 7)
    assert "died" in ledger("status")
    [run] = ledger.json("runs")
    assert "died: recorded as lost" in ledger.err
    assert (run["run_id"], run["status"], run["metrics.loss"]) == (one["run_id"], "lost", 1.0)
    assert ledger.json("status")["running"] == []
    assert len(ledger.json("runs")) == 1
    ledger("verify")


@pytest.mark.slow
def test_recover_says_what_it_recorded(repo: Repo, ledger: Ledger) -> None:
    _died(repo)
    assert ledger.json("recover")["lost"] == 1
    _died(repo)
    assert "recorded 1 run whose process had died" in ledger("recover")
    _died(repo)
    with start():
        assert len(ledger.json("runs")) == 3, "a run that starts records what died, too"


def test_a_journal_that_cannot_be_read_holds_nothing_up(repo: Repo, ledger: Ledger) -> None:
    _died(repo)
    bad = repo.path / f".git/ledger/journal/{'a' * 32}.{'b' * 32}.journal"
    bad.write_bytes(b"LJB1 not a journal")
    assert len(ledger.json("runs")) == 1
    [one] = ledger.json("status")["running"]
    assert one["state"] == "unreadable"
    assert "journal without its head" in ledger("status")
    assert bad.exists()
