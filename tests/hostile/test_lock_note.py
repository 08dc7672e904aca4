"""The note of the last lock holder names refs, and their lock files are removed: it must not name other files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Repo
from store.plumbing import recorded, workspace

from ledger.store import lock


@pytest.mark.parametrize(
    "ref", ["../precious", "refs/../../precious", "/tmp/precious", "precious", 5, None, ["a"]]
)
def test_no_other_file_is_removed(repo: Repo, ref: object) -> None:
    precious = repo.write("precious.lock", "precious")
    recorded(repo)
    intent = {"ref": ref, "old": None, "new": "1" * 40, "code_ref": None, "files": []}
    path = workspace(repo).repository.folder / "lock"
    path.write_text(json.dumps({**lock._who(), "open": True, "intents": [intent]}), encoding="utf-8")
    recorded(repo)
    assert precious.read_text() == "precious"


def test_what_a_holder_writes_is_read(tmp_path: Path) -> None:
    intent = lock.Intent(
        ref="refs/runs/_x-12345678",
        old="1" * 40,
        new="2" * 40,
        code_ref="refs/ledger/code/_x-12345678",
        files=("1.zip",),
    )
    path = tmp_path / "lock"
    with lock.acquire(path, wait_seconds=0) as held:
        assert held is not None
        held.announce(intent)
        held.doubt()
    with lock.acquire(path, wait_seconds=0) as held:
        assert held is not None
        assert held.predecessor.intents == (intent,)
