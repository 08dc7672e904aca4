"""Refs: all or nothing, never over a value that nobody named."""

from __future__ import annotations

import os

import pytest
from conftest import Repo

from ledger.errors import RefMovedError
from ledger.git import refs
from ledger.git.process import Repository, discover
from ledger.git.refs import RefUpdate


def repository(repo: Repo) -> Repository:
    return discover(repo.path, os.environ)


def set_ref(repo: Repo, ref: str, new: str, old: str | None) -> None:
    refs.update(repository(repo), [RefUpdate(ref=ref, new=new, old=old)], reason="test")


def test_creation_names_nothing_and_replacement_names_the_old_value(repo: Repo) -> None:
    first = repo.git("rev-parse", "HEAD")
    second = repo.commit("second")
    set_ref(repo, "refs/runs/x", first, None)
    with pytest.raises(RefMovedError):
        set_ref(repo, "refs/runs/x", second, None)
    with pytest.raises(RefMovedError):
        set_ref(repo, "refs/runs/x", second, second)
    set_ref(repo, "refs/runs/x", second, first)
    assert repo.git("rev-parse", "refs/runs/x") == second
    assert repo.git("reflog", "--format=%H %gs", "refs/runs/x").splitlines() == [
        f"{second} test",
        f"{first} test",
    ]


def test_one_that_moved_stops_all(repo: Repo) -> None:
    head = repo.git("rev-parse", "HEAD")
    set_ref(repo, "refs/runs/x", head, None)
    updates = [
        RefUpdate(ref="refs/ledger/code/x", new=head, old=None),
        RefUpdate(ref="refs/runs/x", new=head, old=None),
    ]
    with pytest.raises(RefMovedError):
        refs.update(repository(repo), updates, reason="test")
    assert repo.git("for-each-ref", "refs/ledger") == ""


def test_many_that_are_flushed_together_are_all_or_none_too(repo: Repo) -> None:
    head = repo.git("rev-parse", "HEAD")
    updates = [RefUpdate(ref=f"refs/ledger/pins/origin/x{n}", new=head, old=None) for n in range(40)]
    refs.update_together(repository(repo), updates, reason="test")
    assert len(repo.git("for-each-ref", "refs/ledger/pins").splitlines()) == 40
    assert repo.git("reflog", "--format=%H %gs", "refs/ledger/pins/origin/x39") == f"{head} test"
    gone = [RefUpdate(ref=item.ref, new="0" * 40, old=head) for item in updates]
    with pytest.raises(RefMovedError):
        refs.update_together(repository(repo), [*gone[1:], updates[0]], reason="test")
    assert len(repo.git("for-each-ref", "refs/ledger/pins").splitlines()) == 40
    refs.update_together(repository(repo), gone, reason="test")
    assert repo.git("for-each-ref", "refs/ledger/pins") == ""


def test_packed_refs_count_too(repo: Repo) -> None:
    head = repo.git("rev-parse", "HEAD")
    set_ref(repo, "refs/runs/x", head, None)
    repo.git("pack-refs", "--all")
    with pytest.raises(RefMovedError):
        set_ref(repo, "refs/runs/x", head, None)
    assert refs.tips(repository(repo), "refs/runs/")["refs/runs/x"].id == head


def test_tips_of_every_kind(repo: Repo) -> None:
    head = repo.git("rev-parse", "HEAD")
    message = "main: f1 0.9 (finished)\n\nLedger-Run: abc\n"
    commit = repo.git("commit-tree", "HEAD^{tree}", "-m", message)
    repo.git("update-ref", "refs/runs/run", commit)
    repo.git("update-ref", "refs/runs/blob", repo.git("rev-parse", "HEAD:train.py"))
    repo.git("update-ref", "refs/runs/deep/er", head)
    repo.git("symbolic-ref", "refs/runs/other", "refs/heads/main")
    found = refs.tips(repository(repo), "refs/runs/")
    assert {name: tip.kind for name, tip in found.items()} == {
        "refs/runs/run": "commit", "refs/runs/blob": "blob", "refs/runs/deep/er": "commit", "refs/runs/other": "commit",
    }  # fmt: skip
    run = found["refs/runs/run"]
    assert (run.run, run.subject, run.tree) == (
        "abc",
        "main: f1 0.9 (finished)",
        repo.git("rev-parse", "HEAD^{tree}"),
    )
    assert found["refs/runs/other"].symbolic == "refs/heads/main"
    assert found["refs/runs/blob"].nature == "a blob"
    assert refs.tips(repository(repo), "refs/runs/run").keys() == {"refs/runs/run"}
    assert refs.tips(repository(repo), "refs/none/") == {}


def test_a_ref_whose_object_is_gone_hides_no_other(repo: Repo) -> None:
    head = repo.git("rev-parse", "HEAD")
    for number in range(5):
        repo.git("update-ref", f"refs/runs/x{number}", head)
    (repo.path / ".git/refs/runs/x2").write_text("1" * 40 + "\n")
    found = refs.tips(repository(repo), "refs/runs/", "refs/heads/main")
    assert {name for name, tip in found.items() if tip.kind == "broken"} == {"refs/runs/x2"}
    assert len(found) == 6
    assert "missing" in found["refs/runs/x2"].nature
