"""`ledger recover`: what it did, in words and as a document."""

from __future__ import annotations

from conftest import Ledger, Repo

REF = "refs/runs/main"


def test_nothing_to_recover(repo: Repo, ledger: Ledger) -> None:
    del repo
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
        "restored": 1,
        "chained": 1,
        "waiting": 0,
        "indexed": 1,
        "faults": [],
    }
