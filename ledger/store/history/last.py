"""Which points of a series count: of those that were logged for one step the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def latest(table: pa.Table) -> pa.Table:
    """Without points that were logged again: of one metric, context and step the last row of the last attempt counts.

    Points without a step all stay. A table in which no step comes twice is returned as it is.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    step = table.column("step").combine_chunks()
    if step.null_count == len(step):
        return table
    series = _series(table)
    if not step.null_count and (_stands_apart(series, step) or _takes_turns(series, step)):
        return table
    count = len(step)
    points = pa.table({"series": series, "step": step, "rank": _ranks(table)})
    known = points.filter(pc.is_valid(step)) if step.null_count else points
    found = known.group_by(["series", "step"], use_threads=False).aggregate([("rank", "max")])
    rank = found.column("rank_max")
    kept = pc.subtract(rank, pc.multiply(pc.divide(rank, count), count)).combine_chunks()
    free = pc.indices_nonzero(pc.is_null(step)).cast(pa.int64())
    if len(kept) + len(free) == count:
        return table
    rows = pa.concat_arrays([kept, free])
    return table.take(rows.take(pc.sort_indices(rows)))


def _series(table: pa.Table) -> Any:
    """A number for each metric and context."""
    import pyarrow as pa
    import pyarrow.compute as pc

    metric = table.column("metric").unify_dictionaries().combine_chunks().indices.cast(pa.int64())
    if "context" not in table.column_names:
        return metric
    context = table.column("context").unify_dictionaries().combine_chunks()
    code = pc.fill_null(pc.add(context.indices.cast(pa.int64()), 1), 0)
    return pc.add(pc.multiply(metric, len(context.dictionary) + 1), code)


def _stands_apart(series: Any, step: Any) -> bool:
    """Whether each series stands in one stretch, in which every step is above the one before."""
    import pyarrow.compute as pc

    same = pc.equal(series[1:], series[:-1])
    if not _all(pc.or_(pc.invert(same), pc.greater(step[1:], step[:-1]))):
        return False
    stretches = len(same) - (pc.sum(same).as_py() or 0) + 1
    return bool(stretches == len(pc.unique(series)))


def _takes_turns(series: Any, step: Any) -> bool:
    """Whether rows go by step, and within a step by series."""
    import pyarrow.compute as pc

    later, before, one, other = step[1:], step[:-1], series[1:], series[:-1]
    return _all(pc.or_(pc.greater(later, before), pc.and_(pc.equal(later, before), pc.greater(one, other))))


def _all(found: Any) -> bool:
    import pyarrow.compute as pc

    return pc.all(found).as_py() is not False


def _ranks(table: pa.Table) -> Any:
    """A number for each row that rises with its attempt, and within one with its place: the place is the rest by rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    count = table.num_rows
    place = pc.indices_nonzero(pa.repeat(pa.scalar(True), count)).cast(pa.int64())
    if "attempt" not in table.column_names:
        return place
    attempt = pc.fill_null(table.column("attempt"), 1).combine_chunks()
    known = pc.unique(attempt)
    order = pc.index_in(attempt, value_set=known.take(pc.sort_indices(known))).cast(pa.int64())
    return pc.add(pc.multiply(order, count), place)
