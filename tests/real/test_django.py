"""Ten years of Django's benchmarks on four machines: 4,675 runs on 1,772 commits, with nulls.

Every expectation is computed here from the lines of the data file; the ledger is asked through its commands.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from conftest import Ledger
from real import replay
from real.replay import Line, Replayed

import ledger as api

pytestmark = pytest.mark.slow

RENDER = "template_benchmarks.template_render.TemplateRender.time_template_render"
"""Declared, lower is better."""
CLEAN = "form_benchmarks.form_clean.FormClean.time_form_clean"
"""Declared, and comparable within one machine only."""
CHECKS = "system_check_benchmarks.run_checks.SystemChecks.time_checks"
"""Declared nowhere; a part of the runs has null, and about half have nothing."""


@pytest.fixture
def measured(django: Replayed, monkeypatch: pytest.MonkeyPatch) -> Sequence[Line]:
    monkeypatch.chdir(django.path)
    return replay.lines(replay.DJANGO)


def by_commit(measured: Sequence[Line]) -> dict[str, list[Line]]:
    """Runs of each commit, oldest commit first."""
    found: dict[str, list[Line]] = defaultdict(list)
    for line in measured:
        found[line["commit"]].append(line)
    return found


def values(lines: Sequence[Line], metric: str) -> list[float]:
    return [line["metrics"][metric] for line in lines if line["metrics"].get(metric) is not None]


@pytest.mark.long
def test_every_value_comes_back_bit_for_bit(measured: Sequence[Line], django: Replayed) -> None:
    table = api.runs(repository=django.path)
    lines = dict(zip(django.runs, measured, strict=True))
    assert table.num_rows == len(lines) == 4_675
    order = [lines[run] for run in table.column("run_id").to_pylist()]
    names = {name for line in measured for name in line["metrics"]}
    columns = {name.removeprefix("metrics.") for name in table.column_names if name.startswith("metrics.")}
    assert columns == names
    assert len(names) == 80
    for name in names:
        read = [
            value if value is None else value.hex() for value in table.column(f"metrics.{name}").to_pylist()
        ]
        expected = [line["metrics"].get(name) for line in order]
        assert read == [value if value is None else value.hex() for value in expected]
        grades = Counter(table.column(f"grade.{name}").to_pylist())
        present = [line["metrics"][name] for line in order if name in line["metrics"]]
        assert grades["missing"] == len(order) - len(present)
        assert grades["undefined"] == present.count(None)
        assert grades["identical"] == len(present) - present.count(None)
    for name in ("machine", "env", "python"):
        assert table.column(f"params.{name}").to_pylist() == [line[name] for line in order]
    assert table.column("tags.machine").to_pylist() == [line["machine"] for line in order]
    commits = table.column("code.commit").to_pylist()
    assert commits == [django.commits[line["commit"]] for line in order]
    finished = table.column("finished").to_pylist()
    assert [round(moment.timestamp() * 1000) for moment in finished] == [
        line["measured_ms"] for line in order
    ]


def last(lines: Sequence[Line], metric: str) -> float:
    """Of the run that was measured last; among equals of the one that was recorded later."""
    valued = [line for line in lines if line["metrics"].get(metric) is not None]
    newest = max(line["measured_ms"] for line in valued)
    value: float = [line for line in valued if line["measured_ms"] == newest][-1]["metrics"][metric]
    return value


_AGGREGATES: Mapping[str, Callable[[Sequence[Line], str], float]] = {
    "last": last,
    "best": lambda lines, metric: min(values(lines, metric)),
    "mean": lambda lines, metric: statistics.fmean(values(lines, metric)),
    "median": lambda lines, metric: statistics.median(values(lines, metric)),
    "min": lambda lines, metric: min(values(lines, metric)),
    "max": lambda lines, metric: max(values(lines, metric)),
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("metric", "asked", "aggregate"),
    [
        (RENDER, None, "best"),
        *((RENDER, name, name) for name in _AGGREGATES if name != "best"),
        (CHECKS, None, "last"),
    ],
)
def test_a_metric_along_ten_years(
    measured: Sequence[Line], django: Replayed, ledger: Ledger, metric: str, asked: str | None, aggregate: str
) -> None:
    found = ledger.json("log", "--metric", metric, *(["--agg", asked] if asked else []))
    runs = {id(line): run for line, run in zip(measured, django.runs, strict=True)}
    rows = {row["commit"]: row for row in found["rows"]}
    older: float | None = None
    expected = []
    for commit, lines in by_commit(measured).items():
        mine = values(lines, metric)
        if any(metric in line["metrics"] for line in lines):
            expected.append(django.commits[commit])
            row = rows[expected[-1]]
            assert row["level"] == "commit"
            assert sorted(row["run_ids"]) == sorted(runs[id(line)] for line in lines)
            cell = row["metrics"][metric]
            assert cell["grade"] == ("identical" if mine else "undefined")
            value = _AGGREGATES[aggregate](lines, metric) if mine else None
            assert (cell["value"], cell["count"]) == (value, len(mine))
            assert cell["min"] == min(mine, default=None)
            assert cell["max"] == max(mine, default=None)
            assert cell["mean"] == (statistics.fmean(mine) if mine else None)
            assert cell["delta"] == (None if older is None or value is None else value - older)
            older = older if value is None else value
    assert [row["commit"] for row in found["rows"]] == expected[::-1]
    compared = len(values(measured, metric))
    assert found["left_out"] == {
        "out_of_range": 0,
        "unattached": 0,
        "no_value": 4_675 - compared,
        "incomparable": 0,
        "inexact": 0,
        "not_finite": 0,
        "compared": compared,
    }


def test_machines_are_kept_apart_where_the_definition_says_so(
    measured: Sequence[Line], django: Replayed, ledger: Ledger
) -> None:
    found = ledger.json("log", "--metric", CLEAN)
    parts: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in measured:
        parts[django.commits[line["commit"]], line["machine"]].append(line)
    valued = {key: mine for key, lines in parts.items() if (mine := values(lines, CLEAN))}
    read: dict[tuple[str, str], Any] = {}
    for row in found["rows"]:
        if row["metrics"][CLEAN]["count"]:
            (machine,) = row["partition"].values()
            read[row["commit"], machine] = row["metrics"][CLEAN]
    assert {key: (cell["value"], cell["count"]) for key, cell in read.items()} == {
        key: (min(mine), len(mine)) for key, mine in valued.items()
    }
    older: dict[str, float] = {}
    for commit in by_commit(measured):
        for machine in {machine for place, machine in read if place == django.commits[commit]}:
            cell = read[django.commits[commit], machine]
            assert cell["delta"] == (cell["value"] - older[machine] if machine in older else None)
            older[machine] = cell["value"]
    assert len(older) == len({line["machine"] for line in measured}) == 4
    assert found["left_out"]["no_value"] == 4_675 - sum(map(len, valued.values()))


def test_what_lies_before_a_date_is_out_of_range(
    measured: Sequence[Line], django: Replayed, ledger: Ledger
) -> None:
    found = ledger.json("log", "--metric", RENDER, "--since", "2025-01-01T00:00:00Z")
    since = 1_735_689_600_000
    assert found["left_out"]["out_of_range"] == sum(line["commit_date_ms"] < since for line in measured)
    valued = {
        django.commits[line["commit"]]
        for line in measured
        if line["commit_date_ms"] >= since and line["metrics"].get(RENDER) is not None
    }
    assert {row["commit"] for row in found["rows"]} == valued
    few = ledger("log", "--metric", RENDER, "-n", "5")
    assert "1,767 more commits" in few


def test_filters_take_params_and_values_as_the_data_have_them(
    measured: Sequence[Line], django: Replayed, ledger: Ledger
) -> None:
    runs = dict(zip(django.runs, measured, strict=True))

    def found(where: str) -> set[str]:
        return set(ledger("runs", "--where", where, "--ids").split())

    def expected(passes: Callable[[Line], bool]) -> set[str]:
        return {run for run, line in runs.items() if passes(line)}

    assert found("params.machine = 'macos-12'") == expected(lambda line: line["machine"] == "macos-12")
    slow = found(f"metrics.`{CHECKS}` >= 0.004 and params.python = '3.10'")
    assert slow == expected(
        lambda line: (line["metrics"].get(CHECKS) or 0) >= 0.004 and line["python"] == "3.10"
    )
    assert slow
    without = found(f"metrics.`{CHECKS}` is null")
    assert without == expected(lambda line: line["metrics"].get(CHECKS) is None)
    assert len(without) == 280 + 2_253


def test_null_is_shown_as_no_value(measured: Sequence[Line], django: Replayed, ledger: Ledger) -> None:
    place = next(place for place, line in enumerate(measured) if line["metrics"].get(RENDER, 0) is None)
    shown = ledger.json("show", django.runs[place])
    assert {name: metric["recorded"] for name, metric in shown["metrics"].items()} == measured[place][
        "metrics"
    ]
    assert (shown["metrics"][RENDER]["value"], shown["metrics"][RENDER]["grade"]) == (None, "undefined")
    assert shown["attached"] == {"commit": django.commits[measured[place]["commit"]], "level": "commit"}


@pytest.mark.long
@pytest.mark.usefixtures("measured")
def test_all_of_it_verifies(ledger: Ledger) -> None:
    found = ledger.json("verify")
    counts = {"experiments": 1, "runs": 4_675, "records": 4_675, "faults": []}
    assert {name: found[name] for name in counts} == counts
