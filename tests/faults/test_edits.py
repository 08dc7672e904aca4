"""Two work trees edit one run at once: every edit is kept, what merges is merged, what conflicts is shown."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import Repo
from faults.crew import LEDGER, Clock, assert_sound, chained_runs, ledger, recorded, recover, say

pytestmark = pytest.mark.faults

_ROUNDS = 4


def _begin(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*LEDGER, *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )


def _end(*started: subprocess.Popen[str]) -> None:
    for process in started:
        said = process.communicate()[1]
        assert process.returncode == 0, said


def _shown(repo: Repo, run: str) -> Any:
    done = ledger(repo, "show", run, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def other(repo: Repo, tmp_path: Path) -> Path:
    place = tmp_path / "other"
    repo.git("worktree", "add", "-q", "-b", "other", str(place))
    return place


def test_edits_of_one_run_from_two_work_trees_are_all_kept(repo: Repo, other: Path) -> None:
    clock = Clock()
    run = recorded(repo)
    for number in range(_ROUNDS):
        _end(
            _begin(repo.path, "tag", run, f"here-{number}=yes"),
            _begin(other, "tag", run, f"there-{number}=yes"),
        )
    recover(repo)

    shown = _shown(repo, run)
    wanted = {f"{place}-{number}": "yes" for place in ("here", "there") for number in range(_ROUNDS)}
    assert shown["run"]["tags"] == wanted
    assert not shown["conflicts"]
    assert shown["metrics"]["f1"]["value"] == 0.5
    ids = [record["record"] for record in shown["records"]]
    assert len(set(ids)) == len(ids) == chained_runs(repo)[run]
    assert len(ids) == 1 + 2 * _ROUNDS, "one record an edit"
    assert_sound(repo)
    say(f"{2 * _ROUNDS} edits of one run from two work trees, {len(ids)} records, in {clock.seconds:.0f} s")


def test_two_corrections_of_one_metric_are_both_kept_and_shown(repo: Repo, other: Path) -> None:
    for _ in range(5):
        run = recorded(repo)
        _end(
            _begin(repo.path, "amend", run, "-m", "f1=0.6", "--reason", "rounded"),
            _begin(other, "amend", run, "-m", "f1=0.7", "--reason", "wrong split"),
        )
        recover(repo)
        shown = _shown(repo, run)
        assert shown["metrics"]["f1"]["value"] in (0.6, 0.7)
        assert len(shown["records"]) == 3
        bases = [record["base"] for record in shown["records"] if record["base"]]
        if len(set(bases)) == 1:  # neither had seen the other
            assert [conflict["field"] for conflict in shown["conflicts"]] == ["metrics.f1"]
    assert_sound(repo)
