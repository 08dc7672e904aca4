"""Live runs: what is logged is what is recorded."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import traceback
from array import array
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo
from record.lived import SCHEMA, events, journals, metrics, points, shown

import ledger as ledger_package
from ledger import start
from ledger.errors import ConfigError, InputError

pytestmark = pytest.mark.usefixtures("repo")


def test_what_is_logged_is_recorded_in_order(repo: Repo, ledger: Ledger) -> None:
    with start(params={"lr": 0.1}, tags={"stage": "sweep"}, name="first", note="a try") as run:
        for step in range(3):
            run.log({"loss": 1 / (step + 1)}, step=step)
            run.log(acc=step, loss=9.0, step=step + 10)
        run.log({"nan": math.nan, "inf": -math.inf, "none": None}, step=2)
    assert points(ledger, run.id) == [
        ("loss", 0, 1.0), ("loss", 10, 9.0), ("loss", 1, 0.5), ("loss", 11, 9.0), ("loss", 2, 1 / 3), ("loss", 12, 9.0),
        ("acc", 10, 0.0), ("acc", 11, 1.0), ("acc", 12, 2.0),
        ("nan", 2, "NaN"), ("inf", 2, "-Infinity"), ("none", 2, None),
    ]  # fmt: skip
    found = shown(ledger, run.id)
    assert found["run"]["status"] == "finished"
    assert found["run"]["name"] == "first"
    assert found["run"]["note"] == "a try"
    assert found["run"]["tags"] == {"stage": "sweep"}
    assert found["run"]["code"]["captured"] == "start"
    assert found["params"] == {"lr": 0.1}
    assert metrics(ledger, run.id) == {
        "loss": 9.0,
        "acc": 2.0,
        "nan": "NaN",
        "inf": "-Infinity",
        "none": None,
    }
    assert journals(repo) == []
    ledger("verify")


def test_a_lower_step_is_kept(ledger: Ledger) -> None:
    with start() as run:
        for step in (5, 6, 3, 6):
            run.log(loss=step + len(str(step)), step=step)
        run.log(loss=7.5)
    assert [step for _, step, _ in points(ledger, run.id)] == [5, 3, 6, None], "the last 6 counts"
    everything = ledger.json("show", run.id, "--history", "--all-attempts")
    assert [(one["step"], one["value"]) for one in everything] == [
        (5, 6.0), (6, 7.0), (3, 4.0), (6, 7.0), (None, 7.5),
    ]  # fmt: skip
    assert "5 points" in ledger("show", run.id, "--history", "loss", "--all-attempts")
    ledger("show", run.id, "--all-attempts", code=2)


@pytest.mark.usefixtures("schema")
def test_summaries_follow_the_schema_and_give_way_to_those_set_by_hand(ledger: Ledger) -> None:
    with start() as run:
        for f1, loss, speed in ((0.5, 3.0, 1.0), (0.9, 1.0, 2.0), (0.7, math.nan, 6.0)):
            run.log(f1=f1, loss=loss, speed=speed)
        run.summary["speed"] = 7
        run.summary["by hand"] = 3
    assert metrics(ledger, run.id) == {"f1": 0.9, "loss": 1.0, "speed": 7, "by hand": 3}


def test_contexts_stand_apart(ledger: Ledger) -> None:
    with start() as run:
        for split in ("train", "val"):
            run.log({"loss": 1.0}, step=1, context={"split": split, "data": "a"})
        run.log({"f1": 0.5}, context="val")
    found = ledger.json("show", run.id, "--history")
    assert [one["context"] for one in found] == [
        '{"data": "a", "split": "train"}',
        '{"data": "a", "split": "val"}',
        "val",
    ]
    assert metrics(ledger, run.id) == {"f1": 0.5}, "no rule chooses among contexts"


@pytest.mark.parametrize("make", [list, tuple, lambda values: array("d", values)])
def test_series_at_once(ledger: Ledger, make: Callable[[list[float]], Any]) -> None:
    values = [0.5, math.inf, -3.0]
    with start() as run:
        run.log_many("loss", array("q", [1, 2, 3]), make(values), times=[10, 20.5, 30])
        run.log_many("acc", None, range(2))
    found = ledger.json("show", run.id, "--history")
    assert [(one["step"], one["value"]) for one in found[:3]] == [(1, 0.5), (2, "Infinity"), (3, -3.0)]
    assert found[1]["time"] == "1970-01-01T00:00:20.500000Z"
    assert [(one["step"], one["value"]) for one in found[3:]] == [(None, 0.0), (None, 1.0)]


def test_scalars_of_other_libraries_are_numbers(ledger: Ledger) -> None:
    numpy = pytest.importorskip("numpy")
    with start() as run:
        run.log({"a": numpy.float32(0.5), "b": numpy.int64(3), "c": Decimal("0.25")}, step=numpy.int32(4))
        run.log_many("d", numpy.arange(3), numpy.array([1, 2, 3], dtype="float32"))
    assert points(ledger, run.id)[:3] == [("a", 4, 0.5), ("b", 4, 3.0), ("c", 4, 0.25)]
    assert [value for _, _, value in points(ledger, run.id)[3:]] == [1.0, 2.0, 3.0]


_WRONG: list[Callable[[Any], object]] = [
    lambda run: run.log(loss="0.3"),
    lambda run: run.log(loss=True),
    lambda run: run.log(loss=[1.0]),
    lambda run: run.log(loss=1.0, step="7"),
    lambda run: run.log(loss=1.0, step=1.5),
    lambda run: run.log(loss=1.0, step=2**70),
    lambda run: run.log(loss=10**400),
    lambda run: run.log([("loss", 1.0)]),
    lambda run: run.log({7: 1.0}),
    lambda run: run.log({" loss": 1.0}),
    lambda run: run.log({"loss": 1.0}, time="now"),
    lambda run: run.log({"loss": 1.0}, time=math.nan),
    lambda run: run.log({"loss": 1.0}, context=7),
    lambda run: run.log_many("loss", [1, 2], [1.0]),
    lambda run: run.log_many("loss", [1], ["a"]),
    lambda run: run.log_many("loss", [1.5], [1.0]),
    lambda run: run.tag("n", 3),
    lambda run: run.summary.update(f1="high"),
    lambda run: run.finish("done"),
]


def test_wrong_use_is_an_error_at_once_and_costs_nothing_else(ledger: Ledger) -> None:
    with start() as run:
        run.log(loss=1.0, step=1)
        for wrong in _WRONG:
            with pytest.raises(InputError):
                wrong(run)
        run.log(loss=2.0, step=2)
    assert points(ledger, run.id) == [("loss", 1, 1.0), ("loss", 2, 2.0)]


def test_a_summary_takes_no_attributes() -> None:
    with start(params={"lr": 1}) as run:
        with pytest.raises(AttributeError):
            run.summary.f1 = 0.5  # type: ignore[attr-defined]  # what other trackers take
        with pytest.raises(AttributeError):
            run.params.lr = 2  # type: ignore[attr-defined]
        assert repr(run.params) == "{'lr': 1}"


def test_a_traceback_says_what_the_command_line_would(repo: Repo) -> None:
    repo.write(
        ".ledger/schemas/m.json", '{"properties": {"metrics": {"properties": {"f1": {"minimum": "x"}}}}}'
    )
    with pytest.raises(ConfigError) as caught:
        start()
    told = "".join(traceback.format_exception(caught.value))
    assert '$.properties.metrics.properties.f1.minimum = "x"' in told
    repo.path.joinpath(".ledger/schemas/m.json").unlink()
    with pytest.raises(InputError) as wrong, start() as run:
        run.log(loss="high")
    assert "hint: a metric is a number or None" in "".join(traceback.format_exception(wrong.value))


def test_what_comes_late_belongs_to_the_run(repo: Repo, ledger: Ledger) -> None:
    weights = repo.write("out/model.bin", "weights")
    with start(params={"lr": 1}) as run:
        run.params["depth"] = 3
        run.config(seed=7, optimizer={"name": "adam"})
        run.tag("stage", "late")
        run.note("said later")
        run.artifact("model", "best", weights)
        repo.write("out/model.bin", "better weights")
        run.artifact("model", "best", weights)
        run.event("data read", level="WARNING", rows=1000, ratio=math.nan)
    found = shown(ledger, run.id)
    assert found["params"] == {"lr": 1, "depth": 3, "seed": 7, "optimizer": {"name": "adam"}}
    assert found["run"]["tags"] == {"stage": "late"}
    assert found["run"]["note"] == "said later"
    [artifact] = found["run"]["artifacts"]
    assert (artifact["name"], artifact["uri"], artifact["size"]) == ("best", "out/model.bin", 14)
    [event] = events(repo)
    assert (event["level"], event["message"]) == ("warning", "data read")
    assert event["fields"] == {"rows": 1000, "ratio": "NaN"}
    assert event["time"].endswith("Z")


@pytest.mark.slow
def test_threads_log_at_once(ledger: Ledger) -> None:
    with start() as run:

        def work(number: int) -> None:
            for step in range(5000):
                run.log({f"m{number}": step}, step=step)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = points(ledger, run.id)
    assert sorted(found) == sorted((f"m{n}", step, float(step)) for n in range(4) for step in range(5000))


def test_the_code_is_that_of_the_start(
    repo: Repo, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    before = repo.git("rev-parse", "HEAD")
    with start() as run:
        repo.commit("meanwhile", train__py="print('changed')\n")
        repo.write("train.py", "print('changed again')\n")
    told = capsys.readouterr().err
    assert "the code moved on" in told
    assert "train.py" in told
    code = shown(ledger, run.id)["run"]["code"]
    assert (code["commit"], code["dirty"], code["captured"]) == (before, False, "start")


def test_one_thread_and_no_handler_are_left() -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    threads = threading.active_count()
    with start() as run:
        run.log(loss=1.0)
        with start(parent=run.id) as inner:
            inner.log(loss=2.0)
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)] == handlers
    assert threading.active_count() == threads
    assert run.inert
    assert run.finish() is run.finish()


def test_a_repository_that_cannot_be_written_keeps_no_run_from_starting(repo: Repo, ledger: Ledger) -> None:
    (repo.path / ".git/ledger").mkdir()
    (repo.path / ".git/ledger/journal").write_text("in the way")
    with start() as run:
        run.log(loss=1.0)
        elsewhere = Path(os.environ["XDG_STATE_HOME"]) / "ledger"
        assert [path.name.split(".")[0] for path in elsewhere.glob("*/journal/*.journal")] == [run.id]
    assert metrics(ledger, run.id) == {"loss": 1.0}


def test_the_package_gives_the_names() -> None:
    assert ledger_package.start is start
    assert "Run" in ledger_package.__all__
    assert {*ledger_package.__all__} <= {*dir(ledger_package)}, "what a prompt completes"


def test_the_schema_is_that_of_the_start(schema: Repo, ledger: Ledger) -> None:
    with start() as run:
        run.log(f1=0.5, speed=2.0)
        changed = json.loads(json.dumps(SCHEMA).replace("mean", "max"))
        schema.write(".ledger/schemas/task.json", json.dumps(changed))
        run.log(f1=0.5, speed=4.0)
    carried = json.loads(schema.git("show", "refs/runs/main:schema.json"))
    assert carried["properties"]["metrics"]["properties"]["speed"]["x-ledger"]["summary"] == "mean"
    assert json.loads(schema.git("show", "refs/runs/main:metrics.json"))["speed"] == 3.0
    assert ledger.json("show", run.id)["run"]["status"] == "finished"
