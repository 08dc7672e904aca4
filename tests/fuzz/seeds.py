"""Sound bytes of every kind, made by the writers themselves: what the search for unsound ones starts from."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
from array import array
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from ledger import canonical
from ledger.git import objects
from ledger.model import Artifact, Author, Code, Run, SchemaName, Status
from ledger.schema import migration
from ledger.schema.definition import Definition, from_property
from ledger.store import codec, history, journal, links, points, segment
from ledger.store.points import NO_STEP, Calls, Layout

_STARTERS = Path(__file__).resolve().parents[2] / "schemas" / "starters"
_ID, _RECORD = "a" * 32, "b" * 32


def _json(*documents: object) -> Sequence[bytes]:
    return [canonical.dumps(one) for one in documents]


def _texts(*texts: str) -> Sequence[bytes]:
    return [text.encode() for text in texts]


def _run() -> dict[str, Any]:
    return codec.run_document(
        Run(
            id=_ID,
            record=_RECORD,
            recorded="2026-11-21T02:57:05.000001Z",
            experiment="exp/é",
            status=Status.FAILED,
            base="c" * 32,
            name="n",
            started="2026-11-21T02:57:04.000000Z",
            finished="2026-11-21T02:57:05.000000Z",
            duration=1.5,
            code=Code(commit="1" * 40, tree="2" * 40, branch="main", dirty=True, ignored=("metrics.json",)),
            schema=SchemaName(name="main", version="3"),
            command=("python", "train.py"),
            environment={"host": "h", "packages": {"numpy": "1"}},
            artifacts=(Artifact(role="model", name="best", uri="out/m.pt", size=3, sha256="7" * 64),),
            merges=("e" * 32,),
            tags={"stage": "final"},
            note="line\nline",
            author=Author(name="Ada", email="ada@example.com"),
        )
    )


def runs() -> Sequence[bytes]:
    return _json(_run(), {key: _run()[key] for key in ("format", "id", "record", "recorded", "experiment")})


def records() -> Sequence[bytes]:
    params = {"opt": {"lr": 1e-3, "betas": [0.9, 0.999]}, "a.b": None, "": "x", "flag": True}
    metrics = {"f1": 0.5, "n": 2**60 + 1, "inf": "Infinity", "none": None}
    return _json(
        {"run.json": _run(), "params.json": params, "metrics.json": metrics},
        {"run.json": _run(), "params.json": {}, "metrics.json": {}},
    )


def events() -> Sequence[bytes]:
    line = b'{"level": "info", "message": "m", "time": "2026-11-21T02:57:05.000001Z"}\n'
    return [line * 2, b"{}\n"]


def schemas() -> Sequence[bytes]:
    own = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "x-ledger": {"format": 1, "version": "3", "strict": False},
        "type": "object",
        "$defs": {"share": {"type": "number", "minimum": 0, "maximum": 1}},
        "properties": {
            "params": {
                "properties": {"lr": {"type": "number"}, "model": {"enum": ["a", "b"]}},
                "required": ["lr"],
            },
            "metrics": {
                "properties": {
                    "f1": {"$ref": "#/$defs/share", "x-ledger": {"unit": "1", "direction": "higher"}},
                    "lat": {
                        "type": ["number", "null"],
                        "x-ledger": {"unit": "ms", "on": {"machine": "param:m"}},
                    },
                },
                "patternProperties": {"^val/": {"type": "number"}},
            },
        },
    }
    return [canonical.dumps(own), *(path.read_bytes() for path in sorted(_STARTERS.glob("*.json")))]


def _definition(name: str, unit: str, **words: object) -> Definition:
    return from_property(name, {"type": "number", "x-ledger": {"unit": unit, **words}}, "metric")


def migrations() -> Sequence[bytes]:
    before = {"lat": _definition("lat", "ms"), "f1": _definition("f1", "1", how={"fn": "macro"})}
    after = {"latency": _definition("latency", "s"), "f1": _definition("f1", "1", how={"fn": "micro"})}
    reason = "another averaging"
    told: list[list[dict[str, Any]]] = [
        [
            {"op": "convert", "from": "lat", "to": "latency"},
            {"op": "redefine", "from": "f1", "to": "f1", "reason": reason},
        ],
        [{"op": "derive", "to": "f1", "inputs": {"a": "f1", "b": "lat"}, "expr": "a / (b + 1)"}],
        [{"op": "affine", "from": "lat", "to": "latency", "scale": "1/1000"}],
        [{"op": "drop", "from": "f1", "reason": reason}],
    ]
    return [
        canonical.dumps(
            migration.draft(
                schema="main",
                summary="s",
                before={"metrics": before, "params": {}},
                after={"metrics": after, "params": {}},
                operations={"metrics": operations, "params": []},
            )
        )
        for operations in told
    ]


def expressions() -> Sequence[bytes]:
    return _texts(
        "a + b*c", "(a-b)/c", "sqrt(a) + min(b, c, 1e-3)", "where(a > b, a, -c)", "abs(-a)**2", "log(a)"
    )


def units_files() -> Sequence[bytes]:
    own = {
        "token": {"unit": "1"},
        "ktoken": {"unit": "token", "scale": "1000"},
        "degX": {"unit": "K", "offset": "459.67"},
    }
    return _json({"format": 1, "units": own}, {"format": 1, "units": {}})


def unit_codes() -> Sequence[bytes]:
    return _texts("ms", "m/s2", "kg.m2/s-2", "%", "10*3/ul", "[degF]", "{token}/s", "GiBy", "1")


def table() -> pa.Table:
    """Columns of every kind that a filter may name."""
    return pa.table(
        {
            "run_id": ["a1", "b2", None],
            "status": pa.array(["finished", "failed", None]).dictionary_encode(),
            "code.dirty": [True, False, None],
            "metrics.f1": [0.95, float("nan"), None],
            "params.epochs": pa.array([10, 2**53 + 1, None]),
            "params.lr": pa.array([0.1, 0.01, None], pa.float32()),
            "params.none": pa.nulls(3),
        }
    )


def filters() -> Sequence[bytes]:
    return _texts(
        "metrics.f1 > 0.9 and not code.dirty",
        "status in ('failed', 'lost') or run_id = 'a1'",
        "run_id like 'a%' AND params.epochs != -9007199254740993",
        "params.none is null or params.lr is not null",
        "(metrics.f1 <= 1e-3) or `params.epochs` >= 5 and code.dirty",
        "status not like '%x_' and params.epochs not in (1, 2.5)",
    )


def _points_table(count: int) -> pa.Table:
    rows = [{"step": step, "loss": 1 / (step + 1), "lr": 0.1} for step in range(count)]
    return history.from_values(rows)


@cache
def histories() -> Sequence[bytes]:
    return [history.encode(_points_table(count))["history.parquet"] for count in (1, 3, 400)]


def jsonl() -> Sequence[bytes]:
    return _texts(
        '{"step": 1, "loss": 0.5, "nested": {"a": 1}}\n{"step": 2, "loss": NaN}\n',
        '{"metric": "loss", "step": 1, "value": 0.5, "time": "2026-11-21T02:57:05Z", "context": "gpu0"}\n',
    )


def json_series() -> Sequence[bytes]:
    return _texts(
        '{"loss": [1, 0.5, [10, 0.2]], "f1": [[2, 0.5]]}', '[{"step": 1, "loss": 0.5, "timestamp": 1.7e9}]'
    )


def csv_series() -> Sequence[bytes]:
    return _texts(
        "step,time,loss,f1\n1,2026-11-21T02:57:05Z,0.5,\n2,1700000000,nan,0.25\n",
        'metric,step,value,context\n"loss",1,0.5,"a"\n',
    )


_FILES = {"run.json": b"{}", "params.json": b"{}", "metrics.json": b'{"f1": 0.9}'}


def _manifest(**more: object) -> bytes:
    entry = {
        "record": _RECORD,
        "run": _ID,
        "slug": "main",
        "author": ["Ada", "ada@example.com"],
        "seconds": 1_700_000_000,
        "message": "main: f1 0.9 (finished)\n",
        "code": ["1" * 40],
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in _FILES.items()},
        **more,
    }
    return json.dumps({"format": 1, "records": [entry]}).encode()


def zipped(manifest: bytes) -> bytes:
    """A sealed file around any bytes for a manifest."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for data in dict.fromkeys(_FILES.values()):
            name = f"files/{hashlib.sha256(data).hexdigest()}"
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
        archive.writestr(zipfile.ZipInfo("manifest.json", (1980, 1, 1, 0, 0, 0)), manifest)
    return buffer.getvalue()


