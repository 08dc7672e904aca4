"""Recovery by hand: what a dead process left, what vanished from the chains, and the index from nothing."""

from __future__ import annotations

import pytest
from conftest import Repo
from store.chains import chained, die_announcing, left_lock, repository
from store.plumbing import REF, recorded, told, verified

from ledger.errors import ContentionError
from ledger.store import lock
from ledger.store.recover import rebuild_index, recover


def test_recover_has_nothing_to_do_in_a_sound_repository(repo: Repo) -> None:
    recorded(repo)
    done = recover(repository(repo))
    assert (done.predecessor, done.restored, done.chained, done.waiting, done.faults) == (None, 0, 0, 0, ())


def test_recover_puts_back_what_vanished_within_the_hour(repo: Repo) -> None:
    one, other = recorded(repo), recorded(repo)
    repo.git("update-ref", "-d", REF)
    done = recover(repository(repo))
    assert (done.restored, done.chained) == (2, 2)
    assert chained(repo) == [other.record, one.record]
    assert told(verified(repo)) == []
    assert recover(repository(repo)).restored == 0


def test_recover_restores_the_lost_half_of_a_rewound_chain_once(repo: Repo) -> None:
    one, other = recorded(repo), recorded(repo)
    repo.git("update-ref", REF, f"{REF}~1")
    recover(repository(repo))
    assert sorted(chained(repo)) == sorted([one.record, other.record])


def test_recover_mends_what_a_dead_process_left_even_with_an_empty_spool(repo: Repo) -> None:
    recorded(repo)
    path = left_lock(repo, REF)
    die_announcing(repo, REF)
    done = recover(repository(repo))
    assert done.predecessor
    assert done.predecessor.alive is False
    assert not path.exists()
    assert recover(repository(repo)).predecessor is None


def test_recover_says_what_still_waits(repo: Repo) -> None:
    repo.git("update-ref", REF, "HEAD")
    recorded(repo)
    done = recover(repository(repo))
    assert (done.chained, done.waiting) == (0, 1)
    assert "not a ledger" in done.faults[0].what


def test_recover_waits_for_a_living_holder_and_then_says_so(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.store.recover._WAIT_SECONDS", 0.05)
    with (
        lock.acquire(repository(repo).folder / "lock", wait_seconds=0),
        pytest.raises(ContentionError, match="another process"),
    ):
        recover(repository(repo))


def test_a_rebuilt_index_holds_the_same_records(repo: Repo) -> None:
    recorded(repo)
    recorded(repo, experiment="other")
    assert rebuild_index(repository(repo)) == 2
    assert told(verified(repo)) == []
