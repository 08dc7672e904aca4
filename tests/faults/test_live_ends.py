"""How live runs end, in processes of their own: signals, forks, exits."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from conftest import Ledger, Repo
from record.lived import journals, program

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("block", [True, False], ids=["in a block", "without a block"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_run_as_killed_and_the_process_as_before(
    repo: Repo, ledger: Ledger, number: signal.Signals, block: bool
) -> None:
    body = f"run.log(loss=1.0); os.kill(os.getpid(), {int(number)}); time.sleep(60)"
    done = program(repo, f"with ledger.start() as run: {body}" if block else f"run = ledger.start(); {body}")
    # Python forgets that it was interrupted when a library evaluates code while it ends
    assert done.returncode in ((-number, 1) if number == signal.SIGINT and not block else (-number,))
    [run] = ledger.json("runs")
    assert (run["status"], run["metrics.loss"]) == ("killed", 1.0)
    assert journals(repo) == []


def test_exits_count_by_their_code(repo: Repo, ledger: Ledger) -> None:
    for code in (0, 3):
        assert program(repo, f"with ledger.start(name='{code}'): sys.exit({code})").returncode == code
    assert {run["name"]: run["status"] for run in ledger.json("runs")} == {"0": "finished", "3": "failed"}


@pytest.mark.parametrize("thread", [True, False], ids=["forked in a thread", "forked in the main thread"])
def test_a_data_loader_dies_of_a_signal_as_ever(repo: Repo, ledger: Ledger, thread: bool) -> None:
    body = f"""
import multiprocessing, threading
loader = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
with ledger.start() as run:
    begin = threading.Thread(target=loader.start) if {thread} else loader
    begin.start()
    begin.join() if {thread} else None
    time.sleep(0.1)
    loader.terminate()
    loader.join()
    assert loader.exitcode == -15
    run.log(loss=1.0)
"""
    done = program(repo, body)
    assert done.returncode == 0, done.stderr
    assert [run["status"] for run in ledger.json("runs")] == ["finished"]


def test_of_many_that_recover_at_once_one_does(repo: Repo, ledger: Ledger) -> None:
    body = "run = ledger.start()\nrun.log(loss=1.0)\nrun.flush()\nprint(run.id, flush=True)\nos._exit(9)"
    run = program(repo, body).stdout.strip()
    words = [sys.executable, "-m", "ledger", "recover"]
    crowd = [subprocess.Popen(words, cwd=repo.path, stdout=subprocess.DEVNULL) for _ in range(6)]
    assert {process.wait(timeout=60) for process in crowd} <= {0, 1}  # 1: another has sealed meanwhile
    assert repo.git(
        "log", "--format=%(trailers:key=Ledger-Run,valueonly)", "refs/runs/main", "--"
    ).split() == [run]
    assert journals(repo) == []
    ledger("verify")
