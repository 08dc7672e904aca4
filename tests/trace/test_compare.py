"""Two runs side by side."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo

import ledger as api
from ledger.config import open_workspace
from ledger.trace.compare import Comparison, MetricPair, compare
from ledger.trace.detail import detail
from ledger.trace.runset import ABSENT
from ledger.trace.view import open_view


def compared(a: str, b: str) -> Comparison:
    view = open_view(open_workspace(Path.cwd(), os.environ))
    return compare(view, detail(view, a), detail(view, b))


def metric(found: Comparison, name: str) -> MetricPair:
    return next(pair for pair in found.metrics if pair.name == name)


def declare(repo: Repo, **metrics: dict[str, Any]) -> None:
    properties = {name: {"type": "number", "x-ledger": words} for name, words in metrics.items()}
    repo.write(".ledger/schemas/m.json", json.dumps({"properties": {"metrics": {"properties": properties}}}))


def test_deltas_are_judged_by_the_declared_direction(repo: Repo) -> None:
    declare(repo, f1={"direction": "higher"}, loss={"direction": "lower"}, n={})
    a = api.record(metrics={"f1": 0.5, "loss": 0.5, "n": 1, "same": 3})
    b = api.record(metrics={"f1": 0.75, "loss": 0.75, "n": 2, "same": 3})
    found = compared(a.id, b.id)
    assert [(pair.name, pair.delta, pair.better) for pair in found.metrics] == [
        ("f1", 0.25, True),
        ("loss", 0.25, False),
        ("n", 1, None),
        ("same", 0, None),
    ]
    assert [pair.name for pair in found.metrics if pair.differs] == ["f1", "loss", "n"]
    back = compared(b.id, a.id)
    assert (metric(back, "f1").delta, metric(back, "f1").better) == (-0.25, False)


def test_no_delta_between_definitions(repo: Repo) -> None:
    declare(repo, f1={"unit": "%"})
    a = api.record(metrics={"f1": 50.0})
    declare(repo, f1={"unit": "1"})
    b = api.record(metrics={"f1": 0.6})
    pair = metric(compared(a.id, b.id), "f1")
    assert (pair.delta, pair.better) == (None, None)
    assert a.id[:8] in pair.reason
    assert "unit" in pair.reason
    assert pair.differs


def test_no_delta_across_a_partition(repo: Repo) -> None:
    declare(repo, time={"unit": "s", "direction": "lower", "on": {"machine": "param:machine"}})
    a = api.record(metrics={"time": 2.0}, params={"machine": "gpu1"})
    b = api.record(metrics={"time": 1.0}, params={"machine": "gpu2"})
    c = api.record(metrics={"time": 1.5}, params={"machine": "gpu1"})
    pair = metric(compared(a.id, b.id), "time")
    assert (pair.delta, pair.better) == (None, None)
    assert "machine" in pair.reason
    pair = metric(compared(a.id, c.id), "time")
    assert (pair.delta, pair.better, pair.reason) == (-0.5, True, "")


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
@pytest.mark.usefixtures("repo")
def test_no_delta_without_two_finite_values(value: float | None) -> None:
    a = api.record(metrics={"f1": value})
    b = api.record(metrics={"f1": 0.5, "other": 1.0})
    found = compared(a.id, b.id)
    assert metric(found, "f1").delta is None
    assert metric(found, "f1").reason.startswith(a.id[:8])
    assert metric(found, "other").reason == f"{a.id[:8]}: not recorded"


@pytest.mark.usefixtures("repo")
def test_nan_on_both_sides_does_not_differ() -> None:
    a, b = (api.record(metrics={"f1": math.nan}) for _ in range(2))
    assert not metric(compared(a.id, b.id), "f1").differs


@pytest.mark.usefixtures("repo")
def test_params_are_compared_as_recorded() -> None:
    a = api.record(params={"lr": 1, "flag": True, "opt": {"name": "adam"}, "same": [1, 2]}, metrics={"f1": 1})
    b = api.record(
        params={"lr": 1.0, "flag": 1, "opt": {"name": "sgd"}, "same": [1, 2], "new": None}, metrics={"f1": 1}
    )
    found = compared(a.id, b.id)
    assert {pair.name: (pair.a, pair.b) for pair in found.params if pair.differs} == {
        "lr": (1, 1.0),
        "flag": (True, 1),
        "opt.name": ("adam", "sgd"),
        "new": (ABSENT, None),
    }
    assert len(found.params) == 5


def test_code_says_how_far_apart(repo: Repo) -> None:
    a = api.record(metrics={"f1": 1})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit("one", train__py="1")
    repo.commit("two", train__py="2")
    repo.write("train.py", "3")
    b = api.record(metrics={"f1": 1})
    repo.git("checkout", "-q", "-f", "main")
    repo.commit("three", other__py="3")
    c = api.record(metrics={"f1": 1})
    code = compared(a.id, b.id).code
    assert (code.only_a, code.only_b, code.dirty_a, code.dirty_b) == (0, 2, False, True)
    assert code.compare_b not in (None, code.b)  # the snapshot
    assert repo.git("diff", "--stat", str(code.compare_a), str(code.compare_b))
    code = compared(b.id, c.id).code
    assert (code.only_a, code.only_b) == (2, 1)
    same = compared(a.id, a.id).code
    assert (same.only_a, same.only_b, same.differs) == (0, 0, False)


def test_artifacts_are_compared_by_content(repo: Repo, ledger: Ledger) -> None:
    repo.write("data.csv", "a\n1\n")
    repo.commit("data")
    a = ledger.json("record", "-m", "f1=1", "--dataset", "train=data.csv")["id"]
    repo.write("data.csv", "a\n2\n")
    b = ledger.json("record", "-m", "f1=1", "--dataset", "train=data.csv")["id"]
    (pair,) = compared(a, b).artifacts
    assert pair.name == "dataset train"
    assert pair.differs
    assert not compared(a, a).artifacts[0].differs
