"""A metric's column under its target: plan by plan over whole columns, and run by run where a plan finds nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ledger.frozen import frozen
from ledger.model import Grade
from ledger.schema import columns as plan_columns
from ledger.schema.plan import Plan
from ledger.store.segment import METRICS
from ledger.trace.recorded import Recorded, int32
from ledger.trace.view import View

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Under:
    """A metric under its target, for some rows; `values` is null where a value does not count."""

    values: pa.Array
    told: Callable[[], pa.Array]

    @cached_property
    def grades(self) -> pa.Array:
        """Made when they are asked for: a text a row takes longer than a conversion."""
        return self.told()

    def at(self, rows: pa.Array, whole: pa.Array) -> pa.Array:
        """The values of some rows."""
        return self.values if rows is whole else self.values.take(rows)


@frozen(kw_only=False, slots=False)
class Converted:
    """Metrics of all rows through their plans."""

    view: View
    recorded: Recorded
    _known: dict[str, Under] = field(default_factory=dict)

    def metric(self, name: str) -> Under:
        """One metric of every row of the index, converted once."""
        if name not in self._known:
            self._known[name] = self._convert(name)
        return self._known[name]

    @cached_property
    def codes(self) -> pa.Array:
        """For each row of the index the number of its recorded schema."""
        return int32(list(self.view.schema_codes))

    def _convert(self, metric: str) -> Under:
        import pyarrow as pa
        import pyarrow.compute as pc

        plans = self.view.plans(metric)
        everything = self.recorded.whole
        distinct = {id(plan): plan for plan in plans}
        if len(distinct) == 1:
            return self._made(metric, plans[0], everything)
        values = pa.nulls(len(everything), pa.float64())
        grades = pa.repeat(pa.scalar(Grade.MISSING.value), len(everything))
        for plan in distinct.values():
            mine = [code for code, other in enumerate(plans) if other is plan]
            chosen = pc.is_in(self.codes, value_set=int32(mine))
            rows = everything.filter(chosen)
            made = self._made(metric, plan, rows)
            values = pc.replace_with_mask(values, chosen, made.values)
            grades = pc.replace_with_mask(grades, chosen, made.grades)
        return Under(values=values, told=lambda: grades)

    def _made(self, metric: str, plan: Plan, rows: pa.Array) -> Under:
        import pyarrow as pa
        import pyarrow.compute as pc

        if plan.grade in self.view.grades and not plan.fallback_first:
            recorded = {name: self.recorded.numbers(METRICS, name, rows) for name in plan.sources}
            found = plan_columns.evaluate(plan, recorded, len(rows))
            column = (
                found.values.combine_chunks() if isinstance(found.values, pa.ChunkedArray) else found.values
            )
            column = column.cast(pa.float64())
            told = pa.scalar(plan.grade.value)
        else:
            column, told = pa.nulls(len(rows), pa.float64()), pa.scalar(plan.grade.value)
        if not column.null_count:
            return Under(values=column, told=lambda: pa.repeat(told, len(rows)))
        odd = pc.and_(pc.is_null(column), self._has_anything(metric, plan, rows))
        grades = pc.if_else(pc.is_valid(column), told, pa.scalar(Grade.MISSING.value))
        picked = rows.filter(odd).to_pylist()
        if picked:
            cells = [self.view.cell(row, metric) for row in picked]
            words = [cell.grade.value if cell else Grade.MISSING.value for cell in cells]
            grades = pc.replace_with_mask(grades, odd, pa.array(words, pa.string()))
        return Under(values=column, told=lambda: grades)

    def _has_anything(self, metric: str, plan: Plan, rows: pa.Array) -> pa.Array:
        """Whether a run recorded any name that matters to a plan."""
        import pyarrow.compute as pc

        known = sorted(plan.names | {metric})
        flags = [pc.is_valid(self.recorded.at(METRICS, name, rows)[1]) for name in known]
        return functools.reduce(pc.or_, flags)
