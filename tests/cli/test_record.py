"""`ledger record`: what is given is what is recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli.stored import REF, file
from conftest import Ledger, Repo


def test_words_and_files_of_every_kind(repo: Repo, ledger: Ledger) -> None:
    repo.write("p.yaml", "lr: 0.1\nopt:\n  name: adam\n")
    repo.write("eval.json", '{"f1": 0.9}')
    repo.write("train.csv", "loss,acc\n0.3,0.8\n")
    repo.write("curve.jsonl", '{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.3}\n')
    words = (
        "--params",
        "p.yaml",
        "-p",
        "seed=7",
        "--metrics",
        "eval=eval.json",
        "--metrics",
        "train=train.csv",
    )
    out = ledger(
        "record",
        *words,
        "-m",
        "extra=1",
        "--history",
        "curve.jsonl",
        "--tag",
        "a=b",
        "--note",
        "n",
        "--name",
        "first",
    )
    assert out.startswith("recorded ")
    assert file(repo, "params.json") == {"lr": 0.1, "opt": {"name": "adam"}, "seed": 7}
    assert file(repo, "metrics.json") == {"eval/f1": 0.9, "extra": 1, "train/acc": 0.8, "train/loss": 0.3}
    run = file(repo, "run.json")
    assert (run["tags"], run["note"], run["name"], run["status"]) == ({"a": "b"}, "n", "first", "finished")
    assert repo.git("ls-tree", "--name-only", REF).split() == [
        "history.parquet",
        "metrics.json",
        "params.json",
        "run.json",
    ]
    assert run["code"]["dirty"] is False, "untracked inputs don't make it dirty"


def test_quiet_and_json(repo: Repo, ledger: Ledger) -> None:
    run_id = ledger("record", "-q", "-m", "f1=0.9").strip()
    assert run_id == file(repo, "run.json")["id"]
    found = ledger.json("record", "-m", "f1=0.8")
    assert found == {
        "id": file(repo, "run.json")["id"],
        "record": file(repo, "run.json")["record"],
        "experiment": "main",
        "ref": REF,
        "code": repo.git("rev-parse", "HEAD"),
        "status": "finished",
        "chained": True,
    }


def test_dry_run_records_nothing(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-n", "-m", "f1=0.9")
    assert repo.git("for-each-ref", "refs/runs") == ""
    assert not (repo.path / ".git/ledger/spool").exists()


@pytest.mark.usefixtures("repo")
def test_a_dry_run_says_what_recording_would_warn_of(ledger: Ledger) -> None:
    words = ("record", "-m", "f1=0.5", "-p", "api_key=hunter2hunter2")
    ledger(*words, "--dry-run")
    warned = ledger.err
    assert "api_key" in warned
    ledger(*words)
    assert [line for line in warned.splitlines() if "api_key" in line] == [
        line for line in ledger.err.splitlines() if "api_key" in line
    ]
    assert len(ledger.json("runs")) == 1


def test_a_dry_run_has_a_document(repo: Repo, ledger: Ledger) -> None:
    assert ledger.json("record", "--dry-run", "-m", "f1=1") == {"dry_run": True}
    assert not repo.git("for-each-ref", REF)


def test_the_subject_and_the_trailers_are_readable(repo: Repo, ledger: Ledger) -> None:
    run_id = ledger("record", "-q", "-m", "f1=0.912345", "-m", "loss=nan", "-m", "n=3", "-m", "z=1").strip()
    assert repo.git("show", "-s", "--format=%s", REF) == "main: f1 0.9123 loss nan n 3 (finished)"
    assert repo.git("show", "-s", "--format=%(trailers:key=Ledger-Run,valueonly)", REF) == run_id
    assert repo.git("show", "-s", "--format=%(trailers:key=Ledger-Code,valueonly)", REF) == repo.git(
        "rev-parse", "HEAD"
    )
    assert repo.git("show", "-s", "--format=%an <%ae>", REF) == "Ada Test <ada@example.com>"


@pytest.mark.slow
def test_10_000_metrics(repo: Repo, ledger: Ledger) -> None:
    repo.write("m.json", json.dumps({f"m{number}": number / 7 for number in range(10_000)}))
    ledger("record", "--metrics", "m.json")
    assert len(file(repo, "metrics.json")) == 10_000


@pytest.mark.usefixtures("repo")
def test_a_metric_without_a_value_is_told_as_null(ledger: Ledger) -> None:
    assert "main: a NaN b null c 1" in ledger("record", "-m", "a=NaN", "-m", "b=null", "-m", "c=1")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-inf", "-Infinity"),
        ("null", None),
        ("9007199254740993", 2**53 + 1),
    ],
)
def test_metrics_at_the_edge_of_numbers(repo: Repo, ledger: Ledger, text: str, value: object) -> None:
    ledger("record", "-m", f"f1={text}")
    assert file(repo, "metrics.json") == {"f1": value}


@pytest.mark.parametrize("name", ["a.b", "a/b", "🙂", "--x", "é", "a b"])
def test_odd_names_of_params(repo: Repo, ledger: Ledger, name: str) -> None:
    ledger("record", "-p", f"{name}=1", "-m", "f1=1")
    assert file(repo, "params.json") == {name: 1}
    assert ledger.json("runs")[0][f"params.{name}"] == 1


def test_experiments_whose_names_look_alike(repo: Repo, ledger: Ledger) -> None:
    names = ["exp", "exp/lr", "LR", "lr", "x" * 300, "--output=x", "../x"]
    for name in names:
        ledger("record", f"--experiment={name}", "-m", "f1=1")
    refs = repo.git("for-each-ref", "--format=%(refname)", "refs/runs").split()
    assert len(refs) == len(names)
    assert sorted(row["experiment"] for row in ledger.json("runs")) == sorted(names)
    assert ledger.json("verify")["faults"] == []
    assert not (repo.path / "x").exists()


def test_a_name_that_is_nearly_declared_is_warned_of(repo: Repo, ledger: Ledger) -> None:
    ledger("init", "--starter", "classification")
    ledger("record", "-m", "acuracy=0.5", "-m", "mine=1")
    assert "warning: metric acuracy is not declared in the schema, which has accuracy: a typo?" in ledger.err
    assert "mine" not in ledger.err
    ledger("record", "-m", "acuracy=0.5", "-m", "accuracy=0.5")
    assert "typo" not in ledger.err, "both are meant"
    assert repo.git("rev-list", "--count", REF) == "2"


def test_without_metrics(repo: Repo, ledger: Ledger) -> None:
    assert ": no metrics  code " in ledger("record", "-p", "lr=0.1")
    assert file(repo, "params.json") == {"lr": 0.1}


@pytest.mark.parametrize("bare", [True, False])
def test_the_branch_where_there_is_no_work_tree(
    repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, bare: bool
) -> None:
    if bare:
        repo.git("clone", "-q", "--bare", ".", "../bare.git")
    monkeypatch.chdir(repo.path / ("../bare.git" if bare else ".git"))
    found = ledger.json("record", "-m", "f1=0.9")
    assert (found["experiment"], found["code"]) == ("main", repo.git("rev-parse", "HEAD"))
    assert ledger.json("runs")[0]["code.branch"] == "main"


_CHECKED = """{"properties": {"metrics": {"properties": {"accuracy": {"type": "number", "maximum": 1}}}}}"""


@pytest.mark.slow
def test_without_a_work_tree_the_schema_of_head_counts(
    repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write(".ledger/schemas/one.json", _CHECKED)
    repo.commit("a schema")
    repo.git("clone", "-q", "--bare", ".", "../one.git")
    repo.write(".ledger/schemas/two.json", "{}")
    repo.write(".ledger/config.toml", '[ledger]\nschema = "one"\n')
    repo.commit("another, and which counts")
    repo.git("clone", "-q", "--bare", ".", "../chosen.git")
    for bare in ("../one.git", "../chosen.git"):
        monkeypatch.chdir(repo.path / bare)
        assert ledger.json("status")["schema"]["name"] == "one"
        ledger("record", "-m", "accuracy=77", "-e", "x", code=1)
        assert "accuracy" in ledger.err
        ledger("record", "-m", "accuracy=0.7", "-e", "x")
        (run,) = ledger.json("runs")
        assert ledger.json("show", run["run_id"])["run"]["schema"]["name"] == "one"
    ledger("record", "-m", "accuracy=77", "-e", "x", "--schema", "three", code=1)
    assert "known: one, two" in ledger.err


def test_without_a_git_identity(repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        for key in ("NAME", "EMAIL"):
            monkeypatch.delenv(f"GIT_{role}_{key}")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    repo.write("train.py", "changed\n")
    ledger("record", "-m", "f1=0.9")
    assert (
        repo.git("show", "-s", "--format=%an <%ae> %cn <%ce>", REF)
        == "ledger <ledger@localhost> ledger <ledger@localhost>"
    )
    assert file(repo, "run.json")["code"]["snapshot"]


def test_as_a_process_from_another_folder(repo: Repo, tmp_path: Path) -> None:
    repo.write("sub/m.json", '{"f1": 0.5}')
    words = [sys.executable, "-m", "ledger", "-C", "repo/sub", "record", "-q", "--metrics", "m.json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == file(repo, "run.json")["id"]
    assert file(repo, "run.json")["code"]["ignored"] == ["sub/m.json"]
