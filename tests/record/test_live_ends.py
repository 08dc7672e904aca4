"""How live runs end: exceptions, refusals, further attempts, and what is logged after the end."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import suppress

import pytest
from conftest import Ledger, Repo
from record.lived import events, journals, metrics, points, shown

from ledger import Run, start
from ledger.errors import ContentionError, GateError, InputError
from ledger.store import history

pytestmark = pytest.mark.usefixtures("repo")


def test_an_exception_fails_the_run_and_goes_on_its_way(schema: Repo, ledger: Ledger) -> None:
    def train() -> None:
        with start() as run:
            run.log(loss=1.0)
            raise ZeroDivisionError("no rows\nat all")

    with pytest.raises(ZeroDivisionError):
        train()
    [run] = ledger.json("runs")
    assert run["status"] == "failed"
    [event] = events(schema)
    assert event["message"] == "ZeroDivisionError: no rows"
    assert event["fields"]["type"] == "ZeroDivisionError"
    assert event["fields"]["traceback"][-1] == "at all"
    assert ledger.json("show", run["run_id"])["run"]["reason"] == "ZeroDivisionError: no rows"
    ledger("verify")


def test_a_requirement_that_does_not_hold_fails_the_run(ledger: Ledger) -> None:
    run = start()

    def train() -> None:
        with run:
            run.require([1], "all is well")
            run.require([], "no rows were read")

    with pytest.raises(GateError, match="no rows were read"):
        train()
    assert shown(ledger, run.id)["run"]["status"] == "failed"


def test_each_fault_of_a_refused_run_is_said(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    bounds = {name: {"type": "number", "maximum": 1} for name in ("f1", "acc")}
    repo.write(".ledger/schemas/m.json", json.dumps({"properties": {"metrics": {"properties": bounds}}}))
    with start(repository=repo.path) as run:
        run.summary.update(f1=2.0, acc=3.0)
    told = capsys.readouterr().err
    assert "the run was refused: 2 faults" in told
    assert "ledger:   metrics: $.metrics.f1 = 2.0: maximum 1" in told
    assert "ledger:   metrics: $.metrics.acc = 3.0: maximum 1" in told


def test_a_refused_run_is_kept_and_said(
    schema: Repo, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    with start() as run:
        run.log(loss=1.0)
    assert "ledger record --refused" in capsys.readouterr().err
    [path] = (schema.path / ".git/ledger/spool/refused").iterdir()
    assert journals(schema) == []
    ledger("record", "--refused", str(path), "-m", "f1=0.5")
    assert metrics(ledger, run.id) == {"loss": 1.0, "f1": 0.5}
    assert len(points(ledger, run.id)) == 1


def test_a_run_goes_on_as_a_further_attempt(schema: Repo, ledger: Ledger) -> None:
    with suppress(ZeroDivisionError), start(params={"lr": 0.1}, tags={"a": "1"}, name="long") as first:
        _train(first, range(3), "first")
        raise ZeroDivisionError
    assert "\nreason      ZeroDivisionError" in ledger("show", first.id)
    with start(resume=first.id[:8], params={"batch": 8}) as second:
        _train(second, range(2, 5), "second")
        assert (second.id, second.attempt, second.name) == (first.id, 2, "long")
    with start(resume=first.id) as third:
        third.log(f1=0.1, step=9)
        assert third.attempt == 3
    [run] = ledger.json("runs")
    assert (run["run_id"], run["status"], run["tags.a"]) == (first.id, "finished", "1")
    assert (run["params.lr"], run["params.batch"], run["metrics.f1"], run["metrics.loss"]) == (
        0.1,
        8,
        0.5,
        -1,
    )
    found = points(ledger, first.id)
    assert [step for name, step, _ in found if name == "loss"] == [0, 1, 2, 3, 4], "the last attempt counts"
    assert found.count(("loss", 2, -2.0)) == 0
    assert len(ledger.json("show", first.id)["records"]) == 3
    assert "\nreason" not in ledger("show", first.id), "it is over now, and well"
    assert [event["message"] for event in events(schema)][:3] == ["first", "ZeroDivisionError", "second"]
    whole = history.decode(
        {"history.parquet": subprocess.check_output(["git", "show", "refs/runs/main:history.parquet"])}
    )
    assert whole.column("attempt").to_pylist().count(2) == 4, "both stay"
    ledger("verify")


def _train(run: Run, steps: range, word: str) -> None:
    for step in steps:
        run.log(loss=step if word == "second" else -step + 0.0, step=step)
    run.log(f1=0.5, step=steps[-1])
    run.event(word)


def test_a_run_that_goes_on_is_not_resumed(ledger: Ledger) -> None:
    with start() as run:
        with pytest.raises(ContentionError, match="still goes on"):
            start(resume=run.id[:6])
        run.log(loss=1.0)
    assert len(ledger.json("runs")) == 1


def test_what_comes_after_the_end_is_said_to_be_lost(
    ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    run = start()
    run.log(loss=1.0, step=1)
    run.finish()
    capsys.readouterr()
    run.log({"loss": 2.0}, step=2)
    run.log(loss=2.0, acc=1)
    run.log_many("loss", [3], [1.0])
    run.event("late")
    run.tag("a", "b")
    run.summary["f1"] = 1
    assert capsys.readouterr().err == (
        f"ledger: run {run.id[:8]} is over: what it is given now is not recorded; "
        f"ledger.start(resume='{run.id[:8]}') goes on with it\n"
    )
    assert points(ledger, run.id) == [("loss", 1, 1.0)]


@pytest.mark.parametrize(
    "late",
    [
        lambda run: run.log(loss=1.0),
        lambda run: run.log_many("loss", [1], [1.0]),
        lambda run: run.event("late"),
    ],
)
def test_what_comes_after_the_end_raises_where_asked(late: Callable[[Run], None]) -> None:
    run = start(on_error="raise")
    run.finish()
    with pytest.raises(InputError, match="is over"):
        late(run)