def sealed_manifests() -> Sequence[bytes]:
    return [_manifest(), _manifest(slug="", code=[])]


def sealed() -> Sequence[bytes]:
    return [zipped(one) for one in sealed_manifests()]


def head() -> bytes:
    """The first block of a journal."""
    told: Mapping[str, object] = {
        "format": 1,
        "id": _ID,
        "params": {"lr": 0.1},
        "tags": {"a": "b"},
        "note": None,
    }
    return journal.json_frame(journal.HEAD, told)


_NOTES: Sequence[Mapping[str, object]] = (
    {"op": "params", "values": {"lr": 0.1}},
    {"op": "summary", "values": {"f1": 0.5}},
    {"op": "unset", "name": "f1"},
    {"op": "tag", "name": "a", "value": "b"},
    {"op": "note", "text": "n"},
    {"op": "artifact", "role": "model", "name": "best", "uri": "m.pt", "size": 3},
    {"op": "event", "level": "info", "time": "2026-11-21T02:57:05.000001Z", "message": "m"},
)


def notes() -> Sequence[bytes]:
    """Kind and payload of a block, to be framed."""
    said = [b"N" + json.dumps(note).encode() for note in _NOTES]
    return [
        *said,
        b"E" + b'{"status": "finished", "finished": "2026-11-21T02:57:05.000001Z"}',
        b"P" + point_blocks()[0],
    ]


