"""One immutable piece of the index: rows (one a record) and their values, as two memory-mapped Arrow files.

Values are stored long and grouped by name, so that one metric is one contiguous slice however many names
there are, and a run with ten thousand metrics costs nobody else anything.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ledger import canonical
from ledger.frozen import frozen
from ledger.model import Json
from ledger.store.arrow_file import ArrowFile
from ledger.store.gather import BOOLEAN, FLOAT, INTEGER, JSON, NULL, TEXT, Values, described
from ledger.store.rows import (
    CODED_COLUMNS,
    COLUMNS,
    GROUPS,
    METRICS,
    OTHER_COLUMNS,
    PARAMS,
    TAGS,
    TEXT_COLUMNS,
    TIME_COLUMNS,
    Builder,
    flatten,
    row_of,
)

__all__ = [
    "BOOLEAN", "CODED_COLUMNS", "COLUMNS", "FLOAT", "GROUPS", "INTEGER", "JSON", "METRICS", "NULL", "OTHER_COLUMNS",
    "PARAMS", "TAGS", "TEXT", "TEXT_COLUMNS", "TIME_COLUMNS", "Builder", "Segment", "Slice", "described", "flatten",
    "merge", "row_of", "write",
]  # fmt: skip


def write(builder: Builder, folder: Path, stem: str) -> None:
    """Write a segment's two files, each under a temporary name first; no fsync: the index can always be rebuilt."""
    _write(builder.columns(), builder.faults, builder.values(), folder, stem)


def _write(
    columns: Mapping[str, Sequence[Any]],
    faults: Sequence[Mapping[str, str]],
    values: Mapping[str, Mapping[str, Values]],
    folder: Path,
    stem: str,
) -> None:
    _publish(folder / f"{stem}.rows.arrow", _rows_table(columns, faults))
    _publish(folder / f"{stem}.values.arrow", _values_table(values))


def _publish(path: Path, table: Any) -> None:
    import pyarrow as pa

    temporary = path.with_suffix(".tmp")
    try:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _rows_table(data: Mapping[str, Sequence[Any]], faults: Sequence[Mapping[str, str]]) -> Any:
    import pyarrow as pa

    columns = {name: pa.array(data[name], pa.string()) for name in TEXT_COLUMNS}
    # Nothing is coded as the empty text, so that the codes have no nulls and can be read as plain memory.
    columns |= {
        name: pa.array(data[name], pa.string()).fill_null("").dictionary_encode() for name in CODED_COLUMNS
    }
    columns |= {name: pa.array(data[name], pa.int64()) for name in TIME_COLUMNS}
    columns["duration"] = pa.array(data["duration"], pa.float64())
    columns |= {
        name: pa.array(data[name], pa.bool_()) for name in ("code_dirty", "code_end", "history", "again")
    }
    columns |= _sorted_ids(data["record"], "record") | _sorted_ids(data["run_id"], "run")
    table = pa.table(columns)
    facts = {
        "faults": list(faults),
        "again": sum(data["again"]),
        "dirty": sum(data["code_dirty"]),
    }
    return table.replace_schema_metadata({b"ledger": json.dumps(facts).encode()})


def _sorted_ids(ids: Sequence[str], name: str) -> dict[str, Any]:
    """Ids in order and the rows they stand in: found by bisection, in any number of rows."""
    import pyarrow as pa

    order = sorted(range(len(ids)), key=ids.__getitem__)
    return {
        f"{name}_sorted": pa.array([ids[i] for i in order], pa.string()),
        f"{name}_order": pa.array(order, pa.int32()),
    }


def _values_table(values: Mapping[str, Mapping[str, Values]]) -> Any:
    import pyarrow as pa

    rows, numbers, kinds = array("i"), array("d"), bytearray()
    texts: list[str | None] = []
    places: dict[str, dict[str, list[int]]] = {}
    for group, named in values.items():
        places[group] = {}
        for name in sorted(named):
            slot = named[name]
            places[group][name] = [len(rows), len(rows) + len(slot.rows)]
            rows += slot.rows
            numbers += slot.numbers
            kinds += slot.kinds
            texts.extend(
                map(slot.texts.get, range(len(slot.rows))) if slot.texts else [None] * len(slot.rows)
            )
    table = pa.table(
        {
            "row": pa.Array.from_buffers(pa.int32(), len(rows), [None, pa.py_buffer(rows)]),
            "number": pa.Array.from_buffers(pa.float64(), len(rows), [None, pa.py_buffer(numbers)]),
            "kind": pa.Array.from_buffers(pa.int8(), len(rows), [None, pa.py_buffer(bytes(kinds))]),
            "text": pa.array(texts, pa.string()),
        }
    )
    return table.replace_schema_metadata(
        {b"ledger": canonical.encode(json.dumps(places, ensure_ascii=False))}
    )


@frozen(kw_only=False)
class Slice:
    """The values of one name in one segment, aligned: in which row, which number, of which kind."""

    rows: Sequence[int]
    numbers: Sequence[float]
    kinds: bytes
    texts: Any
    """Arrow array of text, or None where no value has one."""

    def values(self) -> Iterator[tuple[int, Json]]:
        """(row, value as it was recorded)."""
        for position, (row, number, kind) in enumerate(zip(self.rows, self.numbers, self.kinds, strict=True)):
            yield row, number if kind == FLOAT else self._exact(position, number, kind)

    def at(self, position: int) -> Json:
        number, kind = self.numbers[position], self.kinds[position]
        return number if kind == FLOAT else self._exact(position, number, kind)

    def _exact(self, position: int, number: float, kind: int) -> Json:
        text = self.texts[position].as_py() if self.texts is not None else None
        if kind == INTEGER:
            return int(text) if text is not None else int(number)
        if kind == BOOLEAN:
            return bool(number)
        if kind == JSON:
            return json.loads(text or "null")  # type: ignore[no-any-return]
        return text if kind == TEXT else None


