"""One immutable piece of the index: rows (one a record) and their values, as two memory-mapped Arrow files.

Values are stored long and grouped by name, so that one metric is one contiguous slice however many names
there are, and a run with ten thousand metrics costs nobody else anything.
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ledger import canonical
from ledger.model import Json, utc_time
from ledger.store.gather import BOOLEAN, FLOAT, INTEGER, JSON, NULL, TEXT, Gathered, Values, described

__all__ = [
    "BOOLEAN", "CODED_COLUMNS", "COLUMNS", "FLOAT", "GROUPS", "INTEGER", "JSON", "METRICS", "NULL", "OTHER_COLUMNS",
    "PARAMS", "TAGS", "TEXT", "TEXT_COLUMNS", "TIME_COLUMNS", "Builder", "Segment", "Slice", "described", "flatten",
    "merge", "row_of", "write",
]  # fmt: skip

TEXT_COLUMNS: Final = (
    "record", "run_id", "base", "merges", "settles", "commit", "name", "parent", "note", "reason",
)  # fmt: skip
CODED_COLUMNS: Final = (
    "ref", "experiment", "status", "author", "schema", "schema_name",
    "code_commit", "code_tree", "code_branch", "code_base", "code_patch", "code_snapshot_tree", "code_ignored",
)  # fmt: skip
"""Texts that repeat from run to run: dictionary encoded."""
TIME_COLUMNS: Final = ("recorded", "started", "finished")
"""Microseconds since 1970, UTC."""
OTHER_COLUMNS: Final = ("duration", "code_dirty", "code_end", "history", "again")
"""`again`: other records of its run were indexed before this one."""
COLUMNS: Final = (*TEXT_COLUMNS, *CODED_COLUMNS, *TIME_COLUMNS, *OTHER_COLUMNS)

METRICS, PARAMS, TAGS = "metrics", "params", "tags"
GROUPS: Final = (METRICS, PARAMS, TAGS)


@dataclass(slots=True)
class Builder:
    """Collects records until they are written as one segment."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    """One for each record, in the order of `_ROW`."""
    gathered: dict[str, Gathered] = field(default_factory=lambda: {group: Gathered() for group in GROUPS})
    ids: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)
    faults: list[dict[str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def add(
        self,
        *,
        ref: str,
        commit: str,
        run: Mapping[str, Any],
        params: Mapping[str, Json],
        metrics: Mapping[str, Any],
        schema: str | None,
        history: bool,
        again: bool = False,
    ) -> None:
        """A decoded `run.json` (as a mapping, its version checked), params and metrics of one record.

        Raises KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError for what is none.
        """
        found = _checked(row_of(run))
        _require_numbers(metrics)
        flat, tags = flatten(params), dict(run.get("tags") or {})
        # From here on nothing fails, so that no column is longer than another.
        row = len(self.rows)
        self.rows.append((*found.values(), ref, commit, schema, history, again or run["id"] in self.runs))
        self.ids.add(run["record"])
        self.runs.add(run["id"])
        self.gathered[METRICS].add(row, metrics)
        self.gathered[PARAMS].add(row, flat)
        self.gathered[TAGS].add(row, tags)

    def columns(self) -> dict[str, Sequence[Any]]:
        """By name."""
        down = zip(*self.rows, strict=True) if self.rows else ((),) * len(_ROW)
        return dict(zip(_ROW, down, strict=True))

    def values(self) -> dict[str, dict[str, Values]]:
        """By group and name."""
        return {
            group: gathered.columns(as_metrics=group == METRICS) for group, gathered in self.gathered.items()
        }


_TEXTS: Final = (*TEXT_COLUMNS, *CODED_COLUMNS)
_TEXT: Final = frozenset({str, type(None)})
_NUMBERS: Final = frozenset({int, float, type(None)})
_IDS: Final = ("record", "run_id", "base")
_ID: Final = re.compile(r"[0-9a-f]{32}")
"""Anything else could be a prefix of the ids of others, and be taken for them."""


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    """Columns are written long after a record was read: one that can't be written must be refused now."""
    if not _TEXT.issuperset(map(type, map(found.get, _TEXTS))):
        wrong = next(name for name in _TEXTS if type(found.get(name)) not in _TEXT)
        raise TypeError(f"{wrong} is not text")
    for name in _IDS:
        if found[name] is not None and not _ID.fullmatch(found[name]):
            raise ValueError(f"{name} is not 32 hex digits")
    if found["duration"] is not None:
        found["duration"] = float(found["duration"])
    return found


def _require_numbers(metrics: Mapping[str, Any]) -> None:
    if _NUMBERS.issuperset(map(type, metrics.values())):
        return
    for name, value in metrics.items():
        if type(value) not in _NUMBERS and not (isinstance(value, str) and value in canonical.NON_FINITE):
            raise TypeError(f"the metric {name[:80]} is not a number")


