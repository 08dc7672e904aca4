"""Messages of commits and names of refs that somebody else wrote: one of them must not shut everybody out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from share.clones import REF, Hub, listed, tip
from store.plumbing import piped, recorded, workspace

from ledger.store import aftercare

HOOKS = Path(__file__).resolve().parents[2] / "hooks"
ENDS = ("\x0b", "\x0c", "\r", "\x1c", "\x85", "\u2028", "\n ", "\u00a0")
"""What str.splitlines or str.split take for the end of a line or a word, and git does not."""
TRAILERS = (
    *(f"Ledger-Record: {'a' * 8}{end}{'b' * 8}".encode() for end in ENDS),
    b"Ledger-Record: \xff\xfe",
    b"Ledger-Record:",
    b"Ledger-Record: x\nLedger-Record: y",
    b"Ledger-Run: \xff\x0c\xe2\x80\xa8y",
    b"Ledger-Record: " + b"a" * 100_000,
    b"no trailer",
    b"",
)


def with_message(repo: Repo, message: bytes, *parents: str) -> str:
    """A commit with the tree of the newest run and a message of its own, git's checks aside."""
    words = [word for parent in parents for word in ("-p", parent)]
    plain = repo.git("commit-tree", f"{REF}^{{tree}}", *words, "-m", "x")
    head = subprocess.run(
        ["git", "cat-file", "commit", plain], cwd=repo.path, capture_output=True, check=True
    ).stdout.partition(b"\n\n")[0]
    return piped(
        repo, head + b"\n\nsubject\n\n" + message + b"\n", "hash-object", "-t", "commit", "-w", "--stdin"
    )


@pytest.mark.long
@pytest.mark.parametrize(
    "trailer",
    TRAILERS,
    ids=range(len(TRAILERS)),
)
def test_a_message_on_a_chain_shuts_nobody_out(hub: Hub, ledger: Ledger, trailer: bytes) -> None:
    """Anybody who may push can put it there; `ledger push` of all others ended in it."""
    one, other = hub.clone("one"), hub.clone("other")
    first = hub.record(one)
    hub.push(one)
    hub.pull(other)
    bad = with_message(one, trailer, one.git("rev-parse", REF))
    one.git("push", "-q", "origin", f"{bad}:{REF}", f"{bad}:refs/ledger/inbox/{'a' * 16}.main")
    second = hub.record(other, f1=0.7)
    hub.fetch(other)
    hub.pull(other)
    third = hub.record(other, f1=0.8)
    pushed = hub.push(other)
    assert pushed["experiments"]
    assert {first, second, third} == set(listed(hub, other))
    assert tip(hub.repo) == tip(other)
    for words in (("status",), ("runs",), ("experiments",), ("log", "--metric", "f1"), ("recover",)):
        ledger("-C", str(other.path), *words)
    ledger("-C", str(other.path), "doctor", code=0)
    ledger("-C", str(other.path), "verify", code=1)
    assert bad[:12] in ledger("-C", str(other.path), "verify", code=1)


