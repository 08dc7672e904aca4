"""What the metrics of the real projects meant when they were measured: schemas of the time, and migrations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from real import replay
from real.replay import Line, Replayed, Schema

from ledger.schema import migration
from ledger.schema.definition import Definition
from ledger.schema.document import parse

TRAINING, BEFORE, NOW = "train/dice_multi", "train/evaluate/dice_multi", "eval/dice_multi"
"""The Dice of the training, and both names of that of the evaluation."""
PREFIXES = {"results/train/metrics.json": "train", "results/evaluate/metrics.json": "eval"}

_DICE = {"unit": "1", "direction": "higher"}
_BEFORE, _NOW = (replay.schema_of({TRAINING: _DICE, name: _DICE}) for name in (BEFORE, NOW))


def moved_pool(path: Path) -> Replayed:
    """Record each run under the schema of its time, and migrate the name that moved."""
    made = replay.pool_segmentation(
        path,
        schema=lambda line: _BEFORE if BEFORE in replay.pool_metrics(line, PREFIXES) else _NOW,
        prefixes=PREFIXES,
    )
    replay.write_schema(path, "pool", _NOW)
    migrate(path, "pool", (_BEFORE, _NOW), [{"op": "rename", "from": BEFORE, "to": NOW}])
    return made


def redefined_django(path: Path) -> Replayed:
    """Record each run under the hashes of its time; the work tree has the newest of each benchmark."""
    of_time = cache(lambda versions: django_schema(dict(versions)))
    made = replay.django(path, schema=lambda line: of_time(frozenset(line["versions"].items())))
    replay.write_schema(path, "django", django_schema(newest_versions(replay.lines(replay.DJANGO))))
    return made


def newest_versions(measured: Sequence[Line]) -> dict[str, str]:
    """Of each benchmark the hash at the last commit that it was measured at; some were given up long ago."""
    return {name: version for line in measured for name, version in line["versions"].items()}


def django_schema(versions: Mapping[str, str]) -> Schema:
    """Declares benchmarks with their hashes; a time is comparable within one machine."""
    words = {"unit": "s", "direction": "lower", "on": {"machine": "param:machine"}}
    return replay.schema_of(
        {name: {**words, "how": {"code": hash_}} for name, hash_ in sorted(versions.items())}
    )


def migrate(
    path: Path, name: str, schemas: tuple[Schema, Schema], operations: Sequence[Mapping[str, Any]]
) -> None:
    """Put a migration of metrics into the work tree."""
    before, after = ({"metrics": definitions(schema)} for schema in schemas)
    body = migration.draft(
        schema=name,
        summary="one meaning",
        before=before,
        after=after,
        operations={"metrics": operations},
    )
    file = path / ".ledger" / "migrations" / name / "0001.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(body), encoding="utf-8")


def definitions(schema: Schema) -> Mapping[str, Definition]:
    """The metrics that a schema declares."""
    return parse(json.dumps(schema).encode(), name="schema", what="schema").metrics
