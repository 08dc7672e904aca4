"""Ten years of changed definitions, and a metric that moved: one trace where the meaning is one, a break where not.

Every expectation is computed here from the lines of the data file; the ledger is asked through its commands.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger
from real import definitions, replay
from real.definitions import BEFORE, NOW, TRAINING
from real.replay import Line, Replayed

from ledger.config import open_workspace
from ledger.trace.log import Log, Query, trace
from ledger.trace.view import open_view

pytestmark = pytest.mark.slow


@pytest.fixture
def evaluated(moved_pool: Replayed, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Mapping[str, Any]]:
    """Run → its metrics, as the files have them."""
    monkeypatch.chdir(moved_pool.path)
    head, *commits = replay.lines(replay.POOL)
    lines = replay.pool_runs(replay.pool_refs(head, commits), commits)
    metrics = [replay.pool_metrics(line, definitions.PREFIXES) for line in lines]
    return dict(zip(moved_pool.runs, metrics, strict=True))


def refs() -> list[str]:
    """Every branch and request: no pull request is a branch of `--all`."""
    head, *commits = replay.lines(replay.POOL)
    return list(replay.pool_refs(head, commits))


def test_a_metric_that_moved_to_another_file_is_one_trace(
    evaluated: Mapping[str, Mapping[str, Any]], ledger: Ledger
) -> None:
    old = {run: found[BEFORE].hex() for run, found in evaluated.items() if BEFORE in found}
    new = {run: found[NOW].hex() for run, found in evaluated.items() if NOW in found}
    assert (len(old), len(new), len(old | new)) == (82, 395, 477)
    found = ledger.json("log", *refs(), "--metric", NOW, "--all")
    assert found["breaks"] == []
    assert found["left_out"]["incomparable"] == 0
    assert found["left_out"]["compared"] == 477
    cells = {run: row["metrics"][NOW] for row in found["rows"] for run in row["run_ids"]}
    assert len(cells) == len(found["rows"]) == 477, "each on a commit of its own"
    assert {run: cell["value"].hex() for run, cell in cells.items()} == old | new
    assert {run: cell["recorded"].hex() for run, cell in cells.items()} == old | new
    assert Counter(cell["grade"] for cell in cells.values()) == {"identical": 395, "exact": 82}
    deltas = [row["metrics"][NOW]["delta"] for row in found["rows"]]
    assert deltas[-1] is None
    assert None not in deltas[:-1], "each is compared with the one before"
    assert "over 477 commits" in ledger("log", *refs(), "--metric", NOW)


def test_the_old_name_leads_to_the_new_one(
    evaluated: Mapping[str, Mapping[str, Any]], ledger: Ledger
) -> None:
    listed = ledger.json("runs", "--columns", NOW)
    values = {run["run_id"]: run[f"metrics.{NOW}"] for run in listed}
    assert values == {run: found.get(NOW, found.get(BEFORE)) for run, found in evaluated.items()}
    found = ledger.json("log", *refs(), "--metric", BEFORE)
    assert f"{BEFORE} is {NOW} now" in ledger.err
    assert (found["metrics"], len(found["rows"])) == ([NOW], 477)


@pytest.mark.long
def test_the_dice_of_the_training_is_never_mixed_in(
    evaluated: Mapping[str, Mapping[str, Any]], ledger: Ledger
) -> None:
    training = {run: found[TRAINING].hex() for run, found in evaluated.items() if TRAINING in found}
    assert len(training) == 475
    found = ledger.json("log", *refs(), "--metric", TRAINING, "--metric", NOW)
    assert found["breaks"] == []
    cells = {run: row["metrics"] for row in found["rows"] for run in row["run_ids"]}
    assert {run: cell[TRAINING]["value"].hex() for run, cell in cells.items() if TRAINING in cell} == training
    assert {cell[TRAINING]["grade"] for cell in cells.values() if TRAINING in cell} == {"identical"}
    alone = {run for run in training if not evaluated[run].keys() & {NOW, BEFORE}}
    assert {run for run in training if NOW not in cells[run]} == alone


# Django


Where = tuple[str, str, str, str]
"""Metric, machine, newer and older commit."""


def valued(measured: Sequence[Line]) -> Mapping[tuple[str, str], Mapping[str, str]]:
    """(metric, machine) → commit → hash, oldest commit first, wherever there is a number."""
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for line in measured:
        for name, value in line["metrics"].items():
            if value is not None:
                known = found[name, line["machine"]].setdefault(line["commit"], line["versions"][name])
                assert known == line["versions"][name], "a commit has one definition a machine"
    return found


def changes(measured: Sequence[Line], commits: Mapping[str, str], same: Mapping[str, str]) -> Iterator[Where]:
    """Where neighbours of one metric on one machine have other hashes.

    That is `ledger log`'s rule, spelt out on the raw lines: neighbours are consecutive commits with a number, the
    history is a line, and two hashes are two definitions, of which one at most is the target's. `same` says which
    hashes stand for another one.
    """
    for (name, machine), by_commit in valued(measured).items():
        for (older, was), (newer, now) in pairwise(by_commit.items()):
            if same.get(was, was) != same.get(now, now):
                yield name, machine, commits[newer], commits[older]


@cache
def traced(path: Path, metrics: tuple[str, ...]) -> Log:
    return trace(open_view(open_workspace(path, os.environ)), Query(metrics=metrics))


def broken(found: Log) -> list[Where]:
    return sorted((b.metric, str(dict(b.partition)["machine"]), b.newer, b.older) for b in found.breaks)


@pytest.fixture
def measured(redefined_django: Replayed, monkeypatch: pytest.MonkeyPatch) -> Sequence[Line]:
    monkeypatch.chdir(redefined_django.path)
    return replay.lines(replay.DJANGO)


@pytest.mark.long
def test_breaks_fall_where_a_benchmark_became_another(
    measured: Sequence[Line], redefined_django: Replayed, ledger: Ledger
) -> None:
    hashes: dict[str, set[str]] = defaultdict(set)
    for line in measured:
        for name, version in line["versions"].items():
            hashes[name].add(version)
    changed = {name for name, versions in hashes.items() if len(versions) > 1}
    assert (len(changed), len(hashes)) == (65, 80)
    found = traced(redefined_django.path, tuple(sorted(hashes)))
    expected = sorted(changes(measured, redefined_django.commits, {}))
    assert broken(found) == expected
    assert {name for name, *_ in expected} == changed
    assert len(expected) == 190
    assert {b.migration for b in found.breaks} == {None}
    assert all("no migration" in b.reason for b in found.breaks)
    asked = [name for name in sorted(hashes) if len(hashes[name]) > 2]
    told = ledger.json("log", *(word for name in asked for word in ("--metric", name)))["breaks"]
    assert Counter((b["metric"], b["newer"], b["older"]) for b in told) == Counter(
        (name, newer, older) for name, _, newer, older in expected if name in asked
    )


@pytest.mark.long
def test_what_is_compared_is_of_the_newest_definition_and_one_machine(
    measured: Sequence[Line], redefined_django: Replayed
) -> None:
    newest = definitions.newest_versions(measured)
    found = traced(redefined_django.path, tuple(sorted(newest)))
    cells = {
        (name, str(dict(row.partition)["machine"]), row.commit.id): cell
        for row in found.rows
        if row.partition
        for name, cell in row.cells.items()
        if cell.grade.value != "undefined"
    }
    expected = {
        (name, machine, redefined_django.commits[commit]): version == newest[name]
        for (name, machine), by_commit in valued(measured).items()
        for commit, version in by_commit.items()
    }
    assert {key: cell.comparable for key, cell in cells.items()} == expected
    assert Counter(cell.grade.value for cell in cells.values()) == {
        "identical": sum(expected.values()),
        "incomparable": len(expected) - sum(expected.values()),
    }


def versions_in_order(measured: Sequence[Line], name: str) -> list[str]:
    return list(dict.fromkeys(line["versions"][name] for line in measured if name in line["versions"]))


@pytest.mark.long
@pytest.mark.parametrize("count", [2, 3])
def test_an_asserted_sameness_takes_away_exactly_its_break(
    measured: Sequence[Line], redefined_django: Replayed, tmp_path: Path, count: int
) -> None:
    newest = definitions.newest_versions(measured)
    name = next(name for name in sorted(newest) if len(versions_in_order(measured, name)) == count)
    before = next(one for one in versions_in_order(measured, name)[::-1] if one != newest[name])
    path = tmp_path / "asserted"
    shutil.copytree(redefined_django.path, path)
    sides = (definitions.django_schema({name: before}), definitions.django_schema({name: newest[name]}))
    reason = "only the set-up was rewritten"
    definitions.migrate(path, "django", sides, [{"op": "same", "from": name, "to": name, "reason": reason}])
    all_breaks = set(changes(measured, redefined_django.commits, {}))
    joined = set(changes(measured, redefined_django.commits, {before: newest[name]}))
    assert {where[0] for where in all_breaks - joined} == {name}
    assert (name in {where[0] for where in joined}) is (count > 2)
    asked = {name, *sorted(newest)[:: 12 if count == 2 else 4]}
    found = traced(path, tuple(sorted(asked)))
    assert broken(found) == sorted(where for where in joined if where[0] in asked)
    exact = [row for row in found.rows if name in row.cells and row.cells[name].grade.value == "exact"]
    assert len(exact) == sum(
        list(by_commit.values()).count(before)
        for key, by_commit in valued(measured).items()
        if key[0] == name
    )
