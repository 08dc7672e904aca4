"""What the linter compares with, and which definitions count as used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Repo
from projects import Project

from ledger.config import open_workspace
from ledger.errors import NotFoundError
from ledger.trace.check import check, compared_with, has_values, used
from ledger.trace.view import open_view


def bases(repo: Repo, against: str | None = None) -> tuple[str, ...]:
    return compared_with(open_workspace(repo.path, os.environ), against)


def test_nothing_before_the_first_commit(make_repo: Callable[..., Repo]) -> None:
    assert bases(make_repo("empty")) == ()


def test_the_default_branch_is_compared_with_itself_and_the_commit_before(repo: Repo) -> None:
    first = repo.git("rev-parse", "HEAD")
    assert bases(repo) == (first,)
    second = repo.commit("second")
    assert bases(repo) == (second, first)
    assert bases(repo, "HEAD~1") == (first,)
    with pytest.raises(NotFoundError):
        bases(repo, "nobody")


def test_a_branch_is_compared_with_where_it_forked_off(repo: Repo) -> None:
    fork = repo.commit("fork")
    repo.git("checkout", "-qb", "exp/a")
    repo.commit("on the branch")
    repo.commit("and on")
    assert bases(repo) == (fork,)
    repo.git("branch", "-m", "main", "trunk")
    assert len(bases(repo)) == 2, "nobody says which branch is the default one"
    repo.write(".ledger/config.toml", '[ledger]\nformat = 1\n[code]\ndefault_branch = "trunk"\n')
    assert bases(repo) == (fork,)


def test_the_remotes_default_branch_counts_before_an_old_local_one(repo: Repo, tmp_path: Path) -> None:
    newer = repo.commit("newer")
    repo.git("clone", "-q", str(repo.path), str(tmp_path / "clone"))
    clone = Repo(tmp_path / "clone")
    clone.git("checkout", "-qb", "exp/a")
    clone.git("branch", "-f", "main", "HEAD~1")
    clone.commit("on the branch")
    assert bases(clone) == (newer,)


def test_a_merge_is_compared_with_both_sides_before_and_after_it_is_committed(repo: Repo) -> None:
    fork = repo.git("rev-parse", "HEAD")
    one = repo.commit("one", a="1")
    repo.git("checkout", "-qb", "other", fork)
    other = repo.commit("other", b="1")
    repo.git("merge", "-q", "--no-commit", "main")
    assert bases(repo) == (other, one)
    repo.git("commit", "-qm", "merged")
    assert bases(repo) == (other, one)


def test_a_shallow_clone_has_what_it_has(repo: Repo, tmp_path: Path) -> None:
    repo.commit("second")
    repo.git("clone", "-q", "--depth", "1", f"file://{repo.path}", str(tmp_path / "shallow"))
    clone = Repo(tmp_path / "shallow")
    assert bases(clone) == (clone.git("rev-parse", "HEAD"),)


def test_what_runs_used(project: Project, repo: Repo) -> None:
    project.record(f1=0.5)
    project.declare("1", {"f1": {"unit": "1"}, "unused": {"unit": "1"}})
    project.record(f1=0.5)
    view = open_view(open_workspace(repo.path, os.environ))
    found = {(one.schema, one.definition.name): has_values(view, one) for one in used(view)}
    assert found == {("main", "f1"): True, ("main", "unused"): False}
    report = check(view)
    assert (report.schemas, report.used) == (("main",), 2)
    assert {one.severity for one in report.findings} == {"warning"}
    assert [one.file for one in check(view, name="nobody").findings] == []
