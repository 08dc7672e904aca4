"""Runs and series as tables for other programs: one wide table of runs, one long table of points.

Units and definitions stand in the fields' metadata. Series are read and written one run after the other, so that
ten thousand of them take no more memory than one row group.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ledger.errors import InputError
from ledger.model import Grade, StoreFault
from ledger.schema.definition import Definition
from ledger.store.history import Column, chunks
from ledger.store.segment import METRICS, PARAMS
from ledger.trace import series
from ledger.trace.listing import Found, chosen, records
from ledger.trace.readings import Readings, readings
from ledger.trace.view import View

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
"""Version of the exported tables. 1: the first (2026-11)."""
ROW_GROUP = 262_144
"""Points in a row group of history.parquet."""
RUNS, HISTORY = "runs", "history"
_T = TypeVar("_T")


class Told(Protocol):
    """Hears how far a long export has come."""

    def __call__(self, done: int, total: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Export:
    """What is exported: `found` says which runs, and in which order."""

    view: View
    found: Found
    faults: list[StoreFault] = field(default_factory=list)
    """Series that can't be read: found out while they are written."""
    series_apart: set[str] = field(default_factory=set)
    """Series with values that do not count: found out likewise."""
    all_attempts: bool = False
    """The points, too, that a later one of the same step took the place of."""
    told: Told | None = None
    """Hears of the runs that are written: for each file from the first on."""

    def runs(self) -> pa.Table:
        """One row a run with every column; no column is without a type, since not every reader knows null."""
        import pyarrow as pa

        table = self.found.sheet(chosen(self.found.columns, None))
        columns = [
            column.cast(pa.string()) if pa.types.is_null(column.type) else column for column in table.columns
        ]
        fields = [
            pa.field(name, column.type, metadata=self._field_metadata(name))
            for name, column in zip(table.column_names, columns, strict=True)
        ]
        return pa.table(columns, schema=pa.schema(fields, metadata=_metadata({"ledger.format": str(FORMAT)})))

    def documents(self) -> Iterator[dict[str, Any]]:
        """The runs as flat mappings, for JSON."""
        return self.counted(self.found.documents(chosen(self.found.columns, None)))

    def counted(self, runs: Iterable[_T]) -> Iterator[_T]:
        """The same, one thing for each run, and somebody is told how far it is."""
        for number, one in enumerate(runs, 1):
            yield one
            if self.told:
                self.told(number, self.found.passed)

    def points(self) -> Iterator[pa.Table]:
        """The series, a run a table, all with the schema `points_schema`."""
        schema = self.points_schema()
        ids = self.view.run_ids
        rows = self.found.rows.to_pylist()
        places = {row: number for number, row in enumerate(rows, 1)}
        found = series.of_runs(self.view, rows, self.faults, all_attempts=self.all_attempts)
        for row, table in found:
            self.series_apart.update(series.apart(table))
            yield _long(table, ids[row], schema)
            if self.told:
                self.told(places[row], len(rows))

    def points_schema(self) -> pa.Schema:
        """`run_id, metric, step, time, value, context`.

        With `grade` where not all series are what was recorded, and `recorded` where `value` may be null since what
        was recorded does not compare; with `attempt` where all attempts are asked for (null is the first).
        """
        import pyarrow as pa

        text = pa.dictionary(pa.int32(), pa.string())
        fields = [
            pa.field("run_id", text, nullable=False),
            pa.field("metric", text, nullable=False),
            pa.field("step", pa.int64()),
            pa.field("time", pa.timestamp("us", tz="UTC")),
            pa.field("value", pa.float64()),
            pa.field("context", text),
        ]
        if self.all_attempts:
            fields.append(pa.field("attempt", pa.int64()))
        if not all(one.is_plain for one in self._readings):
            fields.append(pa.field("grade", text))
        if not all(one.all_count for one in self._readings):
            fields.append(pa.field("recorded", pa.float64()))
        told = {name: _words(self.view.target(name)) for name in self.view.runs.index.names(METRICS)}
        metrics = json.dumps({name: words for name, words in told.items() if words}, ensure_ascii=False)
        return pa.schema(
            fields, metadata=_metadata({"ledger.format": str(FORMAT), "ledger.metrics": metrics})
        )

    def point_columns(self) -> Iterator[dict[str, Column]]:
        """The points as columns of plain values with times as RFC 3339 text, in chunks, for CSV and JSON."""
        for table in self.points():
            yield from chunks(table)

    def _field_metadata(self, name: str) -> Mapping[bytes, bytes] | None:
        group, _, rest = name.partition(".")
        if group == METRICS:
            return _metadata(_words(self.view.target(rest)))
        if group == PARAMS:
            found = (schema.params[rest] for schema in self.view.schemas.values() if rest in schema.params)
            definition = next(found, None)
            return _metadata(_words(definition)) if definition else None
        return None

    @property
    def _readings(self) -> list[Readings]:
        """What becomes of the series of each recorded schema."""
        return [readings(self.view, code) for code in range(len(self.view.recorded_schemas))]


