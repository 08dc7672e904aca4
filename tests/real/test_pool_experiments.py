"""The segmentation project with an experiment for each pull request and each of its 7 experiments: nothing is missing.

What is expected is computed from the lines of the data file and from git alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger
from real import replay
from real.conftest import POOL_SCHEMA
from real.replay import Line

pytestmark = pytest.mark.slow

DICE = "train/dice_multi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    path: Path
    refs: Mapping[str, str]
    commits: Sequence[Line]
    runs: Sequence[Line]
    experiments: Mapping[str, str]
    """Original commit → experiment."""
    replayed: Mapping[str, str]

    def tips(self, prefix: str) -> dict[str, str]:
        return {ref.removeprefix(prefix): tip for ref, tip in self.refs.items() if ref.startswith(prefix)}


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    if not replay.data_file(replay.POOL).is_file():
        pytest.skip(f"{replay.data_file(replay.POOL)} is not here")
    head, *commits = replay.lines(replay.POOL)
    refs = replay.pool_refs(head, commits)
    path = tmp_path / "pool"
    replayed = replay.code_history(path, [replay._pool_commit(line) for line in commits], refs)
    named = replay.pool_experiments(refs, commits)
    requests = sorted(
        (int(ref.split("/")[2]), tip) for ref, tip in refs.items() if ref.startswith("refs/pull/")
    )
    for number, tip in requests:
        for commit in replay.reached(commits, tip):
            if named[commit] == "pull":
                named[commit] = f"pull/{number}"
    runs = replay.pool_runs(refs, commits)
    given = [replay.pool_run(line, named[line["commit"]], replayed[line["commit"]]) for line in runs]
    replay._recorded(path, given, replay._schemas("pool", POOL_SCHEMA, runs))
    monkeypatch.chdir(path)
    return Pool(path=path, refs=refs, commits=commits, runs=runs, experiments=named, replayed=replayed)


def best(line: Line) -> Any:
    return line.get("metrics", {}).get("results/train/metrics.json", {}).get("dice_multi")


@pytest.mark.long
def test_requests_and_experiments_are_experiments_and_nothing_is_missing(pool: Pool, ledger: Ledger) -> None:
    expected = Counter(pool.experiments[line["commit"]] for line in pool.runs)
    found = {one["experiment"]: one for one in ledger.json("experiments", "-m", DICE)}
    assert {name: one["runs"] for name, one in found.items()} == expected
    own = {ref.rpartition("/")[2] for ref in pool.refs if ref.startswith("refs/exps/")}
    assert len(own) == 7
    assert own <= found.keys()
    assert sum(name.startswith("pull/") for name in found) > 100
    values: dict[str, list[float]] = {}
    for line in pool.runs:
        if isinstance(best(line), (int, float)):
            values.setdefault(pool.experiments[line["commit"]], []).append(best(line))
    for name, one in found.items():
        assert one["best"][DICE]["value"] == max(values.get(name, [None]))  # type: ignore[type-var]

    on_main = replay.reached(pool.commits, pool.refs["refs/heads/main"])
    trees = {line["tree"] for line in pool.commits if line["commit"] in on_main}
    placed = [line for line in pool.runs if line["commit"] in on_main or line["tree"] in trees]
    main = ledger.json("log", "main", "--metric", DICE, "--empty")
    assert main["left_out"]["unattached"] == len(pool.runs) - len(placed)
    assert len(ledger.json("runs")) == len(pool.runs)
    everything = ledger.json("log", "--all", "--metric", DICE, "--empty")
    shown = [run for row in everything["rows"] for run in row["run_ids"]]
    left = everything["left_out"]
    assert len(set(shown)) == len(shown)
    assert len(shown) + left["unattached"] == len(pool.runs)
    every = ledger.json("log", *pool.refs, "--metric", DICE, "--empty")
    assert every["left_out"]["unattached"] == 0
    assert sum(len(row["run_ids"]) for row in every["rows"]) == len(pool.runs)


@pytest.mark.long
def test_an_experiment_is_compared_with_where_it_left(pool: Pool, ledger: Ledger) -> None:
    tips = {ref.rpartition("/")[2]: tip for ref, tip in pool.refs.items() if ref.startswith("refs/exps/")}
    found = ledger.json("compare", "best-exp", *sorted(tips), "-m", DICE)
    (metric,) = found["metrics"]
    by_name = {one["experiment"]: one for one in metric["values"]}
    lines = {line["commit"]: line for line in pool.commits}
    first = pool.replayed[pool.refs["refs/heads/best-exp"]]
    for side in found["experiments"][1:]:
        tip = tips[side["experiment"]]
        assert side["tip"] == pool.replayed[tip]
        bases = replay.git(pool.path, "merge-base", first, side["tip"]) if side["base"] else ""
        assert side["base"] == (bases or None)
        assert by_name[side["experiment"]]["best"] == best(lines[tip])
