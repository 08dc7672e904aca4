"""`ledger amend`."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from cli.stored import file
from conftest import Ledger, Repo


@pytest.fixture
def run_id(repo: Repo, ledger: Ledger) -> str:
    repo.write("p.json", json.dumps({"opt": {"lr": 0.1}, "depth": 3}))
    return ledger("record", "-q", "--params", "p.json", "-m", "f1=0.9", "-m", "loss=1").strip()


def test_a_correction_keeps_what_was_there_and_why(repo: Repo, ledger: Ledger, run_id: str) -> None:
    words = ("--metric", "f1=0.87", "-p", "opt.lr=0.2", "--remove-metric", "loss", "--remove-param", "depth")
    ledger("amend", run_id, *words, "--status", "failed", "--name", "best", "--reason", " wrong split ")
    assert file(repo, "metrics.json") == {"f1": 0.87}
    assert file(repo, "params.json") == {"opt": {"lr": 0.2}}
    run = file(repo, "run.json")
    assert (run["status"], run["name"], run["reason"]) == ("failed", "best", "wrong split")
    assert file(repo, "metrics.json", "refs/runs/main~1") == {"f1": 0.9, "loss": 1}
    assert run["author"] == {"name": "Ada Test", "email": "ada@example.com"}
    rows = ledger.json("runs")
    assert [row["metrics.f1"] for row in rows] == [0.87]


@pytest.mark.parametrize(
    ("text", "value"),
    [("NaN", "NaN"), ("-inf", "-Infinity"), ("null", None), ("9007199254740993", 2**53 + 1)],
)
def test_values_as_record_reads_them(repo: Repo, ledger: Ledger, run_id: str, text: str, value: Any) -> None:
    ledger("amend", run_id, "-m", f"f1={text}", "--reason", "r")
    assert file(repo, "metrics.json")["f1"] == value


def test_an_empty_name_takes_the_name_away(repo: Repo, ledger: Ledger, run_id: str) -> None:
    ledger("amend", run_id, "--name", "x", "--reason", "r")
    ledger("amend", run_id, "--name", "", "--reason", "r")
    assert "name" not in file(repo, "run.json")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-m", "f1=0.8"], 2, "--reason"),
        (["-m", "f1=0.8", "--reason", " "], 2, "--reason is empty"),
        (["--reason", "r"], 2, "nothing to correct"),
        (["-m", "f1=good", "--reason", "r"], 2, "text"),
        (["-m", "f1", "--reason", "r"], 2, "not NAME=VALUE"),
        (["-m", "f1=1e400", "--reason", "r"], 2, "too large"),
        (["-p", "opt=1", "--reason", "r"], 1, "opt.lr"),
        (["--remove-metric", "F1", "--reason", "r"], 1, "no metric"),
        (["--status", "running", "--reason", "r"], 2, "running"),
    ],
)
def test_bad_words_change_nothing(
    repo: Repo, ledger: Ledger, run_id: str, words: list[str], code: int, said: str
) -> None:
    ledger("amend", run_id, *words, code=code)
    assert said in ledger.err
    assert repo.git("rev-list", "--count", "refs/runs/main") == "1"


def test_a_value_that_breaks_the_runs_schema(repo: Repo, ledger: Ledger) -> None:
    ledger("init", "--starter", "classification")
    run_id = ledger("record", "-q", "-m", "accuracy=0.9").strip()
    ledger("amend", run_id, "-m", "accuracy=9", "--reason", "r", code=1)
    assert "maximum" in ledger.err
    assert math.isclose(file(repo, "metrics.json")["accuracy"], 0.9)
