"""The file of a live run: whatever tears it, every block that is whole is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import FormatError
from ledger.store import journal
from ledger.store.journal import HEAD, NOTE, Name, Writer, blocks, frame, json_frame, parsed

NAME = Name("a" * 32, "b" * 32)
FIRST = json_frame(HEAD, {"format": 1, "run": NAME.run})


def payloads(data: bytes) -> list[bytes]:
    return [bytes(block.payload) for block in blocks(data)]


def from_file(path: Path) -> list[bytes]:
    return [bytes(block.payload) for block in journal.read(path)]


@given(st.lists(st.binary(max_size=60), max_size=6), st.data())
def test_a_torn_tail_costs_the_torn_block_only(contents: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(frame(NOTE, content) for content in contents)
    cut = data.draw(st.integers(0, len(whole)))
    ends = [sum(len(frame(NOTE, one)) for one in contents[: number + 1]) for number in range(len(contents))]
    assert payloads(whole[:cut]) == contents[: sum(end <= cut for end in ends)]


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=6), st.data())
def test_a_damaged_block_is_passed_over(contents: list[bytes], data: st.DataObject) -> None:
    frames = [frame(NOTE, content) for content in contents]
    victim = data.draw(st.integers(0, len(frames) - 1))
    place = data.draw(st.integers(0, len(frames[victim]) - 1))
    damaged = bytearray(frames[victim])
    damaged[place] ^= 0x55
    frames[victim] = bytes(damaged)
    found = payloads(b"".join(frames))
    kept = [content for number, content in enumerate(contents) if number != victim]
    assert found == kept


def test_a_file_reads_as_its_bytes_do(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    frames = [frame(NOTE, bytes([number]) * number) for number in range(5)]
    for data in (
        b"",
        b"LJ",
        b"".join(frames),
        frames[0] + b"torn" + frames[1],
        frames[0][:-1] + frames[1] + frames[2][:9],
        b"LJB1" * 9 + frames[3],
    ):
        path.write_bytes(data)
        assert from_file(path) == payloads(data)


def test_a_length_that_lies_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"LJB1N" + b"\xff" * 8 + frame(NOTE, b"after"))
    assert from_file(path) == [b"after"]


def test_names_say_whose_file_it_is() -> None:
    part = Name("a", "b", "000001-x")
    assert parsed(NAME.file) == NAME
    assert parsed(part.file) == part
    assert part.main == Name("a", "b").file
    for other in (".a.b.journal.tmp", "a.journal", "a.b.c.journal", "a.b..part", "kept", "notes.txt"):
        assert parsed(other) is None


def test_a_writer_adds_behind_what_is_whole(tmp_path: Path) -> None:
    writer = Writer.create(tmp_path / "journal", NAME, [FIRST])
    writer.append([frame(NOTE, b"one"), frame(NOTE, b"two")])
    writer.sync()
    writer.touch()
    writer.close()
    assert from_file(writer.path)[1:] == [b"one", b"two"]
    assert journal.head(writer.path)["run"] == NAME.run
    assert [path.name for path in writer.path.parent.iterdir()] == [NAME.file]


def test_a_write_that_fails_leaves_what_stood_there(tmp_path: Path) -> None:
    Writer.create(tmp_path, NAME, [FIRST]).close()
    path = tmp_path / NAME.file
    writer = Writer(path, os.open(path, os.O_RDONLY), path.stat().st_size)
    with pytest.raises(OSError, match="descriptor"):
        writer.append([frame(NOTE, b"one")])
    writer.close()
    assert len(from_file(path)) == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "without its head"),
        (frame(NOTE, b"{}"), "without its head"),
        (json_frame(HEAD, [1]), "not the head"),
        (json_frame(HEAD, {}), "not the head"),
        (json_frame(HEAD, {"format": 2}), "newer ledger"),
    ],
)
def test_what_is_no_head_is_said(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "journal"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=said):
        journal.head(path)
