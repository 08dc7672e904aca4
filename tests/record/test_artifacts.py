"""Files, folders, URIs and DVC pointers as artifacts."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ledger.errors import InputError, UsageError
from ledger.model import Artifact
from ledger.record import artifacts
from ledger.record.artifacts import artifact


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_inside_of_the_work_tree(tmp_path: Path) -> None:
    written(tmp_path / "out" / "model.pt", b"weights")
    assert artifact("model", "best=out/model.pt", root=tmp_path, directory=tmp_path) == Artifact(
        role="model", name="best", uri="out/model.pt", size=7, sha256=sha256(b"weights")
    )


@pytest.mark.parametrize(
    ("directory", "spec"),
    [("sub", "../plot.png"), ("sub/deep", "../../plot.png"), (".", "./plot.png"), (".", "sub/../plot.png")],
)
def test_paths_are_taken_from_the_folder_and_recorded_from_the_top(
    tmp_path: Path, directory: str, spec: str
) -> None:
    written(tmp_path / "plot.png", b"png")
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    got = artifact("output", spec, root=tmp_path, directory=tmp_path / directory)
    assert (got.name, got.uri) == ("plot", "plot.png")


def test_a_file_outside_has_its_whole_path(tmp_path: Path) -> None:
    data = written(tmp_path / "data" / "x.bin", b"x")
    top = tmp_path / "repo"
    top.mkdir()
    assert artifact("dataset", str(data), root=top).uri == str(data)
    assert artifact("dataset", str(data), root=None).uri == str(data)
    (tmp_path / "link").symlink_to(top)
    written(top / "y.bin", b"y")
    assert artifact("dataset", "y.bin", root=top, directory=tmp_path / "link").uri == "y.bin"


def test_a_link_inside_to_data_outside_keeps_its_place(tmp_path: Path) -> None:
    data = written(tmp_path / "data.bin", b"x")
    top = tmp_path / "repo"
    top.mkdir()
    (top / "data.bin").symlink_to(data)
    got = artifact("dataset", "data.bin", root=top, directory=top)
    assert (got.uri, got.size) == ("data.bin", 1)


def test_an_equals_sign_in_the_name_of_a_file_that_exists(tmp_path: Path) -> None:
    written(tmp_path / "fold=1.bin", b"x")
    assert artifact("dataset", "fold=1.bin", root=tmp_path, directory=tmp_path).name == "fold=1"
    got = artifact("dataset", "train=fold=1.bin", root=tmp_path, directory=tmp_path)
    assert (got.name, got.uri) == ("train", "fold=1.bin")


@pytest.mark.parametrize(
    ("spec", "name", "uri"),
    [
        ("s3://bucket/data/train.csv", "train", "s3://bucket/data/train.csv"),
        ("train=s3://bucket/k=v/train.csv", "train", "s3://bucket/k=v/train.csv"),
        ("https://ada:pw@example.org/x.csv?a=1&X-Amz-Signature=abc", "x", "https://example.org/x.csv?a=1"),
        ("gs://bucket", "bucket", "gs://bucket"),
    ],
)
def test_a_uri_is_recorded_without_access_and_credentials(spec: str, name: str, uri: str) -> None:
    assert artifact("dataset", spec, root=None) == Artifact(role="dataset", name=name, uri=uri)


def test_a_file_uri_is_a_path(tmp_path: Path) -> None:
    path = written(tmp_path / "a b.bin", b"x")
    got = artifact("dataset", path.as_uri(), root=tmp_path)
    assert (got.uri, got.size) == ("a b.bin", 1)


def parquet(rows: int) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({f"column{i}": list(range(rows)) for i in range(30)}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("a.csv", "a,b\n1,2\n3,4\n", 2), ("a.csv", "a,b\n1,2\n3,4", 2), ("a.csv", "a,b\r\n1,2\r\n\r\n\n", 1), ("a.csv", "a,b\n", 0),
        ("a.csv", "", 0), ("a.csv", 'a\n"two\nlines"\n"say ""hi"""\n', 2), ("a.tsv", "a\tb\n1\t2\n", 1),
        ("a.jsonl", '{"a": "\\n"}\n{"a": "}\n', 2), ("a.JSONL", "{}", 1), ("a.parquet", parquet(1234), 1234),
        ("a.parquet", b"no parquet", None), ("a.parquet", b"", None), ("a.txt", "a\nb\n", None), ("a.bin", b"\n", None),
    ],
)  # fmt: skip
def test_rows_where_they_are_cheap(tmp_path: Path, name: str, content: str | bytes, rows: int | None) -> None:
    written(tmp_path / name, content)
    assert artifact("dataset", name, root=tmp_path, directory=tmp_path).rows == rows


