"""Signatures by the real ssh-keygen: many in one call, keys that are allowed for a time."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Repo

from ledger.git import signing
from ledger.git.process import discover
from ledger.git.signing import Checker, Signed, Standing

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EARLIER = NOW.replace(year=2024)


@pytest.fixture
def key(repo: Repo) -> Path:
    path = repo.path.parent / "key"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    return path


def signers(key: Path, options: str = "") -> Path:
    path = key.with_name("signers")
    public = key.with_name("key.pub").read_text(encoding="utf-8")
    path.write_text(f'ada {options}namespaces="ledger-run" {public}', encoding="utf-8")
    return path


def test_many_in_one_call_and_each_by_its_own_words(repo: Repo, key: Path) -> None:
    repository = discover(repo.path, os.environ)
    payloads = [f"run {number}".encode() for number in range(5)]
    made = signing.sign(repository, str(key), payloads)
    asked = [Signed(payload=p, signature=s, at=NOW) for p, s in zip(payloads, made, strict=True)]
    crossed = [Signed(payload=payloads[0], signature=made[1], at=NOW)]
    nothing = [Signed(payload=payloads[0], signature=text, at=NOW) for text in ("", "x", "U1NIU0lH")]
    verdicts = Checker(repository, signers(key)).check([*asked, *crossed, *nothing, *asked[:2]])
    assert verdicts[:5] == [(Standing.GOOD, "ada")] * 5
    assert [standing for standing, _ in verdicts[5:9]] == [Standing.BAD] * 4
    assert verdicts[9:] == verdicts[:2]
    assert Checker(repository, None).check(asked[:1]) == [(Standing.UNKNOWN, "")]


def test_a_key_that_is_allowed_from_a_day_on(repo: Repo, key: Path) -> None:
    """What it signed before is unknown, and that hides nothing of what it signed since."""
    repository = discover(repo.path, os.environ)
    payloads = [b"before", b"since"]
    made = signing.sign(repository, str(key), payloads)
    checker = Checker(repository, signers(key, 'valid-after="20260101",'))
    for payload, signature, at, standing in zip(
        payloads, made, (EARLIER, NOW), (Standing.UNKNOWN, Standing.GOOD), strict=True
    ):
        assert checker.check([Signed(payload=payload, signature=signature, at=at)])[0][0] is standing
