"""The short way of most calls and the long way of all others say the same."""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import pytest
from conftest import Ledger, Repo
from record.lived import forked, points

from ledger import Run, start
from ledger.errors import GateError, InputError
from ledger.record.intake import SMALL_STEP
from ledger.record.outlet import MAX_ITEMS
from ledger.record.values import MAX_STEP

pytestmark = pytest.mark.usefixtures("repo")


@pytest.fixture
def run() -> Iterator[Run]:
    with start() as made:
        made.log({"loss": 0.5}, step=0)
        made.log({"loss": 0.25}, step=1)  # from here on calls of one metric are short
        yield made


class _Loud(dict[str, float]):
    """A mapping that may do anything when it is read."""

    def __getitem__(self, name: str) -> float:
        raise AssertionError(name)


_STEPS = (-MAX_STEP, -1, 2, SMALL_STEP, SMALL_STEP + 1, MAX_STEP)


def test_each_way_of_saying_a_number_of_one_metric_is_the_same(run: Run, ledger: Ledger) -> None:
    for step in _STEPS:
        run.log({"loss": 1.5}, step=step)
    run.log(loss=1.5, step=10)
    run.log(OrderedDict(loss=1.5), step=11)
    run.log(MappingProxyType({"loss": 1.5}), step=12)
    run.log(_Loud(loss=1.5), step=13)
    run.log({"loss": 3}, step=14)
    run.log({"loss": None}, step=15)
    run.log({"loss": math.nan}, step=16)
    run.log({"loss": 1.5}, step=17, wait=True)
    run.log({"loss": 1.5}, 18)
    run.finish()
    wanted: list[tuple[str, int, object]] = [("loss", 0, 0.5), ("loss", 1, 0.25)]
    wanted += [("loss", step, 1.5) for step in (*_STEPS, 10, 11, 12, 13)]
    wanted += [
        ("loss", 14, 3.0),
        ("loss", 15, None),
        ("loss", 16, "NaN"),
        ("loss", 17, 1.5),
        ("loss", 18, 1.5),
    ]
    assert points(ledger, run.id) == wanted


def test_a_mapping_is_only_read_and_may_be_used_again(run: Run, ledger: Ledger) -> None:
    counted: defaultdict[str, float] = defaultdict(float, {"acc": 0.75})
    run.log(counted, step=0)
    again = {"loss": 2.0}
    for step in (2, 3):
        run.log(again, step=step)
        again["loss"] += 1.0
    run.finish()
    assert dict(counted) == {"acc": 0.75}
    assert points(ledger, run.id) == [
        ("loss", 0, 0.5), ("loss", 1, 0.25), ("loss", 2, 2.0), ("loss", 3, 3.0), ("acc", 0, 0.75),
    ]  # fmt: skip


def test_metrics_by_turns_alone_together_and_in_a_context_keep_their_names(run: Run, ledger: Ledger) -> None:
    for step in range(2, 5):
        run.log({"acc": step + 0.5}, step=step)
        run.log({"loss": step + 0.25}, step=step)
        run.log({"acc": 9.0}, step=step, context="val")
        run.log({"loss": step + 0.75}, step=step, time=1_700_000_000.25)
    run.log({"loss": 7.0, "acc": 8.0}, step=5)
    run.log({"loss": 7.5}, acc=8.5, step=6)
    run.finish()
    found = ledger.json("show", run.id, "--history", "--all-attempts")
    seen: dict[tuple[str, str | None], list[float]] = defaultdict(list)
    for one in found:
        seen[one["metric"], one.get("context")].append(one["value"])
    assert seen == {
        ("loss", None): [0.5, 0.25, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 7.0, 7.5],
        ("acc", None): [2.5, 3.5, 4.5, 8.0, 8.5],
        ("acc", "val"): [9.0] * 3,
    }
    given = [one for one in found if one["time"] == "2023-11-14T22:13:20.250000Z"]
    assert [one["value"] for one in given] == [2.75, 3.75, 4.75]


