"""`ledger diff`."""

from __future__ import annotations

import json

import pytest
from conftest import Ledger, Repo

import ledger as api


@pytest.fixture
def pair(repo: Repo) -> tuple[str, str]:
    words = {
        "f1": {"type": "number", "x-ledger": {"direction": "higher"}},
        "loss": {"type": "number", "x-ledger": {"direction": "lower", "unit": "nat"}},
    }
    repo.write(".ledger/schemas/m.json", json.dumps({"properties": {"metrics": {"properties": words}}}))
    repo.commit("schema")
    a = api.record(params={"lr": 0.1, "seed": 1}, metrics={"f1": 0.5, "loss": 1.0, "n": 5}).id
    repo.commit("better", train__py="2")
    repo.write("train.py", "3")
    b = api.record(params={"lr": 0.2, "seed": 1}, metrics={"f1": 0.75, "loss": 1.5, "n": 5}).id
    return a, b


def test_text(pair: tuple[str, str], repo: Repo, ledger: Ledger) -> None:
    text = ledger("diff", pair[0][:6], pair[1][:6])
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert rows["f1"] == ["f1", "0.5", "0.75", "+0.25", "better"]
    assert rows["loss"] == ["loss", "[nat]", "1", "1.5", "+0.5", "worse"]
    assert rows["lr"] == ["lr", "0.1", "0.2"]
    assert "seed" not in rows
    assert "1 commit ahead" in text
    assert "dirty" in text
    assert "equal: 1 param and 1 metric" in text
    command = next(line.strip() for line in text.splitlines() if "git diff --stat" in line)
    assert "train.py" in repo.git(*command.split()[1:])


def test_all_shows_what_is_equal(pair: tuple[str, str], ledger: Ledger) -> None:
    text = ledger("diff", *pair, "--all")
    assert "seed" in text
    assert "equal:" not in text


def test_json(pair: tuple[str, str], ledger: Ledger) -> None:
    found = ledger.json("diff", *pair)
    assert (found["a"], found["b"]) == pair
    assert found["params"] == [{"name": "lr", "a": 0.1, "b": 0.2}]
    assert [(m["name"], m["delta"], m["better"]) for m in found["metrics"]] == [
        ("f1", 0.25, True),
        ("loss", 0.5, False),
    ]
    assert (found["code"]["only_a"], found["code"]["only_b"]) == (0, 1)
    assert (found["code"]["dirty_a"], found["code"]["dirty_b"]) == (False, True)
    assert len(ledger.json("diff", *pair, "--all")["params"]) == 2


def test_markdown(pair: tuple[str, str], ledger: Ledger) -> None:
    text = ledger("diff", *pair, "--md")
    assert "### metrics" in text
    assert "| f1 | 0.5 | 0.75 | +0.25 | better |" in text


def test_a_run_beside_itself(pair: tuple[str, str], ledger: Ledger) -> None:
    text = ledger("diff", pair[0], pair[0])
    assert "both on" in text
    assert "equal: 2 params and 3 metrics" in text
    assert "git diff" not in text


def test_no_delta_between_definitions(pair: tuple[str, str], repo: Repo, ledger: Ledger) -> None:
    words = {"f1": {"type": "number", "x-ledger": {"direction": "higher", "unit": "%"}}}
    repo.write(".ledger/schemas/m.json", json.dumps({"properties": {"metrics": {"properties": words}}}))
    c = api.record(metrics={"f1": 80.0}).id
    text = ledger("diff", pair[0], c)
    line = next(line for line in text.splitlines() if line.strip().startswith("f1"))
    assert "(0.5)" in line
    assert "80" in line
    assert "+" not in line
    assert "unit" in line
    metric = next(m for m in ledger.json("diff", pair[0], c)["metrics"] if m["name"] == "f1")
    assert (metric["delta"], metric["a"]["value"], metric["a"]["recorded"]) == (None, None, 0.5)


def test_unknown_runs(pair: tuple[str, str], ledger: Ledger) -> None:
    ledger("diff", pair[0], "0000", code=1)
    assert "no run 0000" in ledger.err
    ledger("diff", pair[0], code=2)


def test_a_run_without_its_commit_here(pair: tuple[str, str], repo: Repo, ledger: Ledger) -> None:
    other = repo.path.parent / "bare.git"
    repo.git("init", "-q", "--bare", str(other))
    repo.git("push", "-q", str(other), "refs/runs/*:refs/runs/*")
    text = ledger("-C", str(other), "diff", *pair)
    assert "one of the commits is not here" in text
    assert "unattached" in ledger("-C", str(other), "show", pair[0])
