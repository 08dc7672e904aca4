"""One rule for all commands: what is named but isn't there is 1 (not found), words that are off are 2 (usage)."""

from __future__ import annotations

import json

import pytest
from conftest import Ledger, Repo

from ledger.schema import starters

_NOWHERE = "ffffffff"


@pytest.fixture
def run(repo: Repo, ledger: Ledger) -> str:
    repo.write(".ledger/schemas/main.json", starters.load("classification").decode())
    return str(ledger.json("record", "-m", "accuracy=0.9", "-p", "lr=0.1", "--tag", "a=b")["id"])


_ABSENT = {
    "show: run": ("show", _NOWHERE),
    "show: series of a run without": ("show", "RUN", "--history", "loss"),
    "show: version": ("show", "RUN", "--as", "99"),
    "show: revision": ("show", "RUN", "--at", "nowhere"),
    "diff: run": ("diff", "RUN", _NOWHERE),
    "diff: version": ("diff", "RUN", "RUN", "--as", "99"),
    "explain: run": ("explain", _NOWHERE, "accuracy"),
    "explain: metric": ("explain", "RUN", "acuracy"),
    "explain: version": ("explain", "RUN", "accuracy", "--as", "99"),
    "tag: run": ("tag", _NOWHERE, "a=b"),
    "tag: tag": ("tag", "RUN", "-d", "nothing"),
    "note: run": ("note", _NOWHERE, "text"),
    "amend: run": ("amend", _NOWHERE, "-m", "accuracy=0.5", "--reason", "r"),
    "amend: metric": ("amend", "RUN", "--remove-metric", "f9", "--reason", "r"),
    "amend: param": ("amend", "RUN", "--remove-param", "p9", "--reason", "r"),
    "log: metric": ("log", "--metric", "acuracy"),
    "log: revision": ("log", "--metric", "accuracy", "nowhere"),
    "log: range": ("log", "--metric", "accuracy", "main..nowhere"),
    "log: version": ("log", "--metric", "accuracy", "--as", "99"),
    "log: revision of the schemas": ("log", "--metric", "accuracy", "--at", "nowhere"),
    "runs: column": ("runs", "--columns", "f9"),
    "runs: sort": ("runs", "--sort", "-f9"),
    "runs: filter": ("runs", "--where", "metrics.f9 > 1"),
    "runs: experiment": ("runs", "--experiment", "nowhere"),
    "runs: version": ("runs", "--as", "99"),
    "runs: revision": ("runs", "--at", "nowhere"),
    "export: filter": ("export", "--where", "f9 > 1", "out"),
    "export: experiment": ("export", "--experiment", "nowhere", "out"),
    "export: version": ("export", "--as", "99", "out"),
    "drift: metric": ("drift", "acuracy"),
    "drift: revision": ("drift", "accuracy", "nowhere"),
    "schema show": ("schema", "show", "nowhere"),
    "schema check": ("schema", "check", "nowhere"),
    "schema infer: experiment": ("schema", "infer", "--experiment", "nowhere"),
    "schema matrix": ("schema", "matrix", "nowhere"),
    "schema history": ("schema", "history", "nowhere"),
    "schema history: revision": ("schema", "history", "accuracy", "nowhere"),
    "schema diff": ("schema", "diff", "nowhere"),
    "schema migrate": ("schema", "migrate", "--name", "nowhere"),
    "schema migrate: revision": ("schema", "migrate", "--from", "nowhere"),
    "schema migrate: new name": ("schema", "migrate", "--rename", "accuracy=nowhere"),
    "init: starter": ("init", "--starter", "nowhere"),
    "record: parent": ("record", "-m", "accuracy=0.5", "--parent", _NOWHERE),
    "record: schema": ("record", "-m", "accuracy=0.5", "--schema", "nowhere"),
    "record: revision": ("record", "-m", "accuracy=0.5", "--code", "nowhere"),
    "record: metrics file": ("record", "--metrics", "nowhere.json"),
    "record: refused file": ("record", "--refused", "nowhere.zip"),
}

_MALFORMED = {
    "show: no id": ("show", "zzzz"),
    "show: too short": ("show", "abc"),
    "diff: no id": ("diff", "RUN", "zzzz"),
    "explain: no id": ("explain", "zzzz", "accuracy"),
    "tag: no id": ("tag", "zzzz", "a=b"),
    "tag: no pair": ("tag", "RUN", "nothing"),
    "note: no id": ("note", "zzzz", "text"),
    "amend: no id": ("amend", "zzzz", "-m", "accuracy=0.5", "--reason", "r"),
    "amend: no pair": ("amend", "RUN", "-m", "accuracy", "--reason", "r"),
    "log: no metric": ("log", "--runs"),
    "log: aggregate": ("log", "--metric", "accuracy", "--agg", "nope"),
    "runs: filter": ("runs", "--where", "accuracy >"),
    "runs: two forms": ("runs", "--json", "--csv"),
    "export: format": ("export", "--format", "xlsx", "out"),
    "schema: command": ("schema", "nowhere"),
    "record: no pair": ("record", "-m", "accuracy"),
    "any: option": ("runs", "--nope"),
    "any: command": ("rnus",),
}


@pytest.mark.long
def test_what_is_named_but_is_not_there_is_not_found_and_words_that_are_off_are_usage(
    ledger: Ledger, run: str
) -> None:
    # One repository for the whole table: none of these calls records anything.
    for table, code in ((_ABSENT, 1), (_MALFORMED, 2)):
        for words in table.values():
            ledger(*(run if word == "RUN" else word for word in words), code=code)
            assert "error" in ledger.err.lower(), words
    assert len(ledger.json("runs")) == 1


def test_the_kind_of_an_error_says_so_too(ledger: Ledger, run: str) -> None:
    ledger("runs", "--json", "--columns", "f9", code=1)
    assert json.loads(ledger.err)["error"]["kind"] == "not-found"
    ledger("show", "--json", run[:3], code=2)
    assert json.loads(ledger.err)["error"]["kind"] == "usage"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rusn"], "Did you mean 'runs' or 'run'?"),
        (["psuh"], "Did you mean 'push'?"),
        (["schema", "chekc"], "Did you mean 'check'?"),
        (["hooks", "unistall"], "Did you mean 'uninstall' or 'install'?"),
        (["xyzzy"], "No such command 'xyzzy'.\n"),
    ],
)
def test_a_command_that_is_none_names_the_nearest_swapped_letters_first(
    ledger: Ledger, words: list[str], said: str
) -> None:
    ledger(*words, code=2)
    assert said in ledger.err
