"""Signatures of runs that travel."""

from __future__ import annotations

import subprocess

import pytest
from share.clones import Hub

pytestmark = pytest.mark.slow


def test_a_signature_survives_reparenting(hub: Hub) -> None:
    one, two = hub.clone("one"), hub.clone("two")
    key, signers = two.path.parent / "key", two.path.parent / "signers"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(words, check=True, capture_output=True)
    signers.write_text(f"ada {key.with_name('key.pub').read_text(encoding='utf-8')}", encoding="utf-8")
    two.git("config", "ledger.sign", "true")
    two.git("config", "ledger.signingKey", str(key))
    hub.record(one)
    hub.push(one)
    hub.record(two)
    assert hub.push(two)["experiments"][0]["reparented"] == 1
    words = ["verify", "--allowed-signers", str(signers)]
    found = hub.ledger.json("-C", str(two.path), *words)["signatures"]
    assert (found["good"], found["unsigned"], found["bad"]) == (1, 1, 0)
