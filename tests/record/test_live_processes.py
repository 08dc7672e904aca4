"""Live runs of many processes, and of those that fork, are told to end, or end without a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from conftest import Ledger, Repo
from record.lived import forked, journals, metrics, points, program, shown

from ledger import start
from ledger.errors import InputError, NotFoundError

pytestmark = pytest.mark.usefixtures("repo")


@pytest.mark.slow
def test_a_forked_child_does_the_run_no_harm(repo: Repo, ledger: Ledger) -> None:
    code, run = forked(
        repo,
        parent="run.log(loss=1.0, step=1)",
        child="run.log(loss=2.0, step=2); run.flush(); run.event('child'); run.finish(); sys.exit(3)",
    )
    assert code == 3
    assert points(ledger, run) == [("loss", 1, 1.0)]
    everything = ledger.json("show", run, "--history", "--all-attempts")
    assert [one["value"] for one in everything] == [1.0, 1.0], "the parent goes on"


@pytest.mark.long
def test_a_run_that_nobody_ended_ends_with_its_program(repo: Repo, ledger: Ledger) -> None:
    assert program(repo, "ledger.start(name='good').log(f1=1.0)").returncode == 0
    assert program(repo, "ledger.start(name='bad').log(f1=1.0)\nraise ValueError('late')").returncode == 1
    runs = {run["name"]: run["status"] for run in ledger.json("runs")}
    assert runs == {"good": "finished", "bad": "failed"}


def test_a_signal_ends_the_run_as_killed_and_the_process_as_before(repo: Repo, ledger: Ledger) -> None:
    body = f"run.log(loss=1.0); os.kill(os.getpid(), {int(signal.SIGTERM)}); time.sleep(60)"
    assert program(repo, f"with ledger.start() as run: {body}").returncode == -signal.SIGTERM
    [run] = ledger.json("runs")
    assert (run["status"], run["metrics.loss"]) == ("killed", 1.0)
    assert journals(repo) == []


@pytest.mark.slow
def test_a_signal_handler_of_the_users_runs_as_before(repo: Repo, ledger: Ledger) -> None:
    done = program(
        repo,
        "import signal\nseen = []\nsignal.signal(signal.SIGTERM, lambda *_: seen.append(1))\n"
        "with ledger.start() as run:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    run.log(loss=1.0)\n"
        "assert seen == [1]\nos.kill(os.getpid(), signal.SIGTERM)\nassert seen == [1, 1]",
    )
    assert done.returncode == 0, done.stderr
    assert [run["status"] for run in ledger.json("runs")] == ["finished"]


@pytest.mark.slow
def test_a_signal_while_the_run_is_being_recorded_waits_for_it(repo: Repo, ledger: Ledger) -> None:
    body = """
import signal, threading
run = ledger.start()
run.log_many("loss", None, [0.5] * 300_000)
def send():
    while not run._done:
        time.sleep(0.0005)
    for _ in range(20):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.002)
threading.Thread(target=send, daemon=True).start()
run.finish()
time.sleep(60)
"""
    done = program(repo, body)
    assert done.returncode == -signal.SIGTERM
    [found] = ledger.json("runs")
    assert (found["status"], found["metrics.loss"]) == ("finished", 0.5)
    assert journals(repo) == []


_RANK = "with ledger.start(params={'rank': int(os.environ['RANK'])}) as run:\n    run.log(loss=1.0 + int(os.environ['RANK']), step=1)"


@pytest.mark.slow
def test_of_many_processes_rank_0_records(repo: Repo, ledger: Ledger) -> None:
    for rank in range(2):
        done = program(repo, _RANK, RANK=str(rank), WORLD_SIZE="2")
        assert (done.returncode, done.stderr) == (0, "")
    [run] = ledger.json("runs")
    assert (run["params.rank"], run["metrics.loss"]) == (0, 1.0)


_TOGETHER = """
import ledger, os, time
rank = int(os.environ["RANK"])
with ledger.start(params={"rank": rank}) as run:
    run.log(loss=1.0 + rank, step=1)
    while len(os.listdir(".git/ledger/journal")) < 3 and not rank:
        time.sleep(0.01)
