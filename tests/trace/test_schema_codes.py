"""Each row of the index has the number of the schema that it was recorded under, however many there are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import Repo

from ledger.config import open_workspace
from ledger.store import segment
from ledger.store.index import Index
from ledger.store.segment import Builder, Segment
from ledger.trace.meaning import Meaning
from ledger.trace.runset import RunSet
from ledger.trace.view import View


def _segment(folder: Path, stem: str, schemas: list[str]) -> Segment:
    builder = Builder()
    for number, schema in enumerate(schemas):
        name = f"{stem}{number:031x}"
        builder.add(
            ref="refs/runs/main",
            commit="",
            run={"record": name, "id": name, "experiment": "main"},
            params={},
            metrics={"f1": 0.5},
            schema=schema,
            history=False,
        )
    segment.write(builder, folder, stem)
    return Segment(folder, stem)


@pytest.mark.parametrize("count", [1, 3, 256, 257, 300])
def test_numbers_are_those_of_the_schemas_of_rows(repo: Repo, tmp_path: Path, count: int) -> None:
    names = [f"schema-{number % count}" for number in range(2 * count)]
    parts = [names[: count // 2], names[count // 2 + 1 :], list(reversed(names)), names[-1:]]
    segments = [_segment(tmp_path, f"{number}", part) for number, part in enumerate(parts) if part]
    view = View(
        open_workspace(repo.path, os.environ),
        RunSet(Index(segments, schemas={})),
        Meaning(schemas={}, migrations=()),
    )
    numbers = dict(zip((name for part in parts for name in part), view.schema_codes, strict=True))
    assert sorted(numbers.values()) == list(range(count))
    assert list(view.schema_codes) == [numbers[name] for part in parts for name in part]
