"""`ledger tag`."""

from __future__ import annotations

import json

import pytest
from conftest import Ledger, Repo


@pytest.fixture
def run_id(repo: Repo, ledger: Ledger) -> str:
    del repo
    return ledger("record", "-q", "-m", "f1=0.9", "--tag", "old=1").strip()


def tags(repo: Repo) -> dict[str, str]:
    found: dict[str, str] = json.loads(repo.git("show", "refs/runs/main:run.json")).get("tags", {})
    return found


def test_tags_are_set_and_removed_by_a_prefix(repo: Repo, ledger: Ledger, run_id: str) -> None:
    out = ledger("tag", run_id[:6], "stage=final", "x=a=b", "-d", "old")
    assert out == f"edited {run_id[:8]} in main: tags.stage, tags.x, tags.old\n"
    assert tags(repo) == {"stage": "final", "x": "a=b"}


def test_what_is_so_already_writes_nothing(repo: Repo, ledger: Ledger, run_id: str) -> None:
    assert ledger("tag", run_id, "old=1") == ""
    assert "nothing to change" in ledger.err
    assert (
        ledger.json("tag", run_id, "old=1")["record"]
        == json.loads(repo.git("show", "refs/runs/main:run.json"))["record"]
    )
    assert repo.git("rev-list", "--count", "refs/runs/main") == "1"


def test_json_is_that_of_record(repo: Repo, ledger: Ledger, run_id: str) -> None:
    found = ledger.json("tag", run_id, "a=b")
    record = json.loads(repo.git("show", "refs/runs/main:run.json"))["record"]
    assert (found["id"], found["record"], found["ref"]) == (run_id, record, "refs/runs/main")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "no tag given"),
        (["stage"], 2, "not of the form NAME=VALUE"),
        (["a=1", "a=2"], 2, "given two values"),
        (["-d", "odl"], 1, "did you mean old?"),
        (["a\x1b=1"], 1, "control character"),
    ],
)
def test_bad_words(repo: Repo, ledger: Ledger, run_id: str, words: list[str], code: int, said: str) -> None:
    ledger("tag", run_id, *words, code=code)
    assert said in ledger.err
    assert tags(repo) == {"old": "1"}


def test_ids_that_are_unknown_or_too_short(ledger: Ledger, run_id: str) -> None:
    ledger("tag", run_id[:3], "a=b", code=2)
    ledger("tag", "0" * 32, "a=b", code=1)
    assert "no run" in ledger.err
