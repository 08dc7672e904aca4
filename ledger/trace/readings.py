"""How the points of a run's series are shown: converted like the metric that they belong to, computed, or marked.

A series belongs to the metric that names it in `series`, or whose name it has. It is converted where one exact map
leads from it to the target, and computed where the target is made of several; else it stays as it was recorded, with
the grade that says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ledger.model import COMPARABLE, Grade
from ledger.schema.affine import IDENTITY, Affine
from ledger.schema.plan import Plan
from ledger.trace import derived, targets
from ledger.trace.columns import recorded_grade
from ledger.trace.derived import Derived
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
    counts: bool = True
    """Whether its values compare with others of that name."""

    @property
    def is_plain(self) -> bool:
        return self.grade is Grade.IDENTICAL and self.map.is_identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What becomes of the series of runs with one recorded schema; those that are not named stay as they are."""

    series: Mapping[str, Reading]
    """By recorded name."""
    derived: tuple[Derived, ...] = ()
    merged: frozenset[str] = frozenset()
    """Recorded names that a derived series stands for (`coalesce`): they are not shown beside it."""

    @property
    def is_plain(self) -> bool:
        return not self.series and not self.derived

    @property
    def all_count(self) -> bool:
        return all(one.counts for one in self.series.values())

    def label(self, name: str) -> str:
        """What a series is called now: by its recorded name, or by that which it has already."""
        return self.series[name].label if name in self.series else name


def readings(view: View, code: int) -> Readings:
    """For the series of runs with one recorded schema. Raises UsageError as `targets.choose`."""
    found: dict[str, Reading] = {}
    for named in (
        False,
        True,
    ):  # a metric of the very name of a series counts more than one that refers to it
        mine: dict[str, Reading] = {}
        for label, reading in _readings(view, code, named=named):
            mine[label] = reading if mine.get(label, reading) == reading else _unclear(label)
        found |= mine
    made = tuple(_derived(view, code))
    merged = {series for one in made if not _is_computed(one.plan) for _, series in one.inputs}
    series = {label: one for label, one in found.items() if not one.is_plain or one.label != label}
    return Readings(series=series, derived=made, merged=frozenset(merged))


def _unclear(label: str) -> Reading:
    """Two metrics that share a series ask for different things."""
    return Reading(label=label, map=IDENTITY, grade=Grade.AMBIGUOUS, counts=False)


def _readings(view: View, code: int, *, named: bool) -> Iterator[tuple[str, Reading]]:
    """(name of the series, reading) from every metric: through its own name, or through its `series`."""
    schema = view.recorded_schemas[code]
    recorded = schema.metrics if schema else {}
    current = _current(view)
    taken: set[str] = set()
    for name in current:
        plan = view.plans(name)[code]
        source = _source(view, plan)
        if source is not None:
            taken.add(source)
            label = source if named else _series(recorded.get(source), source)
            yield label, _converted(view, plan, name, label, named=named)
    for name in sorted({*current, *recorded} - taken):
        renamed = targets.forward(view, name)
        plan = view.plans(renamed.name if renamed else name)[code]
        label = name if named else _series(recorded.get(name) or view.target(name), name)
        grade = _grade(plan, declared=name in recorded)
        yield label, Reading(label=label, map=IDENTITY, grade=grade, counts=False)


def _current(view: View) -> list[str]:
    return sorted({name for one in view.schemas.values() for name in one.metrics})


def _derived(view: View, code: int) -> Iterator[Derived]:
    """Metrics of now that take more than one series, or more than an exact map of one."""
    schema = view.recorded_schemas[code]
    recorded = schema.metrics if schema else {}
    for name in _current(view):
        plan = view.plans(name)[code]
        if plan.grade in view.grades and plan.sources and plan.affine is None and not plan.fallback_first:
            inputs = tuple((source, _series(recorded.get(source), source)) for source in plan.sources)
            yield Derived(label=view.target(name).series or name, plan=plan, inputs=inputs)


def _is_computed(plan: Plan) -> bool:
    return any(step.op == "derive" for step in plan.steps)


def _grade(plan: Plan, *, declared: bool) -> Grade:
    """Of what stands recorded: that the target can be had from other metrics says nothing about it."""
    grade = recorded_grade(plan)
    if grade not in COMPARABLE and grade is not Grade.APPROXIMATE:
        return grade
    return Grade.INCOMPARABLE if declared else Grade.UNDECLARED


def _series(one: Definition | None, name: str) -> str:
    return (one.series if one else None) or name


def _source(view: View, plan: Plan) -> str | None:
    """The one recorded name that values are an exact map of."""
    simple = plan.grade in view.grades and plan.affine is not None and not plan.fallback_first
    return plan.sources[0] if simple and len(plan.sources) == 1 else None


def _converted(view: View, plan: Plan, name: str, label: str, *, named: bool) -> Reading:
    target = view.target(name)
    now = name if named else target.series or (label if plan.grade is Grade.IDENTICAL else name)
    return Reading(label=now, map=plan.affine or IDENTITY, grade=plan.grade)


def behind(found: Readings, wanted: Sequence[str], names: Sequence[str]) -> set[str]:
    """Of the recorded series `names` those that anything shown under one of the `wanted` names is made of."""
    inputs = {series for one in found.derived if one.label in wanted for _, series in one.inputs}
    return {name for name in names if name in inputs or name in wanted or found.label(name) in wanted}


