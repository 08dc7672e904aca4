"""`ledger log-metric` and `ledger log-event` within runs: what they bring is there, whoever dies afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Ledger, Repo
from record.lived import events

import ledger as package

LEDGER = f"{sys.executable} -m ledger"


@pytest.fixture
def live(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Iterator[package.Run]:
    """A run that goes on, and its id in the environment."""
    with package.start(repository=repo.path) as run:
        monkeypatch.setenv("LEDGER_RUN", run.id)
        yield run


def points(ledger: Ledger, run: package.Run) -> list[tuple[Any, ...]]:
    found = ledger.json("show", run.id, "--history")
    return [(one["metric"], one["step"], one["value"], one.get("context")) for one in found]


def test_values_with_steps_and_contexts(live: package.Run, ledger: Ledger) -> None:
    ledger("log-metric", "loss=0.5", "acc=1", "--step", "3")
    ledger("log-metric", "loss=0.25", "--context", "split=val", "--context", "fold=1", "--step", "-2")
    ledger("log-metric", "val/f1@5=nan", "loss=null")
    live.finish()
    assert points(ledger, live) == [
        ("loss", 3, 0.5, None),
        ("loss", None, None, None),
        ("loss", -2, 0.25, '{"fold": "1", "split": "val"}'),
        ("acc", 3, 1, None),
        ("val/f1@5", None, "NaN", None),
    ]


def test_events_with_fields_and_levels(live: package.Run, ledger: Ledger, repo: Repo) -> None:
    ledger("log-event", "data read", "rows=1000", "part=a")
    ledger("log-event", "small", "--level", "warning")
    live.finish()
    found = [{name: value for name, value in event.items() if name != "time"} for event in events(repo)]
    assert found == [
        {"level": "info", "message": "data read", "fields": {"rows": 1000, "part": "a"}},
        {"level": "warning", "message": "small"},
    ]


def bounded(repo: Repo, on_range: str) -> None:
    bounds = {"f1": {"type": "number", "minimum": 0, "maximum": 1}, "loss": {"type": "number"}}
    schema = {"properties": {"metrics": {"properties": bounds}}}
    repo.write(".ledger/schemas/m.json", json.dumps(schema))
    repo.write(".ledger/config.toml", f'[live]\non_range = "{on_range}"\n')
    repo.commit("bounds")


@pytest.mark.parametrize(
    ("on_range", "code"),
    [("warn", 0), *(pytest.param(*case, marks=pytest.mark.slow) for case in (("stop", 5), ("ignore", 0)))],
)
def test_what_is_out_of_range_is_told_at_once(
    repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, on_range: str, code: int
) -> None:
    bounded(repo, on_range)
    with package.start(repository=repo.path) as run:
        monkeypatch.setenv("LEDGER_RUN", run.id)
        ledger("log-metric", "f1=1", "loss=7")
        assert ledger.err == ""
        for value in (12, 13):
            ledger("log-metric", f"f1={value}", code=code)
            assert (f"f1 = {value}: maximum 1" in ledger.err) is (on_range != "ignore")
        ledger("log-metric", "f1=0.5", "--step", "9")
    assert sorted(value for _, _, value, _ in points(ledger, run)) == [0.5, 1, 7, 12, 13]
    if on_range != "ignore":
        (event,) = ledger.json("show", run.id, "--events", "--level", "warning")
        assert event["message"] == "f1 = 12: maximum 1, says the schema", "once, however often it is logged"


def test_a_further_rank_is_context(
    live: package.Run, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    ledger("log-metric", "loss=1")
    live.finish()
    assert points(ledger, live) == [("loss", None, 1, '{"rank": 3}')]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["loss"], 2),
        (["loss=much"], 2),
        (["loss=1e999"], 2),
        (["=1"], 2),
        (["a=1", "a=2"], 2),
        (["a=1", "--step", "x"], 2),
        (["a=1", "--step", str(2**70)], 2),
        (["a=1", "--context", "x"], 2),
    ],
)
def test_wrong_words_are_errors_and_log_nothing(
    live: package.Run, ledger: Ledger, words: list[str], code: int
) -> None:
    ledger("log-metric", *words, code=code)
    live.finish()
    assert "metrics" not in "".join(ledger.json("runs")[0])


def test_only_a_run_that_goes_on_can_be_added_to(
    live: package.Run, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = live.journal
    live.finish()
    ledger("log-metric", "loss=1", code=1)
    assert "no run" in ledger.err
    monkeypatch.setenv("LEDGER_JOURNAL", str(path))
    ledger("log-event", "too late", code=1)
    assert path is not None
    assert not list(path.parent.iterdir())
    monkeypatch.setenv("LEDGER_RUN", "main")
    ledger("log-metric", "loss=1", code=2)
    monkeypatch.delenv("LEDGER_RUN")
    ledger("log-metric", "loss=1", code=2)


def test_what_comes_after_the_word_that_ends_a_run_is_refused(live: package.Run, repo: Repo) -> None:
    """The owner has said that it ends, and may have read the others' files already."""
    from ledger.errors import NotFoundError
    from ledger.record import jot
    from ledger.store import journal

    assert live.journal is not None
    with live.journal.open("ab") as file:
        file.write(journal.json_frame(journal.END, {"status": "finished"}))
    with pytest.raises(NotFoundError):
        jot.add(live.journal, [jot.event_block("late", level="info", time=1, fields={})])
    assert repo.path.is_dir()


