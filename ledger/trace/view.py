"""Runs through one definition: the only place where recorded values become values to show.

Everything that is shown, sorted, filtered, aggregated or exported comes from here; migrations act here, and filters, sorting and aggregates come after.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, islice, repeat
from typing import TypeAlias

from ledger import canonical
from ledger.config import Workspace
from ledger.errors import FormatError
from ledger.frozen import frozen
from ledger.git import objects
from ledger.model import COMPARABLE, Grade, Json, Metric
from ledger.schema import document
from ledger.schema.definition import Definition
from ledger.schema.document import Schema
from ledger.schema.lineage import Lineage
from ledger.schema.plan import Plan
from ledger.store import index as store_index
from ledger.store.segment import FLOAT, INTEGER, METRICS, Segment, Slice
from ledger.trace import meaning, params, renamed_away, targets
from ledger.trace.meaning import Meaning
from ledger.trace.runset import ABSENT, RunSet
from ledger.trace.stretches import low_bytes, stretches


@frozen(kw_only=False)
class Cell:
    """One value of one run under the target definition of its column."""

    value: Metric
    """Under the target definition where it compares, else under the newest of its own frame."""
    recorded: Metric
    """Under the definition that it was recorded under; None where it is computed from others."""
    grade: Grade
    reason: str = ""
    approximate_counts: bool = False
    own: Definition | None = None
    """The newest definition of its own frame, where it does not compare."""

    @property
    def comparable(self) -> bool:
        return self.grade in COMPARABLE or (self.approximate_counts and self.grade is Grade.APPROXIMATE)

    @property
    def aside(self) -> Metric:
        """What is shown apart where it does not count."""
        return self.recorded if self.value is None else self.value


MISSING = Cell(None, None, Grade.MISSING, "not recorded")
UNDEFINED = Cell(None, None, Grade.UNDEFINED, "computed without a value")
_NUMBERS = bytes((FLOAT, INTEGER))
_Steps: TypeAlias = tuple[tuple[str, float], ...]
"""Rounded operations as `Affine.steps` has them; none changes nothing."""


@frozen(kw_only=False, slots=False)
class View:
    """All runs, and what their metrics mean now."""

    workspace: Workspace
    runs: RunSet
    meaning: Meaning
    wanted: str | None = None
    """A version label or the start of a definition's id to show values under, instead of the current definition."""
    approximate: bool = False
    """Whether approximate values count."""

    @property
    def schemas(self) -> Mapping[str, Schema]:
        """The target's schema documents, by name."""
        return self.meaning.schemas

    @property
    def grades(self) -> frozenset[Grade]:
        """Grades of values that count."""
        return COMPARABLE | {Grade.APPROXIMATE} if self.approximate else COMPARABLE

    def target(self, metric: str) -> Definition:
        """What a column of this name means: as the configured schema says, else the first that declares it."""
        if metric not in self._targets:
            self._targets[metric] = targets.choose(self, metric)
        return self._targets[metric]

    @cached_property
    def _targets(self) -> dict[str, Definition]:
        return {}

    @cached_property
    def lineage(self) -> Lineage:
        """How all definitions that were ever recorded relate."""
        recorded = (schema for schema in self.recorded_schemas if schema)
        definitions = (
            one for schema in (*recorded, *self.schemas.values()) for one in schema.metrics.values()
        )
        return Lineage.build(definitions, self.meaning.migrations)

    def plans(self, metric: str) -> list[Plan]:
        """For each number of `schema_codes` how values recorded under that schema look under the target."""
        if metric not in self._plans:
            target = self.target(metric)
            given = [schema.metrics if schema else None for schema in self.recorded_schemas]
            plans = [self.lineage.plan(recorded, target) for recorded in given]
            olds = self._old_names.get(metric)
            self._plans[metric] = renamed_away.beside(plans, self.recorded_schemas, olds) if olds else plans
        return self._plans[metric]

    @cached_property
    def _plans(self) -> dict[str, list[Plan]]:
        return {}

    @cached_property
    def _old_names(self) -> Mapping[str, Sequence[str]]:
        return renamed_away.by_new_name(self)

    def plan(self, row: int, name: str) -> Plan:
        """What one run's value under a name comes from."""
        plan = self.plans(name)[self.schema_codes[row]]
        return plan.serving(self.values(row, plan, name)) if plan.instead else plan

    def values(self, row: int, plan: Plan, name: str) -> dict[str, Json]:
        """What one run recorded under the names that matter to a plan."""
        values = {source: self.runs.value(row, METRICS, source) for source in _names(plan, name)}
        return {source: value for source, value in values.items() if value is not ABSENT}

    def is_native(self, metric: str) -> bool:
        """Whether values of a metric are all shown as they were recorded under its own name, or not at all."""
        return all(_is_native(plan, metric) for plan in self.plans(metric))

    def metric(self, name: str) -> Iterator[tuple[int, Cell]]:
        """(row, cell) of every run that has something under a name, or that it can be computed from."""
        return self._cells(name, None)

    def cell(self, row: int, name: str) -> Cell | None:
        """One metric of one run; None where there is nothing to show."""
        plan = self.plans(name)[self.schema_codes[row]]
        return self._cell(plan, name, self.values(row, plan, name))

    def behind(self, row: int, name: str) -> tuple[Metric, str]:
        """What a run recorded where its number under a name is comparable and finite, and the reason in its cell."""
        code = self.schema_codes[row]
        plan, line = self.plans(name)[code], self._lines(name)[code]
        if line is None:
            cell = self.cell(row, name)
            return (cell.recorded, cell.reason) if cell else (None, "")
        value = self.runs.value(row, METRICS, plan.source.name if plan.source else name)
        return (value if _is_number(value) else None), plan.reason  # type: ignore[return-value]

    def _lines(self, name: str) -> list[tuple[str, _Steps] | None]:
        """For each number of `schema_codes` how comparable values come about, where it is one map of one name."""
        if name not in self._known_lines:
            self._known_lines[name] = [_line(plan, self.grades) for plan in self.plans(name)]
        return self._known_lines[name]

    @cached_property
    def _known_lines(self) -> dict[str, list[tuple[str, _Steps] | None]]:
        return {}

    def _cell(self, plan: Plan, name: str, values: Mapping[str, Json]) -> Cell | None:
        if not values:
            return None
        numbers: dict[str, Json] = {source: canonical.number(value) for source, value in values.items()}  # type: ignore[misc]
        outcome = plan.apply(numbers)
        plan = plan.serving(numbers)
        recorded = values.get(plan.source.name if plan.source else name)
        number = recorded if _is_number(recorded) else None
        if outcome.grade is Grade.MISSING and name in values:
            return UNDEFINED
        if outcome.grade is Grade.MISSING and len(values) == 1 and not plan.steps:
            return None
        value = outcome.value if _is_number(outcome.value) else None
        if outcome.grade is Grade.UNDECLARED:
            number = value  # whatever name it was found under
        own = plan.own if outcome.grade is Grade.INCOMPARABLE else None
        return Cell(value, number, outcome.grade, outcome.reason, self.approximate, own)  # type: ignore[arg-type]

    def _cells(self, name: str, starts: Collection[int] | None) -> Iterator[tuple[int, Cell]]:
        """Cells of the runs in some segments, or in all, one by one."""
        plans, codes = self.plans(name), self.schema_codes
        names = [_names(plan, name) for plan in plans]
        found: dict[int, dict[str, Json]] = {}
        for source in sorted({source for some in names for source in some}):
            for row, value in self.runs.values(METRICS, source, starts):
                if source in names[codes[row]]:
                    found.setdefault(row, {})[source] = value
        for row, values in found.items():
            cell = self._cell(plans[codes[row]], name, values)
            if cell is not None:
                yield row, cell

    @cached_property
    def schema_codes(self) -> Sequence[int]:
        """For each row of the index the number of the schema that it was recorded under; bytes where they hold them."""
        parts = []
        for part in self.runs.index.segments:
            local, texts = part.codes("schema")
            parts.append((local, [self._schema_ids[text] for text in texts]))
        if len(self._schema_ids) > _BYTE:
            return [known[code] for local, known in parts for code in local]
        return b"".join(low_bytes(local).translate(bytes(known).ljust(_BYTE)) for local, known in parts)

    def numbers(self, name: str) -> Iterator[tuple[int, Sequence[int], Sequence[float]] | tuple[int, Cell]]:
        """What `metric` gives, in bulk where all values of a segment convert exactly, each from one name.

        Either (first row of a segment, ascending rows within it, numbers), among which superseded rows may be,
        or a single (row, cell).
        """
        lines = self._lines(name)
        sources = sorted({source for plan in self.plans(name) for source in _names(plan, name)})
        merged = any(self.runs.overrides((METRICS, source)) for source in sources)
        one_by_one: set[int] = set()
        for start, part in self.runs.index.starts():
            found = {source: taken for source in sources if (taken := part.slice(METRICS, source))}
            bulk = [
                _bulk(taken, source, lines, self._codes_at(start, part)) for source, taken in found.items()
            ]
            if merged or any(numbers is None for numbers in bulk):
                one_by_one.add(start)
                continue
            for taken, numbers in zip(found.values(), bulk, strict=True):
                yield start, taken.rows, numbers or ()
        if one_by_one:
            yield from self._cells(name, one_by_one)

    def _codes_at(self, start: int, part: Segment) -> Sequence[int]:
        """The schema numbers of a segment's rows; a single one where all are the same."""
        texts = part.codes("schema")[1]
        return (
            [self._schema_ids[texts[0]]] if len(texts) == 1 else self.schema_codes[start : start + len(part)]
        )

    def declared_metrics(self) -> list[str]:
        """Metrics that the target's schemas declare, or that of any run."""
        schemas = (*self.schemas.values(), *(schema for schema in self.recorded_schemas if schema))
        return sorted({name for schema in schemas for name in schema.metrics})

    def definition(self, row: int, metric: str) -> Definition | None:
        """The definition that a run's metric was recorded under; None where no schema declares it."""
        schema = self.recorded_schemas[self.schema_codes[row]]
        return schema.metrics.get(metric) if schema else None

    @cached_property
    def finished(self) -> list[int | None]:
        """When the run of each row finished, else when it was recorded: microseconds since 1970."""
        pairs = zip(self.runs.column("finished"), self.runs.column("recorded"), strict=True)
        return [finished or recorded for finished, recorded in pairs]

    @cached_property
    def recorded(self) -> list[int | None]:
        """When the record of each row was sealed: microseconds since 1970."""
        return self.runs.column("recorded")

    @cached_property
    def run_ids(self) -> list[str]:
        """The run of each row."""
        return self.runs.column("run_id")

    @cached_property
    def experiments(self) -> list[str]:
        """The experiment of each row."""
        return self.runs.column("experiment")

    @cached_property
    def _schema_ids(self) -> dict[str, int]:
        """Ids of the recorded schemas, each with its number; distinct schemas are few."""
        ids: dict[str, int] = {}
        for part in self.runs.index.segments:
            for text in part.codes("schema")[1]:
                ids.setdefault(text, len(ids))
        return ids

    @cached_property
    def recorded_schemas(self) -> list[Schema | None]:
        """The schemas that runs carry, by number; None for runs without one."""
        ids = list(self._schema_ids)
        sealed = self.runs.index.schemas
        stored = [name for name in ids if name and name not in sealed]
        found = dict(zip(stored, objects.read(self.workspace.repository, stored), strict=True))
        data = {name: sealed.get(name) or (found[name].body if found.get(name) else None) for name in ids}  # type: ignore[union-attr]
        return [_recorded(data[name]) for name in ids]


