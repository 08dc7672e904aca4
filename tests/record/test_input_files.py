"""Files of params and metrics that are odd, hostile or not there."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path

import pytest
from record.files import refusal, written

from ledger.errors import InputError
from ledger.record.inputs import read_metrics, read_params


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.json", "", "empty"),
        ("m.yaml", "\n \n", "empty"),
        ("m.json", '{"a": 1,\n "b" 2}', "line 2, column 6"),
        ("m.json", '{"a": 1, "a": 2}', '"a" stands twice'),
        ("m.yaml", "a: 1\na: 2\n", 'line 2: the key "a" stands twice'),
        ("m.yaml", "a: 1\nb: [1\n", "line 3"),
        ("m.yaml", "1: 1\n'1': 2\n", "stands twice"),
        ("m.toml", "a = 1\na = 2\n", "TOML"),
        ("m.toml", "a = \n", "line 1"),
        ("m.csv", "a,b\n1,2\n3,4\n", "neither"),
        ("m.csv", "a,a\n1,2\n", "stands twice"),
        ("m.csv", 'a,b\n"1,2\n', "CSV"),
        ("m.json", b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        ("m.yaml", b"a: \xff", "not UTF-8"),
        ("m.toml", b"a = '\xff'", "not UTF-8"),
        ("m.csv", b"a\n\xff", "not UTF-8"),
        ("m.json", "[1, 2]", "object of names"),
        ("m.json", "0.9", "object of names"),
        ("m.yaml", "just text", "object of names"),
        ("m.json", '{"a":' * 1000 + "1" + "}" * 1000, "nested more than 64"),
        ("m.yaml", "{a: " * 1000 + "1" + "}" * 1000, "nested more than 64"),
        ("m.yaml", "[" * 300_000, "nested more than 64"),
        ("m.toml", "a = " + "[" * 100 + "]" * 100, "nested more than 64"),
        ("m.toml", "a = " + "[" * 9000 + "]" * 9000, "nested too deep"),
        ("m.yaml", "a: 1\n---\nb: 2\n", "2 YAML documents"),
        ("m.yaml", "a: !!python/object:os.system {}", "no JSON form"),
        ("m.yaml", "a: &a [*a]", "alias"),
        ("m.jsonl", '{"step": 1, "f1": 0.5}', "a file of series"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    assert said in refusal(tmp_path, name, content).message


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 lol", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12))]
    assert "aliases expand" in refusal(tmp_path, "p.yaml", "\n".join(lines), params=True).message


def test_a_merge_bomb_is_refused(tmp_path: Path) -> None:
    lines = [
        "a0: &a0 {x: 1}",
        *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)),
        "z:\n  <<: *a11",
    ]
    assert "aliases expand" in refusal(tmp_path, "p.yaml", "\n".join(lines), params=True).message


def test_yaml_scalars_are_those_of_version_1_2(tmp_path: Path) -> None:
    text = (
        "a: 1e-3\nb: no\nc: on\nd: 12:30\ne: 010\nf: 2026-01-02\ng: 1_000\nh: 0x1f\ni: ~\nj: True\n"
        "k: '1'\nl: .5\nm: -.inf\nn: 2026-01-02T03:04:05Z\no: 0o17\np: 1e3\nq: !!str 5\nr: 12e03\n"
    )
    values = read_params([written(tmp_path, "p.yaml", text)]).values
    assert list(values.values()) == [
        0.001, "no", "on", "12:30", "010", "2026-01-02", 1000, 31, None, True,
        "1", 0.5, -math.inf, "2026-01-02T03:04:05Z", 15, 1000.0, "5", 12000.0,
    ]  # fmt: skip
    assert type(values["p"]) is float


def test_yaml_aliases_merges_and_keys(tmp_path: Path) -> None:
    text = "base: &b {lr: 1, x: 2}\nrun:\n  <<: *b\n  lr: 5\nagain: *b\n1: one\ntrue: yes\n"
    assert read_params([written(tmp_path, "p.yaml", text)]).values == {
        "base": {"lr": 1, "x": 2}, "run": {"lr": 5, "x": 2}, "again": {"lr": 1, "x": 2}, "1": "one", "true": "yes",
    }  # fmt: skip


def test_toml_dates_become_text(tmp_path: Path) -> None:
    text = "d = 2026-01-02\nt = 03:04:05\nm = 2026-01-02T03:04:05Z\n"
    assert list(read_params([written(tmp_path, "p.toml", text)]).values.values()) == [
        "2026-01-02", "03:04:05", "2026-01-02T03:04:05+00:00",
    ]  # fmt: skip


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    assert read_metrics([written(tmp_path, "m.csv", b"\xef\xbb\xbff1,loss\n1,2\n")]).values == {
        "f1": 1,
        "loss": 2,
    }


def test_a_missing_file_suggests_its_neighbours(tmp_path: Path) -> None:
    written(tmp_path, "metrics.json", "{}")
    with pytest.raises(InputError) as caught:
        read_metrics([str(tmp_path / "metric.json")])
    assert "no such file" in caught.value.message
    assert str(tmp_path / "metrics.json") in caught.value.hint
    with pytest.raises(InputError) as caught:
        read_metrics([str(tmp_path / "nowhere" / "m.json")])
    assert "no folder" in caught.value.hint


@pytest.mark.parametrize("name", ["x" * 300, "a=" + "x" * 300, "a\0b"])
def test_what_is_no_file_name(name: str) -> None:
    with pytest.raises(InputError):
        read_metrics([name])


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder"):
        read_metrics([str(tmp_path)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    path = written(tmp_path, "m.json", "{}")
    Path(path).chmod(0)
    with pytest.raises(InputError, match="can't be read"):
        read_metrics([path])


def test_a_file_that_is_its_own_link_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "m.json").symlink_to(tmp_path / "m.json")
    with pytest.raises(InputError, match="can't be read"):
        read_metrics([str(tmp_path / "m.json")])


def test_a_huge_file_is_refused_by_its_size_alone(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    with path.open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    # who reads up to the limit and then gives up can't know this number
    with pytest.raises(InputError, match="209,715,200 bytes"):
        read_metrics([str(path)])


def test_standard_input_is_bounded() -> None:
    endless = io.BytesIO(b" " * (64 * 1024 * 1024 + 1))
    with pytest.raises(InputError, match="the limit is 67,108,864"):
        read_metrics(["-"], stdin=endless)
