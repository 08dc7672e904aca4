"""Runs left in a shared folder, taken in once by anybody: from clones, from nowhere, and from somebody hostile."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo

import ledger as api
from ledger.config import open_workspace
from ledger.share import ingest as ingesting
from ledger.store.depot import Folder

pytestmark = pytest.mark.slow

REF = "refs/runs/sweep"


def _leave(ledger: Ledger, place: Path, *words: str) -> str:
    return str(ledger.json("record", "--spool", str(place), "-e", "sweep", "-m", "f1=0.5", *words)["id"])


def _runs(repo: Repo) -> list[str]:
    return repo.git("log", "--reverse", "--format=%(trailers:key=Ledger-Run,valueonly)", REF).split()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "shared" / "runs"


def test_from_a_clone_with_all_that_it_knows(repo: Repo, ledger: Ledger, place: Path) -> None:
    repo.write("train.py", "print('dirty')\n")
    run = _leave(ledger, place, "-p", "lr=0.1")
    assert repo.git("for-each-ref", "refs/runs", "refs/ledger") == "", "nothing of it is here"
    assert list(place.iterdir()) == sorted(place.glob("*.zip"))

    assert ledger.json("ingest", str(place)) == {
        "files": 1, "records": 1, "known": 0, "waiting": 0, "deleted": 0, "refused": [],
    }  # fmt: skip
    shown = ledger.json("show", run)
    assert shown["run"]["code"]["dirty"]
    snapshot = shown["run"]["code"]["snapshot"]
    assert repo.git("show", f"{snapshot}:train.py") == "print('dirty')"
    assert ledger.json("verify")["faults"] == []
    again = ledger.json("ingest", str(place))
    assert (again["records"], again["known"]) == (0, 1)
    assert _runs(repo) == [run]


def test_from_nowhere(repo: Repo, ledger: Ledger, place: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    words = ("-C", str(nowhere), "record", "--spool", str(place), "-m", "f1=0.7")
    ledger(*words, code=1)
    assert "--experiment" in ledger.err
    run = ledger.json(*words, "-e", "sweep")
    assert (run["code"], run["chained"]) == (None, False)
    assert list(nowhere.iterdir()) == []
    ledger("ingest", str(place))
    assert _runs(repo) == [run["id"]]
    assert ledger.json("verify")["faults"] == []


def test_a_run_that_breaks_its_schema_is_kept_beside(repo: Repo, ledger: Ledger, place: Path) -> None:
    ledger("init", "--starter", "classification")
    ledger("record", "--spool", str(place), "-e", "sweep", "-m", "accuracy=7", "-m", "loss=1", code=1)
    assert list(place.glob("*.zip")) == []
    (kept,) = place.glob("refused/*.zip")
    assert str(kept) in ledger.err
    ledger("record", "--refused", str(kept), "-m", "accuracy=0.7")
    assert len(_runs(repo)) == 1


def test_delete_takes_only_what_is_on_its_chain(repo: Repo, ledger: Ledger, place: Path) -> None:
    run = _leave(ledger, place)
    (place / "broken.zip").write_bytes(b"PK not a zip")
    (place / "other.txt").write_text("mine", encoding="utf-8")
    done = json.loads(ledger("ingest", str(place), "--delete", "--json", code=1))
    assert (done["records"], done["deleted"]) == (1, 1)
    assert [Path(one["file"]).name for one in done["refused"]] == ["broken.zip"]
    assert sorted(path.name for path in place.iterdir()) == ["broken.zip", "other.txt"]
    assert _runs(repo) == [run]


def test_a_record_of_the_same_id_that_says_something_else_is_not_deleted(
    repo: Repo, ledger: Ledger, place: Path
) -> None:
    _leave(ledger, place)
    ledger("ingest", str(place))
    (path,) = place.glob("*.zip")
    path.write_bytes(_changed(path.read_bytes(), {"metrics.json": b'{\n  "f1": 0.9\n}\n'}))
    done = ledger.json("ingest", str(place), "--delete")
    assert (done["known"], done["deleted"]) == (1, 0)
    assert path.exists()
    assert len(_runs(repo)) == 1


def test_thousands_in_one_file_and_edits_of_them(repo: Repo, ledger: Ledger, place: Path) -> None:
    from ledger.store.sealed import packed, read
    from ledger.store.spool import Spool

    source = Repo(repo.path.parent / "source")
    repo.git("clone", "-q", str(repo.path), str(source.path))
    made = api.record_many(
        [{"metrics": {"f1": n / 300}, "experiment": "sweep"} for n in range(300)], repository=source.path
    )
    ledger("-C", str(source.path), "tag", made[7].id, "best=yes")
    from ledger.git.process import discover

    spool = Spool.of(discover(source.path, {"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"}))
    records = [item for path in sorted(spool.chained.rglob("*.zip")) for item in read(path)]
    place.mkdir(parents=True)
    (place / "all.zip").write_bytes(packed(records))
    assert ledger.json("ingest", str(place / "all.zip"))["records"] == 301
    assert ledger.json("show", made[7].id)["run"]["tags"] == {"best": "yes"}
    assert repo.git("rev-list", "--count", REF) == "301"


def _changed(data: bytes, files: dict[str, bytes], **entry: Any) -> bytes:
    """A sealed file with other files, or another manifest entry, its checksums right again."""
    from ledger.store.sealed import packed, read_bytes

    (item,) = read_bytes(data, what="x")
    from dataclasses import replace

    return packed([replace(item, files={**item.files, **files}, **entry)])


def _with_manifest(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
            manifest = json.loads(old.read("manifest.json"))
            change(manifest["records"][0])
            for name in old.namelist():
                new.writestr(name, json.dumps(manifest) if name == "manifest.json" else old.read(name))
        return out.getvalue()

    return changed


def _bomb(_: bytes) -> bytes:
    """Entries that lie on top of one another: small, and huge when read."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("manifest.json", b"0" * 50_000)
        first = archive.infolist()[0]
        for number in range(2_000):
            info = zipfile.ZipInfo(f"files/{number}")
            info.header_offset, info.file_size, info.compress_size, info.CRC = (
                first.header_offset, first.file_size, first.compress_size, first.CRC,
            )  # fmt: skip
            archive.filelist.append(info)
            archive._didModify = True  # type: ignore[attr-defined]
    return out.getvalue()


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "schema": (lambda d: _changed(d, {"metrics.json": b"[]\n"}), "metrics.json: not a JSON object"),
    "foreign file": (lambda d: _changed(d, {"evil.sh": b"x"}), "no file of a record"),
    "history": (lambda d: _changed(d, {"history.parquet": b"PAR1"}), "history.parquet"),
    "another slug": (lambda d: _changed(d, {}, slug="other"), "belongs on refs/runs/sweep"),
    "another run": (lambda d: _changed(d, {}, run="0" * 32), "differ in run"),
    "no id": (lambda d: _changed(d, {}, record="../../x"), "differ in record"),
    "ref": (_with_manifest(lambda e: e.update(slug="../heads/main")), "names no ref"),
    "message": (lambda d: _changed(d, {}, message="Ledger-Run: x\n"), "trailer Ledger-Run"),
    "author": (_with_manifest(lambda e: e.update(author=["Eve", "eve@x"])), "differ in author"),
    "date": (_with_manifest(lambda e: e.update(seconds=0)), "differ in seconds"),
    "code": (_with_manifest(lambda e: e.update(code=["0" * 40])), "differ in code"),
    "pack": (lambda d: _changed(d, {}, pack=b"PACK" + b"x" * 60), "its snapshot"),
    "bomb": (_bomb, "on top of one another"),
    "deep": (_with_manifest(lambda e: e.update(files=[])), "not a sealed record"),
    "cut": (lambda d: d[: len(d) // 2], "not a sealed record"),
}


def test_hostile_files_are_named_and_hold_up_no_other(repo: Repo, ledger: Ledger, place: Path) -> None:
    _leave(ledger, place)
    (good,) = place.glob("*.zip")
    for name, (change, _) in HOSTILE.items():
        (place / f"{name}.zip").write_bytes(change(good.read_bytes()))
    (place / "link.zip").symlink_to("/etc/passwd")
    good.rename(place / "zz-good.zip")
    done = json.loads(ledger("ingest", str(place), "--json", code=1))
    assert done["records"] == 1
    refused = {Path(one["file"]).stem: " ".join(one["what"]) for one in done["refused"]}
    assert refused.keys() == {*HOSTILE, "link"}
    assert {name: said for name, (_, said) in HOSTILE.items() if said not in refused[name]} == {}
    assert ledger.json("verify")["faults"] == []
    assert len(_runs(repo)) == 1


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("http://x/y", 1, "not a place"),
        ("file://machine/x", 1, "three slashes"),
        ("file://", 1, "three slashes"),
        ("file:///tmp/a#b", 1, "three slashes"),
        ("s3:/bucket/x", 1, "not a place"),
        ("nowhere", 1, "No such file"),
        pytest.param(
            "s3://key:hunter2@b/x?region=us-east-1&scheme=http&endpoint_override=127.0.0.1:1",
            4,
            "s3://***@b/x",
            marks=pytest.mark.long,
        ),
    ],
    ids=["scheme", "machine", "nothing", "cut", "slash", "missing", "unreachable"],
)
@pytest.mark.usefixtures("repo")
def test_places_that_are_none(ledger: Ledger, place: str, code: int, said: str) -> None:
    ledger("ingest", place, code=code)
    assert said in ledger.err
    assert "hunter2" not in ledger.err


