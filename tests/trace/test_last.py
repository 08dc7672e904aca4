"""Which run of a commit is the last one."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

import ledger
from ledger.config import open_workspace
from ledger.trace.aggregates import last
from ledger.trace.view import open_view


@pytest.mark.usefixtures("repo")
def test_among_runs_that_finished_at_once_the_one_recorded_later_counts() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    for value, experiment in ((0.1, "b"), (0.2, "a")):
        ledger.record(metrics={"f1": value}, experiment=experiment, started=at, finished=at)
    view = open_view(open_workspace(Path.cwd(), os.environ))
    values = [float(str(value)) for _, value in sorted(view.runs.values("metrics", "f1"))]
    assert values == [0.2, 0.1], "rows stand in the order of their refs"
    assert last(view, [0, 1], values, None) == 0.2
