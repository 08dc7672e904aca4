"""Columns of a view as Arrow arrays, built from whole slices of the index: no Python object a value.

The type of a param's, metric's or tag's column follows from all runs, not from those that are picked, so that two
tables of one ledger fit together: whole numbers are int64, numbers double, true and false bool, a list or an
object is its JSON text. Where the kinds are mixed, or any value is text, the column is text.
"""

from __future__ import annotations

import functools
import json
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ledger.canonical import non_finite_name
from ledger.model import Grade, Json
from ledger.schema import columns as plan_columns
from ledger.schema.plan import Plan
from ledger.store.segment import (
    BOOLEAN,
    CODED_COLUMNS,
    FLOAT,
    INTEGER,
    JSON,
    METRICS,
    NULL,
    PARAMS,
    TAGS,
    TEXT,
    TIME_COLUMNS,
    described,
)
from ledger.trace.runset import ABSENT
from ledger.trace.view import View

if TYPE_CHECKING:
    import pyarrow as pa

FIELDS: Mapping[str, str] = {
    "run_id": "run_id",
    "experiment": "experiment",
    "name": "name",
    "status": "status",
    "started": "started",
    "finished": "finished",
    "code.commit": "code_commit",
    "code.tree": "code_tree",
    "code.branch": "code_branch",
    "code.dirty": "code_dirty",
    "duration": "duration",
    "author": "author",
    "note": "note",
    "parent": "parent",
    "recorded": "recorded",
}
"""Column of a table → column of the index. `author` and `recorded` are those of the run's last record."""

GROUPS = (PARAMS, METRICS, TAGS)
GRADE, RECORDED = "grade", "recorded"
"""Columns that go with a metric: the grade, and what was recorded where that does not compare."""

_NUMBERS = frozenset({FLOAT, INTEGER})
_TEXTS = frozenset({TEXT, JSON})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Converted:
    """A metric under its target, for some rows."""

    values: pa.Array
    grades: pa.Array


def recorded_grade(plan: Plan) -> Grade:
    """The grade of what stands recorded under the metric's own name."""
    return Grade.UNDECLARED if plan.grade is Grade.MISSING and plan.fallback else plan.grade


