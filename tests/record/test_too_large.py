"""Files of a run that are larger than any reader takes: the run is refused and kept, never recorded unreadably."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Ledger, Repo

import ledger as api
from ledger.errors import RefusedError
from ledger.store.codec import MAX_BYTES, PARAMS, RUN

LONG = "x" * (MAX_BYTES[RUN] + 1)


def refused(ledger: Ledger) -> str:
    """The file of the only refused run."""
    (found,) = ledger.json("status")["refused"]
    return str(found["path"])


@pytest.mark.slow
def test_a_note_that_nobody_could_read_is_refused_and_the_run_kept(repo: Repo, ledger: Ledger) -> None:
    with pytest.raises(RefusedError, match=r"run\.json would have [\d,]+ bytes, the limit is 4,194,304"):
        api.record(metrics={"f1": 0.5}, note=LONG, repository=repo.path)
    assert ledger.json("runs") == []
    ledger("record", "--refused", refused(ledger), "--note", "short")
    (run,) = ledger.json("runs")
    assert run["metrics.f1"] == 0.5
    assert ledger.json("verify")["faults"] == []


@pytest.mark.slow
@pytest.mark.usefixtures("repo")
def test_a_dry_run_tells_it_before(ledger: Ledger, tmp_path: Path) -> None:
    words = tmp_path / "words.json"
    words.write_text(json.dumps({"table": "x" * MAX_BYTES[PARAMS]}), encoding="utf-8")
    ledger("record", "--dry-run", "--params", str(words), "-m", "f1=0.5", code=1)
    assert "would be refused: params.json would have" in ledger.err
    assert ledger.json("status")["refused"] == []


@pytest.mark.slow
def test_of_many_runs_the_one_is_named(repo: Repo, ledger: Ledger) -> None:
    params = {"table": "x" * MAX_BYTES[PARAMS]}
    with pytest.raises(RefusedError, match=r"1 of 2 runs refused, none recorded: params\.json would have"):
        api.record_many([{"metrics": {"f1": 0.5}}, {"params": params}], repository=repo.path)
    assert ledger.json("runs") == []
    assert refused(ledger)


@pytest.mark.slow
def test_a_live_run_is_kept(repo: Repo, ledger: Ledger) -> None:
    run = api.start(repository=repo.path, on_error="raise")
    run.log(f1=0.5)
    run.note(LONG)
    with pytest.raises(RefusedError):
        run.finish()
    ledger("record", "--refused", refused(ledger), "--note", "short")
    assert [one["metrics.f1"] for one in ledger.json("runs")] == [0.5]


@pytest.mark.slow
@pytest.mark.usefixtures("repo")
def test_an_edit_that_nobody_could_read_is_no_edit(ledger: Ledger) -> None:
    run = ledger.json("record", "-m", "f1=0.5")["id"]
    ledger("amend", run, "-p", "table=" + "x" * MAX_BYTES[PARAMS], "--reason", "why not", code=1)
    assert "params.json would have" in ledger.err
    assert ledger.json("verify")["faults"] == []
