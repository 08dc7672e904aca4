"""Records ⇄ files: everything comes back, a newer format is refused, and nothing else is taken for a run."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from ledger.errors import FormatError, InputError
from ledger.git.objects import TreeEntry
from ledger.model import Artifact, Author, Code, Record, Run, SchemaName, Status
from ledger.schema import formats
from ledger.store import codec

RUN = Run(
    id="a" * 32,
    record="b" * 32,
    recorded="2026-11-21T02:57:05.000001Z",
    experiment="exp/é",
    status=Status.FAILED,
    base="c" * 32,
    name="n",
    started="2026-11-21T02:57:04.000000Z",
    finished="2026-11-21T02:57:05.000000Z",
    duration=1.5,
    code=Code(
        commit="1" * 40, tree="2" * 40, branch="main", base="3" * 40, patch_id="4" * 40, dirty=True,
        snapshot="5" * 40, snapshot_tree="6" * 40, ignored=("metrics.json",), problem="p",
    ),
    schema=SchemaName(name="main", version="3"),
    command=("python", "train.py"),
    environment={"host": "h", "packages": {"numpy": "1"}},
    artifacts=(Artifact(role="model", name="best", uri="out/m.pt", size=3, sha256="7" * 64, rows=None, hashes={"md5": "x"}),),
    parent="d" * 32,
    tags={"stage": "final"},
    note="line\nline",
    reason="why",
    author=Author(name="Ada", email="ada@example.com"),
)  # fmt: skip
WHOLE = Record(
    run=RUN,
    params={"opt": {"lr": 1e-3, "betas": [0.9, 0.999]}, "a.b": None, "": "x", "flag": True},
    metrics={"f1": 0.1 + 0.2, "n": 2**60 + 1, "inf": math.inf, "low": -math.inf, "none": None, "zero": -0.0},
    schema=b"{}\n",
    history={"history.parquet": b"PAR1"},
    events=b"{}\n",
)


def test_everything_comes_back() -> None:
    assert codec.record(codec.files(WHOLE), what="x") == WHOLE
    assert codec.files(codec.record(codec.files(WHOLE), what="x")) == codec.files(WHOLE)


def test_a_run_with_nothing_but_the_necessary() -> None:
    least = Record(
        run=Run(id="a" * 32, record="b" * 32, recorded="2026-11-21T02:57:05.000001Z", experiment="e")
    )
    files = codec.files(least)
    assert sorted(files) == ["metrics.json", "params.json", "run.json"]
    assert codec.record(files, what="x") == least


@pytest.mark.parametrize(
    "run", [RUN, Run(id="a" * 32, record="b" * 32, recorded="2026-11-21T02:57:05.000001Z", experiment="e")]
)
def test_run_json_is_valid_by_the_shipped_schema(run: Run) -> None:
    assert formats.check("run", codec.run_document(run)) == ()


def test_nan_is_a_word_in_the_file_and_a_number_in_memory() -> None:
    files = codec.files(Record(run=RUN, metrics={"x": math.nan}))
    assert json.loads(files["metrics.json"]) == {"x": "NaN"}
    value = codec.record(files, what="x").metrics["x"]
    assert isinstance(value, float)
    assert math.isnan(value)


def test_a_value_that_json_can_not_hold() -> None:
    broken: Any = {"x": object()}
    with pytest.raises(InputError, match="JSON can't hold"):
        codec.files(Record(run=RUN, params=broken))
    with pytest.raises(InputError, match="half a character"):
        codec.files(Record(run=RUN, params={"x": "\ud800"}))


def changed(name: str, data: bytes) -> dict[str, bytes]:
    return {**codec.files(WHOLE), name: data}


def run_with(**values: object) -> bytes:
    return json.dumps({**json.loads(codec.files(WHOLE)["run.json"]), **values}).encode()


def test_the_version_is_looked_at_first() -> None:
    with pytest.raises(FormatError) as caught:
        codec.record(changed("run.json", b'{"format": 2, "id": 7}'), what="commit 1234")
    assert caught.value.message == "commit 1234: format 2 is newer than this ledger reads (1)"
    assert caught.value.hint == "upgrade ledger"


@pytest.mark.parametrize(
    "values",
    [{"format": None}, {"format": True}, {"format": 0}, {"format": "1"}, {"id": 7}, {"status": "odd"}, {"experiment": ""},
     {"code": {"commit": "1"}}, {"artifacts": [{"role": "model"}]}, {"tags": 3}, {"schema": {}}],
)  # fmt: skip
def test_what_is_no_run_is_a_format_error_that_names_the_file(values: dict[str, object]) -> None:
    with pytest.raises(FormatError, match=r"commit 1234: run\.json"):
        codec.record(changed("run.json", run_with(**values)), what="commit 1234")


def test_unknown_keys_are_left_to_newer_ledgers() -> None:
    code = {**json.loads(codec.files(WHOLE)["run.json"])["code"], "later": 1}
    assert codec.record(changed("run.json", run_with(later={"x": 1}, code=code)), what="x") == WHOLE


@pytest.mark.parametrize("name", ["run.json", "params.json", "metrics.json"])
def test_each_file_that_must_be_there(name: str) -> None:
    files = codec.files(WHOLE)
    del files[name]
    with pytest.raises(FormatError, match=f"{name} is missing"):
        codec.record(files, what="x")


@pytest.mark.parametrize(
    "data", [b"[]", b"{", b'{"a": 1, "a": 2}', b'{"a": "text"}', b'{"a": true}', b"\xff"]
)
def test_metrics_that_are_none(data: bytes) -> None:
    with pytest.raises(FormatError, match=r"metrics\.json"):
        codec.record(changed("metrics.json", data), what="x")


def entry(name: str, mode: bytes = b"100644") -> TreeEntry:
    return TreeEntry(mode, name, "0" * 40)


NECESSARY = [entry("metrics.json"), entry("params.json"), entry("run.json")]


@pytest.mark.parametrize(
    ("entries", "wrong"),
    [
        (NECESSARY, None),
        ([*NECESSARY, entry("history.parquet"), entry("history-0001.parquet"), entry("schema.json"), entry("events.jsonl")], None),
        ([*NECESSARY, entry("model.pt")], "model.pt: not a file of a run"),
        ([*NECESSARY, entry("history-1.parquet")], "history-1.parquet: not a file of a run"),
        ([*NECESSARY, entry("events.jsonl", b"120000")], "events.jsonl: mode 120000 instead of 100644"),
        ([*NECESSARY, entry("run.json")], "one name stands twice"),
        (NECESSARY[:2], "run.json is missing"),
        ([entry(f"history-{number:04}.parquet") for number in range(10_001)], "10,001 entries"),
    ],
)  # fmt: skip
def test_only_the_tree_of_a_run_is_one(entries: list[TreeEntry], wrong: str | None) -> None:
    assert codec.check_tree(entries) == wrong
