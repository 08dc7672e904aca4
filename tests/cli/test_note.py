"""`ledger note`."""

from __future__ import annotations

import io
import json

import pytest
from conftest import Ledger, Repo


@pytest.fixture
def run_id(repo: Repo, ledger: Ledger) -> str:
    del repo
    return ledger("record", "-q", "-m", "f1=0.9").strip()


def note(repo: Repo) -> str | None:
    found: str | None = json.loads(repo.git("show", "refs/runs/main:run.json")).get("note")
    return found


def test_a_note_is_written_replaced_and_removed(repo: Repo, ledger: Ledger, run_id: str) -> None:
    assert ledger("note", run_id, "diverged\nafter 900 steps") == f"edited {run_id[:8]} in main: note\n"
    assert note(repo) == "diverged\nafter 900 steps"
    ledger("note", run_id, "better")
    assert note(repo) == "better"
    ledger("note", run_id, "--remove")
    assert note(repo) is None
    ledger("note", run_id, "--remove")
    assert "nothing to change" in ledger.err
    assert repo.git("rev-list", "--count", "refs/runs/main") == "4"


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_standard_input(repo: Repo, ledger: Ledger, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, "überprüft\n\n".encode())
    ledger("note", run_id, "-")
    assert note(repo) == "überprüft"
    piped(monkeypatch, b"\xff\n")
    ledger("note", run_id, "-", code=1)
    assert "not UTF-8" in ledger.err
    piped(monkeypatch, b" \n")
    ledger("note", run_id, "-", code=1)
    assert "the note is empty" in ledger.err


@pytest.mark.parametrize("words", [[], ["text", "--remove"]])
def test_a_text_or_remove(ledger: Ledger, run_id: str, words: list[str]) -> None:
    ledger("note", run_id, *words, code=2)
    assert "either a text or --remove" in ledger.err
