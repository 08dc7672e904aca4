"""Which definitions of a metric compare with which: a table of grades, and how many runs stand under each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ledger.errors import NotFoundError, did_you_mean
from ledger.model import Grade
from ledger.schema.definition import Definition, undeclared
from ledger.schema.document import Schema
from ledger.schema.lineage import Renamed
from ledger.schema.plan import Plan
from ledger.store.segment import METRICS
from ledger.trace import targets
from ledger.trace.columns import recorded_grade
from ledger.trace.view import View

_BEST_FIRST = (
    Grade.IDENTICAL,
    Grade.EXACT,
    Grade.APPROXIMATE,
    Grade.AMBIGUOUS,
    Grade.INCOMPARABLE,
    Grade.UNDECLARED,
    Grade.MISSING,
    Grade.UNDEFINED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One definition that a metric has, or had, perhaps under another name."""

    definition: Definition
    versions: tuple[str, ...]
    """Labels of the schemas that hold it, sorted."""
    current: bool
    runs: int
    """Runs that have a value recorded under it."""

    @property
    def label(self) -> str:
        """`3 9a07d2c1`: the newest version label and 8 digits; `undeclared` where nothing is said."""
        if not self.definition.declared:
            return "undeclared"
        return " ".join([*self.versions[-1:], self.definition.short[:8]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """`grades[i][j]`: of values recorded under row i, shown under row j."""

    metric: str
    rows: tuple[Row, ...]
    grades: tuple[tuple[Grade, ...], ...]
    forwarded: Renamed | None = None


def matrix(view: View, metric: str) -> Matrix:
    """All definitions of a metric and of what it was called, the current one first. Raises UsageError."""
    forwarded = targets.forward(view, metric)
    name = forwarded.name if forwarded else metric
    found = definitions(view, name)
    if not found:
        known = sorted({*view.runs.index.names(METRICS), *view.declared_metrics()})
        hint = did_you_mean(name, known, "`ledger schema show` lists the metrics")
        raise NotFoundError(f"there is no metric {name!r}", hint=hint)
    counts = run_counts(view, {one.name for one in found.values()})
    current = {schema.metrics[name].did for schema in view.schemas.values() if name in schema.metrics}
    rows = [
        Row(
            definition=one,
            versions=tuple(sorted({schema.version for schema in _holding(view, one) if schema.version})),
            current=did in current,
            runs=counts[did],
        )
        for did, one in found.items()
    ]
    rows.sort(key=lambda row: _natural(row.versions[-1]) if row.versions else (0, ""), reverse=True)
    rows.sort(key=lambda row: (not row.current, not row.definition.declared))
    return Matrix(
        metric=name,
        rows=tuple(rows),
        grades=tuple(tuple(_grade(view, row.definition, other.definition) for other in rows) for row in rows),
        forwarded=forwarded,
    )


def definitions(view: View, metric: str) -> dict[str, Definition]:
    """Every definition of a metric by its id, with those of names that it took over from."""
    found: dict[str, Definition] = {}
    known = {name for schema in _schemas(view) for name in schema.metrics} | set(
        view.runs.index.names(METRICS)
    )
    olds = {
        name for name in known if any(renamed.name == metric for renamed in view.lineage.forward_names(name))
    }
    for schema in _schemas(view):
        for name in (metric, *sorted(olds)):
            if name in schema.metrics:
                found.setdefault(schema.metrics[name].did, schema.metrics[name])
    for name in (metric, *sorted(olds)):
        if any(_is_bare(view, code, name) for code in _codes_of(view, name)):
            bare = undeclared(name)
            found.setdefault(bare.did, bare)
    return found


def _schemas(view: View) -> Iterator[Schema]:
    yield from view.schemas.values()
    yield from (schema for schema in reversed(view.recorded_schemas) if schema)


def _holding(view: View, one: Definition) -> Iterator[Schema]:
    for schema in _schemas(view):
        if one.name in schema.metrics and schema.metrics[one.name].did == one.did:
            yield schema


def _codes_of(view: View, name: str) -> Counter[int]:
    """Number of a recorded schema → how many of its runs have a value of a name."""
    return Counter(view.schema_codes[row] for row, _ in view.runs.values(METRICS, name))


def _is_bare(view: View, code: int, name: str) -> bool:
    schema = view.recorded_schemas[code]
    return schema is None or name not in schema.metrics


def run_counts(view: View, names: set[str]) -> Counter[str]:
    """Id of a definition → runs with a value recorded under it."""
    found: Counter[str] = Counter()
    for name in names:
        for code, count in _codes_of(view, name).items():
            schema = view.recorded_schemas[code]
            bare = _is_bare(view, code, name) or schema is None
            found[undeclared(name).did if bare or schema is None else schema.metrics[name].did] += count
    return found


def _grade(view: View, recorded: Definition, target: Definition) -> Grade:
    """The least that any run with this definition gets; without runs the best that one of any schema could get.

    Others of its metrics may be what helps: a run that lacks them stands apart.
    """
    if rows := list(_rows_under(view, recorded)):
        return max(_of_runs(view, rows, recorded, target), key=_BEST_FIRST.index)
    sides: list[Mapping[str, Definition] | None] = [schema.metrics for schema in _holding(view, recorded)]
    if not recorded.declared:
        sides.append(None)
    plans = (view.lineage.plan(side, target) for side in sides or [{recorded.name: recorded}])
    return min((_of_plan(view, plan, recorded) for plan in plans), key=_BEST_FIRST.index)


def _of_plan(view: View, plan: Plan, recorded: Definition) -> Grade:
    """Of what is recorded under one definition, though a schema may hold the target as well: that says nothing of it."""
    if plan.grade is not Grade.IDENTICAL or plan.target.did == recorded.did:
        return _of_value(plan, recorded)
    if not (recorded.declared and plan.target.declared):
        return Grade.UNDECLARED
    return _of_value(view.lineage.plan({recorded.name: recorded}, plan.target), recorded)


def _of_value(plan: Plan, recorded: Definition) -> Grade:
    """A run may have the target's name undeclared, beside: that is no value under this definition."""
    grade = recorded_grade(plan)
    both = recorded.declared and plan.target.declared
    is_other = both and recorded.name != plan.target.name and grade is Grade.UNDECLARED
    return Grade.MISSING if is_other else grade


def _rows_under(view: View, recorded: Definition) -> Iterator[int]:
    """Runs with a value recorded under a definition."""
    codes = {
        code
        for code, schema in enumerate(view.recorded_schemas)
        if _definition(schema, recorded.name).did == recorded.did
    }
    if codes:
        rows = view.runs.values(METRICS, recorded.name)
        yield from (row for row, _ in rows if view.schema_codes[row] in codes)


def _definition(schema: Schema | None, name: str) -> Definition:
    return (schema.metrics.get(name) if schema else None) or undeclared(name)


def _of_runs(view: View, rows: Sequence[int], recorded: Definition, target: Definition) -> Iterator[Grade]:
    """The grades that runs get: of each recorded schema one, but where it depends on what a run has."""
    by_code: dict[int, list[int]] = {}
    for row in rows:
        by_code.setdefault(view.schema_codes[row], []).append(row)
    for code, mine in by_code.items():
        schema = view.recorded_schemas[code]
        plan = view.lineage.plan(schema.metrics if schema else None, target)
        if plan.instead:
            serving = (plan.serving(view.values(row, plan, recorded.name)) for row in mine)
            yield from {_of_plan(view, one, recorded) for one in serving}
        else:
            yield _of_plan(view, plan, recorded)


def _natural(label: str) -> tuple[int, str]:
    """Version 10 comes after version 9."""
    return (int(label), "") if label.isdecimal() else (1 << 62, label)
