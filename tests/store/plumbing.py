"""Repositories with real runs, and real damage made by git's own plumbing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conftest import Repo

from ledger import canonical
from ledger.config import Workspace, open_workspace
from ledger.record.run import Draft, Recorded, record
from ledger.store.verify import Report, verify

REF = "refs/runs/main"


def workspace(repo: Repo) -> Workspace:
    return open_workspace(repo.path, os.environ)


def recorded(repo: Repo, **given: Any) -> Recorded:
    draft = Draft(**{"params": {"lr": 0.1}, "metrics": {"f1": 0.9}, **given})
    return record(workspace(repo), [draft])[0]


def verified(repo: Repo) -> Report:
    return verify(workspace(repo).repository)


def told(report: Report) -> list[str]:
    """Faults as `path: what`, which is what tests look at."""
    return [f"{one.path}: {one.what}" for one in report.faults]


def piped(repo: Repo, data: bytes, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=repo.path, input=data, capture_output=True, check=True)
    return done.stdout.decode().strip()


def blob(repo: Repo, data: bytes) -> str:
    return piped(repo, data, "hash-object", "-w", "--stdin")


def files_of(repo: Repo, revision: str = REF) -> dict[str, bytes]:
    names = repo.git("ls-tree", "--name-only", revision).split()
    return {name: read(repo, f"{revision}:{name}") for name in names}


def read(repo: Repo, name: str) -> bytes:
    return subprocess.run(
        ["git", "cat-file", "blob", name], cwd=repo.path, capture_output=True, check=True
    ).stdout


def run_json(repo: Repo, **values: object) -> bytes:
    document = json.loads(files_of(repo)["run.json"])
    return canonical.dumps({**document, **values})


def tree(repo: Repo, entries: Sequence[tuple[str, str, str]]) -> str:
    """A tree of (mode, name, id) as given: git checks nothing of it."""
    body = b"".join(
        mode.lstrip("0").encode() + b" " + name.encode() + b"\0" + bytes.fromhex(oid)
        for mode, name, oid in sorted(entries, key=lambda entry: entry[1])
    )
    return piped(repo, body, "hash-object", "-w", "-t", "tree", "--literally", "--stdin")


def entries_of(repo: Repo, files: Mapping[str, bytes]) -> list[tuple[str, str, str]]:
    return [("100644", name, blob(repo, data)) for name, data in files.items()]


def put(
    repo: Repo,
    tree_id: str,
    *,
    ref: str = REF,
    parents: Sequence[str] | None = None,
    message: str | None = None,
) -> str:
    """A commit of a tree at a ref, in place of its tip (with the tip's message and parents, unless told)."""
    tip = repo.git("rev-parse", "--verify", "-q", ref, check=False)
    if message is None:
        message = repo.git("show", "-s", "--format=%B", tip) + "\n"
    if parents is None:
        parents = repo.git("show", "-s", "--format=%P", tip).split()
    words = [word for parent in parents for word in ("-p", parent)]
    made = piped(repo, message.encode(), "commit-tree", tree_id, *words)
    repo.git("update-ref", ref, made)
    return made


def change(repo: Repo, files: Mapping[str, bytes | None], *, message: str | None = None) -> str:
    """Put a commit with other files in place of the tip; None leaves one out."""
    whole = {**files_of(repo), **files}
    kept = {name: data for name, data in whole.items() if data is not None}
    return put(repo, tree(repo, entries_of(repo, kept)), message=message)


def object_file(repo: Repo, oid: str) -> Path:
    common = Path(repo.git("rev-parse", "--path-format=absolute", "--git-common-dir"))
    return common / "objects" / oid[:2] / oid[2:]
