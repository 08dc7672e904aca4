"""Verifying edits, merges and the code that runs name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest
from conftest import Repo
from store.plumbing import (
    REF,
    blob,
    change,
    entries_of,
    files_of,
    put,
    recorded,
    run_json,
    tree,
    verified,
    workspace,
)

from ledger import canonical
from ledger.record.edit import Change, Tip, edit
from ledger.store import load
from ledger.store.spool import Spool

# Edits ------------------------------------------------------------------------------------------------------------


def edited(repo: Repo, **change_: object) -> None:
    space = workspace(repo)
    tip = load.record_at(space.repository, load.Place(record="", ref=REF, commit=repo.git("rev-parse", REF)))
    assert edit(space, Tip(record=tip), Change(**change_))  # type: ignore[arg-type]


def test_an_edit_whose_base_is_not_here_is_a_note(repo: Repo) -> None:
    recorded(repo)
    edited(repo, tags={"a": "b"})
    put(repo, f"{REF}^{{tree}}", parents=[])
    shutil.rmtree(Spool.of(workspace(repo).repository).chained)
    report = verified(repo)
    assert report.faults == ()
    assert [one.what[:16] for one in report.notes] == ["edits the record"]


def test_an_edit_of_another_run(repo: Repo) -> None:
    one = recorded(repo)
    recorded(repo)
    edited(repo, tags={"a": "b"})
    change(repo, {"run.json": run_json(repo, base=one.record)})
    (fault,) = verified(repo).faults
    assert f"belongs to the run {one.id[:8]}" in fault.what


def test_a_record_that_merges_one_of_another_run_or_one_that_is_not_here(repo: Repo) -> None:
    one = recorded(repo)
    recorded(repo)
    edited(repo, tags={"a": "b"})
    change(repo, {"run.json": run_json(repo, merges=[one.record, "ab" * 16])})
    report = verified(repo)
    (fault,) = report.faults
    assert f"belongs to the run {one.id[:8]}" in fault.what
    assert any("edits the record abababababab" in note.what for note in report.notes)


@pytest.mark.parametrize("merges", [[], ["ab" * 16, "ab" * 16], ["short"], "ab" * 16, 5, [["ab" * 16]]])
def test_merges_that_are_no_list_of_records(repo: Repo, merges: object) -> None:
    recorded(repo)
    edited(repo, tags={"a": "b"})
    change(repo, {"run.json": run_json(repo, merges=merges)})
    assert any(fault.path == "run.json" for fault in verified(repo).faults)


def test_merges_without_a_base(repo: Repo) -> None:
    done = recorded(repo)
    change(repo, {"run.json": run_json(repo, merges=["ab" * 16])})
    assert [fault.path for fault in verified(repo).faults] == ["run.json"], done.id


def test_edits_in_a_circle(repo: Repo) -> None:
    recorded(repo)
    edited(repo, tags={"a": "b"})
    top = json.loads(files_of(repo)["run.json"])
    edited(repo, tags={"a": "c"})
    first = put(
        repo,
        tree(
            repo,
            entries_of(
                repo,
                {**files_of(repo, f"{REF}~1"), "run.json": canonical.dumps({**top, "base": _record(repo)})},
            ),
        ),
        parents=[repo.git("rev-parse", f"{REF}~2")],
        ref="refs/runs/scratch",
        message=repo.git("show", "-s", "--format=%B", f"{REF}~1") + "\n",
    )
    put(repo, f"{REF}^{{tree}}", parents=[first])
    repo.git("update-ref", "-d", "refs/runs/scratch")
    assert [one.what for one in verified(repo).faults] == ["edits that lead in a circle"]


def _record(repo: Repo) -> str:
    return str(json.loads(files_of(repo)["run.json"])["record"])


def test_a_record_that_stands_twice_on_its_chain(repo: Repo) -> None:
    recorded(repo)
    put(repo, f"{REF}^{{tree}}", parents=[repo.git("rev-parse", REF)])
    (fault,) = verified(repo).faults
    assert "on the same chain" in fault.what


def test_one_record_with_two_contents(repo: Repo) -> None:
    recorded(repo)
    put(
        repo,
        f"{REF}^{{tree}}",
        ref="refs/ledger/inbox/ci",
        parents=[],
        message=repo.git("show", "-s", "--format=%B", REF) + "\n",
    )
    assert verified(repo).faults == (), "the same record in an inbox is not folded in yet"
    change(repo, {"metrics.json": canonical.dumps({"f1": 0.1})})
    faults = verified(repo).faults
    assert any("says something else there" in one.what for one in faults)


# Code -------------------------------------------------------------------------------------------------------------


def test_a_snapshot_that_no_ref_keeps(repo: Repo) -> None:
    repo.write("train.py", "changed\n")
    done = recorded(repo)
    assert done.code
    assert done.code.snapshot
    repo.git("update-ref", "-d", "refs/ledger/code/main")
    (fault,) = verified(repo).faults
    assert fault.ref == "refs/ledger/code/main"
    assert done.code.snapshot[:12] in fault.what


def test_code_that_a_branch_keeps_needs_no_ref_of_ours(repo: Repo) -> None:
    recorded(repo)
    repo.git("update-ref", "-d", "refs/ledger/code/main")
    assert verified(repo).faults == ()


def test_code_with_another_tree_than_the_run_says(repo: Repo) -> None:
    done = recorded(repo)
    assert done.code
    code = json.loads(files_of(repo)["run.json"])["code"]
    change(repo, {"run.json": run_json(repo, code={**code, "tree": "0" * 40})})
    (fault,) = verified(repo).faults
    assert "has the tree" in fault.what


def test_code_that_is_elsewhere_is_a_note(repo: Repo, make_repo: Callable[..., Repo]) -> None:
    recorded(repo)
    other = make_repo("other")
    other.commit("its own")
    other.git("fetch", "-q", str(repo.path), f"{REF}:{REF}")
    report = verified(other)
    assert report.faults == ()
    assert [one.what for one in report.notes] == ["1 code commit is not in this repository"]


def test_a_code_ref_that_holds_something_else(repo: Repo) -> None:
    recorded(repo)
    repo.git("update-ref", "refs/ledger/code/main", blob(repo, b"x"))
    (fault,) = verified(repo).faults
    assert (fault.ref, fault.what) == ("refs/ledger/code/main", "keeps no code commits: a blob")
