"""The segmentation project with an experiment for each pull request and each of its 7 experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real import replay
from real.replay import Line

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


def replayed(path: Path, schema: dict[str, Any]) -> Pool:
    head, *commits = replay.lines(replay.POOL)
    refs = replay.pool_refs(head, commits)
    commits_there = replay.code_history(path, [replay.pool_commit(line) for line in commits], refs)
    named = replay.pool_experiments(refs, commits)
    requests = sorted(
        (int(ref.split("/")[2]), tip) for ref, tip in refs.items() if ref.startswith("refs/pull/")
    )
    for number, tip in requests:
        for commit in replay.reached(commits, tip):
            if named[commit] == "pull":
                named[commit] = f"pull/{number}"
    runs = replay.pool_runs(refs, commits)
    given = [replay.pool_run(line, named[line["commit"]], commits_there[line["commit"]]) for line in runs]
    replay.recorded(path, given, replay.named_schemas("pool", schema, runs))
    return Pool(path=path, refs=refs, commits=commits, runs=runs, experiments=named, replayed=commits_there)
