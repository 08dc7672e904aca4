"""Every kind of fault that nothing else tests, through the command: where it is, what it is, and that nothing else is hidden."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo
from store.plumbing import (
    REF,
    blob,
    change,
    entries_of,
    files_of,
    object_file,
    piped,
    put,
    recorded,
    run_json,
    tree,
    workspace,
)

from ledger.store import sealed
from ledger.store.index import INDEX_VERSION
from ledger.store.spool import Spool

LINKS, REDACTIONS = "refs/ledger/links", "refs/ledger/redactions"


@dataclass(frozen=True)
class Expected:
    """A fault: its ref, whether it names a commit, the end of its path, and words of it."""

    what: str
    ref: str = REF
    commit: bool = True
    path: str = ""


def _metrics(repo: Repo) -> str:
    """An object that is no commit."""
    return repo.git("rev-parse", f"{REF}:metrics.json")


def _log_entry(repo: Repo, ref: str, name: str, data: bytes) -> None:
    made = repo.git("commit-tree", tree(repo, entries_of(repo, {name: data})), "-m", "x")
    repo.git("update-ref", ref, made)


def alias(repo: Repo) -> Expected:
    repo.git("symbolic-ref", "refs/runs/alias", REF)
    return Expected("another name for refs/runs/main", ref="refs/runs/alias", commit=False)


def hole(repo: Repo) -> Expected:
    object_file(repo, repo.git("rev-parse", f"{REF}~1")).unlink()
    return Expected("what came before it on this chain can't be reached")


def parent_of_another_kind(repo: Repo) -> Expected:
    parent = _metrics(repo)
    body = repo.git("cat-file", "commit", REF).replace(repo.git("rev-parse", f"{REF}~1"), parent) + "\n"
    made = piped(repo, body.encode(), "hash-object", "-t", "commit", "-w", "--literally", "--stdin")
    # Not through git: it would not move a ref onto such a chain.
    (repo.path / ".git" / REF).write_text(f"{made}\n")
    return Expected("a blob, not a commit")


def crowd(repo: Repo) -> Expected:
    one = blob(repo, b"")
    put(repo, tree(repo, [("100644", f"{number:05}", one) for number in range(10_001)]))
    return Expected("10,001 entries, the limit is 10,000")


def twins(repo: Repo) -> Expected:
    entries = entries_of(repo, files_of(repo))
    put(repo, tree(repo, [*entries, entries[0]]))
    return Expected("stands twice in the tree", path=entries[0][1])


def torn_events(repo: Repo) -> Expected:
    change(repo, {"events.jsonl": b'{"message": "m"}\n{}'})
    return Expected("its last line has no end", path="events.jsonl")


def odd_events(repo: Repo) -> Expected:
    change(repo, {"events.jsonl": b'{"message": "m"}\n[]\n'})
    return Expected("line 2: not a JSON object", path="events.jsonl")


def merge(repo: Repo) -> Expected:
    parents = [repo.git("rev-parse", name) for name in (f"{REF}~1", "HEAD")]
    put(repo, repo.git("rev-parse", f"{REF}^{{tree}}"), parents=parents)
    return Expected("2 parents: a chain has one line")


def schema_without_its_trailer(repo: Repo) -> Expected:
    run = json.loads(files_of(repo)["run.json"])
    change(repo, {"run.json": run_json(repo, schema={"name": "main"}, id=run["id"]), "schema.json": b"{}\n"})
    return Expected("the trailer Ledger-Schema and run.json do not agree")


def edit_of_another_run(repo: Repo) -> Expected:
    other = json.loads(files_of(repo, f"{REF}~1")["run.json"])
    change(repo, {"run.json": run_json(repo, base=other["record"])})
    return Expected(f"which belongs to the run {other['id'][:8]}", path="run.json")


def links_of_another_kind(repo: Repo) -> Expected:
    repo.git("update-ref", LINKS, _metrics(repo))
    return Expected("not a log of links: a blob", ref=LINKS)


def links_with_another_file(repo: Repo) -> Expected:
    _log_entry(repo, LINKS, "notes.txt", b"x")
    return Expected("'notes.txt' is no file of a link", ref=LINKS)


def links_with_a_hole(repo: Repo) -> Expected:
    first = repo.git("commit-tree", tree(repo, []), "-m", "x")
    made = repo.git("commit-tree", tree(repo, []), "-p", first, "-m", "y")
    repo.git("update-ref", LINKS, made)
    object_file(repo, first).unlink()
    return Expected("can't be followed", ref=LINKS)


def redactions_of_another_kind(repo: Repo) -> Expected:
    repo.git("update-ref", REDACTIONS, _metrics(repo))
    return Expected("not a log of redactions: a blob", ref=REDACTIONS)


def redaction_of_another_shape(repo: Repo) -> Expected:
    _log_entry(repo, REDACTIONS, "redaction.json", b"{}")
    return Expected("not a redaction", ref=REDACTIONS, path="redaction.json")


def pin_of_another_kind(repo: Repo) -> Expected:
    ref = "refs/ledger/pins/origin/main"
    repo.git("update-ref", ref, _metrics(repo))
    return Expected("not a chain of runs: a blob", ref=ref)


def inbox_of_no_writer(repo: Repo) -> Expected:
    repo.git("update-ref", "refs/ledger/inbox/somebody", REF)
    return Expected("not a name that ledger gives an inbox", ref="refs/ledger/inbox/somebody")


def lost(repo: Repo) -> Expected:
    repo.git("update-ref", REF, f"{REF}~1")
    return Expected("was on the ref, and its record", commit=False, path=".zip")


def _waiting(repo: Repo) -> Path:
    repo.git("update-ref", "refs/runs/other", "HEAD")  # nothing is chained onto what is no chain
    recorded(repo, experiment="other")
    repo.git("update-ref", "-d", "refs/runs/other")
    (path,) = Spool.of(workspace(repo).repository).pending()
    return path


def manifest_of_another(repo: Repo) -> Expected:
    path = _waiting(repo)
    (item,) = sealed.read(path)
    path.write_bytes(sealed.packed([replace(item, record="a" * 32)]))
    return Expected("is not of the record that the manifest names", ref="", commit=False, path=".zip")


def changed_bytes(repo: Repo) -> Expected:
    path = _waiting(repo)
    (item,) = sealed.read(path)
    data = path.read_bytes()
    place = data.index(item.files["metrics.json"])
    path.write_bytes(data[: place + 5] + b"#" + data[place + 6 :])
    return Expected("does not have its checksum", ref="", commit=False, path=".zip")


def _faults(ledger: Ledger) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ledger.json("verify", code=1)["faults"]
    return found


KINDS: tuple[Callable[[Repo], Expected], ...] = (
    alias, hole, parent_of_another_kind, crowd, twins, torn_events, odd_events, merge, schema_without_its_trailer,
    edit_of_another_run, links_of_another_kind, links_with_another_file, links_with_a_hole, redactions_of_another_kind,
    redaction_of_another_shape, pin_of_another_kind, inbox_of_no_writer, lost, manifest_of_another, changed_bytes,
)  # fmt: skip
EVERYDAY = (alias, merge, links_with_another_file)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind in EVERYDAY else pytest.mark.long) for kind in KINDS],
    ids=lambda kind: kind.__name__,
)
def test_it_is_named_with_its_place_and_hides_nothing(
    repo: Repo, ledger: Ledger, kind: Callable[[Repo], Expected]
) -> None:
    for value in (0.25, 0.5, 0.75):
        recorded(repo, metrics={"f1": value})
    recorded(repo, experiment="beside")
    expected = kind(repo)
    told = _faults(ledger)
    found = [one for one in told if expected.what in one["what"]]
    assert found, told
    assert found[0]["ref"] == expected.ref
    assert bool(found[0]["commit"]) is expected.commit
    assert found[0]["path"].endswith(expected.path)
    put(repo, tree(repo, entries_of(repo, {"x": b""})), ref="refs/runs/beside")
    beside = [one for one in _faults(ledger) if one["ref"] == "refs/runs/beside"]
    assert beside, "one fault hides no other"


@pytest.mark.slow
def test_repair_moves_no_chain_and_removes_no_sealed_file(repo: Repo, ledger: Ledger) -> None:
    for value in (0.25, 0.5, 0.75):
        recorded(repo, metrics={"f1": value})
    twins(repo)
    inbox_of_no_writer(repo)
    refs = repo.git("for-each-ref", "refs/runs", "refs/ledger/inbox", "refs/heads")
    kept = sorted((repo.path / ".git/ledger/spool").rglob("*.zip"))
    ledger("runs")
    (repo.path / f".git/ledger/index-v{INDEX_VERSION}/manifest.json").write_text("no index")
    ledger("verify", "--repair", code=1)
    assert repo.git("for-each-ref", "refs/runs", "refs/ledger/inbox", "refs/heads") == refs
    assert sorted((repo.path / ".git/ledger/spool").rglob("*.zip")) == kept
