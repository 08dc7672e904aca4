"""Columns of a table by their full names: fields of runs, params and tags as recorded, metrics under their targets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ledger.frozen import frozen
from ledger.model import Grade, Json
from ledger.schema.plan import Plan
from ledger.store.segment import METRICS, NULL, PARAMS, TAGS
from ledger.trace.converted import Converted
from ledger.trace.recorded import Recorded
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
CONFLICTS = "conflicts"
"""The column that names those on which edits of a run disagree."""


def recorded_grade(plan: Plan) -> Grade:
    """The grade of what stands recorded under the metric's own name."""
    return Grade.UNDECLARED if plan.grade is Grade.MISSING and plan.fallback else plan.grade


@frozen(kw_only=False, slots=False)
class Columns:
    """Makes columns for rows of the index, in the order in which the rows are given."""

    view: View

    @cached_property
    def recorded(self) -> Recorded:
        """What runs say."""
        return Recorded(self.view.runs)

    @cached_property
    def _converted(self) -> Converted:
        return Converted(self.view, self.recorded)

    @property
    def all_rows(self) -> pa.Array:
        """The rows that stand for runs, as int32."""
        return self.recorded.all_rows

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
            return self.recorded.field(FIELDS[name], rows)
        group, _, rest = name.partition(".")
        if group == METRICS and not self.view.is_native(rest):
            return self._converted.metric(rest).at(rows, self.recorded.whole)
        if group == METRICS:
            return self._comparable(rest, self.recorded.typed(METRICS, rest, rows), rows)
        if group == GRADE:
            return self._grades(rest, rows)
        return self.recorded.typed(METRICS if group == RECORDED else group, rest, rows)

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
        return name not in FIELDS and group in GROUPS and self.recorded.mixed(group, rest)

    def numbers(self, name: str, rows: pa.Array) -> pa.Array:
        """The numbers in a mixed column; null where there is anything else."""
        group, _, rest = name.partition(".")
        return self.recorded.numbers(group, rest, rows)

    def natives(self, name: str, rows: pa.Array) -> list[Json] | None:
        """The values of a column whose text stands for other kinds (numbers among text, lists), else None."""
        group, _, rest = name.partition(".")
        return None if name in FIELDS or group not in GROUPS else self.recorded.natives(group, rest, rows)

    def has_incomparable(self, metric: str, rows: pa.Array) -> bool:
        """Whether something was recorded under a metric's name that can't be shown under its definition."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.view.is_native(metric):
            counted = pa.array(
                sorted(grade.value for grade in (*self.view.grades, Grade.MISSING)), pa.string()
            )
            return not pc.all(
                pc.is_in(self._converted.metric(metric).grades.take(rows), value_set=counted)
            ).as_py()
        flags = self._flags(metric, rows)
        if flags is None:
            return False
        _, kinds, _texts = self.recorded.at(METRICS, metric, rows)
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
        return None if all(flags) else pa.array(flags, pa.bool_()).take(self._converted.codes.take(rows))

    def _grades(self, metric: str, rows: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.view.is_native(metric):
            return self._converted.metric(metric).grades.take(rows)
        grades = [recorded_grade(plan).value for plan in self.view.plans(metric)]
        _, kinds, _texts = self.recorded.at(METRICS, metric, rows)
        recorded = pa.array(grades, pa.string()).take(self._converted.codes.take(rows))
        return pc.fill_null(
            pc.if_else(pc.equal(kinds, NULL), Grade.UNDEFINED.value, recorded), Grade.MISSING.value
        )


def rfc3339(column: Any) -> Any:
    """Timestamps as text with microseconds, as in all files that ledger writes."""
    import pyarrow.compute as pc

    return pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
