"""Objects that git itself refuses, or that are not there: on a remote they hold up one experiment, not all."""

from __future__ import annotations

import pytest
from conftest import Ledger, Repo
from share.clones import REF, Hub, exists, tip
from store.plumbing import entries_of, files_of, piped, put

NEXT = "refs/runs/sound"


def unsorted(one: Repo) -> str:
    """A tree of the right files in the wrong order, which nothing but git's own check would notice."""
    entries = sorted(entries_of(one, files_of(one)), key=lambda entry: entry[1], reverse=True)
    body = b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
    return piped(one, body, "hash-object", "-w", "-t", "tree", "--literally", "--stdin")


@pytest.mark.slow
def test_a_malformed_object_holds_up_one_experiment(hub: Hub, ledger: Ledger) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one)
    for name in ("sound", "also"):
        hub.record(one, "-e", name)
    put(one, unsorted(one))
    one.git("push", "-q", "origin", "refs/runs/*:refs/runs/*")
    own = hub.record(other, "-e", "mine")
    done = hub.push(other, code=4)
    (fault,) = done["faults"]
    assert (fault["ref"], fault["commit"]) == (REF, tip(one))
    assert "treeNotSorted" in fault["what"]
    assert not exists(other, REF)
    assert exists(other, NEXT)
    assert hub.runs("refs/runs/mine") == [own], "what is one's own goes out all the same"
    assert "treeNotSorted" in ledger("-C", str(other.path), "fetch", code=4) + ledger.err


@pytest.mark.slow
@pytest.mark.parametrize("log", ["links", "redactions"])
def test_a_malformed_log_holds_up_no_run(hub: Hub, log: str) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    run = hub.record(one)
    hub.push(one)
    bad = one.git("commit-tree", unsorted(one), "-m", "x")
    one.git("push", "-q", "origin", f"{bad}:refs/ledger/{log}")
    (fault,) = hub.pull(other, code=4)["faults"]
    assert fault["ref"] == f"refs/ledger/{log}"
    assert [row["run_id"] for row in hub.ledger.json("-C", str(other.path), "runs")] == [run]


@pytest.mark.slow
def test_a_file_that_the_remote_lost_holds_up_one_experiment(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one, f1=0.1)
    hub.record(one, "-e", "sound", f1=0.2)
    hub.push(one)
    lost = hub.repo.git("rev-parse", f"{REF}:metrics.json")
    (hub.repo.path / "objects" / lost[:2] / lost[2:]).unlink()
    assert [fault["ref"] for fault in hub.pull(other, code=4)["faults"]] == [REF]
    assert exists(other, NEXT)