def _recorded(data: bytes | None) -> Schema | None:
    if data is None:
        return None
    try:
        return document.recorded(data)
    except FormatError:
        return None  # no definition can be read from it: its metrics are undeclared; `ledger verify` names it


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _names(plan: Plan, name: str) -> frozenset[str]:
    """Recorded names that matter to a plan: what it is made of, and what stands under its own name without meaning it."""
    return plan.names | {name}


def _is_native(plan: Plan, name: str) -> bool:
    if plan.instead:
        return False
    if plan.is_plain:
        return plan.sources == (name,)
    if plan.affine is not None and plan.sources == (name,):
        return plan.affine.is_identity
    return not plan.program and plan.fallback in (None, name)


def _line(plan: Plan, grades: Collection[Grade]) -> tuple[str, _Steps] | None:
    """The one name that comparable values come from and their exact map; None where it takes more than that."""
    if plan.grade not in grades or len(plan.sources) != 1 or plan.fallback_first:
        return None
    if plan.is_plain:
        return plan.sources[0], ()
    return (plan.sources[0], plan.affine.steps) if plan.affine is not None else None


def _bulk(
    part: Slice, source: str, lines: Sequence[tuple[str, _Steps] | None], codes: Sequence[int]
) -> Sequence[float] | None:
    """The numbers of a slice under the target, if each is of a schema whose values come from this very name."""
    if part.texts is not None or part.kinds.translate(None, _NUMBERS):
        return None
    one = len(codes) == 1
    of_row = codes if one or len(codes) == len(part.rows) else [codes[row] for row in part.rows]
    pieces = list(islice(stretches(of_row), _MANY + 1))
    present = {code: lines[code] for code in (set(of_row) if len(pieces) > _MANY else dict(pieces))}
    maps = {code: line[1] for code, line in present.items() if line is not None and line[0] == source}
    if len(maps) != len(present):
        return None
    if not any(maps.values()):
        return part.numbers
    if one:
        return _checked(_converted(maps[codes[0]], part.numbers), part.numbers)
    if len(pieces) <= _MANY:
        each = (_converted(maps[code], part.numbers[rows.start : rows.stop]) for code, rows in pieces)
        return _checked(list(chain.from_iterable(each)), part.numbers)
    converted = {steps: _converted(steps, part.numbers) for steps in set(maps.values())}
    by_code = {code: converted[steps] for code, steps in maps.items()}
    return _checked([by_code[code][place] for place, code in enumerate(of_row)], part.numbers)


