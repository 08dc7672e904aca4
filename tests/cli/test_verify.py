"""`ledger verify`: the exit code, the document, the lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Ledger, Repo
from store.plumbing import REF, change


@pytest.mark.slow
def test_all_is_well(repo: Repo, ledger: Ledger) -> None:
    assert ledger("verify") == "0 experiments, 0 runs, 0 records: all is well\n"
    ledger("record", "-m", "f1=0.9")
    repo.write("train.py", "changed\n")
    run = ledger("record", "-q", "-m", "f1=0.8").strip()
    ledger("tag", run, "a=b")
    assert ledger("verify") == "1 experiment, 2 runs, 3 records: all is well\n"
    assert ledger.json("verify") == {"experiments": 1, "runs": 2, "records": 3, "faults": [], "notes": []}


def test_faults_are_listed_and_the_exit_code_says_so(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.9")
    commit = change(repo, {"metrics.json": b'{"f1": 0.9}'})
    out = ledger("verify", code=1)
    assert out.splitlines()[0] == "1 experiment, 1 run, 1 record: 1 fault"
    assert out.splitlines()[1].startswith(f"fault: {REF} {commit[:12]} metrics.json: not canonical")


def test_the_document_names_ref_commit_and_path(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.9")
    commit = change(repo, {"params.json": b"[]\n"})
    found = ledger.json("verify", code=1)
    assert found["faults"] == [
        {"ref": REF, "commit": commit, "path": "params.json", "what": "not a JSON object"}
    ]


def test_it_reads_a_bare_repository(
    repo: Repo, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger("record", "-m", "f1=0.9")
    bare = tmp_path / "bare.git"
    repo.git("clone", "-q", "--mirror", str(repo.path), str(bare))
    monkeypatch.chdir(bare)
    assert ledger("verify") == "1 experiment, 1 run, 1 record: all is well\n"


def test_text_from_damaged_data_is_escaped(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.9")
    change(repo, {"metrics.json": b'{\n  "\x1b[31m": 1\n}\n'})
    assert "\x1b" not in ledger("verify", code=1)


def test_outside_of_a_repository(ledger: Ledger) -> None:
    ledger("verify", code=1)
    assert "not a git repository" in ledger.err


def test_a_kept_file_of_a_refused_run_is_no_fault(repo: Repo, ledger: Ledger) -> None:
    repo.git("checkout", "-q", "--detach")
    ledger("record", "-m", "f1=0.9", code=1)
    assert ledger.json("verify")["faults"] == []
