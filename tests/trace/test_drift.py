"""Where an implementation changed while its definition did not, and which runs stand on which side."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo

from ledger.config import open_workspace
from ledger.git import history
from ledger.git.history import CodeCommit
from ledger.record.sealing import stored
from ledger.schema.fingerprint import Fingerprint
from ledger.store.load import Place, record_at
from ledger.trace.drift import changes, differing, drift, implementations, marks, sources
from ledger.trace.view import View, open_view

METRICS = "from util import clip\n\n\ndef f1(y):\n    return clip(y) / 2\n"
UTIL = "LIMIT = 1\n\n\ndef clip(y):\n    return min(y, LIMIT)\n"


def schema(source: str | None = "metrics.py:f1", **words: Any) -> str:
    said = {**({"source": source} if source else {}), **words}
    metrics = {"f1": {"type": "number", "x-ledger": said}, "loss": {"type": "number"}}
    return json.dumps(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"metrics": {"type": "object", "properties": metrics}},
        }
    )


def view() -> View:
    return open_view(open_workspace(Path.cwd(), os.environ))


def walked(revision: str = "HEAD") -> list[CodeCommit]:
    repository = view().workspace.repository
    return history.walk(repository, history.resolve_range(repository, [revision]), options=("--topo-order",))


def change(repo: Repo, message: str, **files: str) -> str:
    return repo.commit(message, **files)


@pytest.fixture
def project(repo: Repo) -> Repo:
    repo.write(".ledger/schemas/main.json", schema(how={"average": "macro"}))
    repo.commit("set up", metrics__py=METRICS, util__py=UTIL)
    return repo


@pytest.mark.slow
def test_a_change_is_at_its_commit_with_its_parts_and_runs(project: Repo, ledger: Ledger) -> None:
    base = project.git("rev-parse", "HEAD")
    for value in ("0.1", "0.2"):
        ledger("record", "-m", f"f1={value}")
    remark = project.commit("only a remark", util__py=f"# remark\n{UTIL}")
    ledger("record", "-m", "f1=0.3")
    changed = project.commit("another limit", util__py=UTIL.replace("1", "2"))
    ledger("record", "-m", "f1=0.4", "-m", "loss=1")
    project.commit("elsewhere", train__py="2")
    (found,) = changes(view(), "f1", walked())
    assert (found.newer.id, found.newer.subject, found.older) == (changed, "another limit", remark)
    assert [str(part) for part in found.parts] == ["LIMIT in util.py"]
    assert (found.runs_before, found.runs_after) == (3, 1)
    whole = drift(view(), "f1", ["HEAD"])
    assert whole.changes == (found,)
    assert (whole.commits, whole.sources, whole.uncommitted, whole.unread) == (5, ("metrics.py:f1",), (), ())
    assert whole.unknown == {"metrics.py is not there": (walked()[-1].id,)}
    assert drift(view(), "f1", [f"{base}..{remark}"]).changes == ()
    assert [one.newer.id for one in drift(view(), "f1", [f"{changed}^!"]).changes] == [changed]


@pytest.mark.slow
def test_a_commit_that_does_not_parse_hides_no_change(project: Repo) -> None:
    before = project.git("rev-parse", "HEAD")
    broken = project.commit("half done", metrics__py="def f1(:\n")
    done = project.commit("done", metrics__py=METRICS.replace("2", "3"))
    found = drift(view(), "f1")
    (one,) = found.changes
    assert (one.newer.id, one.older) == (done, before)
    assert [str(part) for part in one.parts] == ["f1 in metrics.py"]
    assert [commits for reason, commits in found.unknown.items() if "invalid syntax" in reason] == [(broken,)]


def test_a_merge_is_a_change_only_where_it_differs_from_all_its_parents(project: Repo) -> None:
    project.git("checkout", "-q", "-b", "side")
    side = project.commit("on the side", util__py=UTIL.replace("1", "2"))
    project.git("checkout", "-q", "main")
    project.commit("meanwhile", train__py="2")
    project.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    assert [one.newer.id for one in changes(view(), "f1", walked())] == [side]
    project.git("checkout", "-q", "-b", "other", "main~1")
    project.commit("other", train__py="3")
    project.git("merge", "-q", "-s", "ours", "-m", "merge", "side")
    project.write("util.py", UTIL.replace("1", "9"))
    project.git("commit", "-q", "-a", "--amend", "-m", "a merge with a change of its own")
    assert [one.newer.subject for one in changes(view(), "f1", walked("other"))] == [
        "a merge with a change of its own",
        "on the side",
    ]


def test_what_was_never_there_is_no_change(project: Repo) -> None:
    assert drift(view(), "f1").changes == ()
    assert project.git("status", "--porcelain") == ""


def test_a_dirty_run_measured_with_its_snapshot(project: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.1")
    project.write("util.py", UTIL.replace("1", "2"))
    ledger("record", "-m", "f1=0.2")
    project.git("checkout", "-q", "util.py")
    project.write("train.py", "elsewhere")
    ledger("record", "-m", "f1=0.3")
    found = view()
    values = {row: cell.value for row, cell in found.metric("f1")}
    whole = drift(found, "f1")
    assert [values[row] for row in whole.uncommitted] == [0.2]
    assert {values[row]: mark for row, mark in marks(found, "f1", values).items()} == {
        0.1: False,
        0.2: True,
        0.3: False,
    }


def test_a_dirty_run_that_was_not_captured_is_not_known(project: Repo, ledger: Ledger) -> None:
    project.git("config", "ledger.snapshot", "false")
    project.write("util.py", UTIL.replace("1", "2"))
    ledger("record", "-m", "f1=0.2")
    found = view()
    whole = drift(found, "f1")
    assert len(whole.unread) == 1
    assert marks(found, "f1", whole.unread) == {whole.unread[0]: False}


def test_marks_and_differing_commits_are_relative_to_the_newest(project: Repo, ledger: Ledger) -> None:
    ids = [project.git("rev-parse", "HEAD")]
    ledger("record", "-m", "f1=0.1")
    ids.append(project.commit("another limit", util__py=UTIL.replace("1", "2")))
    ledger("record", "-m", "f1=0.2")
    ids.append(project.commit("elsewhere", train__py="2"))
    ledger("record", "-m", "f1=0.3", "-m", "loss=1")
    found = view()
    values = {row: cell.value for row, cell in found.metric("f1")}
    assert {values[row] for row, mark in marks(found, "f1", values).items() if mark} == {0.1}
    assert differing(found, "f1", ids[::-1]) == {ids[0]}
    assert differing(found, "f1", ids) == {ids[1], ids[2]}
    assert differing(found, "loss", ids) == frozenset()
    assert marks(found, "loss", values) == dict.fromkeys(values, False)
    assert differing(found, "f1", []) == frozenset()


def test_of_runs_that_finished_at_one_moment_the_one_recorded_later_is_the_newest(
    project: Repo, ledger: Ledger
) -> None:
    space = open_workspace(Path.cwd(), os.environ)
    done = []
    for value, util in ((0.1, UTIL), (0.2, UTIL.replace("1", "2"))):
        project.commit("a limit", util__py=util)
        said = ledger.json("record", "-m", f"f1={value}", "--finished", "2026-01-01T00:00:00Z")
        done.append(record_at(space.repository, Place(record=said["record"], ref=said["ref"])))
    project.git("update-ref", "-d", "refs/runs/main")
    shutil.rmtree(project.path / ".git/ledger")
    stored(space, done[::-1])  # the later record comes first in the chain, and so in the index
    found = view()
    values = {row: cell.value for row, cell in found.metric("f1")}
    assert {values[row]: mark for row, mark in marks(found, "f1", values).items()} == {0.1: True, 0.2: False}


def test_runs_of_another_definition_have_no_mark(project: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.1")
    project.write(".ledger/schemas/main.json", schema(how={"average": "weighted"}))
    project.commit("another definition", util__py=UTIL.replace("1", "2"))
    ledger("record", "-m", "f1=0.2")
    found = view()
    values = {row: cell.value for row, cell in found.metric("f1")}
    assert set(marks(found, "f1", values).values()) == {False}
    (one,) = changes(found, "f1", walked())
    assert (one.runs_before, one.runs_after) == (0, 1)


def test_a_file_that_moved_is_found_by_the_source_that_runs_recorded(project: Repo, ledger: Ledger) -> None:
    old = project.git("rev-parse", "HEAD")
    ledger("record", "-m", "f1=0.1")
    project.git("mv", "metrics.py", "scores.py")
    project.write(".ledger/schemas/main.json", schema("scores.py:f1", how={"average": "macro"}))
    new = project.commit("move")
    found = view()
    assert sources(found, "f1") == ("scores.py:f1", "metrics.py:f1")
    known = implementations(found, "f1", [old, new])
    assert isinstance(known[old], Fingerprint)
    assert known[old] == known[new]
    assert drift(found, "f1").changes == ()
    project.commit("change", scores__py=METRICS.replace("2", "3"))
    assert [one.newer.subject for one in drift(view(), "f1").changes] == ["change"]


def test_without_a_source_nothing_is_known(repo: Repo, ledger: Ledger) -> None:
    repo.write(".ledger/schemas/main.json", schema(None))
    repo.commit("set up", metrics__py=METRICS)
    ledger("record", "-m", "f1=0.1")
    found = view()
    assert sources(found, "f1") == ()
    assert implementations(found, "f1", [repo.git("rev-parse", "HEAD")]) == {}
    assert drift(found, "f1").changes == ()
    assert marks(found, "f1", [0]) == {0: False}
