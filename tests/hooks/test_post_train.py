"""hooks/post-train.sh around real commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Ledger, Repo

from ledger import resources

HOOK = resources.folder("hooks") / "post-train.sh"
WRITE = 'import json; json.dump({{"f1": {f1}}}, open("metrics.json", "w"))'


def run(repo: Repo, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        [str(HOOK), *words],
        cwd=repo.path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, **environ},
    )


def test_records_what_a_training_leaves(repo: Repo, ledger: Ledger) -> None:
    done = run(repo, sys.executable, "-c", WRITE.format(f1=0.9), LEDGER_METRICS="metrics.json")
    assert done.returncode == 0, done.stderr
    (row,) = ledger.json("log", "--metric", "f1")["rows"]
    assert row["metrics"]["f1"]["value"] == 0.9
    assert "(finished)" in repo.git("log", "--format=%s", "refs/runs/main")
    assert ".0" not in repo.git("status", "--porcelain")


@pytest.mark.parametrize(("code", "status"), [(3, "failed"), (143, "killed")])
def test_a_death_is_recorded_and_keeps_its_exit_code(
    repo: Repo, ledger: Ledger, code: int, status: str
) -> None:
    repo.write("metrics.json", '{"f1": 0.1}')
    os.utime(repo.path / "metrics.json", (1, 1))
    done = run(
        repo,
        "sh",
        "-c",
        f"exit {code}",
        LEDGER_METRICS="metrics.json",
        LEDGER_PARAMS=str(repo.write("p.json", '{"lr": 1}')),
    )
    assert done.returncode == code
    assert "was not written by this run" in done.stderr
    assert f"({status})" in repo.git("log", "--format=%s", "refs/runs/main")
    assert '"f1"' not in repo.git("show", "refs/runs/main:metrics.json")
    assert ledger.err == ""


def test_says_how_it_is_used(repo: Repo) -> None:
    done = run(repo)
    assert done.returncode == 2
    assert "usage:" in done.stderr
