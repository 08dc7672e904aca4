"""Sealed files that can't be read: named by every command, read by the first."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import Repo
from store.plumbing import recorded, verified, workspace

from ledger.errors import FormatError
from ledger.store import chain, index
from ledger.store.recover import recover
from ledger.store.spool import Spool
from ledger.store.unreadable import NAME, Unreadable


@pytest.fixture
def torn(repo: Repo) -> Path:
    """A sealed file that was damaged, in the spool."""
    recorded(repo)
    folder = Spool.of(workspace(repo).repository).folder
    path = folder / "0.zip"
    path.write_bytes(b"torn" * 1000)
    return path


def said(path: Path, folder: Path) -> str:
    with pytest.raises(FormatError) as caught:
        Unreadable(folder).read(path)
    return caught.value.message


def test_it_is_read_once_and_named_always(repo: Repo, torn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = workspace(repo).repository
    first = index.load(repository).faults
    opened: list[str] = []
    real = zipfile.ZipFile.__init__

    def init(self: zipfile.ZipFile, file: Any, *words: Any) -> None:
        opened.append(str(file))
        real(self, file, *words)

    monkeypatch.setattr(zipfile.ZipFile, "__init__", init)
    assert index.load(repository).faults == first
    assert [fault.path for fault in chain.drain(repository).faults] == [str(torn)]
    assert str(torn) not in opened
    assert any(fault.path == str(torn) for fault in recover(repository).faults)
    assert any(str(torn) in fault.path for fault in verified(repo).faults)


def test_a_file_that_was_mended_is_read(repo: Repo, torn: Path) -> None:
    repository = workspace(repo).repository
    index.load(repository)
    (kept,) = Spool.of(repository).chained.glob("*/*.zip")
    kept.rename(torn)
    assert Unreadable(repository.folder).read(torn)
    assert index.load(repository).faults == []


def test_a_change_of_bytes_alone_is_seen(repo: Repo, torn: Path) -> None:
    repository = workspace(repo).repository
    index.load(repository)
    before = torn.stat()
    (kept,) = Spool.of(repository).chained.glob("*/*.zip")
    torn.write_bytes(kept.read_bytes())
    os.utime(torn, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert Unreadable(repository.folder).read(torn)


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"x": 1}', b'{"x": {}}'])
def test_a_damaged_note_is_made_again(repo: Repo, torn: Path, damage: bytes) -> None:
    folder = workspace(repo).repository.folder
    message = said(torn, folder)
    (folder / NAME).write_bytes(damage)
    assert said(torn, folder) == message
    assert list(json.loads((folder / NAME).read_bytes())) == [str(torn)]


def test_what_the_disk_refused_is_not_remembered(repo: Repo) -> None:
    recorded(repo)
    repository = workspace(repo).repository
    path = Spool.of(repository).folder / "1.zip"
    path.mkdir()  # reading it is an error of the system, whoever we are
    said(path, repository.folder)
    assert not (repository.folder / NAME).exists()


def test_what_is_gone_is_forgotten(repo: Repo, torn: Path) -> None:
    folder = workspace(repo).repository.folder
    said(torn, folder)
    other = torn.with_name("2.zip")
    other.write_bytes(b"torn too")
    torn.unlink()
    said(other, folder)
    assert list(json.loads((folder / NAME).read_bytes())) == [str(other)]