@pytest.mark.slow
def test_shells_at_once_share_a_file_and_lose_nothing(repo: Repo, ledger: Ledger) -> None:
    script = f"for w in 1 2 3; do (for i in 1 2; do {LEDGER} log-metric w$w=$i --step $i; done) & done; wait; ls .git/ledger/journal"
    out = subprocess.run(
        [*LEDGER.split(), "run", "-q", "--", "sh", "-c", script],
        cwd=repo.path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert len(out.split()) == 2, "the run's journal, and one file for all shells"
    (row,) = ledger.json("runs")
    found = ledger.json("show", row["run_id"], "--history")
    assert sorted((one["metric"], one["step"], one["value"]) for one in found) == [
        (f"w{writer}", step, step) for writer in (1, 2, 3) for step in (1, 2)
    ]


@pytest.mark.slow
def test_what_was_logged_survives_the_death_of_all(repo: Repo, ledger: Ledger) -> None:
    script = f"{LEDGER} log-metric loss=0.5; kill -KILL $PPID; kill -KILL $$"
    done = subprocess.run(
        [*LEDGER.split(), "run", "sh", "-c", script], cwd=repo.path, capture_output=True, check=False
    )
    assert done.returncode < 0
    (row,) = ledger.json("runs")
    assert (row["status"], row["metrics.loss"]) == ("lost", 0.5)


def test_a_torn_block_costs_no_other(live: package.Run, ledger: Ledger) -> None:
    ledger("log-metric", "a=1")
    assert live.journal is not None
    part = next(path for path in live.journal.parent.iterdir() if path.suffix == ".part")
    with part.open("ab") as file:
        file.write(b"LJB1P\0\0\0 torn")
    ledger("log-metric", "b=2")
    live.finish()
    assert [one[0] for one in points(ledger, live)] == ["a", "b"]


def test_a_full_disk_is_an_error_and_keeps_what_was_there(live: package.Run, ledger: Ledger) -> None:
    """A limit on the size of files stands in for a disk without room."""
    ledger("log-metric", "a=1")
    assert live.journal is not None
    size = max(path.stat().st_size for path in live.journal.parent.iterdir() if path.suffix == ".part")
    limited = f"import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, ({size + 20},) * 2); from ledger.cli.main import main; main(['log-metric', 'b=2'])"
    done = subprocess.run(
        [sys.executable, "-c", limited], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    live.finish()
    assert [one[0] for one in points(ledger, live)] == ["a"]


def test_it_starts_without_what_it_does_not_need(live: package.Run) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ledger", "log-metric", "loss=1"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LEDGER_JOURNAL": str(live.journal)},
    )
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "ledger.record.jot" in modules
    assert not {"git", "pyarrow", "subprocess", "zipfile", "ledger.git.process", "ledger.config"} & modules
