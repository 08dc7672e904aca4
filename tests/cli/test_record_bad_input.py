"""`ledger record` with input that is none: one clear word, and nothing is recorded."""

from __future__ import annotations

import json

import pytest
from cli.stored import REF
from conftest import Ledger, Repo

from ledger import api
from ledger.errors import InputError


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        ("", "it is empty"),
        ("{", "not JSON"),
        ('{"f1": 0.9, "f1": 0.8}', "stands twice"),
        (b"\xff\xfe{}", "not UTF-8"),
        ('{"f1": "good"}', "text is no metric"),
        ('{"f1": true}', "a boolean is no metric"),
        ('{"f1": 1e400}', "too large"),
        ('{"f1": [1, 2]}', "a list is no metric"),
        ("[" * 1000 + "]" * 1000, "nested"),
        ("[1, 2]", "an object of names and values is wanted"),
    ],
)
def test_metrics_files_that_can_not_be(
    repo: Repo, ledger: Ledger, content: str | bytes | None, said: str
) -> None:
    if content is not None:
        (repo.path / "m.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    ledger("record", "--metrics", "m.json", code=1)
    assert said in ledger.err
    assert "m.json" in ledger.err
    assert repo.git("for-each-ref", "refs/runs") == ""


def test_a_file_of_200_megabytes_is_refused_by_its_size(repo: Repo, ledger: Ledger) -> None:
    with (repo.path / "m.json").open("wb") as sparse:
        sparse.truncate(200 << 20)
    ledger("record", "--metrics", "m.json", code=1)
    assert "209,715,200 bytes" in ledger.err


def test_two_files_with_two_values_for_one_name(repo: Repo, ledger: Ledger) -> None:
    repo.write("a.json", '{"f1": 0.9}')
    repo.write("b.json", '{"f1": 0.8}')
    ledger("record", "--metrics", "a.json", "--metrics", "b.json", code=1)
    assert "f1 is 0.9 in a.json and 0.8 in b.json" in ledger.err


@pytest.mark.usefixtures("repo")
def test_nothing_to_record_and_wrong_words(ledger: Ledger) -> None:
    ledger("record", code=2)
    assert "nothing to record" in ledger.err
    ledger("record", "-m", "f1", code=2)
    ledger("record", "--nope", code=2)
    ledger("record", "-m", "f1=1", "--started", "yesterday", code=2)
    assert "not a time" in ledger.err
    ledger("record", "-m", "f1=1", "--code", "nope", code=1)
    assert "no such revision" in ledger.err


def test_outside_of_a_repository(ledger: Ledger) -> None:
    ledger("record", "-m", "f1=1", code=1)
    assert "not a git repository" in ledger.err
    ledger("record", "-m", "f1=1", "--json", code=1)
    assert json.loads(ledger.err)["error"]["kind"] == "repository"


@pytest.mark.usefixtures("repo")
def test_a_foreign_owned_repository_is_gits_to_refuse(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    ledger("record", "-m", "f1=1", code=1)
    assert "dubious ownership" in ledger.err
    assert "safe.directory" in ledger.err


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("--duration", "-3"), "duration -3.0: not a length of time", 2),
        (("--duration", "nan"), "duration nan: not a length of time", 2),
        (("--started", "2026-11-21T10:00+01:00", "--finished", "2026-11-21T08:59Z"), "is before started", 2),
        (("--started", "yesterday"), "--started yesterday: not a time", 2),
        (("-e", ""), "--experiment is empty", 2),
        (("-m", "loss=high"), "text is no metric", 2),
        (("-m", "loss=true"), "a boolean is no metric", 2),
        (("-m", "=1"), 'the name "" is empty', 2),
        (("-m", "loss=1", "-m", "loss=2"), "loss is 1 in -m and 2 in -m", 2),
        (("-p", "lr=1e400"), "too large for a double", 2),
        (("-p", "=1"), 'the name "" is empty', 2),
        (("-p", "lr=1", "-p", "lr=2"), "lr is 1 in -p and 2 in -p", 2),
        (("--seed", "1", "-p", "seed=2"), "seed is 2 in -p and 1 in -p", 2),
    ],
)
def test_what_can_not_be_is_not_recorded(
    repo: Repo, ledger: Ledger, words: tuple[str, ...], said: str, code: int
) -> None:
    ledger("record", "-m", "f1=1", *words, code=code)
    assert said in ledger.err
    assert not repo.git("for-each-ref", REF)


def test_nothing_is_no_run(repo: Repo) -> None:
    with pytest.raises(InputError, match="nothing to record"):
        api.record(note="empty", repository=repo.path)


@pytest.mark.usefixtures("repo")
def test_words_before_the_command_are_checked_before_anything_is_written(ledger: Ledger) -> None:
    ledger("--color", "mauve", "record", "-m", "f1=0.5", code=2)
    assert "mauve" in ledger.err
    assert ledger.json("runs") == []
    assert ledger.json("status")["waiting"] == []
