"""An image-segmentation project of two years: what it measured is what the ledger says, number for number.

Every expectation is computed here from the lines of the data file; the ledger is asked through its commands.
"""

from __future__ import annotations

import json
import os
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger
from real import replay
from real.replay import Line, Replayed

import ledger as api
from ledger.config import open_workspace
from ledger.model import StoreFault
from ledger.trace import series
from ledger.trace.view import open_view

pytestmark = pytest.mark.slow

DICE = "train/dice_multi"
LOSS = "train/train/loss"
MOVED = ("evaluate/dice_multi", "train/evaluate/dice_multi")
"""The evaluation Dice, and the name that it had while it stood in the training file."""
REQUEST = "refs/pull/199/head"
"""Five runs of its own, and six of other requests whose trees are equal to one of its trees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """The data file, and which replayed commit and run stand for what."""

    refs: Mapping[str, str]
    commits: Sequence[Line]
    runs: Sequence[Line]
    ids: Mapping[str, str]
    """Original commit → run."""
    replayed: Mapping[str, str]

    def reached(self, *refs: str) -> set[str]:
        return replay.reached(self.commits, *(self.refs[ref] for ref in refs))

    def placed(self, reached: set[str]) -> dict[str, list[Line]]:
        """Runs by the original commit that they belong to: their own, else the oldest with an equal tree."""
        oldest: dict[str, Line] = {}
        for line in self.commits:
            if line["commit"] in reached:
                first = oldest.setdefault(line["tree"], line)
                if line["author_time"] < first["author_time"]:
                    oldest[line["tree"]] = line
        found: dict[str, list[Line]] = defaultdict(list)
        for line in self.runs:
            if line["commit"] in reached:
                found[line["commit"]].append(line)
            elif line["tree"] in oldest:
                found[oldest[line["tree"]]["commit"]].append(line)
        return found


@pytest.fixture
def raw(pool: Replayed, monkeypatch: pytest.MonkeyPatch) -> Raw:
    monkeypatch.chdir(pool.path)
    head, *commits = replay.lines(replay.POOL)
    refs = replay.pool_refs(head, commits)
    tips = {refs[ref] for ref in refs if ref.startswith("refs/exps/")}
    runs = [line for line in commits if "metrics" in line or line["commit"] in tips]
    ids = dict(zip((line["commit"] for line in runs), pool.runs, strict=True))
    return Raw(refs=refs, commits=commits, runs=runs, ids=ids, replayed=pool.commits)


def leaves(values: Mapping[str, Any], joint: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from ((f"{name}{joint}{inner}", leaf) for inner, leaf in leaves(value, joint))
        else:
            yield name, value


def metrics(line: Line) -> dict[str, Any]:
    return {
        f"{file.split('/')[1]}/{name}": value
        for file, values in line.get("metrics", {}).items()
        for name, value in leaves(values, "/")
    }


def bits(value: Any) -> Any:
    """A number so that two are equal only if they are the same kind and the same bits."""
    return value.hex() if isinstance(value, float) else (type(value), value)


def test_the_code_history_is_the_one_of_the_project(raw: Raw, pool: Replayed) -> None:
    printed = replay.git(pool.path, "log", "--format=%s|%at|%ct|%P|%T", *raw.refs)
    found = {line.split("|")[0]: line.split("|")[1:] for line in printed.splitlines()}
    assert len(found) == len(raw.commits) == 673
    for line in raw.commits:
        parents = " ".join(raw.replayed[parent] for parent in line["parents"])
        assert found[line["commit"]][:3] == [str(line["author_time"])] * 2 + [parents]
    pairs = {(line["tree"], found[line["commit"]][3]) for line in raw.commits}
    originals, trees = zip(*pairs, strict=True)
    assert len(pairs) == len(set(originals)) == len(set(trees)), "trees are equal where they were equal"
    shared = Counter(line["tree"] for line in raw.commits)
    assert sum(count for count in shared.values() if count > 1) == 217


def test_every_run_of_every_experiment_is_there(raw: Raw, ledger: Ledger) -> None:
    found = ledger.json("runs")
    assert {run["run_id"] for run in found} == set(raw.ids.values())
    assert len(found) == 485
    assert sum("metrics" in line for line in raw.runs) == 481
    valued = [run for run in found if any(run[key] is not None for key in run if key.startswith("metrics."))]
    assert len(valued) == 481
    named = {ref.rpartition("/")[2]: raw.refs[ref] for ref in raw.refs if ref.startswith("refs/exps/")}
    assert len(named) == 7
    by_experiment = Counter(run["experiment"] for run in found)
    assert by_experiment == {"main": 1, "pull": 477, **dict.fromkeys(named, 1)}
    assert ledger("runs", "-e", "dutch-heck", "--ids").split() == [raw.ids[named["dutch-heck"]]]


def test_every_value_comes_back_bit_for_bit(raw: Raw, ledger: Ledger) -> None:
    found = {run["run_id"]: run for run in ledger.json("runs")}
    for line in raw.runs:
        run = found[raw.ids[line["commit"]]]
        params = [dict(leaves(values, ".")) for values in line["params"].values()]
        assert sum(map(len, params)) == len(set().union(*params)), "the files share no name"
        expected = {f"metrics.{name}": value for name, value in metrics(line).items()}
        expected |= {f"params.{name}": value for values in params for name, value in values.items()}
        recorded = {key: value for key, value in run.items() if key.startswith(("metrics.", "params."))}
        present = {key: bits(value) for key, value in recorded.items() if value is not None}
        assert present == {key: bits(value) for key, value in expected.items()}
        assert run["code.commit"] == raw.replayed[line["commit"]]


def test_each_metric_has_as_many_values_as_in_the_files(raw: Raw, pool: Replayed) -> None:
    table = api.runs(repository=pool.path)
    names = [name for name in table.column_names if name.startswith("metrics.")]
    counts = {name.removeprefix("metrics."): table.num_rows - table.column(name).null_count for name in names}
    assert counts == Counter(name for line in raw.runs for name in metrics(line))
    assert counts[DICE] == 475
    assert [counts[name] for name in MOVED] == [395, 82]
    values = {line["commit"]: metrics(line).get(DICE) for line in raw.runs}
    columns = zip(
        table.column("run_id").to_pylist(), table.column(f"metrics.{DICE}").to_pylist(), strict=True
    )
    read = {run: None if value is None else value.hex() for run, value in columns}
    assert read == {raw.ids[key]: None if value is None else value.hex() for key, value in values.items()}


def test_every_series_is_what_the_files_hold(raw: Raw, pool: Replayed) -> None:
    view = open_view(open_workspace(pool.path, os.environ))
    lines = {run: line for line in raw.runs for key, run in raw.ids.items() if key == line["commit"]}
    faults: list[StoreFault] = []
    points = 0
    distinct: set[str] = set()
    for row, table in series.of_runs(view, view.runs.rows, faults):
        line = lines.pop(view.run_ids[row])
        found: dict[str, list[list[Any]]] = defaultdict(list)
        for metric, step, value in zip(*map(table.column, ("metric", "step", "value")), strict=True):
            found[metric.as_py()].append([step.as_py(), value.as_py().hex()])
        prefix, folder = "train/", "results/train/plots/metrics/"
        assert found == {
            prefix + file.removeprefix(folder).removesuffix(".tsv"): [
                [int(step), float(value).hex()] for step, value in content["rows"]
            ]
            for file, content in line["series"].items()
        }
        points += table.num_rows
        distinct |= {json.dumps(content) for content in line["series"].values()}
    assert not faults
    assert not any(line.get("series") for line in lines.values()), "no series is missing"
    assert (points, len(distinct)) == (14_695, 604), "1,495 series, of which 604 differ"


def test_the_history_of_a_run_as_it_is_shown(raw: Raw, ledger: Ledger) -> None:
    widest = max(raw.runs, key=lambda line: len(line.get("series", ())))
    run = raw.ids[widest["commit"]]
    shown = ledger.json("show", run, "--history")
    assert len(shown) == sum(len(content["rows"]) for content in widest["series"].values())
    name, file = "train/metrics/mAP50-95(B)", "results/train/plots/metrics/metrics/mAP50-95(B).tsv"
    one = ledger.json("show", run, "--history", name)
    rows = widest["series"][file]["rows"]
    assert [(point["step"], point["value"]) for point in one] == [(int(s), float(v)) for s, v in rows]
    assert {point["metric"] for point in one} == {name}


@pytest.mark.parametrize(
    ("words", "refs", "metric"),
    [
        (["HEAD"], ["refs/heads/main"], DICE),
        (["--all"], ["refs/heads/main", "refs/heads/best-exp"], DICE),
        ([REQUEST], [REQUEST], "train/eval/loss"),
        (["main", REQUEST], ["refs/heads/main", REQUEST], DICE),
        (["main", REQUEST, "best-exp"], ["refs/heads/main", REQUEST, "refs/heads/best-exp"], LOSS),
    ],
)
def test_runs_hang_on_the_commits_they_measured(
    raw: Raw, ledger: Ledger, words: list[str], refs: list[str], metric: str
) -> None:
    placed = raw.placed(raw.reached(*refs))
    check(raw, ledger.json("log", *words, "--metric", metric), placed, metric)


def test_of_several_equal_trees_the_oldest_commit_has_the_runs(raw: Raw, ledger: Ledger) -> None:
    half = sorted(ref for ref in raw.refs if ref.startswith("refs/pull/"))[::2]
    reached = raw.reached(*half)
    trees = Counter(line["tree"] for line in raw.commits if line["commit"] in reached)
    elsewhere = [trees[line["tree"]] for line in raw.runs if line["commit"] not in reached]
    assert (elsewhere.count(1), sum(count > 1 for count in elsewhere)) == (71, 2)
    check(raw, ledger.json("log", *half, "--metric", DICE), raw.placed(reached), DICE)


@pytest.mark.long
@pytest.mark.parametrize(
    ("metric", "values"), [(DICE, 475), (LOSS, 475), (MOVED[0], 395), (MOVED[1], 82), ("train/step", 479)]
)
def test_over_all_branches_and_requests_every_run_has_its_own_commit(
    raw: Raw, ledger: Ledger, metric: str, values: int
) -> None:
    found = ledger.json("log", *raw.refs, "--metric", metric)
    check(raw, found, {line["commit"]: [line] for line in raw.runs}, metric)
    assert {row["level"] for row in found["rows"]} == {"commit"}
    assert found["left_out"]["unattached"] == 0
    assert len(found["rows"]) == values
    order = replay.git(Path.cwd(), "log", "--format=%H", *raw.refs).split()
    commits = [row["commit"] for row in found["rows"]]
    assert commits == [commit for commit in order if commit in set(commits)]


def check(raw: Raw, found: Any, placed: Mapping[str, Sequence[Line]], metric: str) -> None:
    """Rows, runs, values and counts of a log, against the runs that belong to each original commit."""
    valued = {
        raw.replayed[commit]: values
        for commit, lines in placed.items()
        if (values := [metrics(line)[metric] for line in lines if metric in metrics(line)])
    }
    original = {made: commit for commit, made in raw.replayed.items()}
    assert {row["commit"] for row in found["rows"]} == set(valued)
    for row in found["rows"]:
        cell, values = row["metrics"][metric], valued[row["commit"]]
        lines = placed[original[row["commit"]]]
        assert sorted(row["run_ids"]) == sorted(raw.ids[line["commit"]] for line in lines)
        own = any(line["commit"] == original[row["commit"]] for line in lines)
        assert row["level"] == ("commit" if own else "tree")
        assert set(values) == {cell["value"]} == {cell["min"]} == {cell["max"]}, "equal trees, equal metrics"
        assert cell["count"] == len(values)
        assert cell["mean"] == statistics.fmean(values)
    attached = sum(map(len, placed.values()))
    compared = sum(map(len, valued.values()))
    assert found["left_out"] == {
        "out_of_range": 0,
        "unattached": len(raw.runs) - attached,
        "no_value": attached - compared,
        "incomparable": 0,
        "inexact": 0,
        "not_finite": 0,
        "compared": compared,
    }


def test_runs_of_other_requests_are_found_by_their_equal_trees(raw: Raw, ledger: Ledger) -> None:
    reached = raw.reached(REQUEST)
    placed = [line for lines in raw.placed(reached).values() for line in lines]
    own = sum(line["commit"] in reached for line in placed)
    assert (own, len(placed) - own) == (5, 6)
    found = ledger.json("log", REQUEST, "--metric", "train/eval/loss")
    assert sum(len(row["run_ids"]) for row in found["rows"]) == 11
    assert found["left_out"]["unattached"] == 474
    main = ledger.json("log", "main", "--metric", DICE)
    assert (len(main["rows"]), main["left_out"]["unattached"]) == (1, 483)
    assert "left out: 483 runs unattached" in ledger("log", "main", "--metric", DICE)


def test_the_left_side_of_a_range_moves_no_run_and_is_counted(raw: Raw, ledger: Ledger) -> None:
    base, tip = "refs/pull/227/head", "refs/pull/231/head"
    assert raw.refs[base] in raw.reached(tip) - {raw.refs[tip]}
    placed = raw.placed(raw.reached(tip))
    shown = raw.reached(tip) - raw.reached(base)
    found = ledger.json("log", f"{base}..{tip}", "--metric", "train/step")
    outside = sum(len(lines) for commit, lines in placed.items() if commit not in shown)
    assert found["left_out"]["out_of_range"] == outside > 0
    assert found["left_out"]["unattached"] == len(raw.runs) - sum(map(len, placed.values()))
    valued = {
        raw.replayed[commit]
        for commit, lines in placed.items()
        if commit in shown and any("train/step" in metrics(line) for line in lines)
    }
    assert {row["commit"] for row in found["rows"]} == valued


def test_a_filter_finds_the_runs_that_the_files_say(raw: Raw, ledger: Ledger) -> None:
    def ids(lines: Iterable[Line]) -> set[str]:
        return {raw.ids[line["commit"]] for line in lines}

    found = set(ledger("runs", "--where", f"metrics.`{DICE}` > 0.91 and train_arch is null", "--ids").split())
    expected = ids(
        line
        for line in raw.runs
        if metrics(line).get(DICE, 0.0) > 0.91
        and "train_arch" not in line["params"].get("results/train/params.yaml", {})
    )
    assert found == expected
    assert 0 < len(found) < 475
    assert "10 runs left out: no comparable value" in ledger.err
    text = ledger(
        "runs", "--where", "params.train.arch = 'resnet34' and params.train.img_size < 300", "--ids"
    )
    assert set(text.split()) == ids(
        line
        for line in raw.runs
        if (train := line["params"].get("params.yaml", {}).get("train", {})).get("arch") == "resnet34"
        and train["img_size"] < 300
    )
    best = ledger("runs", "--sort", f"-{DICE}", "-n", "1", "--ids").strip()
    highest = max(metrics(line).get(DICE, 0.0) for line in raw.runs)
    assert best in ids(line for line in raw.runs if metrics(line).get(DICE) == highest)


def test_one_run_shown_whole(raw: Raw, ledger: Ledger) -> None:
    line = next(line for line in raw.runs if line["commit"] in raw.reached("refs/heads/main"))
    shown = ledger.json("show", raw.ids[line["commit"]])
    assert {name: bits(metric["value"]) for name, metric in shown["metrics"].items()} == {
        name: bits(value) for name, value in metrics(line).items()
    }
    assert shown["params"] == {
        name: value for file in line["params"].values() for name, value in file.items()
    }
    assert shown["attached"] == {"commit": raw.replayed[line["commit"]], "level": "commit"}
    assert shown["metrics"][DICE]["direction"] == "higher"
    assert shown["run"]["name"] == line["commit"][:12]
    elsewhere = raw.ids[raw.refs[REQUEST]]
    assert ledger.json("show", elsewhere)["attached"] == {"commit": None, "level": "unattached"}


def test_all_of_it_verifies(raw: Raw, ledger: Ledger) -> None:
    found = ledger.json("verify")
    counts = {"experiments": 9, "runs": len(raw.runs), "records": len(raw.runs), "faults": []}
    assert {name: found[name] for name in counts} == counts
