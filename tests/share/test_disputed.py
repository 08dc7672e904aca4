"""Edits of one run in two clones that disagree: every command that shows the value says so."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from share.clones import Hub


def test_a_value_that_clones_disagree_on_is_marked(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    calm = hub.record(one, f1=0.4)
    run = hub.record(one, "-p", "lr=0.1", f1=0.5)
    hub.push(one)
    hub.pull(other)
    at, there = ("-C", str(one.path)), ("-C", str(other.path))
    hub.ledger(*at, "amend", run[:8], "-m", "f1=0.6", "-p", "lr=0.2", "--reason", "typo")
    hub.push(one)
    hub.ledger(*there, "amend", run[:8], "-m", "f1=0.7", "-p", "lr=0.2", "--reason", "typo")
    hub.push(other)

    rows = {row["run_id"]: row for row in hub.ledger.json(*there, "runs")}
    assert rows[run]["conflicts"] == ["metrics.f1"]
    assert rows[run]["metrics.f1"] == 0.7
    assert "conflicts" not in rows[calm]
    lines = hub.ledger(*there, "runs").splitlines()
    assert [("><" in line) for line in lines] == [line.startswith(run[:8]) for line in lines]
    assert "edits disagree, the latest counts" in hub.ledger.err

    (row,) = hub.ledger.json(*there, "log", "--metric", "f1")["rows"]
    assert row["metrics"]["f1"]["conflicts"] == [run]
    text = hub.ledger(*there, "log", "--metric", "f1")
    assert "><" in text.splitlines()[1]
    assert ">< edits disagree on f1" in text
    assert f"    {run[:8]}  main  f1 0.7 ><\n" in hub.ledger(*there, "log", "--metric", "f1", "--runs")

    (main,) = hub.ledger.json(*there, "experiments", "-m", "f1")
    assert main["best"]["f1"]["conflicts"] == [run]
    text = hub.ledger(*there, "experiments", "-m", "f1")
    assert "0.7 ><" in text
    assert ">< edits disagree on f1" in text
    _tables_tell(hub, there, {run: "metrics.f1", calm: ""})

    assert hub.ledger.json(*there, "diff", calm, run)["conflicts"] == [{"run": run, "fields": ["metrics.f1"]}]
    said = f">< edits of {run[:8]} disagree on metrics.f1, the latest counts: ledger show {run[:8]}"
    assert said in hub.ledger(*there, "diff", calm, run).splitlines()
    assert said in hub.ledger(*there, "diff", run, calm, "--md")

    told = hub.ledger.json(*there, "explain", run[:8], "f1")["conflicts"]
    assert [(one["field"], one["values"]) for one in told] == [("metrics.f1", [0.7, 0.6])]
    assert "edits disagree on f1: 0.7 counts, others said 0.6" in hub.ledger(*there, "explain", run[:8], "f1")

    hub.ledger(*there, "amend", run[:8], "-m", "f1=0.7", "--reason", "measured again")
    assert "conflicts" not in json.dumps(hub.ledger.json(*there, "runs"))
    assert "><" not in hub.ledger(*there, "runs") + hub.ledger(*there, "log", "--metric", "f1")
    assert hub.ledger.json(*there, "explain", run[:8], "f1")["conflicts"] == []
    assert "conflicts" not in json.dumps(hub.ledger.json(*there, "experiments", "-m", "f1"))
    assert hub.ledger.json(*there, "diff", calm, run)["conflicts"] == []
    assert "><" not in hub.ledger(*there, "diff", calm, run)
    _tables_tell(hub, there, {run: "", calm: ""})


@pytest.mark.slow
def test_a_best_that_clones_disagree_on_is_marked_among_experiments(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    run = hub.record(one, f1=0.5)
    hub.record(one, "-e", "exp/x", f1=0.4)
    hub.push(one)
    hub.pull(other)
    for clone, value in ((one, 0.6), (other, 0.7)):
        hub.ledger("-C", str(clone.path), "amend", run[:8], "-m", f"f1={value}", "--reason", "typo")
        hub.push(clone)
    words = ("-C", str(other.path), "compare", "main", "exp/x", "-m", "f1")
    text = hub.ledger(*words)
    assert "0.7 ><" in text
    assert ">< edits disagree on f1" in text
    main, x = hub.ledger.json(*words)["metrics"][0]["values"]
    assert (main["conflicts"], "conflicts" in x) == ([run], False)


def _tables_tell(hub: Hub, there: tuple[str, ...], wanted: dict[str, str]) -> None:
    """CSV and Parquet have the same columns whether or not edits disagree."""
    for words in ((), ("-c", "f1")):
        rows = list(csv.DictReader(io.StringIO(hub.ledger(*there, "runs", "--csv", *words))))
        assert {row["run_id"]: row["conflicts"] for row in rows} == wanted
    (row,) = csv.DictReader(io.StringIO(hub.ledger(*there, "log", "-m", "f1", "--csv")))
    assert row["conflicts"] == ("f1" if any(wanted.values()) else "")
    for form in ("csv", "parquet"):
        folder = hub.folder / "out"
        hub.ledger(*there, "export", "--force", "--no-history", "-f", form, str(folder))
    rows = list(csv.DictReader(io.StringIO((folder / "runs.csv").read_text(encoding="utf-8"))))
    assert {row["run_id"]: row["conflicts"] for row in rows} == wanted
    table = pq.read_table(folder / "runs.parquet")
    found = dict(zip(table["run_id"].to_pylist(), table["conflicts"].to_pylist(), strict=True))
    assert found == {run: about or None for run, about in wanted.items()}
