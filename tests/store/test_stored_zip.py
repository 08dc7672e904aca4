"""Zips without compression: what `zipfile` reads and writes, and nothing that lies about itself."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.store import stored_zip

FILES = st.dictionaries(
    st.text(min_size=1, max_size=20).filter(lambda n: "\0" not in n), st.binary(max_size=300), max_size=6
)
BROKEN = (
    ValueError,
    zipfile.BadZipFile,
    struct.error,
    LookupError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
)


def _utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "/" not in name and "\\" not in name


@pytest.mark.slow
@given(FILES)
def test_zipfile_reads_what_is_written(files: dict[str, bytes]) -> None:
    files = {name: data for name, data in files.items() if _utf8(name)}
    data = stored_zip.written(files)
    assert stored_zip.read(data) == files
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files


def test_what_zipfile_writes_is_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("files/a", b"1" * 1000)
        archive.writestr("manifest.json", b"{}")
        archive.comment = b"somebody was here"
    assert stored_zip.read(out.getvalue()) == {"files/a": b"1" * 1000, "manifest.json": b"{}"}


def test_compression_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"0" * 100_000)
    with pytest.raises(ValueError, match="compressed"):
        stored_zip.read(out.getvalue())


def test_entries_on_top_of_one_another_are_refused() -> None:
    data = stored_zip.written({"a": b"x" * 10_000})
    start = data.index(b"PK\1\2")
    entry, end = data[start:-22], data[-22:]
    listing = entry * 1000
    fields = list(struct.unpack("<4s4H2LH", end))
    fields[3] = fields[4] = 1000
    fields[5] = len(listing)
    with pytest.raises(ValueError, match="on top of one another"):
        stored_zip.read(data[:start] + listing + struct.pack("<4s4H2LH", *fields))


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_flipped_byte_is_noticed_or_changes_nothing(at: int, by: int) -> None:
    files = {"files/0": b"one" * 40, "manifest.json": b'{"format": 1}'}
    data = bytearray(stored_zip.written(files))
    data[at % len(data)] ^= by
    try:
        found = stored_zip.read(bytes(data))
    except BROKEN:
        return
    assert list(found.values()) == list(files.values()), "names, and what is not used, have no checksum"


@given(st.binary(max_size=400).filter(lambda data: b"PK\5\6" not in data))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(BROKEN):
        stored_zip.read(data)


@pytest.mark.long
def test_more_files_than_the_plain_format_holds() -> None:
    files = {str(number): b"" for number in range(70_000)}
    assert stored_zip.read(stored_zip.written(files)) == files
