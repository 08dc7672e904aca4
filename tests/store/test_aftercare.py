"""The second look: sealed files go hours later, once their records are seen to stand."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Repo
from store.chains import chained, repository, sealed
from store.plumbing import REF, recorded

from ledger.errors import FormatError
from ledger.git import refs
from ledger.git.process import Repository
from ledger.store import aftercare, chain
from ledger.store.spool import Spool


def _aged(repo: Repo) -> None:
    """As if everything had been chained hours ago, and nobody had looked since."""
    spool = Spool.of(repository(repo))
    for hour in list(spool.chained.iterdir()):
        if hour.is_dir():
            hour.rename(spool.chained / "1")
    (spool.chained / ".looked").unlink(missing_ok=True)


def test_sealed_files_go_after_hours_if_their_records_still_stand(repo: Repo) -> None:
    recorded(repo)
    _aged(repo)
    recorded(repo)
    assert not list(Spool.of(repository(repo)).chained.glob("1/*.zip"))


def _look(repo: Repo) -> None:
    """What a command does that chains something, be it a record of another experiment."""
    Spool.of(repository(repo)).seal([sealed(time.time_ns(), slug="other")], name=f"{time.time_ns()}")
    chain.drain(repository(repo))


def _old(repo: Repo) -> list[Path]:
    chained = Spool.of(repository(repo)).chained
    return [path for hour in ("1", "2") for path in (chained / hour).glob("*.zip")]


def _many_old(repo: Repo, count: int) -> None:
    spool = Spool.of(repository(repo))
    for number in range(1, count + 1):
        spool.seal([sealed(number)], name=f"{number:05d}")
    chain.drain(repository(repo))
    _aged(repo)


def test_the_second_look_asks_git_about_a_chain_and_not_about_each_file(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    _many_old(repo, 30)
    asked: list[tuple[str, ...]] = []
    real = Repository.git

    def git(self: Repository, *words: str, **given: Any) -> bytes:
        asked.append(words)
        return real(self, *words, **given)

    monkeypatch.setattr(Repository, "git", git)
    _look(repo)
    assert _old(repo) == []
    assert len([words for words in asked if words[0] == "log"]) == 1
    assert len(asked) < 20


def test_a_backlog_goes_bit_by_bit_and_what_can_not_be_read_holds_up_nothing(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    _many_old(repo, 6)
    chained = Spool.of(repository(repo)).chained
    (chained / "1").rename(chained / "2")
    (chained / "1").mkdir()
    torn = [chained / "1" / f"{number}.zip" for number in range(4)]
    for path in torn:
        path.write_bytes(b"no zip")
    monkeypatch.setattr(aftercare, "_LOOK_AT_MOST", 2)
    monkeypatch.setattr(aftercare, "_LOOK_SECONDS", 0)
    left = []
    for _ in range(4):
        _look(repo)
        left.append(len(_old(repo)))
        os.utime(chained / ".looked", (0, time.time() - 60))
    assert left == [8, 6, 4, 4]
    assert all(path.exists() for path in torn)


def test_a_look_in_the_future_stops_none(repo: Repo) -> None:
    _many_old(repo, 1)
    stamp = Spool.of(repository(repo)).chained / ".looked"
    stamp.write_text("")
    os.utime(stamp, (0, time.time() + 1e7))
    _look(repo)
    assert _old(repo) == []


def test_a_record_that_vanished_is_chained_again(repo: Repo) -> None:
    done = recorded(repo)
    _aged(repo)
    repo.git("update-ref", "-d", REF)
    recorded(repo, experiment="other")
    assert chained(repo) == [done.record]


def test_a_foreign_tip_is_refused_by_name(repo: Repo) -> None:
    repo.git("update-ref", REF, "HEAD")
    with pytest.raises(FormatError) as caught:
        aftercare.require_chain(REF, refs.tips(repository(repo), REF)[REF])
    assert f"git update-ref -d {REF}" in caught.value.hint