def shown(found: Readings, table: SeriesTable) -> SeriesTable:
    """A table of series with values of now; the same table where all of it is plain.

    Else with a column `grade`, and, where values don't count, with `recorded`: `value` is null there.
    """
    metric = table.column("metric").unify_dictionaries().combine_chunks()
    names: list[str] = metric.dictionary.to_pylist()
    made = [one for one in found.derived if {series for _, series in one.inputs} & set(names)]
    if found.series.keys().isdisjoint(names) and not made:
        return table
    whole = table.set_column(table.column_names.index("metric"), "metric", metric)
    own = _own(found, whole, names)
    extra = [_points(one, whole, names) for one in made if _is_due(one, found, names)]
    return _under(own, [part for part in extra if part.num_rows]) if extra else own


def _is_due(one: Derived, found: Readings, names: Sequence[str]) -> bool:
    """Whether what it takes is there, and nothing of its name that counts."""
    series = {series for _, series in one.inputs}
    there = series <= set(names) if _is_computed(one.plan) else bool(series & set(names))
    rivals = [other for other in found.derived if other.label == one.label and other is not one]
    standing = (name for name in names if name not in found.merged and found.label(name) == one.label)
    native = any(name not in found.series or found.series[name].counts for name in standing)
    return there and not rivals and not native


def _points(one: Derived, table: SeriesTable, names: Sequence[str]) -> SeriesTable:
    import pyarrow as pa

    places = [names.index(series) if series in names else -1 for _, series in one.inputs]
    made = derived.points(one, table, places)
    return made.append_column("metric", _repeated(one.label, made.num_rows, pa))


def _repeated(text: str, rows: int, pa: Any) -> Any:
    return pa.DictionaryArray.from_arrays(pa.nulls(rows, pa.int32()).fill_null(0), pa.array([text]))


def _under(own: SeriesTable, extra: Sequence[SeriesTable]) -> SeriesTable:
    """Tables below each other, with one dictionary for each column of text."""
    import pyarrow as pa

    if not extra:
        return own
    return (
        pa.concat_tables([own, *extra], promote_options="default")
        .unify_dictionaries()
        .select(own.column_names)
    )


def _own(found: Readings, table: SeriesTable, names: Sequence[str]) -> SeriesTable:
    """The recorded series under their names of now."""
    import pyarrow as pa
    import pyarrow.compute as pc

    indices = table.column("metric").chunk(0).indices
    mine = [found.series.get(name) for name in names]
    labels = [one.label if one else name for one, name in zip(mine, names, strict=True)]
    grades = [(one.grade if one else Grade.IDENTICAL).value for one in mine]
    recorded = table.column("value")
    values, odd = _values(recorded, indices, mine)
    apart = [place for place, one in enumerate(mine) if one and not one.counts]
    grade = _taken(pa.array(grades, pa.string()), indices)
    if odd is not None:
        undefined = pc.if_else(odd, pa.scalar(Grade.UNDEFINED.value), grade.cast(pa.string()))
        grade = undefined.dictionary_encode()
    table = table.append_column("grade", grade)
    if apart:
        aside = pc.is_in(indices, value_set=pa.array(apart, indices.type))
        nothing = pa.scalar(None, pa.float64())
        table = table.append_column("recorded", pc.if_else(aside, recorded, nothing))
        values = pc.if_else(aside, nothing, values)
    table = table.set_column(table.column_names.index("value"), "value", values)
    table = table.set_column(
        table.column_names.index("metric"), "metric", _taken(pa.array(labels, pa.string()), indices)
    )
    gone = [place for place, name in enumerate(names) if name in found.merged]
    return (
        table.filter(pc.invert(pc.is_in(indices, value_set=pa.array(gone, indices.type)))) if gone else table
    )


def _values(values: Any, indices: Any, mine: Sequence[Reading | None]) -> tuple[Any, Any]:
    """Converted values, and where a conversion has no result; None: it has one everywhere."""
    import pyarrow.compute as pc

    from ledger.schema import kernels

    recorded, odd = values, None
    for place, one in enumerate(mine):
        if one is None or one.map.is_identity:
            continue
        done = kernels.apply_affine(one.map, recorded)
        chosen = pc.equal(indices, place)
        values = done.values if len(mine) == 1 else pc.if_else(chosen, done.values, values)
        if done.reasons is not None:
            failed = pc.and_(chosen, pc.is_valid(done.reasons))
            odd = failed if odd is None else pc.or_(odd, failed)
    return values, odd


def _taken(texts: Any, indices: Any) -> Any:
    """One text a row: a dictionary without doubles."""
    import pyarrow as pa
    import pyarrow.compute as pc

    unique = pc.unique(texts)
    return pa.DictionaryArray.from_arrays(pc.index_in(texts, value_set=unique).take(indices), unique)


def graded(table: SeriesTable) -> SeriesTable:
    """The same table, with a grade for every point."""
    import pyarrow as pa

    if "grade" in table.column_names:
        return table
    return table.append_column("grade", _repeated(Grade.IDENTICAL.value, table.num_rows, pa))
