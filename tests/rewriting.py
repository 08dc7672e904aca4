"""Histories that are rewritten and merged as people do it, with real git, and where a run is found afterwards."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from conftest import Repo

import ledger as api
from ledger.config import open_workspace
from ledger.git import history
from ledger.trace.attach import Attacher, Attachment
from ledger.trace.view import open_view

HOOK = Path(__file__).resolve().parents[1] / "hooks" / "post-rewrite"
LINES = [f"line {number}\n" for number in range(1, 21)]
"""A file long enough for changes that are no neighbours."""


def attachments(*revisions: str) -> list[Attachment]:
    """Of every run, in the order of recording: in bulk, and one by one."""
    workspace = open_workspace(Path.cwd(), os.environ)
    runs = open_view(workspace).runs
    span = history.resolve_range(workspace.repository, revisions)
    commits = history.walk(workspace.repository, span)
    groups = Attacher(workspace.repository, commits).groups(runs)
    by_row = {row: attachment for attachment, rows in groups for row in rows}
    bulk = [by_row[row] for row in range(len(runs.index))]
    single = Attacher(workspace.repository, commits)
    assert [single.row(runs, row) for row in range(len(runs.index))] == bulk
    order = sorted(range(len(bulk)), key=lambda row: runs.record_columns(row)["recorded"])
    return [bulk[row] for row in order]


def install_hook(repo: Repo) -> None:
    folder = repo.path / ".git" / "hooks"
    folder.mkdir(exist_ok=True)
    shutil.copy(HOOK, folder / "post-rewrite")


class Branch:
    """`main`, and a branch `exp` of two commits that change `model.py` in two places."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.text(LINES)
        self.fork = repo.commit("the model")
        repo.git("checkout", "-q", "-b", "exp")
        self.first = self.changed("first", 10)
        self.second = self.changed("second", 12)

    def text(self, lines: list[str]) -> None:
        self.repo.write("model.py", "".join(lines))

    def change(self, number: int) -> None:
        lines = (self.repo.path / "model.py").read_text(encoding="utf-8").splitlines(keepends=True)
        lines[number - 1] = f"line {number}, changed\n"
        self.text(lines)

    def changed(self, message: str, number: int) -> str:
        self.change(number)
        return self.repo.commit(message)

    def record(self) -> None:
        api.record(metrics={"f1": 0.5})

    def to_main(self) -> None:
        self.repo.git("checkout", "-q", "-f", "main")

    def move_main(self, how: str) -> None:
        """Others go on with `main`, and `main` stays checked out."""
        self.to_main()
        if how == "other file":
            self.repo.commit("elsewhere", other__py="other\n")
        elif how == "same file":
            self.changed("far away", 2)
        elif how == "neighbour":
            self.changed("close by", 8)

    def squash(self, message: str = "exp, squashed", branch: str = "exp") -> str:
        self.to_main()
        self.repo.git("merge", "-q", "--squash", branch)
        self.repo.git("commit", "-q", "-m", message)
        return self.repo.git("rev-parse", "HEAD")

    def merge(self) -> str:
        self.to_main()
        self.repo.git("merge", "-q", "--no-ff", "-m", "merge exp", "exp")
        return self.second

    def rebase(self) -> str:
        self.repo.git("checkout", "-q", "-f", "exp")
        self.repo.git("rebase", "-q", "main")
        self.to_main()
        self.repo.git("merge", "-q", "--ff-only", "exp")
        return self.repo.git("rev-parse", "HEAD")

    def pick(self) -> str:
        self.to_main()
        self.repo.git("cherry-pick", "exp~1", "exp")
        return self.repo.git("rev-parse", "HEAD")

    def amend(self) -> str:
        """What is checked out, with one more change."""
        self.repo.git("checkout", "-q", "-f", "exp")
        self.change(20)
        self.repo.git("commit", "-q", "-a", "--amend", "-m", "second, better")
        return self.repo.git("rev-parse", "HEAD")
