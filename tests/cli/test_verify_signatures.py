"""Signatures of runs, made and checked by the real ssh-keygen; and what `--repair` makes anew."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from store.plumbing import REF, change

import ledger as api

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed"),
]


def _key(repo: Repo, name: str = "key", *options: str) -> Path:
    """A new key, which git's configuration names."""
    path = repo.path.parent / name
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    repo.git("config", "ledger.sign", "true")
    repo.git("config", *(options or ("ledger.signingKey",)), str(path))
    return path


def _allow(repo: Repo, key: Path, name: str = "ada@example.com") -> Path:
    signers = repo.path.parent / "signers"
    public = key.with_name(f"{key.name}.pub").read_text(encoding="utf-8")
    with signers.open("a", encoding="utf-8") as file:
        file.write(f'{name} namespaces="ledger-run" {public}')
    repo.git("config", "gpg.ssh.allowedSignersFile", str(signers))
    return signers


def test_good_unknown_unsigned_and_bad_are_counted(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.1")
    _allow(repo, _key(repo))
    ledger("record", "-m", "f1=0.2")
    ledger("tag", ledger("record", "-q", "-m", "f1=0.3").strip(), "a=b")
    _key(repo, "other")
    ledger("record", "-m", "f1=0.4")
    found = ledger.json("verify", "--signatures")["signatures"]
    assert found == {"good": 3, "bad": 0, "unknown": 1, "unsigned": 1, "signers": {"ada@example.com": 3}}
    assert "signatures: 3 good, 0 bad, 1 unknown, 1 unsigned" in ledger("verify", "--signatures")
    assert ledger.json("verify")["faults"] == []

    commit = change(repo, {"metrics.json": b'{\n  "f1": 0.99\n}\n'})
    told = ledger("verify", "--signatures", code=1)
    assert f"fault: {REF} {commit[:12]}: its signature is not over what is here" in told
    assert "3 good, 1 bad, 0 unknown" in told


def test_a_signature_of_another_record_is_bad(repo: Repo, ledger: Ledger) -> None:
    _allow(repo, _key(repo))
    ledger("record", "-m", "f1=0.2")
    ledger("record", "-m", "f1=0.3")
    first, last = (repo.git("log", "-1", "--format=%B", rev) for rev in (f"{REF}~1", REF))
    stolen = next(line for line in first.splitlines() if line.startswith("Ledger-Signature"))
    own = next(line for line in last.splitlines() if line.startswith("Ledger-Signature"))
    forged = repo.git("commit-tree", f"{REF}^{{tree}}", "-p", f"{REF}~1", "-m", last.replace(own, stolen))
    repo.git("update-ref", REF, forged)
    assert "1 good, 1 bad" in ledger("verify", "--signatures", code=1)


def test_the_key_of_git_serves_and_nobody_is_allowed_unless_named(repo: Repo, ledger: Ledger) -> None:
    key = _key(repo, "key", "user.signingKey")
    ledger("record", "-m", "f1=0.2")
    found = ledger.json("verify", "--signatures")["signatures"]
    assert (found["unknown"], found["good"]) == (1, 0)
    signers = _allow(repo, key, "grace@example.com")
    repo.git("config", "--unset", "gpg.ssh.allowedSignersFile")
    found = ledger.json("verify", "--allowed-signers", str(signers))["signatures"]
    assert found["signers"] == {"grace@example.com": 1}
    ledger("verify", "--allowed-signers", "nowhere", code=1)


@pytest.mark.parametrize("key", ["/nowhere/key", None], ids=["missing", "none"])
def test_a_key_that_cannot_sign_loses_no_run(repo: Repo, ledger: Ledger, key: str | None) -> None:
    repo.git("config", "ledger.sign", "true")
    if key:
        repo.git("config", "ledger.signingKey", key)
    ledger("record", "-m", "f1=0.2")
    assert "warning: not signed: " in ledger.err
    assert ledger.json("verify", "--signatures")["signatures"]["unsigned"] == 1


def test_what_comes_with_a_clone_signs_nothing(repo: Repo, ledger: Ledger) -> None:
    _key(repo)
    repo.git("config", "--unset", "ledger.sign")
    repo.write(".ledger/config.toml", "[ledger]\nsign = true\n")
    ledger("record", "-m", "f1=0.2", code=1)
    repo.write(".ledger/config.toml", "")
    ledger("record", "-m", "f1=0.2")
    assert "Ledger-Signature" not in repo.git("log", "-1", "--format=%B", REF)


def test_many_are_signed_in_one_call(repo: Repo, ledger: Ledger) -> None:
    _allow(repo, _key(repo))
    api.record_many(
        [{"metrics": {"f1": n / 20}, "experiment": "main"} for n in range(20)], repository=repo.path
    )
    assert ledger.json("verify", "--signatures")["signatures"]["good"] == 20


def test_a_redacted_run_is_no_longer_signed(repo: Repo, ledger: Ledger) -> None:
    _allow(repo, _key(repo))
    run = ledger("record", "-q", "-m", "f1=0.2", "-p", "key=abcdef").strip()
    ledger("redact", run, "--path", "params.json:/key", "--reason", "x")
    found = ledger.json("verify", "--signatures")["signatures"]
    assert (found["unsigned"], found["bad"]) == (1, 0)


def test_repair_makes_anew_what_is_derived_and_nothing_else(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.5")
    repo.git("checkout", "-q", "--detach")
    lost = repo.commit("nowhere else", train__py="print(2)\n")
    ledger("record", "-m", "f1=0.6", "--experiment", "main")
    repo.git("update-ref", "-d", "refs/ledger/code/main")
    repo.git("checkout", "-q", "main")
    repo.git("reflog", "expire", "--expire=now", "--all")
    assert "no ref keeps the code commit" in ledger("verify", code=1)
    tip = repo.git("rev-parse", REF)
    told = ledger("verify", "--repair")
    assert "made the index of 2 records anew" in told
    assert repo.git("merge-base", "--is-ancestor", lost, "refs/ledger/code/main") == ""
    assert repo.git("rev-parse", REF) == tip
    assert ledger.json("verify", "--repair")["repaired"] == ["made the index of 2 records anew"]


def test_a_chain_that_brings_a_redacted_value_back_is_a_fault(repo: Repo, ledger: Ledger) -> None:
    run = ledger("record", "-q", "-m", "f1=0.2", "-p", "key=abcdef").strip()
    old = repo.git("rev-parse", REF)
    ledger("redact", run, "--path", "params.json:/key", "--reason", "x")
    ledger("verify")
    repo.git("update-ref", REF, old)
    assert "holds what was taken out of the run" in ledger("verify", code=1)


def test_a_damaged_log_of_redactions_is_a_fault(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.2")
    repo.git("update-ref", "refs/ledger/redactions", "HEAD")
    assert "refs/ledger/redactions" in ledger("verify", code=1)
