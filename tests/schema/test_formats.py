"""The published formats describe what ledger writes."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from ledger import canonical
from ledger.model import Artifact, Author, Code, Run, SchemaName, Status
from ledger.schema import document, formats
from ledger.store import codec

A, B = "a" * 40, "b" * 64
FULL = Run(
    id="0" * 32,
    record="1" * 32,
    recorded="2026-11-21T02:57:05.000000Z",
    experiment="exp/lr",
    status=Status.FAILED,
    base="2" * 32,
    merges=("4" * 32,),
    settles=("metrics.f1",),
    name="night",
    started="2026-11-20T22:00:00.000001Z",
    finished="2026-11-21T02:57:04.999999Z",
    duration=17_824.999998,
    code=Code(
        commit=A,
        tree=A,
        branch="main",
        base=A,
        patch_id=A,
        dirty=True,
        snapshot=A,
        snapshot_tree=A,
        ignored=("m.json",),
        problem="too large",
    ),
    schema=SchemaName(name="main", version="3"),
    command=("python", "train.py"),
    environment={"host": "h", "packages": {"torch": "2.9"}, "cpus": 2},
    artifacts=(
        Artifact(role="model", name="best", uri="out/m.pt", size=5, sha256=B, rows=1, hashes={"md5": "c"}),
    ),
    parent="3" * 32,
    tags={"kind": "ablation"},
    note="n",
    reason="r",
    author=Author(name="Ana", email="ana@example.org"),
)
LEAST = Run(id="0" * 32, record="1" * 32, recorded="2026-11-21T02:57:05.000000Z", experiment="main")


@pytest.mark.parametrize("name", formats.NAMES)
def test_every_format_is_json_schema_with_all_parts_described_as_such(name: str) -> None:
    body = canonical.loads(formats.load(name), what=name)
    assert body["$schema"] == document.DIALECT
    assert formats.load(name).decode() == json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    assert {key for key in body if key.startswith("$")} <= {"$schema", "$defs"}


@pytest.mark.parametrize("run", [FULL, LEAST])
def test_what_ledger_writes_is_a_run(run: Run) -> None:
    assert formats.check("run", codec.run_document(run)) == ()


def test_every_field_of_a_run_is_described() -> None:
    body = json.loads(formats.load("run"))
    written: dict[str, Any] = codec.run_document(FULL)
    assert set(written) == set(body["properties"])
    assert set(written["code"]) == set(body["$defs"]["code"]["properties"])
    assert set(written["artifacts"][0]) == set(body["$defs"]["artifact"]["properties"])


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"format": 2}, "$.format"),
        ({"id": "0" * 31}, "$.id"),
        ({"status": "done"}, "$.status"),
        ({"recorded": "2026-11-21 02:57"}, "$.recorded"),
        ({"duration": -1}, "$.duration"),
        ({"tags": {"a": 1}}, "$.tags.a"),
        ({"code": {"commit": A}}, "$.code.tree"),
        ({"code": {"commit": A, "tree": "HEAD"}}, "$.code.tree"),
        ({"artifacts": [{"role": "weights", "name": "n", "uri": "u"}]}, "$.artifacts[0].role"),
        ({"author": {"name": "Ana"}}, "$.author.email"),
    ],
)
def test_a_broken_run_names_the_place(change: dict[str, Any], path: str) -> None:
    faults = formats.check("run", {**codec.run_document(LEAST), **change}, file="run.json")
    assert [(fault.file, fault.path) for fault in faults] == [("run.json", path)]


def test_later_additions_to_a_run_stay_readable() -> None:
    written: dict[str, Any] = codec.run_document(FULL)
    written |= {"later": 1, "code": {**written["code"], "later": 1}, "schema": {"name": "s", "later": 1}}
    assert formats.check("run", written) == ()


def test_a_missing_key_is_named() -> None:
    faults = formats.check("run", {"format": 1})
    assert {fault.path for fault in faults} == {
        f"$.{name}" for name in ("id", "record", "recorded", "experiment", "status")
    }
    assert {fault.file for fault in faults} == {"run"}


CONFIG: dict[str, Any] = {
    "ledger": {"format": 1, "schema": "main"},
    "code": {
        "paths": ["src"],
        "default_branch": "main",
        "snapshot": True,
        "snapshot_max_bytes": 10_485_760,
        "snapshot_untracked": ["*.py"],
    },
    "record": {
        "params": ["params.yaml"],
        "metrics": ["m.json"],
        "environment": ["CUDA_VISIBLE_DEVICES"],
        "packages": ["torch"],
    },
    "log": {"metrics": ["f1"]},
}


@pytest.mark.parametrize("config", [CONFIG, {}, {"ledger": {}}])
def test_a_config_may_hold_each_key_or_none(config: dict[str, Any]) -> None:
    assert formats.check("config", config) == ()


@pytest.mark.parametrize(
    ("config", "path", "hint"),
    [
        ({"legder": {}}, "$.legder", 'did you mean "ledger"?'),
        (
            {"code": {"snapshot_max_byte": 1}},
            "$.code.snapshot_max_byte",
            'did you mean "snapshot_max_bytes"?',
        ),
        ({"record": {"metric": ["m"]}}, "$.record.metric", 'did you mean "metrics"?'),
        ({"zzz": 1}, "$.zzz", ""),
        ({"ledger": {"schema": 3}}, "$.ledger.schema", 'write it in quotes: "3"'),
        ({"ledger": {"schema": dt.date(2026, 11, 21)}}, "$.ledger.schema", ""),
        ({"code": {"paths": "src"}}, "$.code.paths", ""),
        ({"code": {"snapshot_max_bytes": -1}}, "$.code.snapshot_max_bytes", ""),
        ({"log": {"metrics": [1]}}, "$.log.metrics[0]", 'write it in quotes: "1"'),
    ],
)
def test_a_broken_config_names_the_place_and_hints(config: dict[str, Any], path: str, hint: str) -> None:
    (fault,) = formats.check("config", config, file=".ledger/config.toml")
    assert (fault.file, fault.path, fault.hint) == (".ledger/config.toml", path, hint)


def test_the_schema_format_is_a_schema_document_of_json_schema_itself() -> None:
    assert formats.check("schema", json.loads(formats.load("run"))) == ()
    assert formats.check("schema", {"type": "nothing"}) != ()