_WRONG: list[Callable[[Any], object]] = [
    lambda run: run.log({"loss": "0.3"}, step=2),
    lambda run: run.log({"loss": True}, step=2),
    lambda run: run.log({"loss": 1.0}, step=True),
    lambda run: run.log({"loss": 1.0}, step="2"),
    lambda run: run.log({"loss": 1.0}, step=MAX_STEP + 1),
    lambda run: run.log({"loss": 1.0}, step=-MAX_STEP - 1),
    lambda run: run.log({"": 1.0}, step=2),
    lambda run: run.log({7: 1.0}, step=2),
    lambda run: run.log({"loss": 1.0}, step=2, context=7),
    lambda run: run.log({"loss": 1.0}, step=2, time="now"),
    lambda run: run.log(["loss"], step=2),
    lambda run: run.log(["loss"], step=2, acc=1.0),
    lambda run: run.log("loss", step=2),
    lambda run: run.log(7, step=2),
]


def test_what_is_wrong_is_an_error_at_once_after_good_calls_too(run: Run, ledger: Ledger) -> None:
    for number, wrong in enumerate(_WRONG):
        with pytest.raises(InputError):
            wrong(run)
        run.log({"loss": 1.0}, step=100 + number)
    run.finish()
    assert [step for _, step, _ in points(ledger, run.id)[2:]] == [100 + n for n in range(len(_WRONG))]


class _Meddling(str):
    """A name that lets another call come between two looks at the same run, as another thread may."""

    __slots__ = ("meddle",)
    meddle: Callable[[], object] | None

    def __hash__(self) -> int:
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            meddle()
        return super().__hash__()


def test_a_call_that_comes_between_gives_no_other_its_name(run: Run, ledger: Ledger) -> None:
    name = _Meddling("loss")
    name.meddle = None
    run.log({name: 2.0}, step=2)
    run.log({"acc": 3.0}, step=3)
    run.log({name: 4.0}, step=4)
    name.meddle = lambda: run.log({"acc": 5.0}, step=5)
    run.log({"loss": 6.0}, step=6)
    run.finish()
    assert name.meddle is None
    assert [(metric, value) for metric, _, value in points(ledger, run.id)[2:]] == [
        ("loss", 2.0), ("loss", 4.0), ("loss", 6.0), ("acc", 3.0), ("acc", 5.0),
    ]  # fmt: skip


def test_what_waits_is_bounded_without_the_thread_that_empties_it(run: Run) -> None:
    assert run._outlet is not None
    run._outlet.stop()
    for step in range(2 * MAX_ITEMS):
        run.log({"loss": 0.5}, step=step)
        assert len(run._outlet.calls) < MAX_ITEMS


def test_an_error_that_was_asked_for_is_raised_once_on_the_short_way_too(run: Run, ledger: Ledger) -> None:
    run._raise_next(GateError("stop here"))
    with pytest.raises(GateError, match="stop here"):
        run.log({"loss": 0.125}, step=2)
    run.log({"loss": 0.0625}, step=3)
    run.finish()
    assert points(ledger, run.id)[2:] == [("loss", 3, 0.0625)]


def test_a_finished_run_keeps_nothing_of_what_it_is_told(run: Run, ledger: Ledger) -> None:
    run.finish()
    for step in range(3):
        run.log({"loss": 1.0}, step=step)
    run.log_many("loss", array("q", [7]), array("d", [1.0]))
    assert run._intake.calls == []
    assert len(points(ledger, run.id)) == 2


@pytest.mark.slow
def test_a_forked_child_logs_nowhere_on_the_short_way_too(repo: Repo, ledger: Ledger) -> None:
    code, run = forked(
        repo,
        parent="for step in range(3): run.log({'loss': 0.5}, step=step)",
        child="for step in range(20_000): run.log({'loss': 1.0}, step=step)\n        os._exit(run.inert)",
    )
    assert code == 1
    assert points(ledger, run) == [("loss", step, 0.5) for step in range(3)]
