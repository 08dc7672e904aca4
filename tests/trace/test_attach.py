"""Which commit a run belongs to, and how sure that is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import Ledger, Repo

import ledger as api
from ledger.config import open_workspace
from ledger.git import history
from ledger.model import Level
from ledger.trace.attach import Attacher, Attachment
from ledger.trace.view import open_view


def attachments(*revisions: str, paths: tuple[str, ...] = ()) -> list[Attachment]:
    """Of every run, in the order of recording: in bulk, and one by one."""
    workspace = open_workspace(Path.cwd(), os.environ)
    runs = open_view(workspace).runs
    span = history.resolve_range(workspace.repository, revisions)
    commits = history.walk(workspace.repository, span)
    groups = Attacher(workspace.repository, commits, paths).groups(runs)
    by_row = {row: attachment for attachment, rows in groups for row in rows}
    bulk = [by_row[row] for row in range(len(runs.index))]
    single = Attacher(workspace.repository, commits, paths)
    assert [single.row(runs, row) for row in range(len(runs.index))] == bulk
    order = sorted(range(len(bulk)), key=lambda row: runs.record_columns(row)["recorded"])
    return [bulk[row] for row in order]


def test_a_clean_run_belongs_to_its_commit(repo: Repo) -> None:
    api.record(metrics={"f1": 1.0})
    first = repo.git("rev-parse", "HEAD")
    repo.commit("second", train__py="2")
    api.record(metrics={"f1": 2.0})
    assert attachments() == [
        Attachment(first, Level.COMMIT),
        Attachment(repo.git("rev-parse", "HEAD"), Level.COMMIT),
    ]


def test_out_of_reach_is_unattached(repo: Repo) -> None:
    first = repo.git("rev-parse", "HEAD")
    repo.commit("second", train__py="2")
    api.record(metrics={"f1": 2.0})
    assert attachments(first) == [Attachment(None, Level.UNATTACHED)]
    assert attachments("HEAD")[0].level is Level.COMMIT


def test_a_reworded_commit_has_the_same_tree(repo: Repo) -> None:
    repo.commit("second", train__py="2")
    api.record(metrics={"f1": 2.0})
    repo.git("commit", "-q", "--amend", "-m", "second, better said")
    assert attachments() == [Attachment(repo.git("rev-parse", "HEAD"), Level.TREE, 1)]


def test_of_equal_trees_the_nearest_descendant_else_the_oldest(repo: Repo) -> None:
    base = repo.commit("a", train__py="a")
    api.record(metrics={"f1": 1.0})
    repo.commit("b", train__py="b")
    near = repo.commit("a again", train__py="a")
    repo.commit("b again", train__py="b")
    far = repo.commit("and again", train__py="a")
    assert attachments() == [Attachment(base, Level.COMMIT)]
    repo.git("checkout", "-q", "--orphan", "other")
    repo.commit("a elsewhere", train__py="a")
    oldest = repo.git("rev-parse", "HEAD")
    repo.commit("empty on top")
    assert attachments() == [Attachment(oldest, Level.TREE, 2)]
    assert near != far


def test_uncommitted_changes_that_are_committed_later_are_found(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    repo.write("train.py", "changed\n")
    api.record(metrics={"f1": 1.0})
    assert attachments() == [Attachment(base, Level.DIRTY_BASE)]
    made = repo.commit("the change")
    assert attachments() == [Attachment(made, Level.TREE, 1)]


def test_the_nearest_descendant_of_a_dirty_base(repo: Repo) -> None:
    repo.write("train.py", "changed\n")
    api.record(metrics={"f1": 1.0})
    near = repo.commit("the change")
    repo.commit("away", train__py="away")
    repo.commit("and back", train__py="changed\n")
    assert attachments() == [Attachment(near, Level.TREE, 2)]


def test_a_runs_own_files_do_not_count(repo: Repo, ledger: Ledger) -> None:
    repo.write("metrics.json", '{"f1": 0.1}')
    repo.commit("with results")
    repo.write("train.py", "changed\n")
    repo.write("metrics.json", '{"f1": 0.2}')
    ledger("record", "--metrics", "metrics.json")
    made = repo.commit("change and results")
    assert attachments() == [Attachment(made, Level.TREE)]


def test_scoped_paths_are_compared_alone(repo: Repo) -> None:
    repo.write("model/net.py", "1")
    repo.write("docs/text.md", "1")
    repo.commit("both")
    api.record(metrics={"f1": 1.0})
    repo.write("docs/text.md", "2")
    repo.git("commit", "-q", "-a", "--amend", "-m", "other docs")
    assert attachments() == [Attachment(None, Level.UNATTACHED)]
    assert attachments(paths=("model",)) == [Attachment(repo.git("rev-parse", "HEAD"), Level.TREE, 1)]


def test_a_dirty_run_whose_base_is_gone_is_unattached(repo: Repo) -> None:
    repo.commit("second", train__py="2")
    repo.write("train.py", "3")
    api.record(metrics={"f1": 1.0})
    repo.git("checkout", "-q", "-f", "-B", "main", "HEAD~1")
    assert attachments() == [Attachment(None, Level.UNATTACHED)]


@pytest.mark.usefixtures("repo")
def test_rows_that_share_their_code_are_resolved_together(repo: Repo) -> None:
    head = repo.git("rev-parse", "HEAD")
    api.record_many([{"metrics": {"f1": float(n)}} for n in range(5)])
    assert attachments() == [Attachment(head, Level.COMMIT)] * 5