@dataclass(frozen=True)
class Columns:
    """Makes columns for rows of the index, in the order in which the rows are given."""

    view: View
    _known: dict[tuple[str, str], _Values] = field(default_factory=dict)
    _views: dict[str, _Converted] = field(default_factory=dict)

    @cached_property
    def all_rows(self) -> pa.Array:
        """The rows that stand for runs, as int32."""
        rows = self.view.runs.rows
        return _int32(rows)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every column but grades: fields, then recorded and declared params, metrics and tags, each sorted."""
        index = self.view.runs.index
        schemas = self.view.schemas.values()
        declared = {
            METRICS: {name for schema in schemas for name in schema.metrics},
            PARAMS: {name for schema in schemas for name in schema.params},
        }
        return (
            *FIELDS,
            *(
                f"{group}.{name}"
                for group in GROUPS
                for name in sorted({*index.names(group), *declared.get(group, ())})
            ),
        )

    def column(self, name: str, rows: pa.Array) -> pa.Array:
        """One column by its full name; a metric's values are null where they do not compare.

        Times are timestamps in microseconds, UTC. Nothing is null.
        """
        if name in FIELDS:
            return self._field(FIELDS[name], rows)
        group, _, rest = name.partition(".")
        if group == METRICS and not self.view.is_native(rest):
            return self._view(rest).values.take(rows)
        if group == METRICS:
            return self._comparable(rest, self._typed(METRICS, rest, rows), rows)
        if group == GRADE:
            return self._grades(rest, rows)
        return self._typed(METRICS if group == RECORDED else group, rest, rows)

    def operand(self, name: str, rows: pa.Array, *, number: bool) -> pa.Array:
        """A column for filters: times as RFC 3339 text; `number` asks for the numbers of a mixed column."""
        import pyarrow as pa

        column = self.column(name, rows)
        if pa.types.is_timestamp(column.type):
            return rfc3339(column)
        return self.numbers(name, rows) if number and self.mixed(name) else column

    def mixed(self, name: str) -> bool:
        """Whether a column is text although it has numbers in it."""
        group, _, rest = name.partition(".")
        if name in FIELDS or group not in GROUPS:
            return False
        present = self._values(group, rest).present
        return bool(present & _NUMBERS) and not present <= _NUMBERS

    def _as_text(self, group: str, name: str) -> bool:
        """Whether a column is text that stands for values of other kinds."""
        present = self._values(group, name).present
        return bool(present - {TEXT}) and not present <= _NUMBERS and present != {BOOLEAN}

    def numbers(self, name: str, rows: pa.Array) -> pa.Array:
        """The numbers in a mixed column; null where there is anything else."""
        import pyarrow as pa
        import pyarrow.compute as pc

        group, _, rest = name.partition(".")
        numbers, kinds, _texts = self._values(group, rest).at(rows)
        is_number = pc.is_in(kinds, value_set=pa.array(sorted(_NUMBERS), pa.int8()))
        return pc.if_else(is_number, numbers, pa.scalar(None, pa.float64()))

    def natives(self, name: str, rows: pa.Array) -> list[Json] | None:
        """The values of a column whose text stands for other kinds (numbers among text, lists), else None."""
        group, _, rest = name.partition(".")
        if name in FIELDS or group not in GROUPS:
            return None
        if not self._as_text(group, rest):
            return None
        parts = (part.to_pylist() for part in self._values(group, rest).at(rows))
        return [_native(*part) for part in zip(*parts, strict=True)]

    def has_incomparable(self, metric: str, rows: pa.Array) -> bool:
        """Whether something was recorded under a metric's name that can't be shown under its definition."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.view.is_native(metric):
            counted = pa.array(
                sorted(grade.value for grade in (*self.view.grades, Grade.MISSING)), pa.string()
            )
            return not pc.all(pc.is_in(self._view(metric).grades.take(rows), value_set=counted)).as_py()
        flags = self._flags(metric, rows)
        if flags is None:
            return False
        _, kinds, _texts = self._values(METRICS, metric).at(rows)
        return bool(pc.any(pc.and_(pc.invert(flags), pc.not_equal(kinds, NULL))).as_py())

    def _comparable(self, metric: str, column: pa.Array, rows: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        flags = self._flags(metric, rows)
        return column if flags is None else pc.if_else(flags, column, pa.scalar(None, column.type))

    def _flags(self, metric: str, rows: pa.Array) -> pa.Array | None:
        """For each row whether its definition compares; None: all do."""
        import pyarrow as pa

        flags = [plan.grade in self.view.grades for plan in self.view.plans(metric)]
        return None if all(flags) else pa.array(flags, pa.bool_()).take(self._codes.take(rows))

    def _grades(self, metric: str, rows: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.view.is_native(metric):
            return self._view(metric).grades.take(rows)
        grades = [recorded_grade(plan).value for plan in self.view.plans(metric)]
        _, kinds, _texts = self._values(METRICS, metric).at(rows)
        recorded = pa.array(grades, pa.string()).take(self._codes.take(rows))
        return pc.fill_null(
            pc.if_else(pc.equal(kinds, NULL), Grade.UNDEFINED.value, recorded), Grade.MISSING.value
        )

    def _view(self, metric: str) -> _Converted:
        """A metric of all rows through its plans; null where its value does not count."""
        if metric not in self._views:
            self._views[metric] = self._convert(metric)
        return self._views[metric]

    def _convert(self, metric: str) -> _Converted:
        """Plan by plan over whole columns; what a plan finds nothing for is looked at run by run."""
        import pyarrow as pa
        import pyarrow.compute as pc

        size = len(self.view.runs.index)
        values, grades = pa.nulls(size, pa.float64()), pa.array([Grade.MISSING.value] * size, pa.string())
        plans = self.view.plans(metric)
        everything = _int32(range(size))
        distinct = {id(plan): plan for plan in plans}
        if len(distinct) == 1:
            return self._made(metric, plans[0], everything)
        for plan in distinct.values():
            mine = [code for code, other in enumerate(plans) if other is plan]
            chosen = pc.is_in(self._codes, value_set=_int32(mine))
            rows = everything.filter(chosen)
            made = self._made(metric, plan, rows)
            values = pc.replace_with_mask(values, chosen, made.values)
            grades = pc.replace_with_mask(grades, chosen, made.grades)
        return _Converted(values=values, grades=grades)

    def _made(self, metric: str, plan: Plan, rows: pa.Array) -> _Converted:
        import pyarrow as pa
        import pyarrow.compute as pc

        def recorded(name: str) -> pa.Array:
            numbers, kinds, _texts = self._values(METRICS, name).at(rows)
            is_number = pc.is_in(kinds, value_set=pa.array(sorted(_NUMBERS), pa.int8()))
            return pc.if_else(is_number, numbers, pa.scalar(None, pa.float64()))

        if plan.grade in self.view.grades and not plan.fallback_first:
            found = plan_columns.evaluate(plan, {name: recorded(name) for name in plan.sources}, len(rows))
            column = (
                found.values.combine_chunks() if isinstance(found.values, pa.ChunkedArray) else found.values
            )
            column = column.cast(pa.float64())
            told = pa.scalar(plan.grade.value)
        else:
            column, told = pa.nulls(len(rows), pa.float64()), pa.scalar(plan.grade.value)
        odd = pc.and_(pc.is_null(column), self._has_anything(metric, plan, rows))
        grades = pc.if_else(pc.is_valid(column), told, pa.scalar(Grade.MISSING.value))
        picked = rows.filter(odd).to_pylist()
        if picked:
            cells = [self.view.cell(row, metric) for row in picked]
            words = [cell.grade.value if cell else Grade.MISSING.value for cell in cells]
            grades = pc.replace_with_mask(grades, odd, pa.array(words, pa.string()))
        return _Converted(values=column, grades=grades)

    def _has_anything(self, metric: str, plan: Plan, rows: pa.Array) -> pa.Array:
        """Whether a run recorded any name that matters to a plan."""
        import pyarrow.compute as pc

        known = {metric, *plan.sources, *((plan.fallback,) if plan.fallback else ())}
        known |= {plan.source.name} if plan.source else set()
        flags = [pc.is_valid(self._values(METRICS, name).at(rows)[1]) for name in sorted(known)]
        return functools.reduce(pc.or_, flags)

    @cached_property
    def _codes(self) -> pa.Array:
        return _int32(self.view.schema_codes)

    def _field(self, name: str, rows: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._chunks(name).take(rows).combine_chunks()
        if name in TIME_COLUMNS:
            column = column.cast(pa.timestamp("us", tz="UTC"))
        elif name in CODED_COLUMNS:  # nothing is the empty text there
            column = pc.if_else(pc.not_equal(column, ""), column, pa.scalar(None, pa.string()))
        elif name == "code_dirty":
            known = self._field("code_commit", rows).is_valid()
            column = pc.if_else(known, column, pa.scalar(None, pa.bool_()))
        return _patched(column, rows, self.view.runs.overrides(("run", name)))

    def _chunks(self, name: str) -> pa.ChunkedArray:
        import pyarrow as pa

        parts = [part.rows.column(name) for part in self.view.runs.index.segments]
        if name in CODED_COLUMNS:
            parts = [part.cast(pa.string()) for part in parts]
        chunks = [chunk for part in parts for chunk in part.chunks]
        return pa.chunked_array(chunks, type=None if chunks else _FIELD_TYPES.get(name, pa.string)())

    def _typed(self, group: str, name: str, rows: pa.Array) -> pa.Array:
        values = self._values(group, name)
        numbers, kinds, texts = values.at(rows)
        return _column(numbers, kinds, texts, values)

    def _values(self, group: str, name: str) -> _Values:
        key = (group, name)
        if key not in self._known:
            self._known[key] = self._read(group, name)
        return self._known[key]

    def _read(self, group: str, name: str) -> _Values:
        import pyarrow as pa
        import pyarrow.compute as pc

        runs = self.view.runs
        parts = []
        for start, segment in runs.index.starts():
            found = segment.slice(group, name)
            if found is None:
                continue
            rows = _buffer(pa.int32(), found.rows)
            texts = found.texts if found.texts is not None else pa.nulls(len(rows), pa.string())
            parts.append(
                (
                    pc.add(rows, pa.scalar(start, pa.int32())) if start else rows,
                    _buffer(pa.float64(), found.numbers),
                    _buffer(pa.int8(), found.kinds),
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
        return _Values(
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
        kept = pc.invert(pc.is_in(whole[0], value_set=_int32(overrides)))
        added = [(row, *described(value)) for row, value in overrides.items() if value is not ABSENT]
        rows, kinds, numbers, texts = ([item[place] for item in added] for place in range(4))
        new = (rows, numbers, kinds, texts)
        return [
            pa.concat_arrays([old.filter(kept), pa.array(values, old.type)])
            for old, values in zip(whole, new, strict=True)
        ], False


def rfc3339(column: Any) -> Any:
    """Timestamps as text with microseconds, as in all files that ledger writes."""
    import pyarrow.compute as pc

    return pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")


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


def _int32(values: Iterable[int]) -> Any:
    import pyarrow as pa

    return _buffer(pa.int32(), array("i", values))


def _buffer(kind: Any, values: Any) -> Any:
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


def _column(numbers: Any, kinds: Any, texts: Any, values: _Values) -> Any:
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


def _fits(values: _Values) -> bool:
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
