"""Live runs in `ledger status`, and what becomes of those whose process died."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest
from conftest import Ledger, Repo

from ledger import start
from ledger.store import journal

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_journal_that_cannot_be_read_holds_nothing_up(repo: Repo, ledger: Ledger) -> None:
    _died(repo)
    bad = repo.path / f".git/ledger/journal/{'a' * 32}.{'b' * 32}.journal"
    bad.write_bytes(b"LJB1 not a journal")
    assert len(ledger.json("runs")) == 1
    [one] = ledger.json("status")["running"]
    assert one["state"] == "unreadable"
    assert "journal without its head" in ledger("status")
    assert bad.exists()


@pytest.mark.usefixtures("repo")
def test_a_run_that_goes_on_is_shown_as_far_as_it_is_known(ledger: Ledger) -> None:
    with start(name="long", params={"lr": 0.1, "opt": {"name": "adam"}}, tags={"stage": "sweep"}) as run:
        run.log({"loss": 1.0}, step=41)
        run.log({"loss": 0.5, "f1": float("nan")}, step=42)
        run.log({"loss": 9.0}, step=7, context="test")
        run.summary["best"] = 0.25
        run.flush()
        whole = ledger.json("show", run.id[:6])
        assert (whole["run"]["id"], whole["run"]["status"], whole["run"]["tags"]) == (
            run.id,
            "running",
            {"stage": "sweep"},
        )
        assert whole["params"] == {"lr": 0.1, "opt": {"name": "adam"}}
        metrics = whole["metrics"]
        assert {name: (one["latest"], one["step"]) for name, one in metrics.items()} == {
            "loss": (0.5, 42),
            "f1": ("NaN", 42),
            "best": (0.25, None),
        }
        assert {(one["value"], one["grade"], one["reason"]) for one in metrics.values()} == {
            (None, "missing", "running, not recorded yet")
        }
        text = ledger("show", run.id)
        for words in ("running, not recorded yet", "lr", "0.5", "step 42", f"process {os.getpid()}"):
            assert words in text
        assert "opt.name" in ledger("show", run.id, "--params")
        assert ledger.json("show", run.id, "--metrics") == metrics
        ledger("show", run.id, "--records", code=1)
        assert "goes on" in ledger.err
        ledger("show", run.id, "--csv", code=2)
        assert ledger.json("runs") == []
        assert "1 run goes on (main): ledger runs --running" in ledger.err
    assert ledger.json("show", run.id)["metrics"]["loss"]["value"] == 0.5
    ledger("runs")
    assert "goes on" not in ledger.err


def test_a_prefix_of_two_live_runs_is_ambiguous(repo: Repo, ledger: Ledger) -> None:
    with start() as run:
        folder = repo.path / ".git/ledger/journal"
        [path] = folder.glob("*.journal")
        head = journal.head(path)
        twin = {**head, "run": f"{run.id[:20]}{'0' * 12}"}
        other = folder / journal.Name(twin["run"], twin["record"]).file
        other.write_bytes(journal.json_frame(journal.HEAD, twin))
        ledger("show", run.id[:8], code=1)
        assert "names 2 runs" in ledger.err
        assert run.id in ledger("show", run.id)
        other.unlink()


@pytest.mark.usefixtures("repo")
def test_series_and_events_of_a_run_that_goes_on(ledger: Ledger) -> None:
    with start() as run:
        ledger("show", run.id, "--history", code=1)
        assert "logged no series yet" in ledger.err
        ledger("show", run.id, "--events", code=1)
        for step, loss in ((0, 1.0), (1, 0.5), (1, 0.25)):
            run.log(loss=loss, step=step)
        run.log(f1=0.9, step=1, context={"split": "val"})
        run.event("data read", rows=1000)
        run.event("slow disk", level="warning")
        run.flush()
        points = ledger.json("show", run.id, "--history")
        assert [(one["metric"], one["step"], one["value"], one["context"]) for one in points] == [
            ("loss", 0, 1.0, None),
            ("loss", 1, 0.25, None),
            ("f1", 1, 0.9, '{"split": "val"}'),
        ]
        assert "running, not recorded yet" in ledger.err
        assert len(ledger.json("show", run.id, "--history", "loss", "--all-attempts")) == 3
        assert ledger("show", run.id, "--history", "loss", "--csv").count("loss,") == 2
        assert "over 2 points" in ledger("show", run.id, "--history", "loss")
        ledger("show", run.id, "--history", "los", code=1)
        assert "there are: f1, loss" in ledger.err
        (event,) = ledger.json("show", run.id, "--events", "--level", "warning")
        assert event["message"] == "slow disk"
        assert "rows" in ledger("show", run.id, "--events")


@pytest.mark.usefixtures("repo")
def test_every_listing_says_that_runs_go_on_and_one_shows_them(ledger: Ledger) -> None:
    with start() as done:
        done.log(f1=0.5)
    with start(name="first", experiment="exp/lr") as run, start(name="other"):
        run.log({"loss": 0.25, "f1": math.nan}, step=3)
        run.summary["best"] = 1
        run.flush()
        for words in (["runs"], ["experiments"], ["log", "--metric", "f1"]):
            ledger(*words)
            assert "hint: 2 runs go on (exp/lr, main): ledger runs --running" in ledger.err
        ledger("runs", "-e", "exp/lr", code=1)
        assert "hint: 1 run goes on (exp/lr): ledger runs --running" in ledger.err, "it is its first"
        [one] = ledger.json("runs", "--running", "-e", "exp/lr")
        assert (one["run_id"], one["state"], one["step"]) == (run.id, "running", 3)
        assert one["latest"] == {"loss": 0.25, "f1": "NaN", "best": 1}
        assert ledger("runs", "--running", "--ids").split()[0] == run.id
        assert "loss 0.25, f1 NaN, best 1" in ledger("runs", "--running")
        ledger("runs", "--running", "--where", "f1 > 0", code=2)
    ledger("runs", "--running")
    assert "no run goes on" in ledger.err


@pytest.mark.usefixtures("repo")
def test_runs_stand_below_one_that_goes_on(ledger: Ledger) -> None:
    with start(name="sweep") as sweep:
        with start(name="child", parent=sweep.id) as child:
            child.log(f1=0.5)
        lines = ledger("runs", "--tree").splitlines()
        assert lines[1].split() == [sweep.id[:8], "running", "sweep"]
        assert child.id[:8] in lines[2]
