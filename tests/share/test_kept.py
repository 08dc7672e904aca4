"""Sealed files outlive the refs until their records were seen on the remote."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from conftest import Repo
from share.clones import Hub


def _kept(repo: Repo) -> list[Path]:
    return sorted((repo.path / ".git/ledger/chained").glob("*/*.zip"))


def _hours_pass(repo: Repo) -> None:
    """What was chained was so three hours ago, and no look was made since."""
    folder = repo.path / ".git/ledger/chained"
    (folder / ".looked").unlink(missing_ok=True)
    long_ago = folder / str(int(time.time() // 3600) - 3)
    long_ago.mkdir(exist_ok=True)
    for path in _kept(repo):
        path.rename(long_ago / path.name)


@pytest.mark.slow
def test_only_what_was_seen_on_the_remote_goes_after_the_second_look(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    hub.push(one)
    (published,) = _kept(one)
    assert published.name.endswith(".published.zip")
    unpublished = hub.record(one)
    _hours_pass(one)
    last = hub.record(one)
    left = [path.name for path in _kept(one)]
    assert len(left) == 2
    assert published.name not in left
    one.git("update-ref", "-d", "refs/runs/main")
    assert hub.push(one)["restored"] == 2
    assert hub.runs()[-2:] == [unpublished, last]
    assert all(path.name.endswith(".published.zip") for path in _kept(one))


def test_a_clone_that_never_shared_keeps_them_for_the_second_look_only(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    _hours_pass(one)
    hub.record(one)
    assert len(_kept(one)) == 1
