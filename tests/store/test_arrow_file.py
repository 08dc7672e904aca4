"""Segments read as plain memory say what pyarrow says, and damaged ones are refused."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ledger.store import segment
from ledger.store.arrow_file import ArrowFile
from ledger.store.segment import CODED_COLUMNS, Builder


def _written(folder: Path, values: list[dict[str, Any]]) -> dict[str, Path]:
    builder = Builder()
    for number, metrics in enumerate(values):
        builder.add(
            ref="refs/runs/main",
            commit=f"{number:040x}",
            run={"record": f"{number:032x}", "id": f"{number:032x}", "experiment": f"é{number % 3}"},
            params={"name": "text"} if number % 4 == 0 else {"lr": 0.1},
            metrics=metrics,
            schema=None,
            history=False,
        )
    segment.write(builder, folder, "one")
    return {kind: folder / f"one.{kind}.arrow" for kind in ("rows", "values")}


@pytest.mark.parametrize("count", [0, 1, 7, 8, 1000])
def test_plain_memory_is_what_pyarrow_reads(tmp_path: Path, count: int) -> None:
    source = random.Random(1)
    paths = _written(
        tmp_path, [{"f1": source.random(), "n": 2**60 if i % 9 == 0 else i} for i in range(count)]
    )
    rows, values = (pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in paths.values())
    plain_rows, plain_values = map(ArrowFile, paths.values())
    assert (len(plain_rows), len(plain_values)) == (rows.num_rows, values.num_rows)
    assert plain_rows.metadata["ledger"] == rows.schema.metadata[b"ledger"]
    assert plain_values.metadata["ledger"] == values.schema.metadata[b"ledger"]
    if not count:
        return
    for name in CODED_COLUMNS:
        coded = rows.column(name).chunk(0)
        assert plain_rows.texts(name) == coded.dictionary.to_pylist()
        assert list(plain_rows.numbers(name, "i")) == coded.indices.to_pylist()
    for name, code in (("row", "i"), ("number", "d"), ("kind", "b")):
        assert list(plain_values.numbers(name, code)) == values.column(name).to_pylist()


def test_which_values_have_a_text(tmp_path: Path) -> None:
    paths = _written(tmp_path, [{"n": 2**60 if i % 11 == 5 else i} for i in range(200)])
    texts = pa.ipc.open_file(pa.memory_map(str(paths["values"]))).read_all().column("text").to_pylist()
    plain = ArrowFile(paths["values"])
    for start in range(0, len(texts), 3):
        for end in (start, start + 1, start + 4, start + 17, len(texts)):
            wanted = any(text is not None for text in texts[start : min(end, len(texts))])
            assert plain.has_any("text", start, min(end, len(texts))) == wanted, (start, end)


def test_a_damaged_file_is_refused_or_read_but_never_more(tmp_path: Path) -> None:
    whole = _written(tmp_path, [{"f1": 0.5}] * 20)["rows"].read_bytes()
    path = tmp_path / "damaged.arrow"
    for size in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"."):
            ArrowFile(path)
    source = random.Random(2)
    for _ in range(200):
        torn = bytearray(whole)
        for _ in range(3):
            torn[source.randrange(len(torn) - 2500, len(torn))] = source.randrange(256)
        path.write_bytes(torn)
        try:
            found = ArrowFile(path)
            found.numbers("experiment", "i"), found.texts("experiment")
        except (ValueError, KeyError):
            continue  # and no other exception
