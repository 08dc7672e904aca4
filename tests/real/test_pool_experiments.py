"""The segmentation project with an experiment for each pull request and each of its 7 experiments: nothing is missing.

What is expected is computed from the lines of the data file and from git alone.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from conftest import Ledger
from real import replay
from real.pulls import DICE, Pool
from real.replay import Line

pytestmark = pytest.mark.slow


def best(line: Line) -> Any:
    return line.get("metrics", {}).get("results/train/metrics.json", {}).get("dice_multi")


@pytest.mark.long
def test_requests_and_experiments_are_experiments_and_nothing_is_missing(pulls: Pool, ledger: Ledger) -> None:
    expected = Counter(pulls.experiments[line["commit"]] for line in pulls.runs)
    found = {one["experiment"]: one for one in ledger.json("experiments", "-m", DICE)}
    assert {name: one["runs"] for name, one in found.items()} == expected
    own = {ref.rpartition("/")[2] for ref in pulls.refs if ref.startswith("refs/exps/")}
    assert len(own) == 7
    assert own <= found.keys()
    assert sum(name.startswith("pull/") for name in found) > 100
    values: dict[str, list[float]] = {}
    for line in pulls.runs:
        if isinstance(best(line), (int, float)):
            values.setdefault(pulls.experiments[line["commit"]], []).append(best(line))
    for name, one in found.items():
        assert one["best"][DICE]["value"] == max(values.get(name, [None]))  # type: ignore[type-var]

    on_main = replay.reached(pulls.commits, pulls.refs["refs/heads/main"])
    trees = {line["tree"] for line in pulls.commits if line["commit"] in on_main}
    placed = [line for line in pulls.runs if line["commit"] in on_main or line["tree"] in trees]
    main = ledger.json("log", "main", "--metric", DICE, "--empty")
    assert main["left_out"]["unattached"] == len(pulls.runs) - len(placed)
    assert len(ledger.json("runs")) == len(pulls.runs)
    everything = ledger.json("log", "--all", "--metric", DICE, "--empty")
    shown = [run for row in everything["rows"] for run in row["run_ids"]]
    left = everything["left_out"]
    assert len(set(shown)) == len(shown)
    assert len(shown) + left["unattached"] == len(pulls.runs)
    every = ledger.json("log", *pulls.refs, "--metric", DICE, "--empty")
    assert every["left_out"]["unattached"] == 0
    assert sum(len(row["run_ids"]) for row in every["rows"]) == len(pulls.runs)


@pytest.mark.long
def test_an_experiment_is_compared_with_where_it_left(pulls: Pool, ledger: Ledger) -> None:
    tips = {ref.rpartition("/")[2]: tip for ref, tip in pulls.refs.items() if ref.startswith("refs/exps/")}
    found = ledger.json("compare", "best-exp", *sorted(tips), "-m", DICE)
    (metric,) = found["metrics"]
    by_name = {one["experiment"]: one for one in metric["values"]}
    lines = {line["commit"]: line for line in pulls.commits}
    first = pulls.replayed[pulls.refs["refs/heads/best-exp"]]
    for side in found["experiments"][1:]:
        tip = tips[side["experiment"]]
        assert side["tip"] == pulls.replayed[tip]
        bases = replay.git(pulls.path, "merge-base", first, side["tip"]) if side["base"] else ""
        assert side["base"] == (bases or None)
        assert by_name[side["experiment"]]["best"] == best(lines[tip])
