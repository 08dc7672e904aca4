"""A series that a migration makes of others, point by point: F1 from precision and recall of the same step.

Points belong together that stand at one step (and in one context); where a step occurs more than once, its time tells
them apart, and what even that leaves unclear has no result. Nothing is filled in: a step at which one input lacks a
value has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from ledger.model import Grade
from ledger.schema import columns as plan_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from ledger.schema.plan import Plan

_KEYS = ("step", "time", "context")


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A series that is computed from others of the same run."""

    label: str
    plan: Plan
    inputs: tuple[tuple[str, str], ...]
    """(recorded metric, the name of its series)."""


def points(one: Derived, table: pa.Table, places: Sequence[int]) -> pa.Table:
    """`step, time, value, grade`, and `context` where `table` has it.

    `places` are those of the inputs' names in the dictionary of the table's `metric`, which has one chunk; -1 is nowhere.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    keys, columns, full = _aligned([_of(table, place) for place in places])
    named = {name: column for (name, _), column in zip(one.inputs, columns, strict=True)}
    found = plan_columns.evaluate(one.plan, named, len(full))
    values = found.values.cast(pa.float64())
    made = keys.append_column("value", values).append_column("grade", _grades(one.plan.grade, found, values))
    if not values.null_count:
        return made
    told = [found.ambiguous, None if found.reasons is None else pc.is_valid(found.reasons)]
    return made.filter(
        reduce(pc.or_, [mask for mask in told if mask is not None], pc.or_(pc.is_valid(values), full))
    )


def _grades(grade: Grade, found: plan_columns.Columns, values: Any) -> Any:
    """The plan's wherever there is a value; else why there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pa.scalar(grade.value)
    if not values.null_count:
        return pa.DictionaryArray.from_arrays(
            pa.nulls(len(values), pa.int32()).fill_null(0), pa.array([grade.value])
        )
    why: Any = pa.scalar(Grade.MISSING.value)
    if found.reasons is not None:
        why = pc.if_else(pc.is_valid(found.reasons), pa.scalar(Grade.UNDEFINED.value), why)
    if found.ambiguous is not None:
        why = pc.if_else(pc.fill_null(found.ambiguous, False), pa.scalar(Grade.AMBIGUOUS.value), why)
    return pc.if_else(pc.is_valid(values), texts, why).dictionary_encode()


def _of(table: pa.Table, place: int) -> pa.Table:
    """The points of one series; a slice where they stand together."""
    import pyarrow.compute as pc

    mask = pc.equal(table.column("metric").chunk(0).indices, place)
    return table.filter(mask).select([name for name in (*_KEYS, "value") if name in table.column_names])


def _aligned(parts: Sequence[pa.Table]) -> tuple[pa.Table, list[Any], Any]:
    """What tells the points apart, the values of each series there, and whether all series have a point."""
    import pyarrow as pa

    first = parts[0]
    if all(_same_points(first, other) for other in parts[1:]):
        everywhere = pa.repeat(pa.scalar(True), first.num_rows)
        return first.drop_columns("value"), [part.column("value") for part in parts], everywhere
    return _joined(parts)


def _same_points(one: pa.Table, other: pa.Table) -> bool:
    """Whether two series have the same steps in the same order, so that their points pair up one by one."""
    if one.num_rows != other.num_rows:
        return False
    same = all(
        one.column(name).equals(other.column(name))
        for name in one.column_names
        if name in ("step", "context")
    )
    return same and (_rises(one.column("step")) or one.column("time").equals(other.column("time")))


def _rises(steps: Any) -> bool:
    import pyarrow.compute as pc

    whole = steps.combine_chunks()
    return not whole.null_count and pc.all(pc.greater(whole[1:], whole[:-1])).as_py() is not False


def _joined(parts: Sequence[pa.Table]) -> tuple[pa.Table, list[Any], Any]:
    """Series that were logged at different steps."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = pa.concat_tables(parts).unify_dictionaries()
    keys, unclear = _keys(whole, [part.num_rows for part in parts])
    wanted = pc.unique(keys)
    if len(unclear):
        wanted = wanted.filter(pc.invert(pc.is_in(wanted, value_set=unclear)))
    columns, full = [], pa.repeat(pa.scalar(True), len(wanted))
    start = 0
    for part in parts:
        places = pc.index_in(wanted, value_set=keys.slice(start, part.num_rows))
        columns.append(part.column("value").combine_chunks().take(places))
        full = pc.and_(full, pc.is_valid(places))
        start += part.num_rows
    return whole.drop_columns("value").take(pc.index_in(wanted, value_set=keys)), columns, full


def _keys(whole: pa.Table, sizes: Sequence[int]) -> tuple[Any, Any]:
    """A number for each point, equal for those that belong together; and the numbers that one series has twice."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = reduce(
        _paired, [_numbered(whole, name) for name in ("step", "context") if name in whole.column_names]
    )
    twice = _repeated(keys, sizes)
    if not len(twice):
        return keys, twice
    times = pc.add(_numbered(whole, "time"), 1)
    keys = _paired(keys, pc.if_else(pc.is_in(keys, value_set=twice), times, pa.scalar(0, pa.int64())))
    return keys, _repeated(keys, sizes)


def _numbered(whole: pa.Table, name: str) -> Any:
    """Equal values of a column as equal numbers from 0; nothing is a value, too."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = whole.column(name).combine_chunks()
    if pa.types.is_dictionary(column.type):
        return pc.fill_null(pc.add(column.indices.cast(pa.int64()), 1), 0)
    return column.dictionary_encode(null_encoding="encode").indices.cast(pa.int64())


def _paired(one: Any, other: Any) -> Any:
    """Pairs of numbers as one number each: both are below the number of points, so that 64 bits hold them."""
    import pyarrow.compute as pc

    return pc.add(pc.multiply(one, (pc.max(other).as_py() or 0) + 1), other)


def _repeated(keys: Any, sizes: Sequence[int]) -> Any:
    """Keys that occur more than once within one series."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    start = 0
    for size in sizes:
        counted = pc.value_counts(keys.slice(start, size))
        found.append(counted.field("values").filter(pc.greater(counted.field("counts"), 1)))
        start += size
    return pc.unique(pa.concat_arrays(found))
