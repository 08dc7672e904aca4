"""`ledger show`."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
from conftest import Ledger, Repo

import ledger as api


def test_a_run_whole(repo: Repo, ledger: Ledger) -> None:
    repo.write("data.csv", "a\n1\n")
    repo.commit("more data")
    words = (
        *(
            "-p",
            "lr=0.1",
            "-p",
            "opt.name=adam",
            "-m",
            "f1=0.91",
            "--tag",
            "stage=sweep",
            "--note",
            "first try",
        ),
        *("--dataset", "train=data.csv", "--command", "python train.py --lr 0.1", "--duration", "63"),
    )
    run = ledger.json("record", *words)["id"]
    text = ledger("show", run[:5])
    assert text.startswith(f"run {run}\n")
    for part in (
        "experiment  main",
        "status      finished",
        "took 1m03s",
        "more data (commit)",
        "python train.py --lr 0.1",
        "lr        0.1",
        "f1  0.91",
        "stage  sweep",
        "first try",
        "dataset  train",
        "sha256",
    ):
        assert part in text, part
    assert "conflicts" not in text


@pytest.mark.usefixtures("repo")
def test_json_is_the_contract(repo: Repo, ledger: Ledger) -> None:
    done = api.record(params={"opt": {"lr": 0.1}}, metrics={"f1": 0.9, "bad": math.nan})
    found = ledger.json("show", done.id[:6])
    assert list(found) == ["run", "params", "metrics", "records", "conflicts", "attached"]
    assert found["run"]["id"] == done.id
    assert found["params"] == {"opt": {"lr": 0.1}}
    assert {"value", "grade", "recorded", "unit", "definition", "reason"} <= set(found["metrics"]["f1"])
    assert found["metrics"]["bad"]["value"] == "NaN"
    assert found["attached"] == {"commit": repo.git("rev-parse", "HEAD"), "level": "commit"}
    assert found["conflicts"] == []
    assert [record["record"] for record in found["records"]] == [done.record]


@pytest.mark.usefixtures("repo")
def test_both_values_of_an_amended_metric_stay_readable(ledger: Ledger) -> None:
    done = api.record(metrics={"f1": 0.9})
    ledger("amend", done.id, "--metric", "f1=0.8", "--reason", "wrong split")
    assert "--records" in ledger("show", done.id)
    text = ledger("show", done.id, "--records")
    assert "the run as it was recorded" in text
    assert "metrics.f1: 0.9 → 0.8" in text
    assert "reason: wrong split" in text
    assert "Ada Test" in text
    (change,) = ledger.json("show", done.id)["records"][1]["changes"]
    assert change == {"field": "metrics.f1", "old": 0.9, "new": 0.8}


def test_what_does_not_compare_says_why(repo: Repo, ledger: Ledger) -> None:
    def declare(unit: str) -> None:
        words = {"type": "number", "x-ledger": {"unit": unit, "direction": "higher"}}
        repo.write(
            ".ledger/schemas/m.json", json.dumps({"properties": {"metrics": {"properties": {"f1": words}}}})
        )

    declare("%")
    done = api.record(metrics={"f1": 50.0})
    declare("1")
    text = ledger("show", done.id, "--metrics")
    assert "(50 %)" in text
    assert "unit % → 1" in text
    assert "higher is better" in text
    metric = ledger.json("show", done.id, "--metrics")["f1"]
    assert (metric["value"], metric["recorded"], metric["grade"]) == (None, 50.0, "incomparable")
    assert metric["unit"] == "1"
    assert metric["definition"] != metric["recorded_definition"]


@pytest.mark.usefixtures("repo")
def test_series(ledger: Ledger) -> None:
    done = api.record(metrics={"f1": 0.5}, history={"loss": [3.0, math.nan, None], "f1": [(10, 0.1)]})
    text = ledger("show", done.id, "--history")
    assert "loss" in text
    assert "over 3 points" in text
    rows = list(csv.DictReader(io.StringIO(ledger("show", done.id, "--history", "loss", "--csv"))))
    assert [row["value"] for row in rows] == ["3.0", "NaN", ""]
    assert list(rows[0]) == ["metric", "step", "time", "value"]
    found = ledger.json("show", done.id, "--history")
    assert {"metric": "f1", "step": 10, "time": None, "value": 0.1} in found
    assert [point["value"] for point in found if point["metric"] == "loss"] == [3.0, "NaN", None]
    assert ledger("show", done.id, "--history", "f1", "--md").splitlines()[2] == "| f1 | 10 |  | 0.1 |"
    ledger("show", done.id, "--history", "los", code=1)
    assert "loss" in ledger.err


@pytest.mark.usefixtures("repo")
def test_params_alone(ledger: Ledger) -> None:
    done = api.record(params={"opt": {"lr": 0.1, "betas": [0.9, 1]}}, metrics={"f1": 1})
    assert ledger.json("show", done.id, "--params") == {"opt": {"lr": 0.1, "betas": [0.9, 1]}}
    assert ledger("show", done.id, "--params").split() == ["opt.betas", "[0.9,", "1]", "opt.lr", "0.1"]


@pytest.mark.usefixtures("repo")
def test_what_cannot_be_shown(ledger: Ledger) -> None:
    done = api.record(metrics={"f1": 1})
    ledger("show", "0000", code=1)
    ledger("show", "zzzz", code=2)
    ledger("show", done.id, "--csv", code=2)
    assert "--history" in ledger.err
    ledger("show", done.id, "--params", "--metrics", code=2)
    ledger("show", done.id, "--history", code=1)
    assert "no series" in ledger.err


def test_dirty_code_is_said(repo: Repo, ledger: Ledger) -> None:
    repo.write("train.py", "changed\n")
    done = api.record(metrics={"f1": 1})
    text = ledger("show", done.id)
    assert "with uncommitted changes, kept as" in text
    assert "(dirty-base)" in text
    repo.commit("the change")
    assert "the change (tree)" in ledger("show", done.id)


@pytest.mark.usefixtures("repo")
def test_data_cannot_drive_the_terminal(ledger: Ledger) -> None:
    done = api.record(metrics={"f1": 1}, params={"p": "\x1b[2J"}, note="a\x07b")
    ledger("tag", done.id, "t=\x1b[31m", "--reason", "\x1b]0;title\x07")
    assert "\x1b" not in ledger("show", done.id, "--records")
    assert "\x07" not in ledger("show", done.id, "--records")
