"""Run ids as people write them."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Repo

import ledger
from ledger.config import open_workspace
from ledger.errors import AmbiguousError, NotFoundError
from ledger.model import Author, Record
from ledger.record.run import stored
from ledger.store import index
from ledger.store.load import Place, record_at
from ledger.store.spool import Spool
from ledger.trace.find import one_run, row_of
from ledger.trace.runset import RunSet


@pytest.mark.usefixtures("repo")
def test_a_run_with_many_records_hides_no_other_that_begins_alike() -> None:
    workspace = open_workspace(Path.cwd(), os.environ)
    done = ledger.record(metrics={"f1": 0.5})
    base = record_at(workspace.repository, Place(record=done.record, ref=done.ref))

    def again(run_id: str, record: str) -> Record:
        return replace(base, run=replace(base.run, id=run_id, record=record, author=Author(name="Eve")))

    many = [again("abcd" + "0" * 28, f"{number:032x}") for number in range(70)]
    stored(workspace, [*many, again("abcd" + "f" * 28, "f" * 32)])
    runs = RunSet(index.load(workspace.repository))
    with pytest.raises(AmbiguousError, match="names 2 runs"):
        one_run(runs, "abcd")
    assert one_run(runs, "ABCDF") == "abcd" + "f" * 28


def test_a_run_that_no_ref_reaches_any_more_is_no_run(repo: Repo) -> None:
    kept = ledger.record(metrics={"f1": 0.5})
    gone = ledger.record(metrics={"f1": 0.6})
    repository = open_workspace(Path.cwd(), os.environ).repository
    index.load(repository)
    repo.git("update-ref", "refs/runs/main", "refs/runs/main~1")
    shutil.rmtree(Spool.of(repository).chained)
    runs = RunSet(index.load(repository))
    assert one_run(runs, kept.id) == kept.id
    for ask in (one_run, row_of):
        with pytest.raises(NotFoundError, match=f"no run {gone.id[:8]}"):
            ask(runs, gone.id)