def test_rows_across_blocks_and_above_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "_BLOCK", 3)
    written(tmp_path / "a.csv", 'a,b\n"x\ny",2\n3,"z\n\n"\n\n\n')
    assert artifact("dataset", "a.csv", root=tmp_path, directory=tmp_path).rows == 2
    monkeypatch.setattr(artifacts, "MAX_COUNTED", 5)
    got = artifact("dataset", "a.csv", root=tmp_path, directory=tmp_path)
    assert got.rows is None
    assert got.sha256 == sha256((tmp_path / "a.csv").read_bytes())


FORMULA = "find . -xtype f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum -z | sha256sum"


def test_the_hash_of_a_folder_is_that_of_its_formula(tmp_path: Path) -> None:
    top = tmp_path / "data"
    for name, content in {
        "b.txt": "b",
        "a/é.txt": "1",
        "a/z": "",
        "a.x": "2",
        "two\nlines": "3",
        "back\\slash": "4",
    }.items():
        written(top / name, content)
    (top / "link").symlink_to("b.txt")
    (top / "loop").symlink_to(top)
    (top / "dangling").symlink_to("nowhere")
    assert " ".join(FORMULA.split()) in " ".join((artifacts.__doc__ or "").split())
    shell = subprocess.run(["bash", "-c", FORMULA], cwd=top, capture_output=True, text=True, check=True)
    got = artifact("dataset", "data", root=tmp_path, directory=tmp_path)
    assert got.sha256 == shell.stdout.split()[0]
    assert (got.name, got.uri, got.size, got.rows) == ("data", "data", 6, None)


def test_the_hash_of_a_folder_changes_with_a_name_and_with_content(tmp_path: Path) -> None:
    def hashed() -> str | None:
        return artifact("dataset", "d", root=tmp_path, directory=tmp_path).sha256

    file = written(tmp_path / "d" / "a", "1")
    seen = {hashed()}
    file.rename(tmp_path / "d" / "b")
    seen.add(hashed())
    written(tmp_path / "d" / "b", "2")
    seen.add(hashed())
    assert len(seen) == 3


POINTER = "outs:\n- md5: 22a1a2931c8370d3aeedd7183606fd7f\n  size: 14445097\n  hash: md5\n  path: data.xml\n"


def test_a_dvc_pointer_beside_the_data(tmp_path: Path) -> None:
    written(tmp_path / "data.xml.dvc", POINTER)
    written(tmp_path / "data.xml", "<x/>")
    got = artifact("dataset", "data.xml", root=tmp_path, directory=tmp_path)
    assert got.hashes == {"md5": "22a1a2931c8370d3aeedd7183606fd7f"}
    assert (got.size, got.sha256) == (4, sha256(b"<x/>"))


@pytest.mark.parametrize("spec", ["data.xml", "data.xml.dvc"])
def test_a_dvc_pointer_makes_up_for_data_that_is_not_here(tmp_path: Path, spec: str) -> None:
    written(tmp_path / "data.xml.dvc", POINTER)
    got = artifact("dataset", f"train={spec}", root=tmp_path, directory=tmp_path)
    assert got == Artifact(
        role="dataset",
        name="train",
        uri="data.xml",
        size=14445097,
        hashes={"md5": "22a1a2931c8370d3aeedd7183606fd7f"},
    )


def test_a_dvc_file_that_is_none(tmp_path: Path) -> None:
    written(tmp_path / "x.dvc", "stages: []\n")
    with pytest.raises(InputError, match=r"x\.dvc: not a DVC file"):
        artifact("dataset", "x.dvc", root=tmp_path, directory=tmp_path)


def test_what_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "train.csv", "a\n")
    with pytest.raises(InputError, match="no such file") as caught:
        artifact("dataset", "tran.csv", root=tmp_path, directory=tmp_path)
    assert "train.csv" in caught.value.hint
    with pytest.raises(UsageError, match="weights"):
        artifact("weights", "train.csv", root=tmp_path, directory=tmp_path)
    with pytest.raises(InputError, match="only white space"):
        artifact("dataset", " =train.csv", root=tmp_path, directory=tmp_path)
    for name in ("x" * 300, "a\0b", "n=" + "y" * 300):
        with pytest.raises(InputError):
            artifact("dataset", name, root=tmp_path, directory=tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        artifact("dataset", "pipe", root=tmp_path, directory=tmp_path)
