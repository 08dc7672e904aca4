"""The segmentation project through a remote that has its pull requests: who clones and pulls misses nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger
from real.pulls import DICE, Pool

pytestmark = pytest.mark.slow


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def _log(ledger: Ledger, folder: Path, *words: str) -> Any:
    return ledger.json("-C", str(folder), "log", *words, "--metric", DICE, "--empty")


@pytest.mark.long
def test_who_clones_and_pulls_sees_what_the_project_sees(pulls: Pool, ledger: Ledger, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/hub.git"
    _git(tmp_path, "init", "-q", "--bare", "-b", "main", "hub.git")
    _git(pulls.path, "push", "-q", url, "refs/heads/*:refs/heads/*", "refs/pull/*:refs/pull/*")
    _git(pulls.path, "remote", "add", "origin", url)
    sent = ledger.json("-C", str(pulls.path), "push")["remotes"][0]
    assert sum(one["sent"] for one in sent["experiments"]) == len(pulls.runs)
    _git(tmp_path, "clone", "-q", url, "reader")
    reader = tmp_path / "reader"
    came = ledger.json("-C", str(reader), "pull")["remotes"][0]
    assert sum(one["came"] for one in came["experiments"]) == len(pulls.runs)
    assert len(ledger.json("-C", str(reader), "runs")) == len(pulls.runs)
    here, there = _log(ledger, pulls.path, "main"), _log(ledger, reader, "main")
    assert _places(there) == _places(here)
    assert there["left_out"]["unattached"] == here["left_out"]["unattached"] > 0
    everything = _log(ledger, reader, "--all")
    shown = sum(len(row["run_ids"]) for row in everything["rows"])
    assert shown + everything["left_out"]["unattached"] == len(pulls.runs), "nothing is missing"
    names = {one["experiment"] for one in ledger.json("-C", str(reader), "experiments")}
    assert names == {pulls.experiments[line["commit"]] for line in pulls.runs}


def _places(found: Any) -> dict[str, tuple[str, list[str]]]:
    return {row["commit"]: (row["level"], sorted(row["run_ids"])) for row in found["rows"]}
