"""What runs recorded as Arrow arrays, from whole slices of the index: no Python object a value.

The type of a param's, metric's or tag's column follows from all runs, not from those that are picked, so that two
tables of one ledger fit together: whole numbers are int64, numbers double, true and false bool, a list or an
object is its JSON text. Where the kinds are mixed, or any value is text, the column is text.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ledger.canonical import non_finite_name
from ledger.frozen import frozen
from ledger.model import Json
from ledger.store.segment import (
    BOOLEAN,
    CODED_COLUMNS,
    FLOAT,
    INTEGER,
    JSON,
    NULL,
    TEXT,
    TIME_COLUMNS,
    described,
)
from ledger.trace.runset import ABSENT, RunSet

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = frozenset({FLOAT, INTEGER})
_TEXTS = frozenset({TEXT, JSON})


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """All values of one name, aligned. `dense`: one for each row of the index, in order."""

    rows: pa.Array
    numbers: pa.Array
    kinds: pa.Array
    texts: pa.Array
    dense: bool
    present: frozenset[int]
    """The kinds that occur in runs, without null."""

    def at(self, rows: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
        """Numbers, kinds and texts of some rows; null where a row has no value."""
        import pyarrow.compute as pc

        places = rows if self.dense else pc.index_in(rows, value_set=self.rows)
        return self.numbers.take(places), self.kinds.take(places), self.texts.take(places)


@frozen(kw_only=False, slots=False)
class Recorded:
    """Makes columns for rows of the index, in the order in which the rows are given."""

    runs: RunSet
    _known: dict[tuple[str, str], Values] = field(default_factory=dict)

    @cached_property
    def all_rows(self) -> pa.Array:
        """The rows that stand for runs, as int32."""
        return int32(self.runs.rows) if self.runs.superseded else self.whole

    @cached_property
    def whole(self) -> pa.Array:
        """All rows of the index, as int32. Asked for these very rows, whole columns are given without a copy."""
        import pyarrow as pa

        return pa.arange(0, len(self.runs.index)).cast(pa.int32())

    def at(self, group: str, name: str, rows: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
        """Numbers, kinds and texts of some rows; null where a row has no value."""
        values = self.values(group, name)
        if values.dense and rows is self.whole:
            return values.numbers, values.kinds, values.texts
        return values.at(rows)

    def field(self, name: str, rows: pa.Array) -> pa.Array:
        """A column of the index; times as timestamps in microseconds, UTC. Nothing is null."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._chunks(name).take(rows).combine_chunks()
        if name in TIME_COLUMNS:
            column = column.cast(pa.timestamp("us", tz="UTC"))
        elif name in CODED_COLUMNS:  # nothing is the empty text there
            column = pc.if_else(pc.not_equal(column, ""), column, pa.scalar(None, pa.string()))
        elif name == "code_dirty":
            known = self.field("code_commit", rows).is_valid()
            column = pc.if_else(known, column, pa.scalar(None, pa.bool_()))
        return _patched(column, rows, self.runs.overrides(("run", name)))

    def _chunks(self, name: str) -> pa.ChunkedArray:
        import pyarrow as pa

        parts = [part.rows.column(name) for part in self.runs.index.segments]
        if name in CODED_COLUMNS:
            parts = [part.cast(pa.string()) for part in parts]
        chunks = [chunk for part in parts for chunk in part.chunks]
        return pa.chunked_array(chunks, type=None if chunks else _FIELD_TYPES.get(name, pa.string)())

    def typed(self, group: str, name: str, rows: pa.Array) -> pa.Array:
        """A param, metric or tag in the type of its column."""
        return _column(*self.at(group, name, rows), self.values(group, name))

    def numbers(self, group: str, name: str, rows: pa.Array) -> pa.Array:
        """What is a number; null where there is anything else, or nothing."""
        import pyarrow as pa
        import pyarrow.compute as pc

        numbers, kinds, _texts = self.at(group, name, rows)
        if (pc.max(kinds).as_py() or 0) <= max(_NUMBERS):  # the common case
            return numbers
        is_number = pc.is_in(kinds, value_set=pa.array(sorted(_NUMBERS), pa.int8()))
        return pc.if_else(is_number, numbers, pa.scalar(None, pa.float64()))

    def mixed(self, group: str, name: str) -> bool:
        """Whether a column is text although it has numbers in it."""
        present = self.values(group, name).present
        return bool(present & _NUMBERS) and not present <= _NUMBERS

    def natives(self, group: str, name: str, rows: pa.Array) -> list[Json] | None:
        """The values of a column whose text stands for other kinds (numbers among text, lists), else None."""
        if not self._as_text(group, name):
            return None
        parts = (part.to_pylist() for part in self.at(group, name, rows))
        return [_native(*part) for part in zip(*parts, strict=True)]

    def _as_text(self, group: str, name: str) -> bool:
        """Whether a column is text that stands for values of other kinds."""
        present = self.values(group, name).present
        return bool(present - {TEXT}) and not present <= _NUMBERS and present != {BOOLEAN}

    def values(self, group: str, name: str) -> Values:
        """All that runs have under a name, read once."""
        key = (group, name)
        if key not in self._known:
            self._known[key] = self._read(group, name)
        return self._known[key]

    def _read(self, group: str, name: str) -> Values:
        import pyarrow as pa
        import pyarrow.compute as pc

        runs = self.runs
        parts = []
        for start, segment in runs.index.starts():
            found = segment.slice(group, name)
            if found is None:
                continue
            rows = buffer(pa.int32(), found.rows)
            texts = found.texts if found.texts is not None else pa.nulls(len(rows), pa.string())
            parts.append(
                (
                    pc.add(rows, pa.scalar(start, pa.int32())) if start else rows,
                    buffer(pa.float64(), found.numbers),
                    buffer(pa.int8(), found.kinds),
                    texts,
                )
            )
        types = (pa.int32(), pa.float64(), pa.int8(), pa.string())
        whole = [
            pa.chunked_array([part[place] for part in parts], kind).combine_chunks()
            for place, kind in enumerate(types)
        ]
        dense = len(whole[0]) == len(runs.index)
        whole, dense = self._overridden(whole, dense, runs.overrides((group, name)))
        kinds = whole[2]
        if runs.superseded:
            kinds = kinds.filter(pc.is_in(whole[0], value_set=self.all_rows))
        present = frozenset(pc.unique(kinds).to_pylist()) - {NULL}
        return Values(
            rows=whole[0], numbers=whole[1], kinds=whole[2], texts=whole[3], dense=dense, present=present
        )

    def _overridden(
        self,
        whole: list[pa.Array],
        dense: bool,  # noqa: FBT001 - passed through
        overrides: Mapping[int, Any],
    ) -> tuple[list[pa.Array], bool]:
        """The values with those that merged edits changed; there are few."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not overrides:
            return whole, dense
        kept = pc.invert(pc.is_in(whole[0], value_set=int32(overrides)))
        added = [(row, *described(value)) for row, value in overrides.items() if value is not ABSENT]
        rows, kinds, numbers, texts = ([item[place] for item in added] for place in range(4))
        new = (rows, numbers, kinds, texts)
        return [
            pa.concat_arrays([old.filter(kept), pa.array(values, old.type)])
            for old, values in zip(whole, new, strict=True)
        ], False


def _int64() -> Any:
    import pyarrow as pa

    return pa.int64()


def _float64() -> Any:
    import pyarrow as pa

    return pa.float64()


def _bool() -> Any:
    import pyarrow as pa

    return pa.bool_()


_FIELD_TYPES = {**dict.fromkeys(TIME_COLUMNS, _int64), "duration": _float64, "code_dirty": _bool}
"""Types of an index without any row; all others are text."""


def int32(values: Iterable[int]) -> Any:
    """Whole numbers as an Arrow array."""
    return buffer(_int32(), array("i", values))


def _int32() -> Any:
    import pyarrow as pa

    return pa.int32()


def buffer(kind: Any, values: Any) -> Any:
    """Plain memory as an Arrow array of a type, without a copy."""
    import pyarrow as pa

    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _patched(column: Any, rows: Any, overrides: Mapping[int, Any]) -> Any:
    """A field with what merged edits changed; there are few."""
    if not overrides:
        return column
    import pyarrow as pa

    changed = {row: None if value is ABSENT else value for row, value in overrides.items()}
    plain = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
    values = zip(rows.to_pylist(), plain.to_pylist(), strict=True)
    return pa.array([changed.get(row, value) for row, value in values], plain.type).cast(column.type)


def _column(numbers: Any, kinds: Any, texts: Any, values: Values) -> Any:
    """Values in the type of their column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    present = values.present
    valued = pc.fill_null(pc.not_equal(kinds, NULL), False)

    def known(column: Any) -> Any:
        return pc.if_else(valued, column, pa.scalar(None, column.type))

    if not present:
        return pa.nulls(len(numbers))
    if present == {BOOLEAN}:
        return known(pc.not_equal(numbers, 0.0))
    if present == {INTEGER} and _fits(values):
        exact = texts.cast(pa.int64())
        return known(pc.if_else(exact.is_valid(), exact, numbers.cast(pa.int64(), safe=False)))
    if present <= _NUMBERS:
        return known(numbers)
    if present <= _TEXTS:
        return known(texts)
    parts = zip(numbers.to_pylist(), kinds.to_pylist(), texts.to_pylist(), strict=True)
    return pa.array([_text(*part) for part in parts], pa.string())


def _fits(values: Values) -> bool:
    """Whether every whole number is one of 64 bits; those that a double does not hold are kept as text."""
    import pyarrow as pa

    try:
        values.texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


def _native(number: float | None, kind: int | None, text: str | None) -> Json:
    if kind is None or number is None or kind == NULL:
        return None
    if kind == TEXT:
        return text
    if kind == JSON:
        return json.loads(text or "null")  # type: ignore[no-any-return]
    if kind == BOOLEAN:
        return bool(number)
    if kind == INTEGER:
        return int(text) if text is not None else int(number)
    return number


def _text(number: float | None, kind: int | None, text: str | None) -> str | None:
    """One value of a mixed column, as JSON writes it but without quotes."""
    if kind is None or number is None or kind == NULL:
        return None
    if kind == BOOLEAN:
        return "true" if number else "false"
    if text is not None:
        return text
    if kind == INTEGER:
        return str(int(number))
    return repr(number) if number - number == 0 else non_finite_name(number)
