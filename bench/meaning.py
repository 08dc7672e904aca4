"""What comparability costs: views through chains of migrations, migrations themselves, many schema versions, drift."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import ledger
from bench import scratch
from bench.clock import Pair, by_turns, command, environment, seconds
from bench.line import Line
from ledger import canonical
from ledger.config import Workspace, open_workspace
from ledger.schema import document, migration
from ledger.schema.document import Schema
from ledger.schema.lineage import Lineage
from ledger.store import migration_cache, segment
from ledger.store.index import Index
from ledger.store.segment import Builder, Segment
from ledger.trace import drift, fingerprint_cache, readings
from ledger.trace.columns import Columns
from ledger.trace.meaning import Meaning
from ledger.trace.runset import RunSet
from ledger.trace.view import View, open_view

_UNITS = ("s", "ms", "us", "min", "ns", "h")
_STEPS, _VERSIONS = 10, 20
_FILES, _OPERATIONS, _CLOSING = 300, 30, 20
_SEGMENT = 1 << 16
_TIME = "time"


def lines(folder: Path, *, quick: bool) -> Iterator[Line]:
    """Those in this process first, then whole commands."""
    rounds = 5 if quick else 15
    size = 50_000 if quick else 1_000_000
    yield _view(folder / "view", size, rounds)
    yield from _history(folder / "history", size, rounds)
    yield from _migrations(folder / "migrations", rounds)
    yield _versions(folder / "versions", 2_000 if quick else 100_000, rounds)
    yield from _drift(folder / "drift", 100 if quick else 1_000, rounds)


def _schema(names: Sequence[str], words: Mapping[str, Any]) -> dict[str, Any]:
    declared = {name: {"type": ["number", "null"], "x-ledger": dict(words)} for name in names}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"metrics": {"type": "object", "properties": declared}},
    }


def _version(names: Sequence[str], number: int) -> dict[str, Any]:
    """A schema whose times are in another unit than those of the version before."""
    return _schema(names, {"unit": _UNITS[number % len(_UNITS)], "epoch": number + 1, "direction": "lower"})


def _parsed(schema: Mapping[str, Any]) -> Schema:
    return document.recorded(canonical.dumps(dict(schema)), name="bench")


def _converting(before: Mapping[str, Any], after: Mapping[str, Any]) -> bytes:
    old, new = ({"metrics": _parsed(schema).metrics} for schema in (before, after))
    operations = [{"op": "convert", "from": name, "to": name} for name in sorted(new["metrics"])]
    drafted = migration.draft(
        schema="bench", summary="units", before=old, after=new, operations={"metrics": operations}
    )
    return canonical.dumps(drafted)


def _chain(names: Sequence[str], steps: int) -> dict[str, bytes]:
    versions = [_version(names, number) for number in range(steps + 1)]
    pairs = pairwise(versions)
    return {f"{number:04}.json": _converting(*pair) for number, pair in enumerate(pairs)}


def _workspace(folder: Path) -> Workspace:
    scratch.repository(folder)
    shutil.rmtree(folder / ".ledger")
    return open_workspace(folder, environment())


# Views and histories


def _view(folder: Path, size: int, rounds: int) -> Line:
    """Each round opens a view anew: plans are made in it, as any command does."""
    workspace, index = _workspace(folder), _million(folder, size)
    loaded = migration.load(_chain([_TIME], _STEPS)).migrations
    old, new = (_parsed(_version([_TIME], number)) for number in (0, _STEPS))
    raw = Meaning(schemas={"bench": old}, migrations=loaded)
    migrated = Meaning(schemas={"bench": new}, migrations=loaded)
    pair = by_turns(
        partial(_column, workspace, index, migrated),
        partial(_column, workspace, index, raw),
        rounds=rounds,
    )
    return _more(
        f"view of a metric over {size:,} runs through {_STEPS} exact steps", pair, 40, "the raw column"
    )


def _column(workspace: Workspace, index: Index, meaning: Meaning) -> Any:
    view = View(workspace, RunSet(index), meaning)
    columns = Columns(view)
    return columns.column(f"metrics.{_TIME}", columns.all_rows)


def _million(folder: Path, size: int) -> Index:
    return _index(folder, size, canonical.dumps(_version([_TIME], 0)), [_TIME])


def _index(folder: Path, size: int, schema: bytes, metrics: Sequence[str]) -> Index:
    """An index as a reader finds it: full segments, mapped from files."""
    source = random.Random(1)
    segments = []
    for start in range(0, size, _SEGMENT):
        builder = Builder()
        for number in range(start, min(start + _SEGMENT, size)):
            name = f"{number:032x}"
            builder.add(
                ref="refs/runs/main",
                commit="",
                run={"record": name, "id": name, "experiment": "main"},
                params={},
                metrics={name: source.random() for name in metrics},
                schema="recorded",
                history=False,
            )
        segment.write(builder, folder, f"{start}")
        segments.append(Segment(folder, f"{start}"))
    return Index(segments, schemas={"recorded": schema})


def _history(folder: Path, size: int, rounds: int) -> Iterator[Line]:
    yield _unit_change(folder, size, rounds)
    yield _f1(folder / "f1", size, rounds)


def _unit_change(folder: Path, size: int, rounds: int) -> Line:
    """A long series as `ledger show --history` and `export` read it, from the decoded table on."""
    import pyarrow as pa

    workspace, index = _workspace(folder), _million(folder, 1)
    loaded = migration.load(_chain([_TIME], 1)).migrations
    new = Meaning(schemas={"bench": _parsed(_version([_TIME], 1))}, migrations=loaded)
    names = pa.array([_TIME]).dictionary_encode().take(pa.array([0] * size))
    table = pa.table({"metric": names, "step": pa.array(range(size)), "value": _doubles(size, 1)})

    def shown() -> None:
        view = View(workspace, RunSet(index), new)
        readings.shown(readings.readings(view, 0), table)

    found = _median(shown, rounds)
    return _milliseconds(f"history of {size:,} points, a unit change", found, 15)


def _f1(folder: Path, size: int, rounds: int) -> Line:
    """As many points of F1, from as many of precision and of recall as a live run logs them: step by step."""
    import pyarrow as pa

    workspace, index, meaning = _workspace(folder), *_made_f1(folder)
    names = pa.array(["precision", "recall"]).dictionary_encode().take(pa.array([0, 1] * size))
    steps = pa.array([number // 2 for number in range(2 * size)], pa.int64())
    times = pa.nulls(2 * size, pa.timestamp("us", tz="UTC"))
    table = pa.table({"metric": names, "step": steps, "time": times, "value": _doubles(2 * size, 1)})

    def shown() -> Any:
        view = View(workspace, RunSet(index), meaning)
        return readings.shown(readings.readings(view, 0), table)

    assert shown().num_rows == 3 * size
    found = _median(shown, rounds)
    return _milliseconds(f"history of {size:,} points, F1 from precision and recall", found, 60)


def _made_f1(folder: Path) -> tuple[Index, Meaning]:
    """One run that recorded precision and recall, and the migration that makes F1 of them."""
    parts = ("precision", "recall")
    old, new = (_schema(names, {"unit": "1"}) for names in (parts, (*parts, "f1")))
    operation: dict[str, Any] = {
        "op": "derive", "to": "f1", "inputs": {"p": "precision", "r": "recall"},
        "expr": "2 * p * r / (p + r)", "exactness": "exact",
    }  # fmt: skip
    sides = [{"metrics": _parsed(schema).metrics} for schema in (old, new)]
    body = migration.draft(
        schema="bench", summary="f1", before=sides[0], after=sides[1], operations={"metrics": [operation]}
    )
    loaded = migration.load({"f1.json": canonical.dumps(body)}).migrations
    index = _index(folder, 1, canonical.dumps(old), parts)
    return index, Meaning(schemas={"bench": _parsed(new)}, migrations=loaded)


def _doubles(size: int, seed: int) -> Any:
    import pyarrow as pa

    source = random.Random(seed)
    return pa.array([source.random() for _ in range(size)], pa.float64())


# Migrations


def _migrations(folder: Path, rounds: int) -> Iterator[Line]:
    """A chain of files, the last of which close circles with it, so that there is something to contradict.

    First as a command meets files that it has never seen, then as the next one does.
    """
    files = _circles()
    read = partial(migration_cache.load, folder, files, custom_units={})
    loaded = read()
    assert not loaded.faults
    assert not Lineage.build((), loaded.migrations).faults
    assert read() == migration.load(files)
    floor = _median(lambda: [json.loads(data) for data in files.values()], rounds)
    checking = _median(lambda: Lineage.build((), loaded.migrations).faults, rounds)
    what = f"{_FILES} migrations x {_OPERATIONS} metrics: read, and check that they are coherent"
    for name, reader in ((", first time", partial(migration.load, files)), (", read before", read)):
        reading = _median(reader, rounds)
        yield Line(
            what=f"{what}{name}",
            value=(reading + checking) * 1e3,
            unit="ms",
            bar=100,
            median=f"read {reading * 1e3:.0f} + check {checking * 1e3:.0f} ms",
            ratio=(reading + checking) / floor,
            floor=f"json.loads of the files: {floor * 1e3:.0f} ms",
        )


def _circles() -> dict[str, bytes]:
    names = [f"{_TIME}_{number:02}" for number in range(_OPERATIONS)]
    files = _chain(names, _FILES - _CLOSING)
    for number in range(_CLOSING):
        ends = (_version(names, number), _version(names, number + 100))
        files[f"closing-{number:04}.json"] = _converting(*ends)
    return files


# Whole commands


def _versions(folder: Path, runs: int, rounds: int) -> Line:
    """The same runs twice: all under one schema, and under twenty, each of which converts into the next."""
    one, many = (
        _filled(folder / f"{count}", runs, [_version([_TIME], number) for number in range(count)])
        for count in (1, _VERSIONS)
    )
    log = [scratch.program("ledger"), "log", "--metric", _TIME]
    pair = by_turns(command(log, many), command(log, one), rounds=rounds)
    return Line(
        what=f"ledger log on {runs:,} runs with {_VERSIONS} schema versions",
        value=pair.ratio,
        unit="x one version",
        bar=1.2,
        median=f"{pair.seconds * 1e3:.0f} ms = {pair.ratio:.2f} x",
        ratio=pair.ratio,
        floor=f"the same with one version: {pair.floor_seconds * 1e3:.0f} ms",
    )


def _filled(folder: Path, runs: int, versions: Sequence[Mapping[str, Any]]) -> Path:
    scratch.repository(folder, commits=max(runs // 50, 1))
    source = random.Random(1)
    commits = scratch.git(folder, "rev-list", "--reverse", "main").split()
    bounds = [runs * number // len(versions) for number in range(len(versions) + 1)]
    for version, start, end in zip(versions, bounds, bounds[1:], strict=False):
        (folder / ".ledger/schemas/bench.json").write_text(json.dumps(version), encoding="utf-8")
        made = [
            {
                "metrics": {_TIME: source.random()},
                "experiment": "main",
                "code": commits[number * len(commits) // runs],
            }
            for number in range(start, end)
        ]
        ledger.record_many(made, repository=folder)
    _write_migrations(folder, versions)
    ledger.runs(columns=["experiment"], repository=folder)  # the index, once
    return folder


def _write_migrations(folder: Path, versions: Sequence[Mapping[str, Any]]) -> None:
    place = folder / ".ledger/migrations/bench"
    place.mkdir(parents=True)
    for number, pair in enumerate(pairwise(versions)):
        (place / f"{number:04}.json").write_bytes(_converting(*pair))
    scratch.git(folder, "add", "-A")
    scratch.git(folder, "commit", "-q", "-m", "Define")


def _drift(folder: Path, commits: int, rounds: int) -> Iterator[Line]:
    """Every commit changes a file of the package, every tenth one the metric or what it calls."""
    _project(folder, commits)
    cache = open_workspace(folder, os.environ).repository.folder / fingerprint_cache._FOLDER  # noqa: SLF001

    def cold() -> None:
        shutil.rmtree(cache, ignore_errors=True)
        warm()

    def warm() -> drift.Drift:
        return drift.drift(open_view(open_workspace(folder, os.environ)), "f1")

    changes = len(warm().changes)
    what = f"drift over {commits:,} commits with {changes} changes"
    yield _milliseconds(f"{what}, cold", _median(cold, 3), 5_000)
    yield _milliseconds(f"{what}, warm", _median(warm, rounds), 50)


def _project(folder: Path, commits: int) -> None:
    scratch.repository(folder)
    scratch.git(folder, "fast-import", "--quiet", "--force", stdin=b"".join(_changing(commits)))
    scratch.git(folder, "reset", "-q", "--hard", "main")
    ledger.record_many([{"metrics": {"f1": 0.5}, "experiment": "main"}] * 10, repository=folder)
    ledger.runs(columns=["experiment"], repository=folder)


def _changing(commits: int) -> Iterator[bytes]:
    words = {"unit": "1", "direction": "higher", "source": "package/metrics.py:f1"}
    yield b"reset refs/heads/main\n"
    yield from _commit(1, {".ledger/schemas/bench.json": json.dumps(_schema(["f1"], words)), **_sources(0)})
    for number in range(1, commits):
        changed = _sources(number)
        names = sorted(changed) if number % 10 == 0 else ["package/train.py"]
        yield from _commit(number + 1, {name: changed[name] for name in names})


_commit = scratch._commit  # noqa: SLF001 - of the same benchmark


def _sources(number: int) -> dict[str, str]:
    others = "".join(f"\n\ndef other_{i}(x):\n    return x * {i}\n" for i in range(20))
    metrics = f"from package.clip import clip\n\n\ndef f1(y):\n    return clip(y) / {number + 1}\n{others}"
    return {
        "package/__init__.py": "",
        "package/metrics.py": metrics,
        "package/clip.py": f"LIMIT = {number // 50}\n\n\ndef clip(y):\n    return min(y, LIMIT)\n{others}",
        "package/train.py": f"from package.metrics import f1\n\nSTEP = {number}\n{others}",
    }


def _median(call: Callable[[], object], rounds: int) -> float:
    call()
    return median(seconds(call) for _ in range(rounds))


def _milliseconds(what: str, found: float, bar: float) -> Line:
    return Line(what=what, value=found * 1e3, unit="ms", bar=bar)


def _more(what: str, pair: Pair, bar: float, floor: str) -> Line:
    return Line(
        what=what,
        value=(pair.seconds - pair.floor_seconds) * 1e3,
        unit="ms more",
        bar=bar,
        median=f"{pair.seconds * 1e3:.1f} ms, {(pair.seconds - pair.floor_seconds) * 1e3:.1f} more",
        ratio=pair.ratio,
        floor=f"{floor}: {pair.floor_seconds * 1e3:.1f} ms",
    )
