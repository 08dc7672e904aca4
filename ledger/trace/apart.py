"""Values that were recorded but do not count: what `--strict` refuses, and what stands in parentheses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ledger.model import Grade
from ledger.schema import columns as plan_columns
from ledger.store.segment import METRICS, PARAMS
from ledger.trace import targets
from ledger.trace.columns import GRADE, RECORDED, Columns

if TYPE_CHECKING:
    import pyarrow as pa

    from ledger.schema.definition import Definition
    from ledger.schema.plan import Plan
    from ledger.trace.compare import Comparison, MetricPair
    from ledger.trace.detail import MetricDetail
    from ledger.trace.listing import Found
    from ledger.trace.view import View

_VALUED = frozenset({Grade.INCOMPARABLE, Grade.UNDECLARED, Grade.AMBIGUOUS, Grade.APPROXIMATE})


def grades(view: View) -> frozenset[Grade]:
    """Grades of what was recorded and does not count; missing and undefined values are none."""
    return _VALUED - view.grades


def of_listing(found: Found, shown: Iterable[str]) -> Iterator[str]:
    """Metrics with values that do not count: shown among the found runs, or asked by the filter or the order.

    `shown` are full names of columns. The order looks at all runs that passed, the filter at those it has no answer for.
    """
    asked = (
        *((name, found.rows) for name in shown),
        *((name, found.passing) for name in found.keys),
        *((name, found.undecided) for name in found.operands),
    )
    told = ((name.partition("."), rows) for name, rows in asked)
    yield from dict.fromkeys(
        metric for (group, _, metric), rows in told if group == METRICS and _any(found, metric, rows)
    )


def _any(found: Found, metric: str, rows: pa.Array) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    view = found.columns.view
    odd = pa.array(sorted(grade.value for grade in grades(view)), pa.string())
    apart = pc.is_in(found.columns.column(f"{GRADE}.{metric}", rows), value_set=odd)
    moved = pa.array(sorted(targets.moved(view, metric)), pa.int32())
    return bool(pc.any(pc.and_not(apart, pc.is_in(_codes(view, rows), value_set=moved))).as_py())


def _codes(view: View, rows: pa.Array) -> pa.Array:
    """The numbers of the schemas that runs were recorded under."""
    import pyarrow as pa

    return pa.array([view.schema_codes[row] for row in rows.to_pylist()], pa.int32())


def undeclared(found: Found, names: Iterable[str]) -> Iterator[str]:
    """Declared metrics among columns of which some found run has a value without a definition."""
    import pyarrow.compute as pc

    view = found.columns.view
    for group, _, metric in (name.partition(".") for name in names):
        if group != METRICS or not view.target(metric).declared:
            continue
        if any(plan.grade is Grade.UNDECLARED for plan in view.plans(metric)):
            grades = found.columns.column(f"{GRADE}.{metric}", found.rows)
            if pc.any(pc.equal(grades, Grade.UNDECLARED.value)).as_py():
                yield metric


def parted(found: Found, names: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Metrics among columns that compare only within one value of some params, which differ among the found runs.

    An order cut off after some runs may show those of one value only: for it, all that passed count.
    """
    import pyarrow.compute as pc

    for name in names:
        group, _, metric = name.partition(".")
        params = found.columns.view.target(metric).partition if group == METRICS else ()
        if params:
            rows = found.passing if name in found.keys else found.rows
            valued = rows.filter(pc.is_valid(found.columns.column(name, rows)))
            columns = (found.columns.column(f"{PARAMS}.{param}", valued) for param in params)
            if any(len(pc.unique(column)) > 1 for column in columns):
                yield metric, tuple(params)


