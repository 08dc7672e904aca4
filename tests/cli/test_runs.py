"""`ledger runs`: what people see, and the documents."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable

import pytest
from conftest import Ledger, Repo

import ledger as api


@pytest.fixture
def runs(repo: Repo) -> list[str]:
    assert repo.path.is_dir()
    done = api.record_many(
        [
            {"metrics": {"f1": 0.5 + n / 10, "loss": 1.0}, "params": {"lr": 10.0**-n, "seed": 7}}
            for n in range(1, 4)
        ]
    )
    return [run.id for run in done]


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_table_of_what_tells_most(runs: list[str], ledger: Ledger) -> None:
    header, *rows = lines(ledger("runs"))
    assert header == ["id", "when", "f1", "loss", "lr", "seed"]
    assert [row[0] for row in rows] == [run[:8] for run in runs[::-1]]
    assert rows[0][-4:] == ["0.8", "1", "0.001", "7"]
    assert ledger.err == ""


def test_filter_sort_columns_and_limit(runs: list[str], ledger: Ledger) -> None:
    words = (
        "runs",
        "--where",
        "metrics.f1 > 0.55 and params.lr < 0.05",
        "--sort",
        "-f1",
        "--columns",
        "f1,lr,branch",
    )
    header, *rows = lines(ledger(*words))
    assert header == ["id", "f1", "lr", "branch"]
    assert rows == [[runs[2][:8], "0.8", "0.001", "main"], [runs[1][:8], "0.7", "0.01", "main"]]
    assert len(lines(ledger(*words, "-n", "1"))) == 2
    assert "1 of 2 runs shown" in ledger.err


def test_ids_are_whole_and_alone(runs: list[str], ledger: Ledger) -> None:
    assert ledger("runs", "--ids").split() == runs[::-1]
    assert ledger("runs", "--ids", "--sort", "f1", "-n", "1").split() == runs[:1]


def test_json_is_the_contract(repo: Repo, runs: list[str], ledger: Ledger) -> None:
    found = ledger.json("runs", "--sort", "f1")
    assert [run["run_id"] for run in found] == runs
    one = found[0]
    assert one["experiment"] == "main"
    assert one["status"] == "finished"
    assert one["code.commit"] == repo.git("rev-parse", "HEAD")
    assert one["code.tree"] == repo.git("rev-parse", "HEAD^{tree}")
    assert (one["code.branch"], one["code.dirty"]) == ("main", False)
    assert (one["metrics.f1"], one["grade.f1"], one["params.seed"]) == (0.6, "identical", 7)
    assert one["name"] is None
    assert one["started"] is None
    assert one["finished"].endswith("Z")


@pytest.mark.usefixtures("repo")
def test_json_keeps_kinds_and_words_for_what_is_not_finite(ledger: Ledger) -> None:
    api.record(params={"lr": "auto", "layers": [1, 2]}, metrics={"f1": math.nan})
    api.record(params={"lr": 0.5}, metrics={"f1": math.inf})
    found = ledger.json("runs")
    assert [run["metrics.f1"] for run in found] == ["Infinity", "NaN"]
    assert [run["params.lr"] for run in found] == [0.5, "auto"]
    assert [run["params.layers"] for run in found] == [None, [1, 2]]
    assert ledger.json("runs", "--where", "lr > 0.1")[0]["params.lr"] == 0.5
    assert "1 run left out: no lr, or one of another kind" in ledger.err


def test_csv_has_every_column_in_full(runs: list[str], ledger: Ledger) -> None:
    rows = list(csv.DictReader(io.StringIO(ledger("runs", "--csv", "--sort", "f1"))))
    assert [row["run_id"] for row in rows] == runs
    assert [float(row["metrics.f1"]) for row in rows] == [0.6, 0.7, 0.8]
    assert rows[0]["grade.f1"] == "identical"


def test_markdown(runs: list[str], ledger: Ledger) -> None:
    head, rule, *rows = ledger("runs", "--md", "--columns", "f1").splitlines()
    assert head == "| id | f1 |"
    assert rule.startswith("| ---")
    assert rows[0] == f"| {runs[2][:8]} | 0.8 |"


@pytest.mark.usefixtures("runs")
def test_wrong_names_suggest_the_right_one(ledger: Ledger) -> None:
    ledger("runs", "--where", "metrics.f2 > 1", code=1)
    assert "there is no metrics.f2" in ledger.err
    assert "metrics.f1" in ledger.err
    ledger("runs", "--columns", "f3", code=1)
    assert "metrics.f1" in ledger.err
    ledger("runs", "--sort", "lrr", code=1)
    assert "params.lr" in ledger.err
    ledger("runs", "-e", "mian", code=1)
    assert "main" in ledger.err
    ledger("runs", "--json", "--csv", code=2)
    ledger("runs", "--columns", " , ", code=2)
    ledger("runs", "--where", "f1 >", code=2)


def test_errors_are_documents_with_json(runs: list[str], ledger: Ledger) -> None:
    assert runs
    ledger("runs", "--json", "--where", "nobody > 1", code=1)
    assert json.loads(ledger.err)["error"]["kind"] == "not-found"


@pytest.mark.usefixtures("repo")
def test_no_runs(ledger: Ledger) -> None:
    assert ledger("runs") == ""
    assert "no runs yet" in ledger.err
    assert ledger.json("runs") == []
    assert ledger("runs", "--ids") == ""
    api.record(metrics={"f1": 0.5})
    assert ledger("runs", "--where", "f1 > 1") == ""
    assert "no such runs" in ledger.err


@pytest.mark.usefixtures("repo")
def test_what_does_not_compare_is_in_parentheses(repo: Repo, ledger: Ledger) -> None:
    api.record(metrics={"f1": 50.0})
    body = {"properties": {"metrics": {"properties": {"f1": {"type": "number", "x-ledger": {"unit": "1"}}}}}}
    repo.write(".ledger/schemas/m.json", json.dumps(body))
    api.record(metrics={"f1": 0.6})
    _, new, old = lines(ledger("runs", "--columns", "f1"))
    assert new[1] == "0.6"
    assert old[1].startswith("(50)")
    found = ledger.json("runs")
    assert [run["metrics.f1"] for run in found] == [0.6, None]
    assert [run["recorded.f1"] for run in found] == [0.6, 50.0]
    assert [run["grade.f1"] for run in found] == ["identical", "undeclared"]


@pytest.mark.usefixtures("repo")
def test_columns_that_tell_runs_apart_come_by_themselves(ledger: Ledger) -> None:
    api.record(metrics={"f1": 0.5}, experiment="sweep", status="failed", name="third")
    assert lines(ledger("runs"))[0] == ["id", "when", "status", "name", "f1"]
    api.record(metrics={"f1": 0.5})
    header = lines(ledger("runs"))[0]
    assert header == ["id", "experiment", "when", "status", "name", "f1"]


@pytest.mark.usefixtures("repo")
def test_columns_that_do_not_fit_are_left_to_those_who_ask(ledger: Ledger) -> None:
    api.record(metrics={f"metric_{n:02}": n / 7 for n in range(60)}, params={"lr": 0.1})
    widest = max(map(len, ledger("runs").splitlines()))
    assert widest <= 160
    assert "metric_59" in ledger("runs", "--columns", "metric_59")


@pytest.mark.usefixtures("repo")
def test_data_cannot_drive_the_terminal(ledger: Ledger) -> None:
    api.record(metrics={"f1": 0.5}, tags={"t": "\x1b[31mred"}, params={"cell": "=1+1"})
    assert "\x1b" not in ledger("runs", "--columns", "tags.t")
    assert "\\x1b" in ledger("runs", "--columns", "tags.t")
    assert "'=1+1" in ledger("runs", "--csv")


def test_runs_of_other_worktrees_and_clones_are_listed(
    repo: Repo, make_repo: Callable[..., Repo], ledger: Ledger
) -> None:
    done = api.record(metrics={"f1": 0.5})
    other = make_repo("other")
    other.commit("first")
    other.git("fetch", "-q", str(repo.path), "refs/runs/*:refs/runs/*")
    assert ledger("-C", str(other.path), "runs", "--ids").split() == [done.id]
    repo.git("worktree", "add", "-q", str(repo.path.parent / "linked"))
    assert ledger("-C", str(repo.path.parent / "linked"), "runs", "--ids").split() == [done.id]


def test_a_narrow_terminal_shows_a_metric_and_says_what_it_leaves_out(
    repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.cli.app import App
    from ledger.render.terminal import Terminal

    for experiment in ("a-long-name-of-one", "a-long-name-of-two"):
        ledger("record", "-e", experiment, "-m", "accuracy=0.5", "-m", "f1=0.25", "-p", "lr=0.1")
    narrow = Terminal(tty=True, width=24, colour=False, unicode=True, pager="")
    monkeypatch.setattr(App, "terminal", narrow)
    header, *rows = lines(ledger("runs"))
    assert header == ["id", "accuracy"]
    assert [row[1] for row in rows] == ["0.5", "0.5"]
    assert "+4 columns (--columns)" in ledger.err
    monkeypatch.setattr(App, "terminal", Terminal(tty=True, width=200, colour=False, unicode=True, pager=""))
    assert lines(ledger("runs"))[0] == ["id", "experiment", "when", "accuracy", "f1", "lr"]
    assert ledger.err == ""
    assert repo.path.is_dir()


@pytest.mark.usefixtures("repo")
def test_several_filters_are_all_of_them(ledger: Ledger) -> None:
    for f1, lr in ((1, 1), (1, 2), (2, 1)):
        ledger("record", "-m", f"f1={f1}", "-p", f"lr={lr}")
    (row,) = ledger.json("runs", "-w", "f1 = 1 or f1 = 3", "-w", "lr = 1")
    assert (row["metrics.f1"], row["params.lr"]) == (1, 1)
    ledger("runs", "-w", "f1 = 1) or (f1 = 2", "-w", "lr = 1", code=2)


@pytest.mark.usefixtures("repo")
def test_headings_are_names_of_columns_too(ledger: Ledger) -> None:
    run = ledger("record", "-q", "-m", "f1=1").strip()
    assert ledger("runs", "-c", "id,f1", "-s", "-when", "-w", f"id = '{run}'").split()[:3] == [
        "id",
        "f1",
        run[:8],
    ]
    ledger("record", "-m", "id=3")
    assert [row["metrics.id"] for row in ledger.json("runs", "-w", "id = 3")] == [3]


def test_refused_runs_are_not_forgotten(repo: Repo, ledger: Ledger) -> None:
    repo.write(".ledger/schemas/main.json", "[")
    ledger("record", "-m", "f1=1", code=1)
    ledger("runs")
    assert "hint: 1 refused run waits: ledger status" in ledger.err


@pytest.mark.usefixtures("repo")
def test_what_a_filter_has_no_answer_for_is_named(ledger: Ledger) -> None:
    api.record(params={"opt": {"name": "adam"}}, metrics={"f1": 0.5}, tags={"a": "b"})
    api.record(metrics={"loss": 0.5})
    for where, why in (
        ("opt.name = 'adam'", "no opt.name, or one of another kind"),
        ("tags.a = 'b'", "no a, or one of another kind"),
        ("duration > 1", "no duration, or one of another kind"),
        ("f1 > 0.1", "no comparable value of f1"),
        ("f1 > 0.1 and opt.name = 'adam'", "no comparable value of f1; no opt.name, or one of another kind"),
    ):
        ledger("runs", "--where", where)
        assert f"left out: {why}\n" in ledger.err
