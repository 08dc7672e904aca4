"""`ledger compare`: experiments beside one another, number for number."""

from __future__ import annotations

import csv
import io

import pytest
from conftest import Ledger, Repo
from projects import BY_MACHINE, HIGHER, LOWER, MACRO, Project

METRICS = {"f1": HIGHER, "loss": LOWER, "time": BY_MACHINE}


@pytest.fixture
def base(project: Project, repo: Repo, ledger: Ledger) -> str:
    """main with a run of 0.5, and an experiment that left it there; main went on to 0.6."""
    project.declare("1", METRICS)
    base = repo.commit("schema")
    ledger("record", "-m", "f1=0.5", "-m", "loss=0.4", "-p", "lr=0.1", "-p", "seed=1")
    repo.git("checkout", "-q", "-b", "exp/lr")
    repo.commit("no run of this")
    repo.commit("lr", train__py="lr\n")
    for f1, loss, lr in ((0.7, 0.3, 0.2), (0.9, 0.2, 0.2), (0.8, 0.5, 0.3)):
        ledger("record", "-m", f"f1={f1}", "-m", f"loss={loss}", "-p", f"lr={lr}", "-p", "seed=1")
    repo.git("checkout", "-q", "main")
    repo.commit("main goes on", other__py="1\n")
    ledger("record", "-m", "f1=0.6", "-m", "loss=0.35", "-p", "lr=0.1", "-p", "seed=1")
    return base


@pytest.mark.slow
def test_the_gain_is_over_where_it_left(repo: Repo, ledger: Ledger, base: str) -> None:
    found = ledger.json("compare", "main", "exp/lr")
    tip = repo.git("rev-parse", "exp/lr")
    assert found["experiments"][1] == {"experiment": "exp/lr", "runs": 3, "tip": tip, "base": base}
    assert found["experiments"][0]["base"] is None
    f1, loss = found["metrics"]
    assert (f1["name"], f1["direction"], loss["name"]) == ("f1", "higher", "loss")
    main, exp = f1["values"]
    assert (main["best"], main["count"], main["delta"]) == (0.6, 2, None)
    assert (exp["best"], exp["count"], exp["min"], exp["max"]) == (0.9, 3, 0.7, 0.9)
    assert exp["mean"] == pytest.approx(0.8, abs=1e-15)
    assert exp["stdev"] == pytest.approx(0.1, abs=1e-15)
    assert (exp["base"], exp["base_commit"], exp["delta"], exp["better"]) == (0.5, base, 0.9 - 0.5, True)
    assert loss["values"][1]["delta"] == 0.2 - 0.4
    assert loss["values"][1]["better"] is True
    best = ledger.json("show", exp["run_id"])["metrics"]["f1"]["value"]
    assert best == 0.9


@pytest.mark.slow
@pytest.mark.usefixtures("base")
def test_only_params_that_differ_and_a_deleted_branch_all_the_same(repo: Repo, ledger: Ledger) -> None:
    before = ledger.json("compare", "main", "exp/lr")
    (param,) = before["params"]
    assert param["name"] == "lr"
    assert param["values"] == [
        {"experiment": "main", "values": [0.1]}, {"experiment": "exp/lr", "values": [0.2, 0.3]},
    ]  # fmt: skip
    repo.git("branch", "-q", "-D", "exp/lr")
    assert ledger.json("compare", "main", "exp/lr") == before


@pytest.mark.slow
def test_a_branch_without_runs_is_one_to_compare_with(repo: Repo, ledger: Ledger, base: str) -> None:
    repo.git("branch", "-q", "quiet", "main")
    main, exp = ledger.json("compare", "quiet", "exp/lr", "-m", "f1")["metrics"][0]["values"]
    assert (main["best"], main["count"]) == (None, 0)
    assert (exp["base"], exp["base_commit"]) == (0.5, base)


