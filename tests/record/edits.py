"""Runs that are edited, and what is read of them."""

from __future__ import annotations

from typing import Any

from conftest import Repo
from store.plumbing import REF, workspace

from ledger.model import Record
from ledger.record.edit import Change, Tip, edit
from ledger.record.run import Recorded
from ledger.store import codec
from ledger.store import index as store_index
from ledger.store.load import files_at, record_at
from ledger.trace.runset import RunSet
from ledger.trace.tips import start_of


def runs(repo: Repo) -> RunSet:
    return RunSet(store_index.load(workspace(repo).repository))


def start(repo: Repo, run_id: str) -> Tip:
    found = start_of(runs(repo), run_id)
    return Tip(
        record=record_at(workspace(repo).repository, found.place),
        merged=found.merged,
        gone=found.gone,
        merges=found.merges,
        disputed=found.disputed,
    )


def edited(repo: Repo, run_id: str, **given: Any) -> Recorded:
    written = edit(workspace(repo), start(repo, run_id), Change(**given))
    assert written is not None
    return written[0]


def fields(repo: Repo) -> dict[tuple[str, str], Any]:
    found = runs(repo)
    (row,) = found.rows
    return {
        key: value
        for key, value in found.run_fields(row).items()
        if key[0] != "run" or key[1] in ("note", "name", "status")
    }


def chain(repo: Repo) -> list[Record]:
    """Every record of the chain, oldest first."""
    commits = repo.git("rev-list", "--reverse", REF).split()
    repository = workspace(repo).repository
    return [codec.record(files_at(repository, commit), what=commit) for commit in commits]


def fork(repo: Repo, run_id: str, *changes: dict[str, Any]) -> None:
    """Edits that do not know of each other: made from the same base, sealed one after the other."""
    base = start(repo, run_id)
    for given in changes:
        assert edit(workspace(repo), base, Change(**given)) is not None