def point_blocks() -> Sequence[bytes]:
    loss, two = Layout(("loss",)), Layout(("loss", "lr"), "gpu0")
    at = 1_700_000_000_000_000_000
    mixed = Calls.of([loss, 1, at, 0.5, two, NO_STEP, at + 1000, [0.4, 0.1]])
    whole = array("q", [1, 2, 3])
    return [
        b"".join(points.encode(mixed)),
        b"".join(points.encode_series(loss, whole, whole, array("d", [0.5, 0.25, 0.125]))),
    ]


def journals() -> Sequence[bytes]:
    blocks = [journal.frame(note[:1], note[1:]) for note in notes()]
    return [b"".join((head(), *blocks)), head()]


@cache
def arrow_files() -> Sequence[bytes]:
    found = []
    for count in (0, 5):
        builder = segment.Builder()
        for number in range(count):
            builder.add(
                ref="refs/runs/main",
                commit=f"{number:040x}",
                run={"record": f"{number:032x}", "id": f"{number:032x}", "experiment": f"é{number % 3}"},
                params={"lr": 0.1},
                metrics={"f1": 0.5},
                schema=None,
                history=False,
            )
        with tempfile.TemporaryDirectory() as folder:
            segment.write(builder, Path(folder), "one")
            found.append(Path(folder, "one.rows.arrow").read_bytes())
    return found


def link_events() -> Sequence[bytes]:
    pairs = (links.Pair("1" * 40, "2" * 40, "3" * 40), links.Pair("4" * 40, "5" * 40))
    moment = "2026-11-21T02:57:05.000001Z"
    told: Sequence[links.Event] = (
        links.Rewritten(by="rebase", recorded=moment, pairs=pairs),
        links.Manual(recorded=moment, run=_ID, commit="1" * 40, author="Ada", reason="r"),
        links.Manual(recorded=moment, run=_ID, commit=None, author="Ada"),
    )
    return [links.encode(event)[1] for event in told]


