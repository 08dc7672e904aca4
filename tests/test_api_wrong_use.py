"""Wrong use of the Python functions is an InputError that names what is wrong, before anything is recorded."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from conftest import Ledger, Repo

import ledger as api
from ledger.errors import InputError


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"started": "2026-11-01"}, "started is '2026-11-01', not a datetime"),
        ({"finished": 5}, "finished is 5, not a datetime"),
        ({"code": 5}, "the code is 5, not text"),
        ({"history": 5}, "history is 5"),
    ],
)
def test_what_is_of_another_kind(repo: Repo, ledger: Ledger, words: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        api.record(metrics={"f1": 0.5}, repository=repo.path, **words)
    assert ledger.json("runs") == []


@pytest.mark.parametrize(
    "moment",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
    ],
)
def test_a_time_of_no_calendar_is_refused(repo: Repo, moment: datetime) -> None:
    with pytest.raises(InputError, match=r"started is .* which is in no calendar"):
        api.record(metrics={"f1": 0.5}, started=moment, repository=repo.path)


@pytest.mark.parametrize("run", [5, None, [("metrics", 1)]])
def test_a_run_is_a_mapping(repo: Repo, run: Any) -> None:
    with pytest.raises(InputError, match="a run is a mapping"):
        api.record_many([run], repository=repo.path)


def test_a_part_that_is_no_text_is_unknown(repo: Repo) -> None:
    wrong: Any = {1: 2, "metrics": {"f1": 1}}
    with pytest.raises(InputError, match="not a part of a run: 1"):
        api.record_many([wrong], repository=repo.path)


@pytest.mark.parametrize("word", ["where", "sort", "as_", "at"])
def test_what_is_asked_is_text(repo: Repo, word: str) -> None:
    asked: dict[str, Any] = {word: 5}
    with pytest.raises(InputError, match=f"the {word} is 5, not text"):
        api.runs(repository=repo.path, **asked)


def test_one_name_is_one_name(repo: Repo) -> None:
    """Not a name for each of its letters."""
    run = api.record(metrics={"f1": 0.5}, history={"f1": [0.25, 0.5]}, repository=repo.path)
    assert api.runs(columns="f1", repository=repo.path)["metrics.f1"].to_pylist() == [0.5]
    assert api.history(run, "f1", repository=repo.path)["value"].to_pylist() == [0.25, 0.5]
