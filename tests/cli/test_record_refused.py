"""What `ledger record` refuses is kept, and finished later."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cli.stored import file, refused
from conftest import Ledger, Repo

from ledger import api
from ledger.errors import RefusedError


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