def noted_pairs() -> Sequence[bytes]:
    return _texts(f"{'1' * 40} {'2' * 40}\n{'3' * 40} {'0' * 40} x\nold new\n")


def trees() -> Sequence[bytes]:
    whole = {
        **dict.fromkeys(codec.REQUIRED, "1" * 40),
        "schema.json": "2" * 40,
        "history-0001.parquet": "3" * 40,
    }
    return [
        objects.flat_tree(one, "sha1").body for one in (whole, dict.fromkeys(codec.REQUIRED, "1" * 40), {})
    ]


def configs() -> Sequence[bytes]:
    return _texts(
        '[ledger]\nformat = 1\nschema = "main"\n[code]\npaths = ["src"]\n', "[record]\nenvironment = []\n"
    )


def given_json() -> Sequence[bytes]:
    return _texts('{"a": 1, "b": {"c": [1.5, NaN, null, true, "x"]}}', "[]")


def given_yaml() -> Sequence[bytes]:
    return _texts(
        "a: &x {b: 1, c: [1, .inf, ~]}\nd: *x\n<<: {e: 0x1F, f: 1_000}\n",
        "- 1\n- !!str 2\n- |\n  text\n",
        "? a\n: 1e3\n",
    )


def given_toml() -> Sequence[bytes]:
    return _texts('a = 1\nb = 1e3\n[c]\nd = [1, 2.5, "x"]\n[[e]]\nf = 2026-11-21T02:57:05Z\ng = inf\n')


def given_csv() -> Sequence[bytes]:
    return _texts("name,value\nlr,0.1\nmodel,a\n", "lr,model\n0.1,a\n", 'a,1\n"b",[1]\n')


def index_manifests() -> Sequence[bytes]:
    whole = {
        "tips": {"refs/runs/main": "1" * 40},
        "segments": ["c" * 32],
        "dropped": [_RECORD],
        "seals": {"c" * 32: [1, [[2, 3], [4, 5]]]},
        "boots": ["x"],
    }
    empty: dict[str, object] = {"tips": {}, "segments": [], "dropped": [], "seals": {}, "boots": []}
    return [json.dumps(one).encode() for one in (whole, empty)]


def link_caches() -> Sequence[bytes]:
    said = {"rewritten": {"1" * 40: ["2" * 40]}, "trees": {"1" * 40: "3" * 40}, "by_hand": {_ID: "1" * 40}}
    return [json.dumps(said).encode()]


def patch_caches() -> Sequence[bytes]:
    return _texts(f"{'1' * 40} {'2' * 40}\n{'1' * 40}..{'2' * 40} -\n")


def fingerprints() -> Sequence[bytes]:
    said = {
        "source": "eval.py:f1",
        "parts": [["eval.py", "f1", "d" * 64]],
        "prints": [["e" * 64, [0]], [None, "no such function"]],
        "commits": {"1" * 40: 0, "2" * 40: 1},
    }
    return [json.dumps(said).encode()]


def unreadable() -> Sequence[bytes]:
    said = {"/x.zip": {"mark": [1, 2, 3, 4, 5], "message": "m", "hint": "h"}}
    return [json.dumps(said).encode(), b"{}"]


def lock_notes() -> Sequence[bytes]:
    intent = {"ref": "refs/runs/main", "old": None, "new": "1" * 40, "code_ref": None, "files": ["1.zip"]}
    who = {"host": "h", "boot": "b", "pid": 1, "since": 1.7e9}
    said: Sequence[Mapping[str, object]] = (
        {"open": True, "intents": [intent], **who},
        {"open": False, "intents": [], **who},
        {},
    )
    return [json.dumps(one).encode() for one in said]
