"""A change that git can only see by looking: same size, same second as the index."""

from __future__ import annotations

import json
import time

import pytest
from conftest import Ledger, Repo

pytestmark = pytest.mark.slow


def wait_for_a_new_second() -> None:
    time.sleep(1.02 - time.time() % 1)


@pytest.mark.long
def test_a_change_in_the_second_of_the_checkout_is_kept(repo: Repo, ledger: Ledger) -> None:
    """git compares whole seconds, and distrusts only files that are as new as the index itself."""
    wait_for_a_new_second()
    repo.write("params.yaml", "c: 1.0\n")
    repo.commit("params")
    repo.write("params.yaml", "c: 5.0\n")
    wait_for_a_new_second()
    ledger("record", "-m", "f1=0.5")
    code = json.loads(repo.git("show", "refs/runs/main:run.json"))["code"]
    assert repo.git("show", f"{code['snapshot']}:params.yaml") == "c: 5.0"
