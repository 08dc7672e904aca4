"""Remotes: names of git's configuration, never a URL; what runs commands is refused wherever it is set."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Ledger, Repo
from store.plumbing import recorded

COMMANDS = (("fetch",), ("pull",), ("push",))


def settings(url: str) -> dict[str, dict[str, str]]:
    return {
        "url": {"remote.origin.url": url},
        "push url": {"remote.origin.url": "/nowhere", "remote.origin.pushurl": url},
        "instead of": {"remote.origin.url": "good:x", f"url.{url}.insteadOf": "good:x"},
    }


@pytest.mark.parametrize("where", settings(""))
@pytest.mark.parametrize("allowed", ["", "ext:fd"])
def test_transports_that_run_commands_are_refused(
    repo: Repo, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, allowed: str
) -> None:
    recorded(repo)
    ran = tmp_path / "ran"
    for name, value in settings(f"ext::sh -c touch% {ran}")[where].items():
        repo.git("config", name, value)
    for name in ("protocol.allow", "protocol.ext.allow", "protocol.fd.allow"):
        repo.git("config", name, "always")
    if allowed:
        monkeypatch.setenv("GIT_ALLOW_PROTOCOL", allowed)
    for words in COMMANDS:
        ledger(*words, code=4)
        assert not ran.exists(), words
    assert len(ledger.json("runs")) == 1


def test_descriptors_are_no_remote(repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(repo)
    repo.git("config", "remote.origin.url", "fd::0,1")
    repo.git("config", "protocol.fd.allow", "always")
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "fd")
    for words in COMMANDS:
        ledger(*words, code=4)
        assert "not allowed" in ledger.err


@pytest.mark.parametrize(
    "url", ["ext::sh -c true", "https://example.com/x.git", "file:///tmp/x", "../other", "git@h:x"]
)
def test_a_url_is_no_remote(repo: Repo, ledger: Ledger, url: str) -> None:
    recorded(repo)
    repo.git("remote", "add", "origin", "/nowhere")
    for words in (("fetch",), ("push",)):
        ledger(*words, url, code=1)
        assert "no such remote" in ledger.err


def test_other_protocols_stay_as_they_were_set(
    repo: Repo, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(repo)
    repo.git("init", "-q", "--bare", str(tmp_path / "hub"))
    repo.git("remote", "add", "origin", str(tmp_path / "hub"))
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "https")
    ledger("push", code=4)
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext:file")
    ledger("push")
