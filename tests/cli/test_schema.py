"""`ledger schema`: infer, show, starters."""

from __future__ import annotations

import json

import pytest
from conftest import Ledger, Repo


def record(ledger: Ledger, *words: str) -> str:
    return ledger("record", "-q", *words).strip()


def test_a_draft_from_runs_fits_them(repo: Repo, ledger: Ledger) -> None:
    repo.write("p.json", json.dumps({"opt": {"lr": 0.1}, "depth": 3}))
    record(ledger, "--params", "p.json", "-m", "val/f1=0.9", "-m", "loss=1")
    record(ledger, "--params", "p.json", "-m", "val/f1=0.8", "-m", "loss=nan")
    record(ledger, "-m", "other=1", "-e", "elsewhere")
    ledger("schema", "infer")
    assert "drafted .ledger/schemas/main.json from 3 runs" in ledger.err
    schema = json.loads((repo.path / ".ledger/schemas/main.json").read_text())
    assert schema["properties"]["params"]["properties"]["opt"]["properties"]["lr"] == {"type": "number"}
    assert schema["properties"]["metrics"]["properties"]["val/f1"]["x-ledger"] == {"direction": "higher"}
    record(ledger, "--params", "p.json", "-m", "val/f1=0.7", "-m", "loss=2")


def test_a_draft_of_one_experiment_on_standard_output(repo: Repo, ledger: Ledger) -> None:
    record(ledger, "-m", "f1=0.9")
    record(ledger, "-m", "other=1", "-e", "elsewhere")
    schema = json.loads(ledger("schema", "infer", "-e", "elsewhere", "-o", "-", "--name", "x"))
    assert list(schema["properties"]["metrics"]["properties"]) == ["other"]
    assert not (repo.path / ".ledger").exists()


@pytest.mark.usefixtures("repo")
def test_the_newest_record_of_an_edited_run_counts(ledger: Ledger) -> None:
    run = record(ledger, "-m", "f1=0.9", "-m", "wrong=1")
    ledger("amend", run, "--remove-metric", "wrong", "--reason", "r")
    schema = json.loads(ledger("schema", "infer", "-o", "-"))
    assert list(schema["properties"]["metrics"]["properties"]) == ["f1"]


def test_infer_overwrites_nothing_and_says_what_is_missing(repo: Repo, ledger: Ledger) -> None:
    ledger("schema", "infer", code=1)
    assert "no runs yet" in ledger.err
    record(ledger, "-m", "f1=0.9")
    ledger("schema", "infer", "-e", "nope", code=1)
    assert "recorded: main" in ledger.err
    repo.write("mine.json", "{}")
    ledger("schema", "infer", "-o", "mine.json", code=1)
    assert "never overwrites" in ledger.err
    ledger("schema", "infer", "--name", "a/b", code=1)


def test_show_prints_what_metrics_mean(repo: Repo, ledger: Ledger) -> None:
    ledger("init", "--starter", "classification")
    out = ledger("schema", "show")
    row = next(line.split() for line in out.splitlines() if line.startswith("accuracy "))
    assert row[:4] == ["accuracy", "number", "1", "higher"]
    assert "sklearn.metrics.accuracy_score normalize=true" in out
    (found,) = ledger.json("schema", "show", "classification")
    assert found["metrics"]["accuracy"]["did"].startswith("d1:" + row[-1])
    assert found["metrics"]["accuracy"]["direction"] == "higher"
    repo.commit("schema")
    (repo.path / ".ledger/schemas/classification.json").unlink()
    assert "no schema" in ledger("schema", "show")
    assert ledger("schema", "show", "--at", "HEAD") == out


def test_show_of_one_broken_file_shows_the_others(repo: Repo, ledger: Ledger) -> None:
    ledger("init", "--starter", "classification")
    whole = ledger("schema", "show")
    (schema,) = ledger.json("schema", "show")
    assert f"classification version 1 {schema['id'][:15]}" in whole
    repo.write(".ledger/schemas/broken.json", '{\n "properties": {"metrics": 1}\n}')
    assert ledger("schema", "show", code=1) == whole
    assert "error: .ledger/schemas/broken.json is not a schema" in ledger.err
    assert ".ledger/schemas/broken.json:2: LS306 SCHEMA_INVALID: $.properties.metrics" in ledger.err
    assert ledger.json("schema", "show", code=1) == [schema]
    assert ledger("schema", "show", "classification") == whole
    assert ledger("schema", "show", "broken", code=1) == ""
    repo.commit("both")
    assert ledger("schema", "show", "--at", "HEAD", code=1) == whole
    assert f"{repo.git('rev-parse', 'HEAD')[:9]}:.ledger/schemas/broken.json:2: LS306" in ledger.err
    ledger("schema", "diff", "HEAD")
    assert "no definition differs" in ledger.err


@pytest.mark.usefixtures("repo")
def test_show_of_an_unknown_name(ledger: Ledger) -> None:
    ledger("schema", "show", "x", code=1)
    assert "ledger schema infer" in ledger.err
    assert ledger.json("schema", "show") == []


def test_starters_as_json(ledger: Ledger) -> None:
    assert {"classification", "ranking"} < {item["name"] for item in ledger.json("schema", "starters")}


@pytest.mark.usefixtures("repo")
def test_a_draft_from_one_run_fits_the_next_measurement(ledger: Ledger) -> None:
    ledger("record", "-m", "latency=120")
    ledger("schema", "infer")
    assert "required" not in ledger.err
    ledger("record", "-m", "latency=120.5")


@pytest.mark.usefixtures("repo")
def test_what_a_draft_requires_is_to_be_looked_at(ledger: Ledger) -> None:
    for value in ("120", "121"):
        ledger("record", "-m", f"latency={value}")
    ledger("schema", "infer")
    assert "take out of `required`" in ledger.err
