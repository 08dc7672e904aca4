"""The order of runs: what is no number beside others comes last, whichever way it goes."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from conftest import Repo

import ledger
from ledger.config import open_workspace
from ledger.trace.listing import Listing, find
from ledger.trace.view import open_view


def ordered(*sort: str) -> list[float | None]:
    found = find(open_view(open_workspace(Path.cwd(), os.environ)), Listing(sort=sort))
    values: list[float | None] = found.columns.column("metrics.loss", found.rows).to_pylist()
    return values


@pytest.fixture
def diverged(repo: Repo) -> None:
    """Of four runs one diverged, and one was never evaluated."""
    ledger.record_many(
        [
            {"params": {"seed": 1}, "metrics": {"loss": math.inf}},
            {"params": {"seed": 2}, "metrics": {"loss": 0.5}},
            {"params": {"seed": 3}, "metrics": {"loss": -math.inf}},
            {"params": {"seed": 4}, "metrics": {"loss": 0.25}},
            {"params": {"seed": 5}},
        ],
        repository=repo.path,
    )


@pytest.mark.usefixtures("diverged")
@pytest.mark.parametrize(("word", "finite"), [("loss", [0.25, 0.5]), ("-loss", [0.5, 0.25])])
def test_a_run_that_diverged_is_first_in_neither_direction(word: str, finite: list[float]) -> None:
    found = ordered(word)
    assert found[:2] == finite
    assert {*found[2:4]} == {math.inf, -math.inf}, "before those that have no value"
    assert found[4] is None


@pytest.mark.usefixtures("diverged")
def test_runs_that_diverged_are_ordered_by_what_comes_next() -> None:
    assert ordered("loss", "-seed")[2:4] == [-math.inf, math.inf]
    assert ordered("loss", "seed")[2:4] == [math.inf, -math.inf]
