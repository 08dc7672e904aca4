"""How series are read: converted like their metrics, computed from one another, or marked."""

from __future__ import annotations

import json
import os
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Ledger, Repo
from projects import Project

import ledger as api
from ledger.config import open_workspace
from ledger.errors import NotFoundError
from ledger.model import Grade
from ledger.schema.affine import affine
from ledger.trace.readings import Reading, Readings, readings, shown
from ledger.trace.view import View, open_view

F1: dict[str, Any] = {"unit": "1", "direction": "higher", "how": {"average": "micro"}}


def view(repo: Repo) -> View:
    return open_view(open_workspace(repo.path, os.environ))


def series(**values: list[float | None]) -> pa.Table:
    names = [name for name, listed in values.items() for _ in listed]
    numbers = [value for listed in values.values() for value in listed]
    return pa.table({"metric": pa.array(names).dictionary_encode(), "value": pa.array(numbers, pa.float64())})


HUNDREDTH = Reading(label="b", map=affine("1/100"), grade=Grade.EXACT)


def test_points_are_converted_and_their_series_renamed() -> None:
    table = series(a=[87.3, None], b=[0.5], c=[7.0])
    assert shown(Readings(series={"x": HUNDREDTH}), table) is table
    found = shown(Readings(series={"a": HUNDREDTH}), table)
    assert found["metric"].to_pylist() == ["b", "b", "b", "c"]
    assert found["value"].to_pylist() == [0.873, None, 0.5, 7.0]
    assert found["grade"].to_pylist() == ["exact", "exact", "identical", "identical"]
    assert found["metric"].chunk(0).dictionary.to_pylist() == ["b", "c"]
    alone = shown(Readings(series={"a": HUNDREDTH}), series(a=[29.0]))
    assert (alone["metric"].to_pylist(), alone["value"].to_pylist()) == (["b"], [0.29])
    assert shown(Readings(series={"a": HUNDREDTH}), series(a=[])).num_rows == 0


def test_a_series_is_read_as_the_metric_that_it_belongs_to(project: Project, repo: Repo) -> None:
    project.declare(
        "1", {"best": {**F1, "unit": "%", "series": "f1"}, "last": {**F1, "series": "f1", "unit": "%"}}
    )
    project.commit("v1")
    api.record(metrics={"best": 50.0, "last": 40.0}, history={"f1": [50.0]})
    assert readings(view(repo), 0).is_plain
    project.declare("2", {"best": {**F1, "series": "f1"}, "last": {**F1, "series": "f1"}})
    project.migrate()
    found = readings(view(repo), 0).series
    assert found["f1"] == Reading(label="f1", map=affine("1/100"), grade=Grade.EXACT)
    project.declare("3", {"best": {**F1, "series": "f1"}, "last": {**F1, "series": "f1", "epoch": 2}})
    assert readings(view(repo), 0).series["f1"].grade is Grade.AMBIGUOUS, "two metrics share it and disagree"
    project.declare("3", {"f1": {**F1, "epoch": 3}})
    assert readings(view(repo), 0).series["f1"].grade is Grade.UNDECLARED


PARTS: dict[str, Any] = {"precision": F1, "recall": F1}


def derived(repo: Repo, ledger: Ledger, history: Any, **words: Any) -> str:
    """A run that recorded the series of precision and recall, and a definition of F1 made from them."""
    project = Project(repo, ledger)
    project.declare("1", PARTS)
    project.commit("parts")
    run = api.record(metrics={"precision": 0.5, "recall": 1.0}, history=history).id
    project.declare("2", {**PARTS, "f1": {**F1, **words}})
    project.migrate("--take", "f1")
    project.commit("f1")
    return run


def rewrite(repo: Repo, **words: Any) -> None:
    """Change the operation that makes F1."""
    (path,) = (repo.path / ".ledger/migrations/main").glob("*.json")
    body = json.loads(path.read_text())
    body.pop("id", None)
    body["metrics"][0] |= words
    path.write_text(json.dumps(body))


def points(table: pa.Table, metric: str) -> list[tuple[int, float | None, str]]:
    return [(row["step"], row["value"], row["grade"]) for row in table.to_pylist() if row["metric"] == metric]


def test_a_series_is_made_of_others_step_by_step(repo: Repo, ledger: Ledger) -> None:
    history = {"precision": [0.5, 1.0, float("nan")], "recall": [1.0, 1.0, 1.0], "other": [3.0]}
    run = derived(repo, ledger, history)
    found = api.history(run)
    assert points(found, "f1")[:2] == [(0, 2 * 0.5 * 1.0 / (0.5 + 1.0), "exact"), (1, 1.0, "exact")]
    assert [step for step, *_ in points(found, "f1")] == [0, 1, 2]
    assert [grade for *_, grade in points(found, "precision")] == ["identical"] * 3
    shown = [one["value"] for one in ledger.json("show", run, "--history", "f1")]
    assert shown == [0.6666666666666666, 1.0, "NaN"]
    assert "f1" in ledger("show", run, "--history")
    assert api.history(run, ["f1"])["metric"].to_pylist() == ["f1"] * 3
    ledger("export", "--no-history", "bare")
    ledger("export", "out")
    table = pq.read_table(repo.path / "out/history.parquet")
    assert points(table, "f1")[:2] == points(found, "f1")[:2]