_BYTE = 256
_MANY = 256
"""Where schemas take turns more often than this, each map goes over everything instead."""


_OPERATIONS = {"multiply": operator.mul, "divide": operator.truediv, "add": operator.add}


def _converted(steps: _Steps, numbers: Sequence[float]) -> Sequence[float]:
    """An exact map over doubles, in the operations and the order that `Affine.apply` has."""
    for name, constant in steps:
        numbers = list(map(_OPERATIONS[name], numbers, repeat(constant)))
    return numbers


def _checked(converted: Sequence[float], recorded: Sequence[float]) -> Sequence[float] | None:
    """None where a finite value left the range of doubles: those are told one by one."""
    if math.isfinite(sum(converted)):
        return converted
    odd = [i for i, number in enumerate(converted) if not math.isfinite(number)]
    return None if any(math.isfinite(recorded[i]) for i in odd) else converted


def open_view(
    workspace: Workspace,
    *,
    at: str | None = None,
    wanted: str | None = None,
    approximate: bool = False,
    told: store_index.Told | None = None,
) -> View:
    """All runs as the work tree defines them, or as revision `at` does. Raises ConfigError, NotFoundError."""
    runs = RunSet(store_index.load(workspace.repository, told=told))
    recorded = {name for part in runs.index.segments for name in part.codes("schema")[1]}
    return params.through(
        View(workspace, runs, meaning.read(workspace, at, recorded), wanted=wanted, approximate=approximate)
    )