def test_a_sibling_at_the_same_commit_is_no_base(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.5")
    base = repo.git("rev-parse", "HEAD")
    for name, f1 in (("exp/a", 0.8), ("exp/b", 0.9), ("exp/c", 0.7)):
        repo.git("checkout", "-q", "-b", name, "main")
        ledger("record", "-m", f"f1={f1}")
    for asked in (("exp/a",), ("exp/a", "exp/b")):
        exp = ledger.json("compare", "main", *asked, "-m", "f1")["metrics"][0]["values"][1]
        assert (exp["base"], exp["base_commit"]) == (0.5, base)
    assert exp["delta"] == pytest.approx(0.3)
    exp = ledger.json("compare", "exp/b", "exp/a", "-m", "f1")["metrics"][0]["values"][1]
    assert exp["base"] == 0.9, "the first-named says what it is compared with"


@pytest.mark.slow
def test_a_base_without_runs_takes_the_nearest_below(repo: Repo, ledger: Ledger, base: str) -> None:
    repo.git("checkout", "-q", "-b", "exp/other", "main")
    repo.commit("other", other__py="2\n")
    ledger("record", "-m", "f1=0.4")
    repo.git("checkout", "-q", "-b", "exp/far", "exp/lr~1")
    repo.commit("far", far__py="1\n")
    ledger("record", "-m", "f1=0.3")
    found = ledger.json("compare", "exp/lr", "exp/far", "exp/other", "-m", "f1")
    far, other = found["metrics"][0]["values"][1:]
    assert (far["base"], far["base_commit"], far["better"]) == (0.5, base, False)
    assert (other["base"], other["base_commit"]) == (0.5, base)


@pytest.mark.slow
@pytest.mark.usefixtures("base")
def test_values_of_another_definition_are_left_out_and_counted(
    project: Project, repo: Repo, ledger: Ledger
) -> None:
    project.declare("2", {**METRICS, "f1": MACRO})
    repo.commit("other f1")
    ledger("record", "-m", "f1=0.2")
    main, exp = ledger.json("compare", "main", "exp/lr", "-m", "f1")["metrics"][0]["values"]
    assert (main["best"], main["count"], main["left_out"]) == (0.2, 1, 2)
    assert (exp["best"], exp["count"], exp["left_out"], exp["delta"]) == (None, 0, 3, None)
    assert "left out: 5 runs whose values do not compare as f1" in ledger("compare", "main", "exp/lr")
    ledger("compare", "main", "exp/lr", "--strict", code=5)
    at = ledger.json("compare", "main", "exp/lr", "-m", "f1", "--at", "HEAD~1")["metrics"][0]["values"]
    assert [one["best"] for one in at] == [0.6, 0.9]


@pytest.mark.slow
@pytest.mark.usefixtures("base")
def test_each_partition_stands_alone(ledger: Ledger) -> None:
    for name, machine, time in (("main", "a", 3.0), ("main", "b", 9.0), ("exp/lr", "a", 2.0)):
        ledger("record", "-m", f"time={time}", "-p", f"machine={machine}", "--experiment", name)
    found = ledger.json("compare", "main", "exp/lr", "-m", "time")["metrics"]
    assert [one["partition"] for one in found] == [{"machine": "a"}, {"machine": "b"}]
    assert [[value["best"] for value in one["values"]] for one in found] == [[3.0, 2.0], [9.0, None]]
    ledger("record", "-m", "time=4", "--experiment", "main")
    text = ledger("compare", "main", "exp/lr", "-m", "time")
    assert [line.split("  ")[0] for line in text.splitlines() if line.startswith("time")] == [
        "time (machine a)", "time (machine b)", "time",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("base")
def test_as_text_csv_and_markdown(ledger: Ledger) -> None:
    text = ledger("compare", "main", "exp/lr", "-m", "f1")
    assert "+0.4" in text
    assert "better" in text
    assert "params that differ" in text
    rows = list(csv.DictReader(io.StringIO(ledger("compare", "main", "exp/lr", "-m", "f1", "--csv"))))
    assert [(row["experiment"], row["best"]) for row in rows] == [("main", "0.6"), ("exp/lr", "0.9")]
    markdown = ledger("compare", "main", "exp/lr", "--md")
    assert markdown.startswith("| metric | experiment |")
    assert "| lr |" in markdown


@pytest.mark.slow
@pytest.mark.usefixtures("base")
def test_words_that_are_off(ledger: Ledger) -> None:
    ledger("compare", "main", code=2)
    ledger("compare", "main", "main", code=2)
    ledger("compare", "main", "exp/ls", code=1)
    assert "did you mean exp/lr" in ledger.err
    ledger("compare", "main", "exp/lr", "-m", "f1x", code=1)
    assert "did you mean f1" in ledger.err
