"""Which migrations count: those of the work tree and of HEAD, and what becomes of a deleted one."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Ledger, Repo
from projects import Project

PERCENT: dict[str, Any] = {"unit": "%", "direction": "higher"}
FRACTION = {**PERCENT, "unit": "1"}
SHOWN, APART = [("exact", 0.5)], [("incomparable", 50)]


@pytest.fixture
def project(repo: Repo, ledger: Ledger) -> Project:
    """A run in percent, a schema in fractions, and a committed migration between them."""
    project = Project(repo, ledger)
    project.declare("1", {"f1": PERCENT})
    project.commit("percent")
    project.record(f1=50)
    project.declare("2", {"f1": FRACTION})
    project.migrate()
    project.commit("fraction")
    assert project.rows("f1") == SHOWN
    return project


def test_a_migration_that_the_work_tree_deleted_is_gone(project: Project, repo: Repo) -> None:
    (path,) = (repo.path / ".ledger/migrations/main").glob("*.json")
    data = path.read_bytes()
    path.unlink()
    assert project.rows("f1") == APART
    path.write_bytes(data)
    assert project.rows("f1") == SHOWN
    repo.git("rm", "-q", "--", str(path))
    assert project.rows("f1") == APART
    assert project.rows("f1", "--at", "HEAD") == SHOWN


def test_a_migration_that_a_sparse_work_tree_leaves_out_counts(project: Project, repo: Repo) -> None:
    repo.git("sparse-checkout", "set", "--no-cone", "/*", "!/.ledger/migrations/")
    assert not (repo.path / ".ledger/migrations").exists()
    assert project.rows("f1") == SHOWN


def test_a_branch_from_before_a_migration_has_it_from_the_default_branch(
    project: Project, repo: Repo
) -> None:
    repo.git("switch", "-q", "-c", "older", "HEAD~1")
    assert not (repo.path / ".ledger/migrations").exists()
    assert project.rows("f1", "--as", "1") == [("identical", 50)]
    project.declare("2", {"f1": FRACTION})
    assert project.rows("f1") == SHOWN


@pytest.mark.slow
def test_a_draft_says_so_until_it_is_complete_or_gone(project: Project, ledger: Ledger) -> None:
    project.declare("3", {"f1": {**FRACTION, "how": {"average": "macro"}}})
    (path,) = project.drafts()
    project.commit("draft")
    for command in (("runs",), ("log", "--metric", "f1")):
        ledger(*command)
        assert f"{path.name}: an unfinished draft, not used yet" in ledger.err
        assert ledger.err.count("warning") == 1
    path.unlink()
    ledger("runs")
    assert "warning" not in ledger.err


@pytest.mark.slow
def test_the_first_schema_is_no_cliff(repo: Repo, ledger: Ledger) -> None:
    """Every command that shows older values apart says what joins them, until that is done."""
    project = Project(repo, ledger)
    for f1 in (0.5, 0.6):
        project.commit("code")
        project.record(f1=f1)
    assert project.rows("f1") == [("identical", 0.6), ("identical", 0.5)]
    assert "schema migrate" not in ledger("log", "--metric", "f1")
    ledger("schema", "infer")
    assert "ledger schema migrate" in ledger.err
    assert project.rows("f1") == [("undeclared", 0.6), ("undeclared", 0.5)]
    for command in (("log", "--metric", "f1"), ("runs",)):
        out = ledger(*command)
        assert "`ledger schema migrate` drafts the migration that joins them" in out + ledger.err
    project.migrate(reason="the code did not change")
    assert project.rows("f1") == [("exact", 0.6), ("exact", 0.5)]
    for command in (("log", "--metric", "f1"), ("runs",)):
        out = ledger(*command)
        assert "schema migrate" not in out + ledger.err
