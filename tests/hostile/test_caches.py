"""What lies in ledger's own folder and can be made again: whatever it holds, commands say what they said before."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from store.plumbing import recorded

from ledger.store.index import INDEX_VERSION

pytestmark = pytest.mark.slow

COMMANDS = (
    ("runs", "--json"),
    ("log", "--metric", "f1", "--json"),
    ("status", "--json"),
    ("schema", "check", "--json"),
)


def told(ledger: Ledger) -> list[object]:
    found = [ledger.json(*words[:-1]) for words in COMMANDS]
    for one in found:
        if isinstance(one, dict):
            one.pop("index_bytes", None)
    return found


def files(repo: Repo) -> list[Path]:
    """Caches of all kinds: the index, notes and what was found before."""
    own = repo.path / ".git/ledger"
    return [
        path
        for path in sorted(own.rglob("*"))
        if path.is_file() and path.relative_to(own).parts[0] not in ("spool", "chained", "journal", "writer")
    ]


def _garbage(source: random.Random) -> Callable[[bytes], bytes]:
    return lambda data: source.randbytes(max(len(data), 1))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "noise": _garbage(random.Random(1)),
    "flipped": lambda data: bytes(255 - byte if place % 7 == 3 else byte for place, byte in enumerate(data)),
    "list": lambda _: b"[]",
    "null": lambda _: b"null",
    "deep": lambda _: b"[" * 20_000,
    "other shape": lambda _: b'{"tips": [], "segments": {"x": 1}, "dropped": 5, "seals": null, "boots": [[]]}',
    "elsewhere": lambda _: json.dumps(
        {"tips": {"refs/runs/main": "1" * 40}, "segments": ["../../../etc/x"], "dropped": [], "boots": [],
         "seals": {"../../../etc/x": [0, [[0, 0], [0, 0]]]}}
    ).encode(),
    "pickle": lambda _: b"cos\nsystem\n(S'touch pwned'\ntR.",
}  # fmt: skip


_EVERYDAY = ("zeros", "elsewhere")


@pytest.mark.parametrize(
    "damage",
    [*_EVERYDAY, *(pytest.param(one, marks=pytest.mark.long) for one in DAMAGES if one not in _EVERYDAY)],
)
def test_damaged_caches_change_no_answer(repo: Repo, ledger: Ledger, damage: str) -> None:
    for value in (0.25, 0.5, 0.75):
        recorded(repo, metrics={"f1": value})
    before = told(ledger)
    assert len(files(repo)) > 2
    for path in files(repo):
        data = path.read_bytes()
        path.write_bytes(DAMAGES[damage](data))
        assert told(ledger) == before, path
    recorded(repo, metrics={"f1": 1.0})
    assert len(ledger.json("runs")) == 4
    assert not list(repo.path.rglob("pwned"))


def test_a_changed_value_in_the_index_is_not_believed(repo: Repo, ledger: Ledger) -> None:
    recorded(repo, metrics={"f1": 0.25})
    before = told(ledger)
    (path,) = repo.path.glob(f".git/ledger/index-v{INDEX_VERSION}/*.values.arrow")
    os.utime(path, (1, 1))
    assert told(ledger) == before, "another time alone makes nothing anew"
    assert path.exists()
    path.write_bytes(path.read_bytes().replace(struct.pack("<d", 0.25), struct.pack("<d", 0.99)))
    assert told(ledger) == before


def test_a_manifest_has_no_file_elsewhere_removed(repo: Repo, ledger: Ledger) -> None:
    recorded(repo)
    told(ledger)
    precious = repo.write("precious.rows.arrow", "precious")
    manifest = repo.path / f".git/ledger/index-v{INDEX_VERSION}/manifest.json"
    content = json.loads(manifest.read_text())
    stem = "../../../precious"
    manifest.write_text(json.dumps({**content, "segments": [stem], "seals": {stem: [0, [[0, 0], [0, 0]]]}}))
    recorded(repo)
    told(ledger)
    assert precious.read_text() == "precious"
