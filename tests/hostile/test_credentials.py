"""Credentials in the URL of a remote: git has them from its configuration, and ledger writes and says them nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Ledger, Repo
from share.clones import Hub

SECRET = "s3cr3t-t0ken"
URL = f"https://ada:{SECRET}@127.0.0.1:9/x.git"


def holding(folder: Path) -> set[str]:
    """Files that hold the secret, but for the configuration that it stands in."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    } - {".git/config"}


def said(ledger: Ledger, clone: Repo, *words: str) -> str:
    from ledger.cli.main import run

    run(["-C", str(clone.path), *words])
    out, err = ledger._capsys.readouterr()
    return out + err


COMMANDS = (
    ("record", "-m", "f1=0.5"), ("push",), ("pull",), ("fetch",), ("status",), ("doctor",), ("verify",), ("runs",),
    ("push", "--json"), ("status", "--json"), ("init", "--remote", "origin"), ("experiments",),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("debug", [False, True])
def test_where_nobody_answers(
    hub: Hub, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, debug: bool
) -> None:
    clone = hub.clone("one")
    clone.git("remote", "set-url", "origin", URL)
    monkeypatch.setenv("GIT_TRACE", "0")
    if debug:
        monkeypatch.setenv("LEDGER_DEBUG", "1")
    for words in COMMANDS:
        assert SECRET not in said(ledger, clone, *words), words
    assert holding(clone.path) == set()


@pytest.mark.slow
def test_where_it_works(hub: Hub, ledger: Ledger) -> None:
    """The same URL, which git takes for a folder here: reflogs, refs, records and messages are all written."""
    clone = hub.clone("one")
    clone.git("remote", "set-url", "origin", f"{URL}/in")
    clone.git("config", f"url.{hub.url}.insteadOf", f"{URL}/in")
    for words in COMMANDS:
        assert SECRET not in said(ledger, clone, *words), words
    assert len(hub.runs()) == 1
    assert holding(clone.path) == set()
    assert not holding(hub.repo.path) - {"config"}


def test_a_fleets_place(repo: Repo, ledger: Ledger) -> None:
    place = f"s3://AKIA0123456789ABCDEF:{SECRET}@bucket/x?endpoint_override=127.0.0.1:9&scheme=http&connect_timeout=1&request_timeout=1"
    for words in (("record", "-m", "f1=0.5", "--spool", place), ("ingest", place)):
        assert SECRET not in said(ledger, repo, *words)
    assert holding(repo.path) == set()