def row_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that `run.json` fills."""
    code = run.get("code") or {}
    author = run.get("author") or {}
    schema = run.get("schema") or {}
    ignored = code.get("ignored")
    return {
        "record": run["record"],
        "run_id": run["id"],
        "base": run.get("base"),
        "merges": _merges(run),
        "settles": json.dumps(run["settles"]) if run.get("settles") else None,
        "name": run.get("name"),
        "parent": run.get("parent"),
        "note": run.get("note"),
        "reason": run.get("reason"),
        "experiment": run["experiment"],
        "status": run.get("status"),
        "author": author.get("name"),
        "schema_name": schema.get("name"),
        "code_commit": code.get("commit"),
        "code_tree": code.get("tree"),
        "code_branch": code.get("branch"),
        "code_base": code.get("base"),
        "code_patch": code.get("patch_id"),
        "code_snapshot_tree": code.get("snapshot_tree"),
        "code_ignored": json.dumps(ignored) if ignored else None,
        "recorded": _micros(run.get("recorded")),
        "started": _micros(run.get("started")),
        "finished": _micros(run.get("finished")),
        "duration": run.get("duration"),
        "code_dirty": bool(code.get("dirty")),
        "code_end": code.get("captured") != "start",
    }


def _merges(run: Mapping[str, Any]) -> str | None:
    """Ids, a space between two. Raises TypeError, ValueError for what are none."""
    ids = run.get("merges")
    if not ids:
        return None
    if not isinstance(ids, list) or not all(map(_ID.fullmatch, ids)):
        raise ValueError("merges is not a list of 32 hex digits each")
    return " ".join(ids)


def _micros(text: str | None) -> int | None:
    if not text:
        return None
    moment = utc_time(text)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def flatten(params: Mapping[str, Json], prefix: str = "") -> dict[str, Json]:
    """Nested objects → dotted names; lists and empty objects stay values."""
    flat: dict[str, Json] = {}
    for key, value in params.items():
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


_ROW: Final = (
    *row_of({"record": "", "id": "", "experiment": ""}),
    "ref",
    "commit",
    "schema",
    "history",
    "again",
)


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
        name: pa.array([value or "" for value in data[name]], pa.string()).dictionary_encode()
        for name in CODED_COLUMNS
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


@dataclass(frozen=True, slots=True)
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

    def open(self) -> None:
        """Map both files. Raises OSError, or ValueError where one is damaged."""
        for table in (self.rows, self._values):
            if b"ledger" not in (table.schema.metadata or {}):
                raise ValueError(f"{self.stem} is not a segment")

    @cached_property
    def rows(self) -> Any:
        return _open(self._folder / f"{self.stem}.rows.arrow")

    @cached_property
    def _values(self) -> Any:
        return _open(self._folder / f"{self.stem}.values.arrow")

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        return json.loads(self.rows.schema.metadata[b"ledger"])  # type: ignore[no-any-return]

    @cached_property
    def places(self) -> Mapping[str, Mapping[str, list[int]]]:
        return json.loads(self._values.schema.metadata[b"ledger"])  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def column(self, name: str) -> list[Any]:
        return self.rows.column(name).to_pylist()  # type: ignore[no-any-return]

    def codes(self, name: str) -> tuple[Sequence[int], list[str]]:
        """A coded column: a code a row, and the texts that the codes stand for."""
        column = self.rows.column(name)
        if not len(self):
            return [], []
        chunk = column.chunk(0)
        return _plain_chunk(chunk.indices, "i"), chunk.dictionary.to_pylist()

    def slice(self, group: str, name: str) -> Slice | None:
        place = self.places[group].get(name)
        if place is None:
            return None
        start, end = place
        part = self._values.slice(start, end - start)
        texts = part.column("text").combine_chunks() if part.column("text").null_count < end - start else None
        return Slice(
            rows=_plain(part.column("row"), "i"),
            numbers=_plain(part.column("number"), "d"),
            kinds=bytes(_plain(part.column("kind"), "b")),
            texts=texts,
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


def _open(path: Path) -> Any:
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _plain(column: Any, code: str) -> Any:
    """A column without nulls as a typed view of its memory: no object a value."""
    return _plain_chunk(column.combine_chunks() if column.num_chunks != 1 else column.chunk(0), code)


def _plain_chunk(chunk: Any, code: Any) -> Any:
    width = {"i": 4, "d": 8, "b": 1}[code]
    view = memoryview(chunk.buffers()[1]).cast("B")
    return view[chunk.offset * width : (chunk.offset + len(chunk)) * width].cast(code)


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