class Segment:
    """A segment that was written: opening maps it, and only what is asked for is touched."""

    def __init__(self, folder: Path, stem: str) -> None:
        self.stem = stem
        self._folder = folder
        self._slices: dict[tuple[str, str], Slice | None] = {}

    def open(self) -> None:
        """Map both files. Raises OSError, or ValueError where one is damaged."""
        for file in (self._rows, self._values):
            if "ledger" not in file.metadata:
                raise ValueError(f"{self.stem} is not a segment")

    @cached_property
    def _rows(self) -> ArrowFile:
        return ArrowFile(self._folder / f"{self.stem}.rows.arrow")

    @cached_property
    def _values(self) -> ArrowFile:
        return ArrowFile(self._folder / f"{self.stem}.values.arrow")

    @cached_property
    def rows(self) -> Any:
        """All columns, as an Arrow table over the same memory."""
        return _table(self._rows)

    @cached_property
    def _texts(self) -> Any:
        return _table(self._values).column("text")

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        return json.loads(self._rows.metadata["ledger"])  # type: ignore[no-any-return]

    @cached_property
    def places(self) -> Mapping[str, Mapping[str, list[int]]]:
        return json.loads(self._values.metadata["ledger"])  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return len(self._rows)

    def column(self, name: str) -> list[Any]:
        return self.rows.column(name).to_pylist()  # type: ignore[no-any-return]

    def codes(self, name: str) -> tuple[Sequence[int], list[str]]:
        """A coded column: a code a row, and the texts that the codes stand for."""
        return (self._rows.numbers(name, "i"), self._rows.texts(name)) if len(self) else ([], [])

    def slice(self, group: str, name: str) -> Slice | None:
        """The values of one name; None where no record has any. Looked up once, since single runs are asked for often."""
        key = (group, name)
        if key not in self._slices:
            self._slices[key] = self._slice(group, name)
        return self._slices[key]

    def _slice(self, group: str, name: str) -> Slice | None:
        place = self.places[group].get(name)
        if place is None:
            return None
        start, end = place
        values = self._values
        return Slice(
            rows=values.numbers("row", "i")[start:end],
            numbers=values.numbers("number", "d")[start:end],
            kinds=bytes(values.numbers("kind", "b")[start:end]),
            texts=self._texts.slice(start, end - start).combine_chunks()
            if values.has_any("text", start, end)
            else None,
        )

    def value(self, group: str, name: str, row: int) -> Any:
        """What one row has under a name; Ellipsis where it has nothing."""
        found = self.slice(group, name)
        if found is None:
            return ...
        position = bisect_left(found.rows, row)
        if position == len(found.rows) or found.rows[position] != row:
            return ...
        return found.at(position)

    def find(self, which: str, prefix: str) -> list[int]:
        """Rows whose `record` or `run` id starts with a prefix."""
        return [row for _, row in self._from(which, prefix, str.startswith)]

    def exact(self, which: str, wanted: str) -> list[int]:
        """Rows whose `record` or `run` id is this one."""
        return [row for _, row in self._from(which, wanted, str.__eq__)]

    def ids(self, which: str, prefix: str) -> set[str]:
        """The `record` or `run` ids that start with a prefix."""
        return {found for found, _ in self._from(which, prefix, str.startswith)}

    def _from(self, which: str, text: str, fits: Callable[[str, str], bool]) -> Iterator[tuple[str, int]]:
        """(id, row) from where a text would stand, as long as the ids fit it."""
        ids = self.rows.column(f"{which}_sorted").chunk(0) if len(self) else []
        order = self.rows.column(f"{which}_order")
        for position in range(bisect_left(_Ids(ids), text), len(ids)):
            found = ids[position].as_py()
            if not fits(found, text):
                return
            yield found, order[position].as_py()

    def names(self, group: str) -> list[str]:
        return list(self.places[group])


class _Ids(Sequence[str]):
    """An Arrow column of text as a sequence that bisection can walk."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, position: Any) -> Any:
        return self._column[position].as_py()


def _table(file: ArrowFile) -> Any:
    import pyarrow as pa

    return pa.ipc.open_file(pa.BufferReader(pa.py_buffer(file.mapped))).read_all()


def merge(segments: Sequence[Segment], folder: Path, stem: str) -> None:
    """Write the rows of several segments as one."""
    columns = {name: [value for part in segments for value in part.column(name)] for name in COLUMNS}
    values: dict[str, dict[str, Values]] = {group: {} for group in GROUPS}
    offset = 0
    for segment in segments:
        for group in GROUPS:
            for name in segment.names(group):
                _append(values[group].setdefault(name, Values()), segment.slice(group, name), offset)
        offset += len(segment)
    _write(columns, [fault for part in segments for fault in part.facts["faults"]], values, folder, stem)


def _append(slot: Values, part: Slice | None, offset: int) -> None:
    if part is None:
        return
    start = len(slot.rows)
    slot.rows.extend([row + offset for row in part.rows])
    slot.numbers.frombytes(bytes(part.numbers))  # type: ignore[arg-type]
    slot.kinds += part.kinds
    if part.texts is not None:
        texts = part.texts.to_pylist()
        slot.texts.update({start + i: text for i, text in enumerate(texts) if text is not None})
