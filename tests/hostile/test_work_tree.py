"""Files of ledger's own in a work tree that somebody else filled: links, pipes, depth and size hang or stop nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from store.plumbing import recorded

READING = (
    ("runs",),
    ("log", "--metric", "f1"),
    ("schema", "check"),
    ("status",),
    ("verify",),
    ("show", "RUN"),
)
FILES = (
    ".ledger/schemas/main.json",
    ".ledger/migrations/main/1.json",
    ".ledger/units.json",
    ".ledger/config.toml",
)


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _holds(data: str | bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data.encode() if isinstance(data, str) else data)


ODD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "to a terminal": _link("/dev/tty"),
    "to zeros": _link("/dev/zero"),
    "to input": _link("/dev/stdin"),
    "to nowhere": _link("nowhere"),
    "to itself": lambda path: path.symlink_to(path.name),
    "folder": Path.mkdir,
    "deep": _holds("a=" + "[" * 20_000),
    "deep JSON": _holds("[" * 20_000),
    "deep name": _holds("a" + ".a" * 5_000 + "=1"),
    "long number": _holds("x=" + "9" * 5_000),
    "large": _holds("#" * (9 << 20)),
    "no text": _holds(b"\xff\xfe\0"),
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("odd", "file"),
    [(odd, file) for odd in ODD for file in FILES],
)
def test_an_odd_file_is_named_or_passed_over(repo: Repo, ledger: Ledger, odd: str, file: str) -> None:
    from ledger.cli.main import run

    done = recorded(repo)
    path = repo.path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    ODD[odd](path)
    for words in READING:
        code = run([done.id if word == "RUN" else word for word in words])
        out, err = ledger._capsys.readouterr()
        assert code in (0, 1, 5), (words, code, err)
        assert not code or Path(file).name in out + err, (words, err)
        assert file != FILES[0] or words[0] == "schema" or code == 0, (words, err)


def test_a_schema_that_cannot_be_read_refuses_a_run_and_keeps_it(repo: Repo, ledger: Ledger) -> None:
    (repo.path / ".ledger/schemas").mkdir(parents=True)
    os.mkfifo(repo.path / FILES[0])
    ledger("record", "-m", "f1=0.5", code=1)
    assert "not a regular file" in ledger.err
    os.unlink(repo.path / FILES[0])
    (kept,) = (repo.path / ".git/ledger/spool/refused").glob("*.zip")
    ledger("record", "--refused", str(kept))
    assert len(ledger.json("runs")) == 1
