"""Sealed files: durable, whole, checked byte by byte, and kept where `.git` can't be written."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Repo
from store.plumbing import workspace

from ledger import durable
from ledger.errors import FormatError, StorageError
from ledger.model import Author
from ledger.store import spool
from ledger.store.sealed import Sealed, read
from ledger.store.spool import Spool, write_durably

ITEM = Sealed(
    record="b" * 32,
    run="a" * 32,
    slug="main",
    author=Author(name="Ada é", email="ada@example.com"),
    seconds=1_700_000_000,
    message="main: f1 0.9 (finished)\n",
    code=("1" * 40,),
    files={"run.json": b"{}", "params.json": b"{}", "metrics.json": b'{"f1": 0.9}'},
    pack=b"PACK...",
)


@pytest.fixture
def place(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", tmp_path / "fallback")


def test_records_come_back_as_they_were_sealed(place: Spool) -> None:
    other = replace(ITEM, record="c" * 32, files={**ITEM.files, "events.jsonl": b"\0\xff"}, pack=b"")
    path = place.seal([ITEM, other], name="1")
    assert read(path) == [ITEM, other]
    assert place.pending() == [path]


def test_equal_files_are_stored_once(place: Spool) -> None:
    big = {"run.json": os.urandom(100_000), "params.json": b"", "metrics.json": b""}
    path = place.seal([replace(ITEM, record=f"{number:032x}", files=big) for number in range(10)], name="1")
    assert path.stat().st_size < 150_000
    assert len(read(path)) == 10


def test_the_file_is_complete_before_it_has_its_name(place: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order: write, fsync, rename, fsync of the folder."""
    seen: list[str] = []
    for name in ("write", "fsync", "rename"):
        real = getattr(os, name)

        def call(*words: object, real: object = real, name: str = name) -> object:
            seen.append(name)
            return real(*words)  # type: ignore[operator]

        monkeypatch.setattr(os, name, call)
    place.folder.mkdir()
    place.seal([ITEM], name="1")
    assert [step for step, before in zip(seen, ["", *seen], strict=False) if step != before] == [
        "write",
        "fsync",
        "rename",
        "fsync",
    ]


def test_new_folders_are_made_durable_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    real = durable.sync_folder

    def sync(folder: Path) -> None:
        synced.append(folder)
        real(folder)

    monkeypatch.setattr(spool, "sync_folder", sync)
    write_durably(tmp_path / "a" / "b" / "file", b"x")
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]


def test_a_full_disk_leaves_nothing_half_written(place: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError) as caught:
            place.seal([ITEM], name="1")
    assert len(caught.value.details) == 2
    assert all("No space left" in line for line in caught.value.details)
    assert [path for path in place.folder.parent.rglob("*") if path.is_file()] == []
    assert read(place.seal([ITEM], name="1")) == [ITEM]


def test_the_fallback_serves_where_the_first_folder_can_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = Spool(tmp_path / "file" / "spool", tmp_path / "fallback")
    path = place.seal([ITEM], name="1")
    assert path.parent == tmp_path / "fallback"
    assert place.pending() == [path]
    assert place.refuse(ITEM, name="2").parent == tmp_path / "fallback" / "refused"


def test_pending_files_come_oldest_first_and_unfinished_ones_do_not_count(place: Spool) -> None:
    late, early = place.seal([ITEM], name="0002"), place.seal([ITEM], name="0001")
    (place.folder / ".0000.zip.77.tmp").write_bytes(b"half")
    (place.folder / "notes.txt").write_bytes(b"")
    assert place.pending() == [early, late]
    place.refuse(ITEM, name="0000")
    assert len(place.pending()) == 2


