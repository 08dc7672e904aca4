"""`ledger drift`: what it prints, for people and programs, and what it says when it can't know."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import Ledger, Repo

METRICS = "from util import clip\n\n\ndef f1(y):\n    return clip(y) / 2\n"
UTIL = "LIMIT = 1\n\n\ndef clip(y):\n    return min(y, LIMIT)\n"


def declare(repo: Repo, source: str | None) -> None:
    words: dict[str, Any] = {"unit": "1", **({"source": source} if source is not None else {})}
    repo.write(
        ".ledger/schemas/main.json",
        json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "properties": {"metrics": {"properties": {"f1": {"type": "number", "x-ledger": words}}}},
            }
        ),
    )


@pytest.fixture
def changed(repo: Repo, ledger: Ledger) -> str:
    declare(repo, "metrics.py:f1")
    repo.commit("set up", metrics__py=METRICS, util__py=UTIL)
    ledger("record", "-m", "f1=0.5")
    commit = repo.commit(
        "Raise the limit\x1b[31m",
        util__py=UTIL.replace("1", "2"),
        metrics__py=METRICS.replace("clip(y)", "round(clip(y))"),
    )
    ledger("record", "-m", "f1=0.6")
    ledger("record", "-m", "f1=0.7")
    return commit


def test_for_people(repo: Repo, ledger: Ledger, changed: str) -> None:
    first = repo.git("rev-list", "--max-parents=0", "HEAD")
    lines = ledger("drift", "f1").splitlines()
    assert lines[0].startswith("f1  metrics.py:f1  d1:")
    assert lines[2].split() == ["commit", "date", "runs", "before", "after", "author", "subject"]
    assert lines[3].split(maxsplit=6)[:6] == [changed[:9], "2023-11-14", "1", "2", "Ada", "Test"]
    assert lines[3].endswith("Raise the limit\\x1b[31m")
    assert lines[4:6] == ["    f1 in metrics.py", "    LIMIT in util.py"]
    assert lines[7] == "the code changed 1 time in 3 commits"
    assert lines[8] == f"not known at 1 commit (newest {first[:9]}): metrics.py is not there"
    assert len(lines) == 9


def test_for_programs(repo: Repo, ledger: Ledger, changed: str) -> None:
    document = ledger.json("drift", "f1", "main~1..main")
    (change,) = document.pop("changes")
    assert document == {
        "metric": "f1",
        "definition": document["definition"],
        "sources": ["metrics.py:f1"],
        "commits": 1,
        "unknown": [],
        "uncommitted": [],
        "unread": [],
    }
    assert document["definition"].startswith("d1:")
    assert change == {
        "commit": changed,
        "date": "2023-11-14T22:13:20+00:00",
        "author": "Ada Test",
        "subject": "Raise the limit\x1b[31m",
        "older": repo.git("rev-parse", "main~1"),
        "parts": [
            {"path": "metrics.py", "name": "f1", "change": "changed"},
            {"path": "util.py", "name": "LIMIT", "change": "changed"},
        ],
        "runs_before": 1,
        "runs_after": 2,
    }


@pytest.mark.usefixtures("changed")
def test_runs_with_uncommitted_changes_are_named(repo: Repo, ledger: Ledger) -> None:
    repo.write("util.py", UTIL)
    repo.write("metrics.py", METRICS.replace("2", "7"))
    done = ledger.json("record", "-m", "f1=0.6")
    assert f"1 run measured with uncommitted changes of this code: {done['id'][:8]}" in ledger("drift", "f1")
    assert ledger.json("drift", "f1")["uncommitted"] == [done["id"]]


@pytest.mark.usefixtures("changed")
def test_imports_from_elsewhere_are_named(repo: Repo, ledger: Ledger) -> None:
    repo.commit("a library", util__py="from lib.scores import clip\n")
    (change, _) = ledger.json("drift", "f1")["changes"]
    assert {"path": None, "name": "lib.scores.clip", "change": "added"} in change["parts"]
    assert "    + import lib.scores.clip" in ledger("drift", "f1").splitlines()


@pytest.mark.usefixtures("changed")
def test_a_long_list_of_parts_is_cut_for_people(repo: Repo, ledger: Ledger) -> None:
    names = [f"part{n:02}" for n in range(12)]
    used = f"{METRICS}    return {' + '.join(names)}\n"
    repo.commit("grow", metrics__py=used + "".join(f"{name} = 1\n" for name in names))
    lines = ledger("drift", "f1", "HEAD~1..").splitlines()
    assert lines[4] == "    f1 in metrics.py"
    assert lines[13:15] == ["    + part08 in metrics.py", "    and 3 more (--json has all)"]
    assert len(ledger.json("drift", "f1", "HEAD~1..")["changes"][0]["parts"]) == 13


def test_no_change_is_said_plainly(repo: Repo, ledger: Ledger) -> None:
    declare(repo, "metrics.py:f1")
    repo.commit("set up", metrics__py=METRICS, util__py=UTIL)
    assert "the code did not change in 1 commit\n" in ledger("drift", "f1", "HEAD~1..")
    assert "no commits in this range\n" in ledger("drift", "f1", "HEAD..HEAD")


def test_a_source_that_names_nothing_says_nothing_of_change(repo: Repo, ledger: Ledger) -> None:
    declare(repo, "metrics.py:nobody")
    repo.commit("set up", metrics__py=METRICS, util__py=UTIL)
    found = ledger("drift", "f1", "HEAD~1..")
    assert "whether the code changed is not known\n" in found
    assert "metrics.py has no nobody" in found
    assert "did not change" not in found


def test_a_definition_without_a_source(repo: Repo, ledger: Ledger) -> None:
    declare(repo, None)
    ledger("record", "-m", "f1=0.5", "-m", "loss=1")
    for metric in ("f1", "loss"):
        ledger("drift", metric, code=1)
        assert f"the definition of {metric} does not say where it is computed" in ledger.err
        assert '"source": "path/to/file.py:function"' in ledger.err


@pytest.mark.parametrize(
    ("source", "says", "hint"),
    [
        ("metrics.R:f1", "not a Python file", ".py files only"),
        ("metrics.py", "not of the form path:function", 'for example "source": "eval/metrics.py:f1"'),
        ("../x.py:f", "not of the form path:function", 'for example "source": "eval/metrics.py:f1"'),
    ],
)
def test_a_source_that_cannot_be_followed(
    repo: Repo, ledger: Ledger, source: str, says: str, hint: str
) -> None:
    declare(repo, source)
    ledger("drift", "f1", code=1)
    assert says in ledger.err
    assert hint in ledger.err


@pytest.mark.usefixtures("changed")
def test_unknown_names(ledger: Ledger) -> None:
    ledger("drift", "f1_", code=1)
    assert "did you mean f1?" in ledger.err
    ledger("drift", "f1", "no-such-branch", code=1)
    assert "no such revision" in ledger.err
    ledger("drift", "f1", "--", "--output=x", code=2)
    assert "not a revision" in ledger.err
    ledger("drift", code=2)
