"""`ledger link`: a run where somebody says it belongs."""

from __future__ import annotations

import pytest
from conftest import Ledger, Repo


def levels(ledger: Ledger) -> list[tuple[str, str]]:
    return [(row["commit"], row["level"]) for row in ledger.json("log", "--metric", "f1", "main")["rows"]]


@pytest.fixture
def lost(repo: Repo, ledger: Ledger) -> str:
    """A run whose commit nothing leads to any more; its id."""
    repo.commit("a try", train__py="a try\n")
    run: str = ledger.json("record", "-m", "f1=0.5")["id"]
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.commit("something else", other__py="else\n")
    assert levels(ledger) == []
    return run


@pytest.mark.slow
def test_a_run_is_linked_moved_and_let_go(repo: Repo, ledger: Ledger, lost: str) -> None:
    said = ledger("link", lost[:6], "HEAD", "--reason", "squashed by hand")
    head = repo.git("rev-parse", "HEAD")
    assert said == f"linked {lost[:8]} to {head[:9]}\n"
    assert levels(ledger) == [(head, "manual")]
    assert ledger.json("show", lost)["attached"] == {"commit": head, "level": "manual"}
    ledger("link", lost, "HEAD~1")
    assert levels(ledger) == [(repo.git("rev-parse", "HEAD~1"), "manual")]
    assert ledger.json("link", lost, "--remove") == {"run": lost, "commit": None, "reason": None}
    assert levels(ledger) == []


def test_a_link_by_hand_follows_a_rewritten_commit(repo: Repo, ledger: Ledger, lost: str) -> None:
    ledger("link", lost, "HEAD")
    old = repo.git("rev-parse", "HEAD")
    repo.write("other.py", "else, better\n")
    repo.git("commit", "-q", "-a", "--amend", "-m", "better")
    assert levels(ledger) == []
    repo.write("map", f"{old} {repo.git('rev-parse', 'HEAD')}\n")
    assert ledger("link", "--from-map", "map") == "linked 1 commit\n"
    assert levels(ledger) == [(repo.git("rev-parse", "HEAD"), "manual")]


def test_somebodys_word_counts_more_than_a_dirty_base(repo: Repo, ledger: Ledger) -> None:
    repo.write("train.py", "changed\n")
    run = ledger.json("record", "-m", "f1=0.5")["id"]
    assert levels(ledger)[0][1] == "dirty-base"
    made = repo.commit("the change, and more", train__py="changed\n", other__py="more\n")
    ledger("link", run, made)
    assert levels(ledger) == [(made, "manual")]
    assert ledger.json("show", run)["attached"] == {"commit": made, "level": "manual"}


def test_what_is_certain_does_not_move(repo: Repo, ledger: Ledger) -> None:
    run = ledger.json("record", "-m", "f1=0.5")["id"]
    first = repo.git("rev-parse", "HEAD")
    repo.commit("second", train__py="2")
    ledger("link", run, "HEAD")
    assert levels(ledger) == [(first, "commit")]


def test_words_that_are_off(ledger: Ledger, lost: str) -> None:
    for words, code, said in (
        ((lost, "nowhere"), 1, "no such revision"),
        (("ffff", "HEAD"), 1, "no run"),
        ((lost,), 2, "a run and its commit"),
        ((lost, "HEAD", "--remove"), 2, "a run and its commit"),
        ((), 2, "a run and its commit"),
        ((lost, "--from-map", "map"), 2, "stands alone"),
        (("--from-map", "nowhere"), 1, "No such file"),
        (("--from-map", "train.py"), 1, "no pairs"),
        ((lost, "HEAD", "--reason", "x" * 2_001), 1, "the limit is 2,000"),
        ((lost, "--output=x"), 2, "No such option"),
    ):
        ledger("link", *words, code=code)
        assert said in ledger.err