@pytest.mark.parametrize("place", ["file://machine/runs", "s3:/bucket/runs"])
def test_a_run_is_not_left_where_nobody_looks(ledger: Ledger, repo: Repo, place: str) -> None:
    """With a slash too few it landed in another folder, which a container does not outlive."""
    ledger("record", "-m", "f1=0.5", "-e", "sweep", "--spool", place, code=1)
    assert repo.git("status", "--porcelain") == ""


@pytest.mark.parametrize(("place", "code"), [("in-the-way", 1), ("s3://b/x?nonsense=1", 4)])
def test_a_run_that_its_place_does_not_take_is_kept_here(
    ledger: Ledger, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, code: int
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    repo.write("in-the-way", "a file")
    ledger("record", "-m", "f1=0.5", "-e", "sweep", "--spool", place, code=code)
    (kept,) = (tmp_path / "state" / "ledger" / "unsent").glob("*.zip")
    assert f"nothing is lost, the run is in {kept}" in ledger.err
    assert ledger.json("ingest", str(kept))["records"] == 1
    assert [row["metrics.f1"] for row in ledger.json("runs")] == [0.5]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    from ledger.errors import StorageError
    from ledger.store.depot import Folder

    place = Folder(tmp_path / "new" / "folder")
    place.put("a.zip", b"1")
    with pytest.raises(StorageError, match="there already"):
        place.put("a.zip", b"2")
    assert (tmp_path / "new" / "folder" / "a.zip").read_bytes() == b"1"


def test_a_file_that_grows_or_shrinks_after_it_was_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.store import depot

    place, file = depot.Folder(tmp_path), tmp_path / "a.zip"
    for now in (b"", b"12", b"x" * 200_000):
        file.write_bytes(b"1234")
        (found,) = place.files()
        file.write_bytes(now)
        assert place.read(found) == now
    monkeypatch.setattr(depot, "MAX_BYTES", 100_000)
    assert len(place.read(found)) == 100_001
    alone = depot.Folder(file)
    (found,) = alone.files()
    assert len(alone.read(found)) == 100_001
    assert alone.delete(found)
    assert not file.exists()


@pytest.mark.parametrize("rewound", [False, True])
def test_what_was_on_its_chain_before_is_looked_for_again_before_its_file_is_deleted(
    repo: Repo, ledger: Ledger, place: Path, monkeypatch: pytest.MonkeyPatch, rewound: bool
) -> None:
    """Chains are read on from where the last look ended, as long as they only grow."""
    first, *_ = [_leave(ledger, place) for _ in range(3)]
    oldest = min(place.iterdir())
    (place / "9.zip").write_bytes(oldest.read_bytes())
    monkeypatch.setattr(ingesting, "_BATCH_RECORDS", 1)
    told: list[str] = []

    def tell(what: str) -> None:
        told.append(what)
        if rewound and len(told) == 2:
            repo.git("update-ref", "-d", REF)

    depot = Folder(place)
    done = ingesting.ingest(open_workspace(repo.path, os.environ), [depot], delete=True, told=tell)
    assert len(told) == 3
    assert (first in _runs(repo)) is not rewound
    assert [path.name for path in place.iterdir()] == (["9.zip"] if rewound else [])
    assert done.deleted == (3 if rewound else 4)