@pytest.mark.slow
@pytest.mark.parametrize("trailer", [TRAILERS[0], TRAILERS[5]], ids=["ff", "ls"])
def test_a_server_names_such_a_message(hub: Hub, trailer: bytes) -> None:
    one = hub.clone("one")
    hub.record(one)
    hub.push(one)
    (hub.repo.path / "hooks").mkdir(exist_ok=True)
    shutil.copy(HOOKS / "update", hub.repo.path / "hooks" / "update")
    hub.repo.git("config", "ledger.serverCheck", str(Path(sys.executable).with_name("ledger")))
    bad = with_message(one, trailer, one.git("rev-parse", REF))
    done = subprocess.run(
        ["git", "push", "origin", f"{bad}:{REF}"], cwd=one.path, capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert "the trailer Ledger-Record says" in done.stderr
    assert "a bug in ledger" not in done.stderr


NAMES = (
    "x\u2028y",
    "x\x85y",
    "x\u00a0y",
    "<script>",
    "$(id)",
    "a;b|c",
    "\u202etxt",
    "x" * 200,
    "--output=x",
)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["refs/runs/", "refs/ledger/inbox/"])
def test_names_of_refs_shut_nobody_out(hub: Hub, ledger: Ledger, place: str) -> None:
    """One such name on the remote, and every fetch, pull and push of everybody ended in it."""
    one = hub.clone("one")
    first = hub.record(one)
    hub.push(one)
    for name in NAMES:
        hub.repo.git("update-ref", f"{place}{name}", REF)
    other = hub.clone("other")
    hub.fetch(other)
    hub.pull(other)
    second = hub.record(other)
    hub.push(other)
    assert hub.runs() == [first, second]
    made = other.git("for-each-ref", "--format=%(refname)")
    assert not [name for name in NAMES if name in made], "no name of somebody else's becomes a ref here"
    for name in NAMES:
        other.git("update-ref", f"{place}{name}", REF)
    for words in (("status",), ("runs",), ("experiments",), ("recover",), ("pull",), ("push",)):
        text = ledger("-C", str(other.path), *words)
        assert not {"\u2028", "\x85", "\u202e"} & set(text)
    ledger("-C", str(other.path), "verify", code=1)


@pytest.mark.long
@pytest.mark.parametrize(
    "setting",
    [
        "trailer.separators==",
        "trailer.ledger-record.key=Foo", "core.commentChar=L", "i18n.logOutputEncoding=UTF-16",
        "trailer.ledger-run.key=Foo", "trailer.separators=%", "i18n.logOutputEncoding=latin1",
        "i18n.commitEncoding=latin1", "log.showRoot=false", "log.follow=true", "log.date=relative",
        "format.pretty=oneline", "color.ui=always", "column.ui=always", "core.quotePath=true",
        "core.abbrev=4", "diff.noprefix=true", "diff.renames=copies", "diff.orderFile=/nowhere",
        "diff.ignoreSubmodules=all", "grep.lineNumber=true", "grep.patternType=perl", "log.decorate=full",
        "status.relativePaths=true", "core.commitGraph=false", "core.multiPackIndex=false",
        "core.preferSymlinkRefs=true", "core.logAllRefUpdates=false", "core.warnAmbiguousRefs=true",
        "submodule.recurse=true", "fetch.prune=true", "fetch.pruneTags=true", "push.followTags=true",
        "push.default=nothing", "push.autoSetupRemote=true", "transfer.fsckObjects=true",
        "commit.gpgSign=true", "tag.gpgSign=true", "push.gpgSign=if-asked", "remote.pushDefault=nowhere",
        "advice.detachedHead=true", "safe.bareRepository=all", "core.untrackedCache=true", "feature.manyFiles=true",
    ],
)  # fmt: skip
def test_a_setting_of_the_users_loses_and_repeats_no_record(
    hub: Hub, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    """The chain is asked for its records by their trailers; git would not find them there."""
    name, _, value = setting.partition("=")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", name)
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", value)
    one, other = hub.clone("one"), hub.clone("other")
    ids = [hub.record(one), hub.record(other)]
    hub.push(one)
    hub.push(other)
    ids.append(hub.record(one))
    hub.push(one)
    hub.pull(other)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
    assert sorted(hub.runs()) == sorted(ids)
    assert len(ledger.json("-C", str(other.path), "runs")) == len(ids)
    for clone in (one, other):
        ledger("-C", str(clone.path), "verify")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    ledger("-C", str(other.path), "verify")


def test_a_trailer_that_is_no_text_is_no_record(repo: Repo) -> None:
    done = recorded(repo)
    bad = with_message(repo, b"Ledger-Record: \xff", repo.git("rev-parse", REF))
    repo.git("update-ref", REF, bad)
    there = aftercare.chained_records(workspace(repo).repository, REF)
    assert done.record in there
