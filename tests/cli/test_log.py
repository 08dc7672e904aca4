"""`ledger log` over real histories: rows, ranges, levels, what is left out."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from projects import HIGHER, LOWER, Project


@pytest.fixture
def schema(project: Project) -> None:
    project.declare("1", {"f1": HIGHER, "loss": LOWER})
    project.repo.commit("schema")


def test_a_row_a_commit_newest_first_with_change(repo: Repo, ledger: Ledger) -> None:
    first = repo.git("rev-parse", "HEAD")
    ledger("record", "-m", "f1=0.5")
    second = repo.commit("better", train__py="2")
    ledger("record", "-m", "f1=0.75")
    rows = ledger.json("log", "--metric", "f1")["rows"]
    assert [row["commit"] for row in rows] == [second, first]
    assert [row["metrics"]["f1"]["value"] for row in rows] == [0.75, 0.5]
    assert [row["metrics"]["f1"]["delta"] for row in rows] == [0.25, None]
    assert [row["level"] for row in rows] == ["commit", "commit"]


@pytest.mark.usefixtures("schema")
def test_best_follows_the_declared_direction(repo: Repo, ledger: Ledger) -> None:
    for f1, loss in ((0.5, 0.3), (0.9, 0.4), (0.7, 0.2)):
        ledger("record", "-m", f"f1={f1}", "-m", f"loss={loss}")
    (row,) = ledger.json("log", "--metric", "f1", "--metric", "loss")["rows"]
    assert row["metrics"]["f1"]["value"] == 0.9
    assert row["metrics"]["loss"]["value"] == 0.2
    assert row["metrics"]["f1"]["count"] == 3
    assert (row["metrics"]["f1"]["min"], row["metrics"]["f1"]["max"]) == (0.5, 0.9)
    assert repo.git("status", "--porcelain") == ""


@pytest.mark.usefixtures("repo")
def test_without_a_direction_nothing_is_best(ledger: Ledger) -> None:
    for value in (0.5, 0.9, 0.7):
        ledger("record", "-m", f"x={value}")
    (row,) = ledger.json("log", "--metric", "x")["rows"]
    assert row["metrics"]["x"]["value"] == 0.7


@pytest.mark.parametrize(
    ("aggregate", "value"),
    [("best", 0.9), ("last", 0.6), ("mean", 0.6), ("median", 0.55), ("min", 0.4), ("max", 0.9)],
)
@pytest.mark.usefixtures("schema")
def test_aggregates(ledger: Ledger, aggregate: str, value: float) -> None:
    for number in (0.5, 0.9, 0.4, 0.6):
        ledger("record", "-m", f"f1={number}")
    (row,) = ledger.json("log", "--metric", "f1", "--agg", aggregate)["rows"]
    assert row["metrics"]["f1"]["value"] == pytest.approx(value)


@pytest.mark.usefixtures("schema")
def test_nan_is_never_best_and_has_no_change(ledger: Ledger, repo: Repo) -> None:
    ledger("record", "-m", "f1=0.5")
    repo.commit("later", train__py="2")
    ledger("record", "-m", "f1=NaN")
    ledger("record", "-m", "f1=0.6")
    repo.commit("diverged", train__py="3")
    ledger("record", "-m", "f1=NaN")
    rows = ledger.json("log", "--metric", "f1")["rows"]
    assert [row["metrics"]["f1"]["value"] for row in rows] == ["NaN", 0.6, 0.5]
    assert [row["metrics"]["f1"]["delta"] for row in rows] == [None, pytest.approx(0.1), None]


@pytest.mark.slow
def test_ranges_count_what_they_leave_out(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.1")
    repo.git("checkout", "-q", "-b", "exp/lr")
    repo.commit("on the branch", train__py="branch")
    ledger("record", "-m", "f1=0.2")
    repo.git("checkout", "-q", "main")
    repo.commit("on main", other__py="x")
    ledger("record", "-m", "f1=0.3")
    found = ledger.json("log", "--metric", "f1", "main..exp/lr")
    assert [row["metrics"]["f1"]["value"] for row in found["rows"]] == [0.2]
    left_out = {
        "out_of_range": 1,
        "unattached": 1,
        "no_value": 0,
        "incomparable": 0,
        "inexact": 0,
        "not_finite": 0,
        "compared": 1,
    }
    assert found["left_out"] == left_out
    everything = ledger.json("log", "--metric", "f1", "--all")
    assert sorted(row["metrics"]["f1"]["value"] for row in everything["rows"]) == [0.1, 0.2, 0.3]
    assert "1 run unattached" in ledger("log", "--metric", "f1")
    listed = ledger("log", "--metric", "f1", "--runs")
    assert re.search(r"on no commit of this history\n    [0-9a-f]{8}  exp/lr  f1 0\.2\n", listed)


def test_every_run_is_compared_or_counted_as_left_out(repo: Repo, ledger: Ledger) -> None:
    repo.write("null.json", '{"f1": null, "loss": 0.5}')
    ledger("record", "-m", "f1=0.5")
    ledger("record", "--metrics", "null.json")
    repo.commit("without", train__py="2")
    ledger("record", "-m", "loss=0.4")
    found = ledger.json("log", "--metric", "f1")
    assert [len(row["run_ids"]) for row in found["rows"]] == [2]
    left_out = {
        "out_of_range": 0,
        "unattached": 0,
        "no_value": 2,
        "incomparable": 0,
        "inexact": 0,
        "not_finite": 0,
        "compared": 1,
    }
    assert found["left_out"] == left_out, "null and nothing are no values; a commit without any counts"
    assert ledger("log", "--metric", "f1").splitlines()[-1] == "left out: 2 runs without a value"
    ledger("log", "--metric", "f1", "--strict")
    both = ledger.json("log", "--metric", "f1", "--metric", "loss")["left_out"]
    assert (both["no_value"], both["compared"]) == (0, 3)


def test_paths_and_filters_move_no_run(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.1")
    repo.commit("touch other", other__py="x")
    ledger("record", "-m", "f1=0.2")
    found = ledger.json("log", "--metric", "f1", "--", "train.py")
    assert [row["metrics"]["f1"]["value"] for row in found["rows"]] == [0.1]
    assert found["left_out"]["out_of_range"] == 1
    assert ledger.json("log", "--metric", "f1", "--grep", "touch")["rows"][0]["metrics"]["f1"]["value"] == 0.2


def test_a_dirty_run_says_so_and_finds_its_commit_later(repo: Repo, ledger: Ledger) -> None:
    base = repo.git("rev-parse", "HEAD")
    repo.write("train.py", "changed\n")
    ledger("record", "-m", "f1=0.4")
    (row,) = ledger.json("log", "--metric", "f1")["rows"]
    assert (row["commit"], row["level"]) == (base, "dirty-base")
    assert "dirty-base" in ledger("log", "--metric", "f1")
    later = repo.commit("commit the change")
    (row,) = ledger.json("log", "--metric", "f1")["rows"]
    assert (row["commit"], row["level"]) == (later, "tree")


def test_the_runs_own_files_do_not_count(repo: Repo, ledger: Ledger) -> None:
    """Metrics are tracked, written by the run, recorded dirty and committed together with the code."""
    repo.write("metrics.json", '{"f1": 0.1}')
    repo.commit("metrics are tracked")
    repo.write("metrics.json", '{"f1": 0.4}')
    assert ledger.json("record", "--metrics", "metrics.json")["status"] == "finished"
    repo.write("train.py", "changed\n")
    repo.write("metrics.json", '{"f1": 0.5}')
    ledger("record", "--metrics", "metrics.json")
    later = repo.commit("code and metrics together")
    rows = ledger.json("log", "--metric", "f1")["rows"]
    assert [(row["level"], row["metrics"]["f1"]["value"]) for row in rows] == [("tree", 0.5), ("commit", 0.4)]
    assert rows[0]["commit"] == later


def test_csv_and_markdown(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.5")
    rows = list(csv.DictReader(io.StringIO(ledger("log", "--metric", "f1", "--csv"))))
    assert rows[0]["f1"] == "0.5"
    assert rows[0]["commit"] == repo.git("rev-parse", "HEAD")
    assert "| f1 |" in ledger("log", "--metric", "f1", "--md")
    ledger("log", "--metric", "f1", "--md", "--csv", code=2)


def test_limits_and_order(repo: Repo, ledger: Ledger) -> None:
    for number in range(4):
        repo.commit(f"c{number}", train__py=str(number))
        ledger("record", "-m", f"f1={number}")
    rows = ledger.json("log", "--metric", "f1", "-n", "2")["rows"]
    assert [row["metrics"]["f1"]["value"] for row in rows] == [3, 2]
    rows = ledger.json("log", "--metric", "f1", "--reverse")["rows"]
    assert [row["metrics"]["f1"]["value"] for row in rows] == [0, 1, 2, 3]


def test_runs_stand_under_their_commit(repo: Repo, ledger: Ledger) -> None:
    done = ledger.json("record", "-m", "f1=0.5")
    assert f"    {done['id'][:8]}  main  f1 0.5" in ledger("log", "--metric", "f1", "--runs")
    assert repo.git("log", "--format=%s", "refs/runs/main") == "main: f1 0.5 (finished)"


def test_control_characters_in_data_are_shown_escaped(repo: Repo, ledger: Ledger) -> None:
    repo.commit("red \x1b[31malert\x1b[0m", train__py="2")
    ledger("record", "-m", "f1=0.5")
    out = ledger("log", "--metric", "f1")
    assert "\x1b" not in out
    assert "\\x1b[31malert" in out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--metric", "f1_"), 1, "did you mean f1"),
        ((), 2, "which metric?"),
        (("--metric", "f1", "nosuch"), 1, "no such revision: nosuch"),
        (("--metric", "f1", "--agg", "worst"), 2, "worst"),
        (("--metric", "f1", "--end-of-options", "--output=x"), 2, "No such option"),
    ],
)
def test_wrong_words(repo: Repo, ledger: Ledger, words: tuple[str, ...], code: int, said: str) -> None:
    ledger("record", "-m", "f1=0.5")
    ledger("log", *words, code=code)
    assert said in ledger.err
    assert not (repo.path / "x").exists()


def test_a_bare_repository_can_be_read(repo: Repo, ledger: Ledger, tmp_path: Path) -> None:
    ledger("record", "-m", "f1=0.5")
    repo.git("clone", "-q", "--mirror", ".", str(tmp_path / "bare.git"))
    (row,) = ledger.json("-C", str(tmp_path / "bare.git"), "log", "--metric", "f1")["rows"]
    assert row["metrics"]["f1"]["value"] == 0.5


def test_scoped_paths_ignore_the_rest_of_a_monorepo(
    make_repo: Callable[..., Repo], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo("mono")
    repo.write(".ledger/config.toml", '[ledger]\nformat = 1\n[code]\npaths = ["a"]\n')
    repo.write("a/train.py", "1")
    repo.write("b/other.py", "1")
    repo.commit("both")
    monkeypatch.chdir(repo.path)
    repo.write("b/other.py", "2")
    ledger("record", "-m", "f1=0.5")
    (row,) = ledger.json("log", "--metric", "f1")["rows"]
    assert row["level"] == "commit"
    repo.write("a/train.py", "2")
    ledger("record", "-m", "f1=0.6")
    repo.write("b/other.py", "3")
    later = repo.commit("a as it was run, b further on")
    rows = ledger.json("log", "--metric", "f1")["rows"]
    assert (rows[0]["commit"], rows[0]["level"]) == (later, "tree")


def test_runs_of_other_code_are_counted_where_exact_ones_stand(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.9")
    repo.write("train.py", "changed")
    ledger("record", "-m", "f1=0.1")
    repo.git("checkout", "-q", "train.py")
    found = ledger.json("log", "--metric", "f1")
    assert found["rows"][0]["metrics"]["f1"]["value"] == 0.9
    assert found["rows"][0]["metrics"]["f1"]["count"] == 1
    assert (found["left_out"]["inexact"], found["left_out"]["compared"]) == (1, 1)
    assert "1 run not of exactly this code" in ledger("log", "--metric", "f1")


@pytest.mark.usefixtures("repo")
def test_no_rows_asked_for_are_not_called_absent(ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.5")
    assert ledger("log", "--metric", "f1", "-n", "0") == "\nleft out: 1 more commit\n"


def test_before_the_first_commit(
    make_repo: Callable[..., Repo], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_repo("fresh").path)
    ledger("log", code=1)
    assert ledger.err.startswith(
        "error: no commit yet, and so no history to trace along\nhint: git commit, then ledger record"
    )


@pytest.mark.parametrize(("dirty_last", "level"), [(True, "dirty-base"), (False, "patch")])
def test_a_row_is_no_surer_than_the_run_whose_value_it_shows(
    repo: Repo, ledger: Ledger, dirty_last: bool, level: str
) -> None:
    """Two runs of a commit that was picked onto main: one of exactly that change, one with changes on top."""
    repo.git("switch", "-q", "-c", "try")
    repo.commit("a try", tried__py="1\n")
    for dirty in sorted([True, False], reverse=not dirty_last):
        repo.write("train.py", "on top\n" if dirty else "")
        if not dirty:
            repo.git("checkout", "-q", "--", "train.py")
        ledger("record", "-m", f"f1={0.7 if dirty else 0.6}")
    repo.git("checkout", "-q", "-f", "main")
    repo.commit("moved on", other__py="1\n")
    repo.git("cherry-pick", "try")
    repo.git("branch", "-q", "-D", "try")
    (row,) = ledger.json("log", "--metric", "f1", "main")["rows"]
    assert (row["metrics"]["f1"]["value"], row["level"]) == (0.7 if dirty_last else 0.6, level)
