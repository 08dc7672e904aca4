"""The index: a cache that is always right, always replaceable, and reads only what is new."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Repo
from store.plumbing import REF, blob, change, files_of, object_file, recorded, workspace

from ledger.record.run import Draft, record
from ledger.store import index as store_index
from ledger.store import segment
from ledger.store.index import INDEX_VERSION, Index
from ledger.store.sealed import read as read_sealed
from ledger.store.spool import Spool


def load(repo: Repo) -> Index:
    return store_index.load(workspace(repo).repository)


def folder(repo: Repo) -> Path:
    return repo.path / f".git/ledger/index-v{INDEX_VERSION}"


def column(index: Index, name: str) -> list[Any]:
    return [value for part in index.segments for value in part.column(name)]


def values(index: Index, group: str, name: str) -> list[Any]:
    found = []
    for start, part in index.starts():
        held = part.slice(group, name)
        found += [(start + row, value) for row, value in held.values()] if held else []
    return [value for _, value in sorted(found, key=lambda pair: pair[0])]


def test_nothing_recorded_yet(repo: Repo) -> None:
    index = load(repo)
    assert len(index) == 0
    assert index.names("metrics") == []
    assert index.find("run", "") == []


def test_values_come_back_as_they_were(repo: Repo) -> None:
    odd = {
        "b": True,
        "n": None,
        "t": "text",
        "i": 3,
        "big": 2**60 + 1,
        "l": [1, {"x": "é"}],
        "e": {},
        "o": {"lr": 0.1},
    }
    done = recorded(
        repo, params=odd, metrics={"x": float("inf"), "nan": float("nan"), "none": None}, tags={"a": "b"}
    )
    index = load(repo)
    assert values(index, "metrics", "x") == [float("inf")]
    assert values(index, "metrics", "none") == [None]
    assert repr(values(index, "metrics", "nan")) == "[nan]"
    assert [values(index, "params", name)[0] for name in ("b", "n", "t", "i", "big", "l", "e", "o.lr")] == [
        True, None, "text", 3, 2**60 + 1, [1, {"x": "é"}], {}, 0.1,
    ]  # fmt: skip
    assert values(index, "params", "b")[0] is True
    assert column(index, "run_id") == [done.id]
    assert column(index, "code_commit") == [repo.git("rev-parse", "HEAD")]


def test_only_what_is_new_is_read(repo: Repo) -> None:
    record(workspace(repo), [Draft(metrics={"f1": number / 10}) for number in range(10)])
    load(repo)
    recorded(repo, experiment="other")
    heard: list[tuple[int, int]] = []
    index = store_index.load(workspace(repo).repository, told=lambda done, total: heard.append((done, total)))
    assert heard == [(1, 1)]
    assert len(index) == 11
    store_index.load(workspace(repo).repository, told=lambda done, total: heard.append((done, total)))
    assert heard == [(1, 1)]


def test_sealed_records_that_wait_are_seen_and_never_twice(repo: Repo) -> None:
    repo.git("update-ref", REF, "HEAD")
    done = recorded(repo, metrics={"f1": 0.5})
    index = load(repo)
    assert column(index, "commit") == [""]
    assert column(index, "ref") == [REF]
    repo.git("update-ref", "-d", REF)
    recorded(repo, metrics={"f1": 0.6})
    spool = Spool.of(workspace(repo).repository)
    for kept in spool.chained.glob("*/*.zip"):
        shutil.copy(kept, spool.folder)  # chained, and not yet set aside
    index = load(repo)
    assert values(index, "metrics", "f1") == [0.5, 0.6]
    assert done.record in column(index, "record")


def test_a_rewound_chain_drops_its_records_and_a_return_brings_them_back(repo: Repo) -> None:
    for number in range(3):
        recorded(repo, metrics={"f1": number / 10})
    tip = repo.git("rev-parse", REF)
    assert len(load(repo)) == 3
    repo.git("update-ref", REF, f"{tip}~2")
    assert len(load(repo).dropped) == 2
    repo.git("update-ref", REF, tip)
    index = load(repo)
    assert index.dropped == frozenset()
    assert len(index) == 3


def test_records_on_reparented_commits_are_the_same_records(repo: Repo) -> None:
    """As a push does to the unpublished suffix: other commits, the same trees."""
    for number in range(3):
        recorded(repo, metrics={"f1": number / 10})
    load(repo)
    first, second, third = repo.git("rev-list", "--reverse", REF).split()
    tip = ""
    for commit in (second, first, third):
        message = repo.git("show", "-s", "--format=%B", commit)
        parent = ["-p", tip] if tip else []
        tip = repo.git("commit-tree", f"{commit}^{{tree}}", *parent, "-m", message)
    repo.git("update-ref", REF, tip)
    index = load(repo)
    assert index.dropped == frozenset()
    assert sorted(values(index, "metrics", "f1")) == [0.0, 0.1, 0.2]


def test_a_deleted_ref_takes_its_records_along_and_leaves_no_files(repo: Repo) -> None:
    recorded(repo)
    recorded(repo, experiment="other")
    load(repo)
    repo.git("update-ref", "-d", "refs/runs/other")
    index = load(repo)
    assert set(column(index, "experiment")) == {"main"}
    assert len(list(folder(repo).glob("*.rows.arrow"))) == len(
        json.loads((folder(repo) / "manifest.json").read_text())["segments"]
    )


@pytest.mark.parametrize("damage", ["gone", "empty", "garbage", "manifest", "other manifest", "half"])
def test_any_damage_is_mended_by_reading_again(repo: Repo, damage: str) -> None:
    recorded(repo, metrics={"f1": 0.5})
    load(repo)
    (rows,) = folder(repo).glob("*.rows.arrow")
    actions: dict[str, Callable[[], object]] = {
        "gone": rows.unlink,
        "empty": lambda: rows.write_bytes(b""),
        "garbage": lambda: rows.write_bytes(b"x" * 5000),
        "manifest": lambda: (folder(repo) / "manifest.json").write_text("{"),
        "other manifest": lambda: (folder(repo) / "manifest.json").write_text('{"tips": 3}'),
        "half": lambda: rows.write_bytes(rows.read_bytes()[: rows.stat().st_size // 2]),
    }
    actions[damage]()
    assert values(load(repo), "metrics", "f1") == [0.5]


@pytest.mark.slow
def test_many_small_updates_stay_few_segments(repo: Repo) -> None:
    for number in range(12):
        recorded(repo, metrics={"f1": number / 100})
        load(repo)
    index = load(repo)
    assert len(index) == 12
    assert len(index.segments) < 8
    assert sorted(values(index, "metrics", "f1")) == [number / 100 for number in range(12)]


def test_a_record_that_can_not_be_read_is_a_fault_and_the_rest_goes_on(repo: Repo) -> None:
    recorded(repo, metrics={"f1": 0.1})
    commit = change(repo, {"run.json": b'{"format": 9}'})
    done = recorded(repo, metrics={"f1": 0.2})
    index = load(repo)
    assert column(index, "record") == [done.record]
    (fault,) = index.faults
    assert (fault.ref, fault.commit) == (REF, commit)
    assert "newer" in fault.what
    assert [one.what for one in load(repo).faults] == [fault.what], "also when nothing is new"


def test_refs_that_are_no_chains_are_faults_and_the_rest_goes_on(repo: Repo) -> None:
    recorded(repo)
    repo.git("update-ref", "refs/runs/blob", blob(repo, b"x"))
    (repo.path / ".git/refs/runs/dangling").write_text("1" * 40 + "\n")
    index = load(repo)
    assert len(index) == 1
    assert {fault.ref: fault.what for fault in index.faults} == {
        "refs/runs/blob": "not a chain of runs: a blob",
        "refs/runs/dangling": "not a chain of runs: its object is missing or damaged",
    }


def test_a_chain_with_a_hole_shows_what_is_above_it_and_heals(repo: Repo) -> None:
    for number in range(3):
        recorded(repo, metrics={"f1": number / 10})
    recorded(repo, experiment="other", metrics={"f1": 0.9})
    path = object_file(repo, repo.git("rev-parse", f"{REF}~2"))
    content = path.read_bytes()
    path.unlink()
    for _ in range(2):
        index = load(repo)
        assert sorted(values(index, "metrics", "f1")) == [0.1, 0.2, 0.9]
        assert [fault.ref for fault in index.faults] == [REF]
    path.write_bytes(content)
    index = load(repo)
    assert sorted(values(index, "metrics", "f1")) == [0.0, 0.1, 0.2, 0.9]
    assert index.faults == []


def test_inbox_records_are_read_by_all(repo: Repo) -> None:
    recorded(repo)
    tip = repo.git("rev-parse", REF)
    repo.git("update-ref", "refs/ledger/inbox/ci", tip)
    assert len(load(repo)) == 1, "the same record in two places is one"
    repo.git("update-ref", "-d", REF)
    assert len(load(repo)) == 1


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("run.json", b'"experiment": "main"', b'"experiment": 7'),
        ("run.json", b'"experiment": "main"', b'"experiment": "main", "note": ["x"]'),
        ("run.json", b'"experiment": "main"', b'"experiment": "main", "duration": "long"'),
        ("run.json", b'"experiment": "main"', b'"experiment": "main", "tags": ["x"]'),
        ("run.json", b'"experiment": "main"', b'"experiment": "\\ud800"'),
        ("run.json", b'"experiment": "main"', b'"experiment": "main", "started": "yesterday"'),
        ("params.json", b"{", b'{"\\ud800": 1, '),
        ("params.json", b"{", b'{"deep": ' + b'{"x": ' * 20_000 + b"1" + b"}" * 20_000 + b", "),
        ("metrics.json", b"{", b'{"f2": 1e999, "half": "\\udfff", '),
        ("metrics.json", b"{", b"["),
    ],
)
def test_a_foreign_record_can_not_spoil_the_index(repo: Repo, name: str, before: bytes, after: bytes) -> None:
    recorded(repo, metrics={"f1": 0.1})
    recorded(repo, metrics={"f1": 0.2})
    files = files_of(repo)
    commit = change(repo, {name: files[name].replace(before, after, 1)})
    recorded(repo, metrics={"f1": 0.3})
    index = load(repo)
    assert [fault.commit for fault in index.faults] == [commit]
    assert sorted(values(index, "metrics", "f1")) == [0.1, 0.3]


@pytest.mark.parametrize("name", ["record", "id", "base"])
@pytest.mark.parametrize("wrong", ["", "ab", "AB" * 16, "ab" * 17, "é" * 32])
def test_an_id_that_is_none_is_a_fault_and_stands_for_no_other_record(
    repo: Repo, name: str, wrong: str
) -> None:
    done = recorded(repo, metrics={"f1": 0.1})
    recorded(repo, metrics={"f1": 0.2})
    run = json.loads(files_of(repo)["run.json"]) | {name: wrong}
    commit = change(repo, {"run.json": json.dumps(run).encode()})
    index = load(repo)
    assert [fault.commit for fault in index.faults] == [commit]
    assert column(index, "record") == [done.record]


def test_an_exact_look_up_finds_no_longer_id(repo: Repo) -> None:
    done = recorded(repo)
    index = load(repo)
    assert index.exact("run", done.id) == index.find("run", done.id[:6]) == [0]
    assert index.exact("run", done.id[:31]) == []
    assert index.ids("run", done.id[:4]) == [done.id]
    assert index.ids("record", done.id[:-1] + "x") == []


@pytest.mark.parametrize("copied", [False, True], ids=["same commits", "other commits"])
def test_a_rewound_chain_drops_nothing_that_another_ref_holds(repo: Repo, copied: bool) -> None:
    for number in range(3):
        recorded(repo, metrics={"f1": number / 10})
    load(repo)
    if copied:
        message = repo.git("show", "-s", "--format=%B", REF)
        other = repo.git("commit-tree", f"{REF}^{{tree}}", "-m", message)
    else:
        other = repo.git("rev-parse", REF)
    repo.git("update-ref", "refs/ledger/inbox/ci", other)
    load(repo)
    repo.git("update-ref", REF, f"{REF}~2")
    index = load(repo)
    assert index.dropped == frozenset()
    assert sorted(values(index, "metrics", "f1")) == ([0.0, 0.2] if copied else [0.0, 0.1, 0.2])
    for ref, commit in zip(column(index, "ref"), column(index, "commit"), strict=True):
        repo.git("merge-base", "--is-ancestor", commit, ref)


def test_files_that_dead_processes_left_are_swept(repo: Repo) -> None:
    recorded(repo)
    load(repo)
    kept = set(folder(repo).iterdir())
    left = [folder(repo) / name for name in ("a.rows.arrow", "b.values.tmp", ".manifest-c.tmp")]
    fresh = folder(repo) / "d.rows.arrow"
    for path in (*left, fresh):
        path.write_bytes(b"x")
    for path in (*left, *kept):
        os.utime(path, (1, 1))
    recorded(repo)
    assert len(load(repo)) == 2
    assert not [path for path in left if path.exists()]
    assert fresh.exists(), "another process may be about to publish it"
    assert not [path for path in kept if not path.exists()]


@pytest.mark.long
def test_zeros_in_a_segment_after_a_power_cut_are_never_shown(repo: Repo) -> None:
    record(workspace(repo), [Draft(metrics={"f1": 0.5}) for _ in range(2_000)])
    load(repo)
    (path,) = folder(repo).glob("*.values.arrow")
    data = path.read_bytes()
    place = data.index(struct.pack("<d", 0.5) * 100)
    before = path.stat()
    path.write_bytes(data[:place] + bytes(800) + data[place + 800 :])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert 0.0 in values(load(repo), "metrics", "f1"), "the footer is whole: only the checksum tells"
    manifest = folder(repo) / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"boots": ["another start of the machine"]}))
    assert set(values(load(repo), "metrics", "f1")) == {0.5}


def test_checksums_are_looked_at_once_after_a_start(repo: Repo) -> None:
    recorded(repo)
    load(repo)
    manifest = folder(repo) / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"boots": ["another start of the machine"]}))
    load(repo)
    after = json.loads(manifest.read_text())
    assert after["boots"] == ["another start of the machine", *content["boots"]]
    assert after["segments"] == content["segments"], "nothing was made anew"


def test_a_sealed_record_that_is_no_run_is_named_and_the_rest_goes_on(repo: Repo) -> None:
    repo.git("update-ref", REF, "HEAD")  # nothing can be chained
    done = recorded(repo)
    spool = Spool.of(workspace(repo).repository)
    (path,) = spool.pending()
    (item,) = read_sealed(path)
    run = json.loads(item.files["run.json"]) | {"record": "cd" * 16, "id": "ab"}
    spoilt = {**item.files, "run.json": json.dumps(run).encode()}
    other = spool.seal([replace(item, files=spoilt)], name="other")
    index = load(repo)
    assert column(index, "record") == [done.record]
    assert [fault.path for fault in index.faults if fault.path] == [str(other)]


def test_a_segment_that_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "s.values.arrow").mkdir()
    with pytest.raises(OSError, match="directory"):
        segment.write(segment.Builder(), tmp_path, "s")
    assert not list(tmp_path.glob("*.tmp"))