def asides(columns: Columns, metric: str, rows: pa.Array) -> tuple[pa.Array, list[Definition | None]]:
    """For each row the value that is shown apart (null where it counts), and the definition it is under.

    That is the newest of its own frame; where there is no such definition, None, and the value as it was recorded.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    view = columns.view
    codes = _codes(view, rows)
    values = _numbers(recorded(columns, metric, rows))
    plans = view.plans(metric)
    counts = pc.is_valid(columns.column(f"{METRICS}.{metric}", rows))
    own = [plans[code].own for code in codes.to_pylist()]
    for code in pc.unique(codes).to_pylist():
        for plan in (plans[code], *plans[code].instead):
            if plan.grade in grades(view):
                found = plan_columns.evaluate(plan, _recorded(columns, plan, rows), len(rows))
                mine = pc.and_(pc.equal(codes, code), pc.is_valid(found.values))
                values = pc.if_else(mine, found.values.cast(pa.float64()), values)
                if plan is not plans[code]:
                    own = [plan.own if mine[at].as_py() else one for at, one in enumerate(own)]
                break
    return pc.if_else(counts, pa.scalar(None, pa.float64()), values), own


def recorded(columns: Columns, metric: str, rows: pa.Array) -> pa.Array:
    """What runs recorded for a metric: under its name, else under the name that it had where it was redefined."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = columns.column(f"{RECORDED}.{metric}", rows)
    plans = columns.view.plans(metric)
    found = _with_old_names(columns, metric, found, rows)
    others = {plan.source.name for plan in plans if plan.own and plan.source and plan.source.name != metric}
    if not others or pa.types.is_string(found.type):
        return found
    codes = _codes(columns.view, rows)
    for name in sorted(others):
        mine = [
            code for code, plan in enumerate(plans) if plan.own and plan.source and plan.source.name == name
        ]
        renamed = columns.recorded.numbers(METRICS, name, rows)
        chosen = pc.is_in(codes, value_set=pa.array(mine, pa.int32()))
        found = pc.if_else(chosen, renamed, found.cast(pa.float64()))
    return found


def _with_old_names(columns: Columns, metric: str, found: pa.Array, rows: pa.Array) -> pa.Array:
    """What runs recorded under an old name without a definition, where they have nothing under the new one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(found.type):
        return found
    codes, plans = _codes(columns.view, rows), columns.view.plans(metric)
    olds = {one.sources[0] for plan in plans for one in plan.instead if one.grade is Grade.UNDECLARED}
    for old in sorted(olds):
        mine = [code for code, plan in enumerate(plans) if any(one.sources == (old,) for one in plan.instead)]
        chosen = pc.is_in(codes, value_set=pa.array(mine, pa.int32()))
        there = pc.if_else(
            chosen, columns.recorded.numbers(METRICS, old, rows), pa.scalar(None, pa.float64())
        )
        found = pc.coalesce(found.cast(pa.float64()), there)
    return found


def _recorded(columns: Columns, plan: Plan, rows: pa.Array) -> dict[str, pa.Array]:
    return {name: columns.recorded.numbers(METRICS, name, rows) for name in plan.sources}


def _numbers(column: pa.Array) -> pa.Array:
    """Doubles; a metric that was ever recorded as something else is text, and has none."""
    import pyarrow as pa

    is_number = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    return column.cast(pa.float64(), safe=False) if is_number else pa.nulls(len(column), pa.float64())


def of_run(view: View, metrics: Mapping[str, MetricDetail]) -> Iterator[str]:
    """Metrics of one run whose values do not count."""
    odd = grades(view)
    yield from (name for name, metric in metrics.items() if metric.cell.grade in odd)


def of_comparison(view: View, found: Comparison) -> Iterator[str]:
    """Metrics of two runs that have a value which does not count, or two that do not compare with each other."""
    odd = grades(view)
    for pair in found.metrics:
        if pair.a.grade in odd or pair.b.grade in odd or (pair.reason and _is_full(pair)):
            yield pair.name


def _is_full(pair: MetricPair) -> bool:
    return all(cell.value is not None and math.isfinite(cell.value) for cell in (pair.a, pair.b))
