"""How the points of a run's series are shown: converted like the metric that they belong to, or marked.

A series belongs to the metric that names it in `series`, or whose name it has. It is converted where one exact map
leads from it to the target; else it stays as it was recorded, with the grade that says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ledger.model import COMPARABLE, Grade
from ledger.schema.affine import IDENTITY, Affine
from ledger.schema.plan import Plan
from ledger.trace import targets
from ledger.trace.columns import recorded_grade
from ledger.trace.view import View

if TYPE_CHECKING:
    from ledger.schema.definition import Definition

SeriesTable: TypeAlias = Any
"""The long Arrow table of `ledger.store.history`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What becomes of one series."""

    label: str
    """Its name now."""
    map: Affine
    grade: Grade

    @property
    def is_plain(self) -> bool:
        return self.grade is Grade.IDENTICAL and self.map.is_identity


def readings(view: View, code: int) -> dict[str, Reading]:
    """For the series of runs with one recorded schema, by their recorded names; others are shown as they are."""
    found: dict[str, Reading] = {}
    for named in (
        False,
        True,
    ):  # a metric of the very name of a series counts more than one that refers to it
        mine: dict[str, Reading] = {}
        for label, reading in _readings(view, code, named=named):
            mine[label] = reading if mine.get(label, reading) == reading else _unclear(label)
        found |= mine
    return {label: one for label, one in found.items() if not one.is_plain or one.label != label}


def _unclear(label: str) -> Reading:
    """Two metrics that share a series ask for different things."""
    return Reading(label=label, map=IDENTITY, grade=Grade.AMBIGUOUS)


def _readings(view: View, code: int, *, named: bool) -> Iterator[tuple[str, Reading]]:
    """(name of the series, reading) from every metric: through its own name, or through its `series`."""
    schema = view.recorded_schemas[code]
    recorded = schema.metrics if schema else {}
    current = sorted({name for one in view.schemas.values() for name in one.metrics})
    taken: set[str] = set()
    for name in current:
        plan = view.plans(name)[code]
        source = _source(plan)
        if source is not None:
            taken.add(source)
            label = source if named else _series(recorded.get(source), source)
            yield label, _converted(view, plan, name, label, named=named)
    for name in sorted({*current, *recorded} - taken):
        renamed = targets.forward(view, name)
        plan = view.plans(renamed.name if renamed else name)[code]
        label = name if named else _series(recorded.get(name) or view.target(name), name)
        yield label, Reading(label=label, map=IDENTITY, grade=_grade(plan, declared=name in recorded))


def _grade(plan: Plan, *, declared: bool) -> Grade:
    """Of what stands recorded: that the target can be had from other metrics says nothing about it."""
    grade = recorded_grade(plan)
    if grade not in COMPARABLE and grade is not Grade.APPROXIMATE:
        return grade
    return Grade.INCOMPARABLE if declared else Grade.UNDECLARED


def _series(one: Definition | None, name: str) -> str:
    return (one.series if one else None) or name


def _source(plan: Plan) -> str | None:
    """The one recorded name that values are an exact map of."""
    simple = plan.grade in COMPARABLE and plan.affine is not None and not plan.fallback_first
    return plan.sources[0] if simple and len(plan.sources) == 1 else None


def _converted(view: View, plan: Plan, name: str, label: str, *, named: bool) -> Reading:
    target = view.target(name)
    now = name if named else target.series or (label if plan.grade is Grade.IDENTICAL else name)
    return Reading(label=now, map=plan.affine or IDENTITY, grade=plan.grade)


def shown(found: Mapping[str, Reading], table: SeriesTable) -> SeriesTable:
    """A table of series with converted values, names of now and a column `grade`; the same table where all is plain."""
    import pyarrow as pa

    metric = table.column("metric").unify_dictionaries().combine_chunks()
    names = metric.dictionary.to_pylist()
    if found.keys().isdisjoint(names):
        return table
    mine = [found.get(name) for name in names]
    labels = pa.array(
        [one.label if one else name for one, name in zip(mine, names, strict=True)], pa.string()
    )
    grades = pa.array([(one.grade if one else Grade.IDENTICAL).value for one in mine], pa.string())
    place = table.column_names.index("value")
    table = table.set_column(place, "value", _values(table.column("value"), metric.indices, mine))
    table = table.set_column(table.column_names.index("metric"), "metric", _taken(labels, metric.indices))
    return table.append_column("grade", _taken(grades, metric.indices))


def _values(values: Any, indices: Any, mine: list[Reading | None]) -> Any:
    import pyarrow.compute as pc

    from ledger.schema import kernels

    recorded = values
    for place, one in enumerate(mine):
        if one is None or one.map.is_identity:
            continue
        converted = kernels.apply_affine(one.map, recorded).values
        values = converted if len(mine) == 1 else pc.if_else(pc.equal(indices, place), converted, values)
    return values


def _taken(texts: Any, indices: Any) -> Any:
    """One text a row: a dictionary without doubles."""
    import pyarrow as pa
    import pyarrow.compute as pc

    unique = pc.unique(texts)
    return pa.DictionaryArray.from_arrays(pc.index_in(texts, value_set=unique).take(indices), unique)
