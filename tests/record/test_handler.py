"""`ledger.LogHandler`, events and ranges: what a program says while it trains."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Ledger, Repo

import ledger as package
from ledger import LogHandler, Run, start
from ledger.record.handler import level_of

pytestmark = pytest.mark.usefixtures("repo")


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.Logger("train.data", logging.DEBUG)  # noqa: LOG001 - nobody else's
    yield logger
    for handler in logger.handlers:
        handler.close()


def events(ledger: Ledger, run: Run, *words: str) -> list[dict[str, Any]]:
    return list(ledger.json("show", run.id, "--events", *words))


def test_records_become_events(log: logging.Logger, ledger: Ledger) -> None:
    with start() as run:
        log.addHandler(LogHandler(run))
        log.debug("not asked for")
        log.info("read %d rows", 3)
        try:
            raise ValueError("no rows")  # noqa: TRY301
        except ValueError:
            log.exception("gave up")
    first, second = events(ledger, run)
    assert (first["level"], first["logger"], first["message"]) == ("info", "train.data", "read 3 rows")
    assert first["time"].endswith("Z")
    assert (second["level"], second["fields"]["type"]) == ("error", "ValueError")
    assert second["fields"]["traceback"][-1] == "ValueError: no rows"


def test_levels_of_ones_own_count_as_the_next_below() -> None:
    assert [level_of(number) for number in (5, 10, 15, 20, 25, 30, 45, 50, 99)] == [
        "debug", "debug", "debug", "info", "info", "warning", "error", "critical", "critical"
    ]  # fmt: skip


def test_without_a_run_it_takes_the_newest_that_goes_on(log: logging.Logger, ledger: Ledger) -> None:
    log.addHandler(LogHandler())
    log.warning("before any run")
    with start(name="outer") as outer:
        with start(name="inner", parent=outer.id) as inner:
            log.warning("inside")
        log.warning("outside")
    log.warning("after all")
    assert [one["message"] for one in events(ledger, inner)] == ["inside"]
    assert [one["message"] for one in events(ledger, outer)] == ["outside"]


def test_more_than_the_rate_is_counted_and_said(log: logging.Logger, ledger: Ledger) -> None:
    with start() as run:
        handler = LogHandler(run, per_second=0.5)
        log.addHandler(handler)
        for number in range(500):
            log.info("line %d", number)
        handler.flush()
    *first, last = (one["message"] for one in events(ledger, run))
    assert first == [f"line {number}" for number in range(5)], "ten seconds' worth at once"
    assert last == "495 log records left out"


def test_a_record_that_can_not_be_shown_breaks_nothing(
    log: logging.Logger, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("never")

    with start() as run:
        handler = LogHandler(run)
        log.addHandler(handler)
        log.info("%s", Odd())
        log.info("%d", "no number")
        log.info("two %s")
        handler.flush()
    assert [one["message"] for one in events(ledger, run)] == ["two %s", "2 log records left out"]
    assert capsys.readouterr().err == ""


def test_what_is_logged_while_a_record_is_shown_does_not_come_back(
    log: logging.Logger, ledger: Ledger
) -> None:
    class Chatty:
        def __str__(self) -> str:
            log.info("again: %s", self)
            return "chatty"

    with start() as run:
        log.addHandler(LogHandler(run))
        log.info("%s", Chatty())
    assert [one["message"] for one in events(ledger, run)] == ["chatty"]


def test_it_does_not_wait_for_who_holds_the_journal(log: logging.Logger, ledger: Ledger) -> None:
    """As a disk that hangs in the middle of a write does."""
    with start() as run:
        log.addHandler(LogHandler(run))
        assert run._outlet is not None
        with run._watcher.guard, run._outlet._writing:
            others = [threading.Thread(target=log.info, args=("from %d", number)) for number in range(3)]
            for other in others:
                other.start()
            for other in others:
                other.join(30)
                assert not other.is_alive()
    assert len(events(ledger, run)) == 3


def test_events_survive_a_kill_like_points(ledger: Ledger, repo: Repo) -> None:
    script = (
        "import ledger, os, signal\nrun = ledger.start()\nrun.event('data read', rows=1000, mean=float('nan'))\n"
        "run.flush()\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=repo.path, check=False, env=os.environ)
    (row,) = ledger.json("runs")
    (event,) = ledger.json("show", row["run_id"], "--events")
    assert (event["message"], event["fields"]) == ("data read", {"rows": 1000, "mean": "NaN"})


def test_show_filters_by_level_and_prints_what_events_brought(ledger: Ledger) -> None:
    with start() as run:
        run.event("quiet", level="debug")
        run.event("of my own", level="notice")
        run.event("small", level="warning", rows=3, lines=["first", "sec\x1bond"])
        run.event("gone", level="ERROR")
    assert [one["message"] for one in events(ledger, run, "--level", "warning")] == ["small", "gone"]
    assert [one["message"] for one in events(ledger, run)] == ["quiet", "of my own", "small", "gone"]
    shown = ledger("show", run.id, "--events", "--level", "warning").splitlines()
    assert [line.split()[2:] for line in shown[1:2]] == [["warning", "small", "rows=3"]]
    assert shown[2] == "    first"
    assert "\x1b" not in shown[3]
    ledger("show", run.id, "--level", "error", code=2)
    ledger("show", run.id, "--events", "--history", code=2)


def test_a_run_without_events_says_so(ledger: Ledger) -> None:
    done = package.record(metrics={"f1": 1})
    ledger("show", done.id, "--events", code=1)
    assert "no events" in ledger.err