def test_every_flipped_bit_is_noticed(place: Spool) -> None:
    path = place.seal([ITEM], name="1")
    sound = path.read_bytes()
    unnoticed = []
    for position in range(0, len(sound), 3):
        damaged = bytearray(sound)
        damaged[position] ^= 0x10
        path.write_bytes(bytes(damaged))
        try:
            found = read(path)
        except FormatError:
            continue
        if found != [ITEM]:
            unnoticed.append(position)
    assert unnoticed == []


@pytest.mark.parametrize("cut", [0, 1, 30, 200, -1, -25])
def test_torn_files_are_named_and_left(place: Spool, cut: int) -> None:
    path = place.seal([ITEM], name="1")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FormatError, match="not a sealed record") as caught:
        read(path)
    assert str(path) in caught.value.message
    assert path.exists()


def test_a_file_of_a_newer_ledger(place: Spool) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"format": 2, "records": "another shape"}))
    path = write_durably(place.folder / "1.zip", buffer.getvalue())
    with pytest.raises(FormatError) as caught:
        read(path)
    assert caught.value.hint == "upgrade ledger"


def sealed_by_hand(folder: Path, manifest: object, files: Mapping[str, bytes]) -> Path:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for data in set(files.values()):
            archive.writestr(f"files/{hashlib.sha256(data).hexdigest()}", data)
        archive.writestr("manifest.json", json.dumps(manifest))
    return write_durably(folder / "1.zip", buffer.getvalue())


def manifest(**values: object) -> dict[str, object]:
    files = {name: hashlib.sha256(data).hexdigest() for name, data in ITEM.files.items()}
    whole = {"record": ITEM.record, "run": ITEM.run, "slug": "main", "author": ["a", "b"], "seconds": 1}
    return {**whole, "message": "m", "code": [], "files": files, **values}


def test_a_manifest_made_by_hand_is_read_like_any_other(place: Spool) -> None:
    path = sealed_by_hand(place.folder, {"format": 1, "records": [manifest()]}, ITEM.files)
    assert [item.slug for item in read(path)] == ["main"]


DIGEST = hashlib.sha256(b"{}").hexdigest()


@pytest.mark.parametrize(
    "wrong",
    [
        {"files": []},
        {"files": 7},
        {"files": {"../config": DIGEST}},
        {"files": {"a/b": DIGEST}},
        {"files": {"": DIGEST}},
        {"slug": "../heads/main"},
        {"slug": "a b"},
        {"slug": "a.lock"},
        {"slug": 7},
        {"seconds": float("inf")},
        {"author": "ab"[:1]},
        {"author": [1, 2]},
        {"message": "\ud800"},
        {"message": None},
        {"code": ["^HEAD"]},
        {"code": "1" * 40},
        {"code": [1]},
    ],
)
def test_a_wrong_manifest_is_a_fault_of_its_file(place: Spool, wrong: dict[str, object]) -> None:
    path = sealed_by_hand(place.folder, {"format": 1, "records": [manifest(**wrong)]}, ITEM.files)
    with pytest.raises(FormatError, match="not a sealed record"):
        read(path)


@pytest.mark.parametrize(
    "whole", [[], 7, {"format": 1, "records": ["x"]}, {"format": 1, "records": [{"files": []}]}]
)
def test_a_manifest_of_another_shape(place: Spool, whole: object) -> None:
    with pytest.raises(FormatError, match="not a sealed record"):
        read(sealed_by_hand(place.folder, whole, {}))


def test_a_missing_file_is_not_a_damaged_one(place: Spool) -> None:
    with pytest.raises(FileNotFoundError):
        read(place.folder / "gone.zip")


def test_all_work_trees_share_one_spool(repo: Repo, tmp_path: Path) -> None:
    repo.git("worktree", "add", "-q", str(tmp_path / "other"))
    one, other = (Spool.of(workspace(Repo(path)).repository) for path in (repo.path, tmp_path / "other"))
    assert one.folder == other.folder == repo.path / ".git/ledger/spool"
    assert one.fallback == other.fallback
    assert one.fallback.is_relative_to(tmp_path / "home/state/ledger")
