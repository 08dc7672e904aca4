"""Markdown is for people: ids are as short as in a terminal, while CSV and JSON have them whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pytest
from conftest import Ledger, Repo


@pytest.mark.parametrize(
    ("words", "column"),
    [(("log", "--metric", "f1"), "commit"), (("compare", "main", "exp"), "base_commit")],
)
def test_ids_of_commits_are_short_in_markdown_alone(
    repo: Repo, ledger: Ledger, words: Sequence[str], column: str
) -> None:
    ledger("record", "-m", "f1=0.5")
    base = repo.git("rev-parse", "HEAD")
    repo.git("checkout", "-q", "-b", "exp")
    repo.commit("of the experiment")
    ledger("record", "-m", "f1=0.6")
    rows = list(csv.DictReader(io.StringIO(ledger(*words, "--csv"))))
    assert rows[-1][column] == base
    shown = ledger(*words, "--md")
    assert base not in shown
    assert base[:9] in shown.splitlines()[-1]
