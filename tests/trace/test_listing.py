"""Runs as a table: what is in it, in which order, and what a filter leaves out."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import Repo

import ledger
from ledger.config import open_workspace
from ledger.errors import NotFoundError, UsageError
from ledger.trace.listing import Found, Listing, chosen, find, ranked, split, table
from ledger.trace.view import View, open_view

CONTRACT = (
    "run_id",
    "experiment",
    "name",
    "status",
    "started",
    "finished",
    "code.commit",
    "code.tree",
    "code.branch",
    "code.dirty",
)


def schema_of(**metrics: dict[str, Any]) -> str:
    properties = {name: {"type": "number", "x-ledger": words} for name, words in metrics.items()}
    return json.dumps(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "properties": {"metrics": {"properties": properties}},
        }
    )


def view() -> View:
    return open_view(open_workspace(Path.cwd(), os.environ))


def listed(**words: Any) -> Found:
    return find(view(), Listing(**words))


def values(name: str, **words: Any) -> list[Any]:
    found = listed(**words)
    column: list[Any] = found.columns.column(name, found.rows).to_pylist()
    return column


@pytest.fixture
def runs(repo: Repo) -> list[str]:
    """Five runs whose f1 are a number, another number, NaN, null and nothing."""
    f1: Sequence[dict[str, Any]] = ({"f1": 0.5}, {"f1": 0.9}, {"f1": math.nan}, {"f1": None}, {})
    done = ledger.record_many(
        [
            {"metrics": {**metrics, "n": number}, "params": {"lr": 0.1 * number}, "tags": {"s": str(number)}}
            for number, metrics in enumerate(f1)
        ]
    )
    assert repo.git("for-each-ref", "refs/runs")
    return [run.id for run in done]


@pytest.mark.usefixtures("runs")
def test_columns_are_those_of_the_contract() -> None:
    found = table(view(), Listing())
    assert tuple(found.column_names[: len(CONTRACT)]) == CONTRACT
    assert found.column_names[-7:] == [
        "params.lr",
        "metrics.f1",
        "metrics.n",
        "tags.s",
        "grade.f1",
        "grade.n",
        "conflicts",
    ]
    assert found.num_rows == 5
    assert found.schema.field("finished").type == pa.timestamp("us", tz="UTC")
    assert found.schema.field("metrics.n").type == pa.int64()
    assert found.schema.field("code.dirty").type == pa.bool_()


@pytest.mark.usefixtures("runs")
def test_grades_say_why_there_is_no_value() -> None:
    found = table(view(), Listing(columns=("f1",), sort=("n",)))
    assert found.column_names == ["run_id", "metrics.f1", "grade.f1", "conflicts"]
    assert found["grade.f1"].to_pylist() == ["identical", "identical", "identical", "undefined", "missing"]


@pytest.mark.parametrize(("sort", "order"), [("f1", [0, 1]), ("-f1", [1, 0])])
@pytest.mark.usefixtures("runs")
def test_nan_and_nothing_come_last_either_way(sort: str, order: list[int]) -> None:
    assert values("metrics.n", sort=(sort,)) == [*order, 2, 4, 3]  # nothing ties: the newest first


def test_the_newest_come_first(runs: list[str]) -> None:
    assert values("run_id") == runs[::-1]
    assert values("run_id", limit=2) == runs[:-3:-1]
    assert listed(limit=2).passed == 5


@pytest.mark.usefixtures("repo")
def test_the_newest_are_those_that_finished_last() -> None:
    from datetime import UTC, datetime

    for day in (3, 1, 2):
        ledger.record(metrics={"day": day}, finished=datetime(2026, 1, day, tzinfo=UTC))
    assert values("metrics.day") == [3, 2, 1]


@pytest.mark.usefixtures("runs")
def test_a_filter_has_three_answers() -> None:
    found = listed(where="metrics.f1 > 0.6")
    assert (found.passed, found.left_out) == (1, 3)
    found = listed(where="not metrics.f1 > 0.6")
    assert (found.passed, found.left_out) == (1, 3)
    assert listed(where="metrics.f1 is null").passed == 3  # NaN counts as nothing
    assert values("metrics.n", where="grade.f1 = 'missing'") == [4]
    assert values("metrics.n", where="finished > '2020' and n in (1, 2)", sort=("n",)) == [1, 2]
    assert values("metrics.n", where="recorded < '2020'") == []


@pytest.mark.usefixtures("repo")
def test_values_under_another_definition_are_shown_apart_and_count_for_nothing() -> None:
    folder = Path(".ledger/schemas")
    folder.mkdir(parents=True)
    (folder / "m.json").write_text(schema_of(loss={"unit": "%"}))
    ledger.record(metrics={"loss": 30.0, "n": 0})
    (folder / "m.json").write_text(schema_of(loss={"unit": "1"}))
    ledger.record(metrics={"loss": 0.2, "n": 1})
    ledger.record(metrics={"loss": 0.4, "n": 2})
    found = table(view(), Listing(columns=("loss",), sort=("-loss",)))
    assert found["metrics.loss"].to_pylist() == [0.4, 0.2, None]
    assert found["grade.loss"].to_pylist() == ["identical", "identical", "incomparable"]
    assert found["recorded.loss"].to_pylist() == [0.4, 0.2, 30.0]
    filtered = listed(where="loss < 100")
    assert (filtered.passed, filtered.left_out) == (2, 1)
    assert "recorded.loss" not in filtered.table(["metrics.loss"]).column_names


@pytest.mark.usefixtures("repo")
def test_a_param_of_several_kinds_is_text_that_still_compares_by_its_numbers() -> None:
    given: Sequence[Any] = (10, "auto", 9, 0.5, True, None, [1, 2])
    ledger.record_many([{"params": {"lr": value}, "metrics": {"n": n}} for n, value in enumerate(given)])
    found = table(view(), Listing(columns=("lr",), sort=("n",)))
    assert found.schema.field("params.lr").type == pa.string()
    assert found["params.lr"].to_pylist() == ["10", "auto", "9", "0.5", "true", None, "[1, 2]"]
    assert values("metrics.n", where="lr < 10", sort=("lr",)) == [3, 2]
    assert listed(where="lr < 10").left_out == 4
    assert values("metrics.n", where="lr = 'auto'") == [1]
    assert values("metrics.n", sort=("-lr",))[:3] == [0, 2, 3]
    shown = list(listed(sort=("n",)).documents(["params.lr"]))
    assert [record["params.lr"] for record in shown] == list(given)
    with pytest.raises(UsageError, match="is a number"):
        listed(where="lr < 10 or lr = 'auto'")


@pytest.mark.parametrize(
    ("given", "kind", "expected"),
    [
        ((1, 2), pa.int64(), [1, 2]),
        ((1, None, 2.5), pa.float64(), [1.0, None, 2.5]),
        ((True, False, None), pa.bool_(), [True, False, None]),
        ((2**53 + 1, -(2**63)), pa.int64(), [2**53 + 1, -(2**63)]),
        ((2**70, 1), pa.float64(), [float(2**70), 1.0]),
        (("a", None, "b"), pa.string(), ["a", None, "b"]),
        ((None, None), pa.null(), [None, None]),
        (([1], {}), pa.string(), ["[1]", "{}"]),
    ],
)
@pytest.mark.usefixtures("repo")
def test_types_of_params(given: Sequence[Any], kind: pa.DataType, expected: list[Any]) -> None:
    ledger.record_many([{"params": {"p": value}, "metrics": {"n": n}} for n, value in enumerate(given)])
    found = table(view(), Listing(columns=("p",), sort=("n",)))
    assert found.schema.field("params.p").type == kind
    assert found["params.p"].to_pylist() == expected


@pytest.mark.usefixtures("repo")
def test_the_type_of_a_column_does_not_follow_from_the_runs_that_are_shown() -> None:
    ledger.record_many([{"metrics": {"f1": 1}}, {"metrics": {"f1": 0.5}}])
    assert table(view(), Listing(where="f1 = 1")).schema.field("metrics.f1").type == pa.float64()


@pytest.mark.usefixtures("runs")
def test_every_cell_is_what_the_view_says() -> None:
    seen = view()
    found = find(seen, Listing())
    whole = found.table(chosen(found.columns, None))
    for place, row in enumerate(found.rows.to_pylist()):
        fields = seen.runs.run_fields(row)
        for group, name in (("metrics", "f1"), ("metrics", "n"), ("params", "lr"), ("tags", "s")):
            shown, said = whole[f"{group}.{name}"][place].as_py(), fields.get((group, name))
            assert shown == said or (shown != shown and said != said)  # noqa: PLR0124 - NaN


@pytest.mark.usefixtures("runs")
def test_names_may_be_short_and_wrong_ones_are_told() -> None:
    found = listed()
    assert chosen(found.columns, ("f1", "lr", "branch", "tags.s")) == [
        "run_id",
        "metrics.f1",
        "params.lr",
        "code.branch",
        "tags.s",
    ]
    assert chosen(found.columns, ("metrics.*",)) == ["run_id", "metrics.f1", "metrics.n"]
    with pytest.raises(NotFoundError, match=r"--columns: there is no f2") as wrong:
        chosen(found.columns, ("f2",))
    assert "metrics.f1" in wrong.value.hint
    with pytest.raises(NotFoundError, match=r"--sort: there is no params.f1") as wrong:
        listed(sort=("-params.f1",))
    assert "metrics.f1" in wrong.value.hint
    with pytest.raises(NotFoundError, match=r"--where: there is no brnch"):
        listed(where="brnch = 'main'")


def test_a_list_of_names_is_split_outside_backticks() -> None:
    assert split(" f1, `a,b` ,metrics.`val/f1@5`,,") == ("f1", "`a,b`", "metrics.`val/f1@5`")


@pytest.mark.usefixtures("repo")
def test_odd_names_and_a_leading_minus() -> None:
    ledger.record_many([{"metrics": {"val/f1@5": n, "-x": -n, "a,b": 1}} for n in range(3)])
    assert values("metrics.val/f1@5", sort=("-`val/f1@5`",)) == [2, 1, 0]
    assert values("metrics.val/f1@5", sort=("val/f1@5",)) == [0, 1, 2]
    assert values("metrics.-x", sort=("-x",)) == [-2, -1, 0]
    assert chosen(listed().columns, ("`a,b`",)) == ["run_id", "metrics.a,b"]


@pytest.mark.usefixtures("repo")
def test_experiments() -> None:
    ledger.record(metrics={"n": 1}, experiment="sweep")
    ledger.record(metrics={"n": 2})
    assert values("metrics.n", experiments=("sweep",)) == [1]
    assert values("metrics.n", experiments=("sweep", "main")) == [2, 1]
    with pytest.raises(NotFoundError, match="no experiment 'swep'") as wrong:
        listed(experiments=("swep",))
    assert "sweep" in wrong.value.hint


@pytest.mark.usefixtures("repo")
def test_an_empty_ledger_is_an_empty_table_with_types() -> None:
    found = ledger.runs()
    assert found.num_rows == 0
    assert tuple(found.column_names[: len(CONTRACT)]) == CONTRACT
    assert found.schema.field("finished").type == pa.timestamp("us", tz="UTC")
    with pytest.raises(NotFoundError, match="there is no f1"):
        ledger.runs("f1 > 1")


@pytest.mark.usefixtures("repo")
def test_a_declared_metric_that_no_run_has_is_a_column() -> None:
    Path(".ledger/schemas").mkdir(parents=True)
    Path(".ledger/schemas/m.json").write_text(schema_of(auc={}))
    ledger.record(metrics={"f1": 1.0})
    assert ledger.runs()["metrics.auc"].to_pylist() == [None]
    assert listed(where="auc > 0.5").left_out == 1


def test_the_public_function(runs: list[str]) -> None:
    found = ledger.runs("metrics.n >= 3", columns=["n", "lr"], sort="-n")
    assert found.column_names == ["run_id", "metrics.n", "params.lr", "grade.n", "conflicts"]
    assert found["run_id"].to_pylist() == [runs[4], runs[3]]


@pytest.mark.usefixtures("repo")
def test_what_tells_most_comes_first() -> None:
    Path(".ledger").mkdir()
    Path(".ledger/config.toml").write_text('[log]\nmetrics = ["zz"]\n')
    workspace = open_workspace(Path.cwd(), os.environ)
    shared = {"m1": 1.0, "m2": 1.0, "m3": 1.0, "zz": 2.0}
    ledger.record(metrics={**shared, "rare": 1.0}, params={"a": 1, "lr": 0.1})
    ledger.record(metrics=shared, params={"a": 1, "lr": 0.2})
    found = find(open_view(workspace), Listing())
    assert ranked(open_view(workspace), found) == [
        "metrics.zz",
        "metrics.m1",
        "metrics.m2",
        "params.lr",
        "metrics.m3",
        "metrics.rare",
        "params.a",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("repo")
def test_mixed_schemas_keep_each_run_in_its_row() -> None:
    """Rows of several segments: one call a segment, and runs that lack a name in between."""
    for number in range(12):
        ledger.record(
            metrics={"n": number, **({"odd": number} if number % 2 else {})},
            params={"p": number if number != 5 else "five"},
        )
    found = table(view(), Listing(columns=("n", "odd", "p"), sort=("n",)))
    assert found["metrics.n"].to_pylist() == list(range(12))
    assert found["metrics.odd"].to_pylist() == [n if n % 2 else None for n in range(12)]
    assert found["params.p"].to_pylist() == [str(n) if n != 5 else "five" for n in range(12)]
    assert all(re.fullmatch("[0-9a-f]{32}", run) for run in found["run_id"].to_pylist())


def test_what_compares_within_a_param_only_is_sorted_within_it(repo: Repo) -> None:
    within = {"machine": "param:machine"}
    repo.write(".ledger/schemas/m.json", schema_of(lat={"direction": "lower", "on": within}, n={}))
    for machine, lat in (("a", 4.0), ("b", 1.0), ("a", 3.0), (None, 0.5), ("b", None), ("b", 2.0)):
        params = {} if machine is None else {"machine": machine}
        ledger.record(params=params, metrics={"n": 1} if lat is None else {"lat": lat, "n": 1})
    assert values("metrics.lat", sort=("lat",)) == [3, 4, 1, 2, None, 0.5]
    assert values("metrics.lat", sort=("-lat",)) == [4, 3, 2, 1, None, 0.5]
    assert values("metrics.lat", sort=("-machine", "lat")) == [1, 2, None, 3, 4, 0.5]
    assert values("metrics.lat", sort=("lat",), where="machine = 'b'") == [1, 2, None]
    assert values("params.machine", sort=("n", "lat"), limit=3) == ["a", "a", "b"]


def test_a_param_that_no_run_has_needs_no_column(repo: Repo) -> None:
    repo.write(".ledger/schemas/m.json", schema_of(f1={"on": {"dataset": "param:dataset"}}))
    ledger.record(metrics={"f1": 0.5}, params={"lr": 1})
    assert ranked(view(), listed()) == ["metrics.f1", "params.lr"]
    ledger.record(metrics={"f1": 0.5}, params={"lr": 1, "dataset": "imdb"})
    assert ranked(view(), listed()) == ["metrics.f1", "params.dataset", "params.lr"]
