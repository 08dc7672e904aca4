"""A bare remote on disk and clones of it, with runs recorded through the command line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from conftest import Ledger, Repo

REF = "refs/runs/main"
_HOOKS = Path(__file__).resolve().parents[2] / "hooks"
_PROGRAM = Path(sys.executable).with_name("ledger")
_RUN = "%(trailers:key=Ledger-Run,valueonly)"


class Hub:
    """The remote, and its clones."""

    def __init__(self, folder: Path, ledger: Ledger, template: Path) -> None:
        """`template` is a bare repository with one commit on main."""
        self.folder = folder
        self.ledger = ledger
        self.repo = Repo(Path(shutil.copytree(template, folder / "hub.git")))
        self.url = f"file://{folder}/hub.git"

    def clone(self, name: str, *options: str) -> Repo:
        path = self.folder / name
        subprocess.run(["git", "clone", "-q", *options, self.url, str(path)], check=True, capture_output=True)
        return Repo(path)

    def record(self, repo: Repo, *words: str, f1: float = 0.5) -> str:
        """Record a run in a clone; its id."""
        found: dict[str, Any] = self.ledger.json("-C", str(repo.path), "record", "-m", f"f1={f1}", *words)
        return str(found["id"])

    def push(self, repo: Repo, *words: str, code: int = 0) -> dict[str, Any]:
        """Push from a clone; what `--json` says of the first remote."""
        return self._shared(repo, "push", *words, code=code)

    def pull(self, repo: Repo, *words: str, code: int = 0) -> dict[str, Any]:
        return self._shared(repo, "pull", *words, code=code)

    def fetch(self, repo: Repo, *words: str, code: int = 0) -> dict[str, Any]:
        return self._shared(repo, "fetch", *words, code=code)

    def _shared(self, repo: Repo, command: str, *words: str, code: int) -> dict[str, Any]:
        told = self.ledger.json("-C", str(repo.path), command, *words, code=code)
        found: dict[str, Any] = told["remotes"][0]
        return found

    def runs(self, ref: str = REF) -> list[str]:
        """Ids of the runs on a ref of the remote, oldest first."""
        return runs(self.repo, ref)

    def hook(self, name: str, text: str) -> None:
        """Install a hook on the remote."""
        path = self.repo.path / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
        path.chmod(0o755)

    def refuse(self, word: str, file: str = "run.json") -> None:
        """Let in no push whose last record has this word in a file."""
        look = f"git show $new:{file} 2>&1 | grep -q {word}"
        self.hook("pre-receive", f"while read old new ref; do {look} && exit 1; done; exit 0\n")

    def install(self, name: str) -> None:
        """One of the hooks that ship."""
        folder = self.repo.path / "hooks"
        folder.mkdir(exist_ok=True)
        shutil.copy(_HOOKS / name, folder / name)

    def guard(self, name: str) -> None:
        """One of the hooks that ship, and ledger on the server."""
        self.install(name)
        self.repo.git("config", "ledger.serverCheck", str(_PROGRAM))


def bare(template: Path) -> Path:
    """A bare clone beside a repository."""
    path = template.with_name("bare.git")
    if not path.exists():
        words = ["git", "clone", "-q", "--bare", "--template=", str(template), str(path)]
        subprocess.run(words, check=True, capture_output=True)
    return path


def runs(repo: Repo, ref: str = REF) -> list[str]:
    if not exists(repo, ref):
        return []
    return repo.git("log", "--reverse", f"--format={_RUN}", ref, "--").split()


def exists(repo: Repo, ref: str) -> bool:
    return bool(repo.git("for-each-ref", ref))


def tip(repo: Repo, ref: str = REF) -> str:
    return repo.git("rev-parse", ref)


def boxes(repo: Repo) -> list[str]:
    """Inboxes that stand there."""
    return repo.git("for-each-ref", "--format=%(refname)", "refs/ledger/inbox/").split()


def listed(hub: Hub, repo: Repo) -> Counter[str]:
    """Ids of the runs that `ledger runs` shows."""
    rows = hub.ledger.json("-C", str(repo.path), "runs")
    return Counter(row["run_id"] for row in rows)
