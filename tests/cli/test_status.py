"""`ledger status`: short and calm when all is well, plain when it is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Ledger, Repo

REF = "refs/runs/main"


def test_all_is_well(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.9")
    ledger("record", "-m", "f1=0.8", "-e", "exp/lr")
    lines = ledger("status").splitlines()
    head = repo.git("rev-parse", "--short=9", "HEAD")
    assert lines[0] == f"repository  {repo.path}"
    assert lines[1] == f"code        main {head}, clean"
    assert lines[2].startswith("schema      none: every value is kept")
    assert lines[5].split() == ["experiment", "runs", "records", "last"]
    assert [line.split()[:3] for line in lines[6:]] == [["exp/lr", "1", "1"], ["main", "1", "1"]]
    assert ledger.err == ""


@pytest.mark.usefixtures("repo")
def test_before_the_first_run(ledger: Ledger) -> None:
    assert ledger("status").splitlines()[-1] == "no runs yet: ledger record --help"


def test_code_as_record_would_see_it(repo: Repo, ledger: Ledger) -> None:
    repo.write("metrics.json", '{"f1": 0.9}')
    ledger("init", "--metrics", "metrics.json", "--name", "quality")
    repo.commit("setup")
    repo.write("metrics.json", '{"f1": 0.95}')
    assert ", clean" in ledger("status"), "the run's own files don't count"
    repo.write("train.py", "changed\n")
    repo.write("new.py", "x\n")
    out = ledger("status")
    assert ", changed: train.py\n" in out
    assert "schema      quality version 1\n" in out
    found = ledger.json("status")
    assert found["code"]["changed"] == ["train.py"]
    assert found["code"]["untracked_sources"] == ["new.py"]
    assert found["schema"] == {"name": "quality", "version": "1"}


def test_several_schemas_and_a_broken_one(repo: Repo, ledger: Ledger) -> None:
    repo.write(".ledger/schemas/a.json", "{}")
    repo.write(".ledger/schemas/b.json", "{}")
    assert "schema      none chosen of a, b" in ledger("status")
    (repo.path / ".ledger/schemas/b.json").unlink()
    repo.write(".ledger/schemas/a.json", "[")
    assert "a.json" in ledger.json("status")["schema_problem"]


def test_what_waits_what_was_refused_and_what_can_not_be_read(repo: Repo, ledger: Ledger) -> None:
    repo.git("update-ref", REF, "HEAD")
    ledger("record", "-m", "f1=0.9")
    ledger("init", "--starter", "classification")
    ledger("record", "-m", "accuracy=7", code=1)
    out = ledger("status")
    assert "waiting: 1 sealed record, safe on disk, not on a ref yet" in out
    assert f"{REF} holds something that is not a ledger" in out
    assert "refused (finish with: ledger record --refused FILE -m NAME=VALUE; or delete FILE)" in out
    assert "$.metrics.accuracy = 7" in out
    assert "unreadable (ledger verify says more):" in out
    found = ledger.json("status")
    assert [one["records"] for one in found["waiting"]] == [1]
    assert [one["ref"] for one in found["unreadable"]] == [REF]
    assert found["refused"][0]["path"].endswith(".zip")
    assert found["lock"] is None


def test_a_holder_that_died(repo: Repo, ledger: Ledger) -> None:
    import json
    import socket

    from ledger.store.boot import boot_id

    ledger("record", "-m", "f1=0.9")
    note = {
        "host": socket.gethostname(),
        "boot": boot_id(),
        "pid": 2**22 + 1,
        "since": 1.0,
        "open": True,
        "intents": [],
    }
    (repo.path / ".git/ledger/lock").write_text(json.dumps(note))
    assert "ended while it was writing" in ledger("status")
    assert ledger.json("status")["lock"] == {"host": socket.gethostname(), "pid": 2**22 + 1, "alive": False}
    assert "mended what process" in ledger("recover")
    assert "ended while" not in ledger("status")


def test_without_a_commit_detached_and_bare(
    repo: Repo, ledger: Ledger, make_repo: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.git("checkout", "-q", "--detach")
    assert "code        detached HEAD " in ledger("status")
    monkeypatch.chdir(make_repo("fresh").path)
    assert "code        main, no commit yet" in ledger("status")
    monkeypatch.chdir(make_repo("bare.git", "--bare").path)
    assert "a bare repository: no work tree" in ledger("status")
    assert ledger.json("status")["code"] is None


@pytest.mark.usefixtures("repo")
def test_names_from_data_are_escaped(ledger: Ledger) -> None:
    ledger("record", "-m", "f1=1", "-e", "a\u202eb")
    assert "a\\u202eb" in ledger("status")
