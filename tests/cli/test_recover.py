"""`ledger recover`: what it did, in words and as a document."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ledger, Repo

REF = "refs/runs/main"


@pytest.mark.usefixtures("repo")
def test_nothing_to_recover(ledger: Ledger) -> None:
    assert ledger("recover") == "nothing to recover\n"
    ledger("record", "-m", "f1=0.9")
    assert ledger("recover") == "nothing to recover\n"
    assert ledger("recover", "--index") == "made the index anew: 1 record\n"


def test_records_that_waited_are_put_on_their_ref(repo: Repo, ledger: Ledger) -> None:
    repo.git("update-ref", REF, "HEAD")
    ledger("record", "-m", "f1=0.9")
    ledger("record", "-m", "f1=0.8")
    out = ledger("recover", code=1)
    assert out.count(f"still waiting: {REF}: {REF} holds something that is not a ledger") == 1
    repo.git("update-ref", "-d", REF)
    assert ledger("recover") == "put 2 sealed records on their refs\n"
    assert [row["metrics.f1"] for row in ledger.json("runs", "--sort", "f1")] == [0.8, 0.9]


@pytest.mark.parametrize(
    "content", ["", pytest.param("no id\n", marks=pytest.mark.slow)], ids=["empty", "torn"]
)
@pytest.mark.parametrize(
    "packed", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["loose", "packed"]
)
def test_a_ref_that_cannot_be_read_is_no_ledger_without_runs(
    repo: Repo, ledger: Ledger, content: str, packed: bool
) -> None:
    """What a power cut leaves of a file that nobody flushed. git passes over it, with a warning."""
    ledger("record", "-m", "f1=0.9")
    if packed:
        repo.git("pack-refs", "--all")
    ledger("record", "-m", "f1=0.8")
    folder = repo.path / ".git"
    shutil.rmtree(folder / "ledger" / "chained")
    (folder / REF).write_text(content, encoding="ascii")
    said = "its file is empty or damaged"
    assert said in ledger("verify", code=1)
    ledger("runs")
    assert said in ledger.err
    ledger("record", "-m", "f1=0.7")
    assert said in ledger.err
    assert said in ledger("recover", code=1)
    (found,) = [one for one in ledger.json("doctor", code=1)["problems"] if one["code"] == "no-chain"]
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(found["hint"], shell=True, cwd=repo.path, env=environ, check=True, capture_output=True)
    assert [row["metrics.f1"] for row in ledger.json("runs", "--sort", "f1")] == [0.7, 0.8, 0.9]
    ledger("verify")


def test_a_deleted_ref_comes_back(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.9")
    repo.git("update-ref", "-d", REF)
    assert ledger("recover").splitlines() == [
        "put back 1 sealed file, whose records had vanished from their refs",
        "put 1 sealed record on their refs",
    ]
    assert "all is well" in ledger("verify")


def test_the_document(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.9")
    repo.git("update-ref", "-d", REF)
    assert ledger.json("recover", "--index") == {
        "predecessor": None,
        "lost": 0,
        "late": 0,
        "restored": 1,
        "chained": 1,
        "waiting": 0,
        "indexed": 1,
        "faults": [],
    }


def in_the_fallback(repo: Repo, ledger: Ledger) -> None:
    """Record one run, and two more while neither the spool nor the ref can be written."""
    ledger("record", "-m", "f1=0.5")
    tip = repo.git("rev-parse", REF)
    repo.git("update-ref", REF, "HEAD")
    spool = repo.path / ".git/ledger/spool"
    shutil.rmtree(spool)
    spool.write_text("not a folder")
    ledger("record", "-m", "f1=0.9")
    ledger("record", "-m", "f1=0.8")
    assert "sealed in" in ledger.err
    spool.unlink()
    repo.git("update-ref", REF, tip)


@pytest.mark.slow
def test_sealed_files_of_a_moved_repository_are_named_and_taken_in(
    repo: Repo, make_repo: Callable[..., Repo], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_fallback(repo, ledger)
    assert ledger.json("status")["orphaned"] == [], "they are this repository's own"
    other = make_repo("other")
    other.commit("its own")
    monkeypatch.chdir(other.path)
    assert ledger.json("status")["orphaned"] == [], "it is where it was"

    moved = repo.path.with_name("moved")
    repo.path.rename(moved)
    monkeypatch.chdir(moved)
    (orphan,) = ledger.json("status")["orphaned"]
    assert (orphan["repository"], orphan["files"]) == (str(repo.path / ".git"), 2)
    text = ledger("status")
    assert f"{orphan['path']}: 2 files of {repo.path / '.git'}" in text
    assert "ledger recover --from FOLDER" in text
    assert len(ledger.json("runs")) == 1
    Path(orphan["path"], "torn.zip").write_text("torn")
    out = ledger("recover", "--from", orphan["path"], code=1)
    assert out.splitlines()[:2] == ["took in 2 sealed files", "put 2 sealed records on their refs"]
    assert "torn.zip" in out
    assert sorted(row["metrics.f1"] for row in ledger.json("runs")) == [0.5, 0.8, 0.9]
    assert "all is well" in ledger("verify")
    assert [one["files"] for one in ledger.json("status")["orphaned"]] == [1], "what can't be read stays"


def test_refused_runs_of_a_moved_repository_are_taken_in_too(
    repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_fallback(repo, ledger)
    (fallback,) = Path(os.environ["XDG_STATE_HOME"]).glob("ledger/*/spool")
    (fallback / "refused").mkdir()
    for path in fallback.glob("*.zip"):
        path.rename(fallback / "refused" / path.name)
    moved = repo.path.with_name("moved")
    repo.path.rename(moved)
    monkeypatch.chdir(moved)
    assert ledger("recover", "--from", str(fallback)) == "took in 2 sealed files\n"
    assert len(ledger.json("status")["refused"]) == 2


def test_a_folder_without_sealed_files(repo: Repo, ledger: Ledger) -> None:
    for folder in (repo.path, repo.path / "nowhere"):
        ledger("recover", "--from", str(folder), code=1)
        assert "no sealed files in" in ledger.err