"""


@pytest.mark.long
def test_ranks_that_attach_log_into_one_run(repo: Repo, ledger: Ledger) -> None:
    run = "ab" * 16
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _TOGETHER],
            cwd=repo.path,
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "3", "LEDGER_RUN": run},
        )
        for rank in (2, 1, 0)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    found = ledger.json("show", run, "--history")
    assert {one["context"]: one["value"] for one in found} == {
        None: 1.0,
        '{"rank": 1}': 2.0,
        '{"rank": 2}': 3.0,
    }
    assert metrics(ledger, run) == {"loss": 1.0}
    assert shown(ledger, run)["params"]["rank"] == 0


@pytest.mark.long
def test_a_rank_that_comes_too_late_does_not_wait(repo: Repo, ledger: Ledger) -> None:
    run = "ab" * 16
    assert program(repo, _RANK, RANK="0", WORLD_SIZE="2", LEDGER_RUN=run).returncode == 0
    late = program(repo, _RANK, RANK="1", WORLD_SIZE="2", LEDGER_RUN=run)
    assert late.returncode == 0
    assert late.stderr.count("\n") == 1
    assert "is over, and this process goes on" in late.stderr
    assert len(ledger.json("show", run, "--history")) == 2


@pytest.mark.slow
def test_a_process_attaches_to_a_run_of_another(repo: Repo, ledger: Ledger) -> None:
    with start(params={"lr": 1}) as run:
        body = "with ledger.start(params={'lr': 2, 'seed': 7}) as run: run.log(f1=0.5, step=3); run.tag('b', '2')"
        done = program(repo, body, LEDGER_RUN=run.id)
        assert (done.returncode, done.stderr) == (0, "")
        assert program(repo, body.replace("run.tag", "os._exit(9); "), LEDGER_RUN=run.id).returncode == 9
        assert len(journals(repo)) == 3
        run.log(loss=1.0)
    assert journals(repo) == []
    found = shown(ledger, run.id)
    assert (found["params"], found["run"]["tags"]) == ({"lr": 1, "seed": 7}, {"b": "2"})
    assert points(ledger, run.id)[:2] == [("loss", None, 1.0), ("f1", 3, 0.5)]


@pytest.mark.slow
def test_a_run_within_another_is_one_of_its_own(repo: Repo, ledger: Ledger) -> None:
    with start() as run:
        body = f"with ledger.start(parent={run.id!r}) as run: run.log(f1=0.5)"
        assert program(repo, body, LEDGER_RUN=run.id).returncode == 0
    parents = {one["run_id"]: one["parent"] for one in ledger.json("runs")}
    assert parents.pop(run.id) is None
    assert list(parents.values()) == [run.id]


@pytest.mark.parametrize("wrong", ["abc", "ab" * 16])
def test_what_cannot_be_attached_to_is_said(wrong: str) -> None:
    with pytest.raises((InputError, NotFoundError)):
        start(attach=wrong)


_TOO_LONG = """
import ledger, random
with ledger.start() as run:
    run.log_many("loss", range(1000), [random.random() for _ in range(1000)])
    run.flush()
    run.log_many("loss", range(1000, 99000), [random.random() for _ in range(98000)])
print("done")
"""


@pytest.mark.slow
def test_a_run_that_nothing_takes_any_more_keeps_what_was_flushed(repo: Repo, ledger: Ledger) -> None:
    words = ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh", sys.executable, "-c", _TOO_LONG]
    done = subprocess.run(words, cwd=repo.path, capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"
    assert "the run could not be stored anywhere" in done.stderr
    assert "what was written stays in" in done.stderr
    (row,) = ledger.json("runs")
    found = ledger.json("show", row["run_id"], "--history")
    assert [one["step"] for one in found[:1000]] == list(range(1000))