def _words(definition: Definition) -> dict[str, str]:
    words = {
        "ledger.unit": definition.unit,
        "ledger.definition": definition.did,
        "ledger.direction": definition.direction,
    }
    return {key: value for key, value in words.items() if value is not None}


def _metadata(words: Mapping[str, str]) -> dict[bytes, bytes]:
    return {key.encode(): value.encode() for key, value in words.items()}


def _long(table: pa.Table, run_id: str, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    rows = table.num_rows
    columns: dict[str, Any] = {"run_id": _repeated(run_id, rows)}
    for column in schema.names[1:]:
        if column in table.column_names:
            columns[column] = table.column(column)
        elif column == "grade":
            columns[column] = _repeated(Grade.IDENTICAL.value, rows)
        else:
            columns[column] = pa.nulls(rows, schema.field(column).type)
    return pa.table(columns).cast(schema)


def _repeated(text: str, rows: int) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.nulls(rows, pa.int32()).fill_null(0), pa.array([text]))


Write = Callable[[Path], None]
"""Writes one file, under a temporary name."""


def parquet_runs(export: Export) -> Write:
    def write(path: Path) -> None:
        import pyarrow.parquet as pq

        pq.write_table(export.runs(), path, compression="zstd")

    return write


def parquet_history(export: Export) -> Write:
    def write(path: Path) -> None:
        import pyarrow.parquet as pq

        schema = export.points_schema()
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for table in _gathered(export.points()):
                writer.write_table(table, row_group_size=ROW_GROUP)

    return write


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Small tables joined until they fill a row group."""
    import pyarrow as pa

    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        waiting.append(table)
        rows += table.num_rows
        if rows >= ROW_GROUP:
            yield pa.concat_tables(waiting).unify_dictionaries()
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting).unify_dictionaries()


def run_rows(export: Export) -> tuple[list[str], Iterator[list[Any]]]:
    """Headers and rows of runs, for CSV."""
    table = export.runs()
    return table.column_names, export.counted(list(record.values()) for record in records(table))


def publish(folder: Path, files: Mapping[str, Write], *, force: bool) -> list[Path]:
    """Write files beside their final names, then rename them. Raises InputError for a folder that is in use.

    `force` replaces files of these names; what else is in the folder stays as it is.
    """
    _require_free(folder, force=force)
    folder.mkdir(parents=True, exist_ok=True)
    written = {folder / f".{name}.{os.getpid()}.tmp": folder / name for name in files}
    try:
        for temporary, write in zip(written, files.values(), strict=True):
            write(temporary)
        for temporary, final in written.items():
            temporary.replace(final)
    finally:
        for temporary in written:
            with suppress(FileNotFoundError):
                temporary.unlink()
    return list(written.values())


def _require_free(folder: Path, *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is not a folder", hint="name a new or an empty one")
    if folder.is_dir() and not force and any(folder.iterdir()):
        raise InputError(
            f"{folder} is not empty", hint="name another folder, or replace what is exported with --force"
        )
