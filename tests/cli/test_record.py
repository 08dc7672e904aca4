"""`ledger record`: real input, bad input, and nothing lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo

from ledger import api
from ledger.errors import InputError, RefusedError

REF = "refs/runs/main"


def file(repo: Repo, name: str, ref: str = REF) -> Any:
    return json.loads(repo.git("show", f"{ref}:{name}"))


def refused(repo: Repo) -> list[Path]:
    return sorted((repo.path / ".git/ledger/spool/refused").glob("*.zip"))


# Good input -------------------------------------------------------------------------------------------------------


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


def test_the_subject_and_the_trailers_are_readable(repo: Repo, ledger: Ledger) -> None:
    run_id = ledger("record", "-q", "-m", "f1=0.912345", "-m", "loss=nan", "-m", "n=3", "-m", "z=1").strip()
    assert repo.git("show", "-s", "--format=%s", REF) == "main: f1 0.9123 loss nan n 3 (finished)"
    assert repo.git("show", "-s", "--format=%(trailers:key=Ledger-Run,valueonly)", REF) == run_id
    assert repo.git("show", "-s", "--format=%(trailers:key=Ledger-Code,valueonly)", REF) == repo.git(
        "rev-parse", "HEAD"
    )
    assert repo.git("show", "-s", "--format=%an <%ae>", REF) == "Ada Test <ada@example.com>"


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


# Bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        ("", "it is empty"),
        ("{", "not JSON"),
        ('{"f1": 0.9, "f1": 0.8}', "stands twice"),
        (b"\xff\xfe{}", "not UTF-8"),
        ('{"f1": "good"}', "text is no metric"),
        ('{"f1": true}', "a boolean is no metric"),
        ('{"f1": 1e400}', "too large"),
        ('{"f1": [1, 2]}', "a list is no metric"),
        ("[" * 1000 + "]" * 1000, "nested"),
        ("[1, 2]", "an object of names and values is wanted"),
    ],
)
def test_metrics_files_that_can_not_be(
    repo: Repo, ledger: Ledger, content: str | bytes | None, said: str
) -> None:
    if content is not None:
        (repo.path / "m.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    ledger("record", "--metrics", "m.json", code=1)
    assert said in ledger.err
    assert "m.json" in ledger.err
    assert repo.git("for-each-ref", "refs/runs") == ""


def test_a_file_of_200_megabytes_is_refused_by_its_size(repo: Repo, ledger: Ledger) -> None:
    with (repo.path / "m.json").open("wb") as sparse:
        sparse.truncate(200 << 20)
    ledger("record", "--metrics", "m.json", code=1)
    assert "209,715,200 bytes" in ledger.err


def test_two_files_with_two_values_for_one_name(repo: Repo, ledger: Ledger) -> None:
    repo.write("a.json", '{"f1": 0.9}')
    repo.write("b.json", '{"f1": 0.8}')
    ledger("record", "--metrics", "a.json", "--metrics", "b.json", code=1)
    assert "f1 is 0.9 in a.json and 0.8 in b.json" in ledger.err


def test_nothing_to_record_and_wrong_words(repo: Repo, ledger: Ledger) -> None:
    del repo
    ledger("record", code=2)
    assert "nothing to record" in ledger.err
    ledger("record", "-m", "f1", code=2)
    ledger("record", "--nope", code=2)
    ledger("record", "-m", "f1=1", "--started", "yesterday", code=2)
    assert "not a time" in ledger.err
    ledger("record", "-m", "f1=1", "--code", "nope", code=1)
    assert "no such revision" in ledger.err


def test_outside_of_a_repository(ledger: Ledger) -> None:
    ledger("record", "-m", "f1=1", code=1)
    assert "not a git repository" in ledger.err
    ledger("record", "-m", "f1=1", "--json", code=1)
    assert json.loads(ledger.err)["error"]["kind"] == "repository"


def test_a_foreign_owned_repository_is_gits_to_refuse(
    repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    del repo
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    ledger("record", "-m", "f1=1", code=1)
    assert "dubious ownership" in ledger.err
    assert "safe.directory" in ledger.err


# Refused, and finished later --------------------------------------------------------------------------------------


def test_no_commit_yet_is_refused_and_finished_after_the_first(
    ledger: Ledger, make_repo: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = make_repo("fresh")
    monkeypatch.chdir(fresh.path)
    ledger("record", "-m", "f1=0.9", "-p", "lr=1", code=1)
    assert "no commit yet" in ledger.err
    (path,) = refused(fresh)
    assert str(path) in ledger.err
    fresh.commit("first", train__py="1")
    ledger("record", "--refused", str(path))
    assert (file(fresh, "metrics.json"), file(fresh, "params.json")) == ({"f1": 0.9}, {"lr": 1})
    assert refused(fresh) == []


def test_a_detached_head_is_finished_with_a_name(
    repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.git("checkout", "-q", "--detach")
    ledger("record", "-m", "f1=0.9", code=1)
    assert "--experiment NAME" in ledger.err
    (path,) = refused(repo)
    ledger("record", "--refused", str(path), "-e", "nightly")
    assert file(repo, "run.json", "refs/runs/nightly")["experiment"] == "nightly"
    monkeypatch.setenv("GITHUB_HEAD_REF", "feature/x")
    ledger("record", "-m", "f1=0.9")
    assert "feature/x" in {row["experiment"] for row in ledger.json("runs")}
    monkeypatch.setenv("LEDGER_EXPERIMENT", "night")
    ledger("record", "-m", "f1=0.9")
    assert "night" in {row["experiment"] for row in ledger.json("runs")}


def test_every_fault_of_a_schema_at_once_and_the_run_is_kept(repo: Repo, ledger: Ledger) -> None:
    ledger("init", "--starter", "classification")
    repo.write("m.json", '{"accuracy": 7, "f1": -1, "acuracy": 0.5}')
    ledger("record", "--metrics", "m.json", code=1)
    assert "m.json: $.metrics.accuracy = 7" in ledger.err
    assert "m.json: $.metrics.f1 = -1" in ledger.err
    (path,) = refused(repo)
    run = ledger.json("record", "--refused", str(path), "-m", "accuracy=0.7", "-m", "f1=0.9")
    assert file(repo, "metrics.json") == {"accuracy": 0.7, "acuracy": 0.5, "f1": 0.9}
    assert run["id"] == file(repo, "run.json")["id"]
    assert refused(repo) == []


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("--duration", "-3"), "duration -3.0: not a length of time", 1),
        (("--duration", "nan"), "duration nan: not a length of time", 1),
        (("--started", "2026-11-21T10:00+01:00", "--finished", "2026-11-21T08:59Z"), "is before started", 1),
        (("--started", "yesterday"), "--started yesterday: not a time", 2),
        (("-e", ""), "--experiment is empty", 2),
    ],
)
def test_what_can_not_be_is_not_recorded(
    repo: Repo, ledger: Ledger, words: tuple[str, ...], said: str, code: int
) -> None:
    ledger("record", "-m", "f1=1", *words, code=code)
    assert said in ledger.err
    assert not repo.git("for-each-ref", REF)


def test_nothing_is_no_run(repo: Repo) -> None:
    with pytest.raises(InputError, match="nothing to record"):
        api.record(note="empty", repository=repo.path)


def test_a_dry_run_has_a_document(repo: Repo, ledger: Ledger) -> None:
    assert ledger.json("record", "--dry-run", "-m", "f1=1") == {"dry_run": True}
    assert not repo.git("for-each-ref", REF)


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n", "[nosuch]\na = 1\n", "[ledger]\nformat = 9\n"])
def test_settings_that_are_none_keep_the_run(repo: Repo, ledger: Ledger, text: str) -> None:
    repo.write(".ledger/config.toml", text)
    ledger("record", "-m", "f1=0.9", "-p", "lr=0.1", code=1)
    assert ledger.err.startswith("error: the run was refused: ")
    assert "config.toml" in ledger.err
    (path,) = refused(repo)
    with pytest.raises(RefusedError, match="refused"):
        api.record({"lr": 0.2}, {"f1": 0.8}, repository=repo.path)
    assert len(refused(repo)) == 2
    repo.write(".ledger/config.toml", "")
    ledger("record", "--refused", str(path))
    assert file(repo, "metrics.json") == {"f1": 0.9}
    assert file(repo, "params.json") == {"lr": 0.1}


@pytest.mark.parametrize(
    "text",
    ["[", "[]", '{"type": 7}', '{"$ref": "https://example.com/x.json"}', '{"x-ledger": {"format": 9}}'],
)
def test_a_schema_that_is_none_keeps_the_run(repo: Repo, ledger: Ledger, text: str) -> None:
    repo.write(".ledger/schemas/main.json", text)
    ledger("record", "-m", "f1=0.9", code=1)
    assert "main.json" in ledger.err
    assert len(refused(repo)) == 1


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_a_refused_file_that_is_none(repo: Repo, ledger: Ledger, content: bytes | None) -> None:
    if content is not None:
        (repo.path / "x.zip").write_bytes(content)
    ledger("record", "--refused", "x.zip", "-m", "f1=1", code=1)
    assert "x.zip" in ledger.err


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


# Storage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("-q",), ("--json",)])
def test_a_run_that_is_only_sealed_says_so(repo: Repo, ledger: Ledger, words: tuple[str, ...]) -> None:
    repo.git("update-ref", REF, "HEAD")  # a foreign ref: nothing is put on top of it
    ledger("record", "-m", "f1=1", *words)
    (path,) = (repo.path / ".git/ledger/spool").glob("*.zip")
    assert f"warning: sealed in {path}, not on its ref yet: {REF} holds something" in ledger.err


def test_a_run_that_is_only_in_the_fallback_folder_says_so(repo: Repo, ledger: Ledger) -> None:
    repo.write(".git/ledger", "in the way: what root meets instead of a read-only repository")
    found = ledger.json("record", "-m", "f1=1")
    (path,) = (Path(os.environ["XDG_STATE_HOME"]) / "ledger").glob("*/spool/*.zip")
    assert found["chained"] is False
    assert (path.parents[1] / "repository").read_text() == f"{repo.path / '.git'}\n"
    assert f"warning: sealed in {path}, not on its ref yet: {repo.path}/.git/ledger" in ledger.err


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


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    """A file system of its own: for root, permissions do nothing."""
    done = subprocess.run(["mount", *options, str(place)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_read_only_repository_is_read_and_its_runs_wait_elsewhere(
    repo: Repo, ledger: Ledger, tmp_path: Path
) -> None:
    ledger("record", "-m", "f1=0.9")
    with mounted(repo.path, "--bind", str(repo.path)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(repo.path)], check=True)
        run_id = ledger("record", "-q", "-m", "f1=0.8").strip()
        assert sorted(row["metrics.f1"] for row in ledger.json("runs")) == [0.8, 0.9]
        assert "can't be written" in ledger("status")
        ledger("tag", run_id, "a=b")
        ledger("verify")
    assert len(list((tmp_path / "home/state/ledger").rglob("*.zip"))) == 2
    ledger("recover")
    assert file(repo, "run.json")["tags"] == {"a": "b"}
    assert ledger.json("verify")["faults"] == []


def test_a_full_disk_keeps_the_run_elsewhere(
    ledger: Ledger, make_repo: Callable[..., Repo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "small"
    place.mkdir()
    with mounted(place, "-t", "tmpfs", "-o", "size=4m", "none"):
        small = make_repo("small/repo")
        small.commit("first", train__py="1")
        monkeypatch.chdir(small.path)
        ledger("record", "-m", "f1=0.9")
        filler = small.path / ".git/filler"
        with suppress(OSError), filler.open("wb", buffering=0) as big:
            while big.write(b"x" * 1000):
                pass
        run_id = ledger("record", "-q", "-m", "f1=0.8").strip()
        assert run_id in {row["run_id"] for row in ledger.json("runs")}
        filler.unlink()
        assert "put 1 sealed record" in ledger("recover")
        assert ledger.json("verify")["records"] == 2
        monkeypatch.chdir(tmp_path)


def test_as_a_process_from_another_folder(repo: Repo, tmp_path: Path) -> None:
    repo.write("sub/m.json", '{"f1": 0.5}')
    words = [sys.executable, "-m", "ledger", "-C", "repo/sub", "record", "-q", "--metrics", "m.json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == file(repo, "run.json")["id"]
    assert file(repo, "run.json")["code"]["ignored"] == ["sub/m.json"]


@pytest.mark.usefixtures("repo")
def test_words_before_the_command_are_checked_before_anything_is_written(ledger: Ledger) -> None:
    ledger("--color", "mauve", "record", "-m", "f1=0.5", code=2)
    assert "mauve" in ledger.err
    assert ledger.json("runs") == []
    assert ledger.json("status")["waiting"] == []