def test_one_series_is_what_it_is_among_all(repo: Repo, ledger: Ledger) -> None:
    """Only what it is made of is read: that changes nothing about it."""
    run = derived(repo, ledger, {"precision": [0.5, 1.0], "recall": [1.0, 0.2], "other": [3.0]})
    whole = api.history(run)
    for names in (["f1"], ["recall"], ["other", "f1"], ["precision", "recall"], []):
        assert api.history(run, names).to_pylist() == [
            row for row in whole.to_pylist() if row["metric"] in names
        ]
    with pytest.raises(NotFoundError) as caught:
        api.history(run, ["f2"])
    assert "f1" in caught.value.hint


def test_a_derived_series_is_named_by_its_definition(repo: Repo, ledger: Ledger) -> None:
    run = derived(repo, ledger, {"precision": [0.5], "recall": [1.0]}, series="val/f1")
    assert points(api.history(run), "val/f1") == [(0, 0.6666666666666666, "exact")]


def test_points_pair_up_by_step_and_nothing_is_filled_in(repo: Repo, ledger: Ledger) -> None:
    history = {"precision": [(step, 0.5) for step in range(6)], "recall": [(4, 0.5), (2, 1.0), (9, 1.0)]}
    run = derived(repo, ledger, history)
    assert sorted(points(api.history(run), "f1")) == [(2, 2 / 3, "exact"), (4, 0.5, "exact")]


def test_what_has_no_result_says_so(repo: Repo, ledger: Ledger) -> None:
    """What is drafted for F1 has a value for a division by zero; by hand it may have none."""
    run = derived(repo, ledger, {"precision": [0.0, None, 0.5], "recall": [0.0, 1.0, 1.0]})
    assert points(api.history(run), "f1") == [
        (0, 0.0, "exact"), (1, None, "missing"), (2, 2 / 3, "exact"),
    ]  # fmt: skip
    rewrite(repo, on_div0="undefined")
    assert points(api.history(run), "f1")[0] == (0, None, "undefined")


def test_a_step_that_occurs_twice_is_told_apart_by_its_time_where_all_are_wanted(
    repo: Repo, ledger: Ledger
) -> None:
    def at(name: str, step: int, second: int, value: float) -> dict[str, Any]:
        return {"step": step, "time": f"2026-11-01T00:00:0{second}Z", name: value}

    rows = [
        at("precision", 1, 1, 0.5), at("recall", 1, 1, 1.0), at("precision", 1, 3, 1.0), at("recall", 1, 3, 1.0),
        at("precision", 2, 4, 0.5), at("recall", 2, 5, 0.5),
        at("precision", 3, 6, 0.5), at("precision", 3, 6, 1.0), at("recall", 3, 6, 0.5),
    ]  # fmt: skip
    run = derived(repo, ledger, rows)
    assert points(api.history(run), "f1") == [(1, 1.0, "exact"), (2, 0.5, "exact"), (3, 2 / 3, "exact")]
    assert sorted(points(api.history(run, all_attempts=True), "f1")) == [
        (1, 2 / 3, "exact"),
        (1, 1.0, "exact"),
        (2, 0.5, "exact"),
    ]


def test_an_approximate_series_only_when_asked(repo: Repo, ledger: Ledger) -> None:
    run = derived(repo, ledger, {"precision": [0.5], "recall": [1.0]})
    rewrite(repo, exactness="approximate", reason="rounded inputs")
    assert points(api.history(run), "f1") == []
    assert points(api.history(run, approx=True), "f1") == [(0, 2 / 3, "approximate")]
    assert "≈" in ledger("show", run, "--history", "--approx")
    ledger("show", run, "--history", "f1", code=1)


def test_alternatives_become_one_series(project: Project) -> None:
    old = {"val_loss": {"unit": "nat"}, "valid_loss": {"unit": "nat"}}
    project.declare("1", old)
    project.commit("two names")
    history = {"val_loss": [(0, 2.0), (1, 1.0), (3, 5.0)], "valid_loss": [(1, 1.0), (2, 0.5), (3, 6.0)]}
    run = api.record(metrics={"val_loss": 1.0}, history=history).id
    project.declare("2", {"eval_loss": {"unit": "nat"}})
    path = project.drafts()[0]
    body = json.loads(path.read_text())
    body.pop("id", None)
    body["metrics"] = [{"op": "coalesce", "from": ["val_loss", "valid_loss"], "to": "eval_loss"}]
    path.write_text(json.dumps(body))
    found = api.history(run)
    assert set(found["metric"].to_pylist()) == {"eval_loss"}
    assert sorted(points(found, "eval_loss")) == [
        (0, 2.0, "exact"), (1, 1.0, "exact"), (2, 0.5, "exact"), (3, None, "undefined"),
    ]  # fmt: skip


def test_a_history_is_read_under_the_version_asked_for(project: Project) -> None:
    project.declare("1", {"f1": {**F1, "unit": "%"}})
    old = project.commit("percent")
    run = api.record(metrics={"f1": 50.0}, history={"f1": [25.0, 50.0]}).id
    project.declare("2", {"f1": F1})
    project.migrate()
    project.commit("fraction")
    assert api.history(run)["value"].to_pylist() == [0.25, 0.5]
    assert api.history(run, as_="1")["value"].to_pylist() == [25.0, 50.0]
    assert api.history(run, at=old)["value"].to_pylist() == [25.0, 50.0]
    assert api.history(run)["grade"].to_pylist() == ["exact"] * 2
    with pytest.raises(NotFoundError, match="--as 7"):
        api.history(run, as_="7")
    with pytest.raises(NotFoundError, match="'f2'"):
        api.history(run, ["f2"])
    with pytest.raises(NotFoundError):
        api.history(run, at="nowhere")
