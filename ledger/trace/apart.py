"""Values that were recorded but do not count: what `--strict` refuses, and what stands in parentheses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ledger.model import Grade
from ledger.trace.columns import GRADE

if TYPE_CHECKING:
    import pyarrow as pa

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
        metric for (group, _, metric), rows in told if group == "metrics" and _any(found, metric, rows)
    )


def _any(found: Found, metric: str, rows: pa.Array) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    odd = pa.array(sorted(grade.value for grade in grades(found.columns.view)), pa.string())
    column = found.columns.column(f"{GRADE}.{metric}", rows)
    return bool(pc.any(pc.is_in(column, value_set=odd)).as_py())


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
