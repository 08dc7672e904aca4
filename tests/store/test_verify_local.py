"""Verifying what is on this disk only, and many records at once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from conftest import Repo
from store.plumbing import (
    REF,
    change,
    files_of,
    recorded,
    run_json,
    told,
    verified,
    workspace,
)

from ledger.store import index as store_index
from ledger.store.spool import Spool
from ledger.store.verify import content as check

# Spool and index --------------------------------------------------------------------------------------------------


def pending(repo: Repo) -> Path:
    """A sealed file that is not chained: its ref is taken by something foreign meanwhile."""
    repo.git("update-ref", REF, "HEAD")
    recorded(repo)
    repo.git("update-ref", "-d", REF)
    (path,) = Spool.of(workspace(repo).repository).pending()
    return path


def test_a_sealed_file_that_waits_is_read_too(repo: Repo) -> None:
    pending(repo)
    report = verified(repo)
    assert told(report) == []


def test_a_damaged_sealed_file(repo: Repo) -> None:
    path = pending(repo)
    data = bytearray(path.read_bytes())
    place = data.index(b'"f1"')
    data[place + 1] ^= 1
    path.write_bytes(bytes(data))
    (fault,) = verified(repo).faults
    assert fault.path == str(path)
    assert "not a sealed record" in fault.what


def test_damaged_files_among_the_refused_and_the_chained(repo: Repo) -> None:
    recorded(repo)
    spool = Spool.of(workspace(repo).repository)
    spool.refused.mkdir()
    (spool.refused / "0-x.zip").write_bytes(b"no zip")
    (kept,) = spool.chained.glob("*/*.zip")
    kept.write_bytes(kept.read_bytes()[:-30])
    assert {one.path for one in verified(repo).faults} == {str(spool.refused / "0-x.zip"), str(kept)}


def test_an_index_that_says_something_else(repo: Repo) -> None:
    recorded(repo, metrics={"f1": 0.25})
    repository = workspace(repo).repository
    store_index.load(repository)
    folder = repository.folder / f"index-v{store_index.INDEX_VERSION}"
    (values,) = folder.glob("*.values.arrow")
    import struct

    data = values.read_bytes()
    assert data.count(struct.pack("<d", 0.25)) == 1
    before = values.stat()
    values.write_bytes(data.replace(struct.pack("<d", 0.25), struct.pack("<d", 0.75)))
    os.utime(
        values, ns=(before.st_atime_ns, before.st_mtime_ns)
    )  # else the next load sees that it was changed
    (fault,) = verified(repo).faults
    assert fault.path == str(folder)
    assert "says something else of the record" in fault.what
    shutil.rmtree(folder)
    assert verified(repo).faults == ()


def test_an_index_that_lacks_a_record_or_has_one_too_many(repo: Repo) -> None:
    recorded(repo)
    repository = workspace(repo).repository
    store_index.load(repository)
    folder = repository.folder / f"index-v{store_index.INDEX_VERSION}"
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "segments": []}))
    (lacking,) = verified(repo).faults
    assert "lacks the record" in lacking.what
    recorded(repo, experiment="two")
    shutil.rmtree(folder)
    store_index.load(repository)
    manifest = json.loads((folder / "manifest.json").read_text())
    shutil.rmtree(Spool.of(workspace(repo).repository).chained)
    repo.git("update-ref", "-d", "refs/runs/two")
    tips = {REF: manifest["tips"][REF]}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "tips": tips}))
    (extra,) = verified(repo).faults
    assert "which is on no chain" in extra.what


# Content ----------------------------------------------------------------------------------------------------------


def test_what_ledger_writes_is_what_verify_wants(repo: Repo) -> None:
    recorded(repo, params={"a": {"b": 1e22, "c": -0.0, "d": 2**60}}, metrics={"x": float("-inf"), "y": None})
    assert check.content(files_of(repo)).wrong == []


def test_many_records_with_one_damaged_among_them(repo: Repo) -> None:
    from ledger.record.run import Draft, record

    drafts = [Draft(metrics={"f1": number / 300}) for number in range(300)]
    record(workspace(repo), drafts)
    change(repo, {"metrics.json": b"{}"})
    report = verified(repo)
    assert report.records == 300
    assert told(report) == [
        "metrics.json: not canonical: its bytes are not those that ledger writes for these values"
    ]


def test_a_run_that_was_recorded_twice(repo: Repo) -> None:
    one = recorded(repo)
    two = recorded(repo)
    message = repo.git("show", "-s", "--format=%B", REF).replace(two.id, one.id)
    change(repo, {"run.json": run_json(repo, id=one.id)}, message=message + "\n")
    (fault,) = verified(repo).faults
    assert fault.what.startswith(f"the run {one.id[:8]} was recorded twice: ")


def test_records_that_a_ref_has_lost_are_named_while_their_sealed_files_are_kept(repo: Repo) -> None:
    _, lost = recorded(repo), recorded(repo)
    repo.git("update-ref", REF, f"{REF}~1")
    (fault,) = [one for one in verified(repo).faults if one.path.endswith(".zip")]
    assert fault.ref == REF
    assert lost.record[:12] in fault.what
