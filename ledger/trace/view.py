"""Runs through one definition: the only place where recorded values become values to show.

Everything that is shown, sorted, filtered, aggregated or exported comes from here; migrations will act here too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from ledger import canonical
from ledger.config import FOLDER, Workspace
from ledger.errors import ConfigError, FormatError, GitError, InputError, NotFoundError
from ledger.git import history, objects
from ledger.model import COMPARABLE, Grade, Json, Metric
from ledger.schema import document, lineage
from ledger.schema.definition import Definition
from ledger.schema.document import Schema
from ledger.schema.lineage import Comparison
from ledger.store import index as store_index
from ledger.store.segment import FLOAT, INTEGER, METRICS, Slice
from ledger.trace.runset import ABSENT, RunSet


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of one run under the target definition of its column."""

    value: Metric
    """Under the target definition where `grade` says that it is comparable, else as it was recorded."""
    recorded: Metric
    grade: Grade
    reason: str = ""

    @property
    def comparable(self) -> bool:
        return self.grade in COMPARABLE


_NUMBERS = bytes((FLOAT, INTEGER))
MISSING = Cell(None, None, Grade.MISSING, "not recorded")
UNDEFINED = Cell(None, None, Grade.UNDEFINED, "computed without a value")


def _cell(recorded: Json, comparison: Comparison) -> Cell:
    if not isinstance(recorded, (int, float)):
        return UNDEFINED
    return Cell(recorded, recorded, comparison.grade, comparison.reason)


@dataclass(frozen=True)
class View:
    """All runs, and what their metrics mean now (`schemas`: the target's documents, by name)."""

    workspace: Workspace
    runs: RunSet
    schemas: Mapping[str, Schema]

    def target(self, metric: str) -> Definition:
        """What a column of this name means: as the configured schema says, else the first that declares it."""
        configured = self.schemas.get(self.workspace.config.schema or "")
        declaring = (schema for _, schema in sorted(self.schemas.items()) if metric in schema.metrics)
        chosen = configured if configured and metric in configured.metrics else next(declaring, None)
        return lineage.target_of(metric, chosen)

    def metric(self, name: str) -> Iterator[tuple[int, Cell]]:
        """(row, cell) of every run that recorded something under a name."""
        codes, comparisons = self.schema_codes, self.comparisons(name)
        for row, recorded in self.runs.values(METRICS, name):
            yield row, _cell(recorded, comparisons[codes[row]])

    def cell_of(self, row: int, name: str, recorded: Json) -> Cell:
        """What a run recorded under a name, as a cell, without a look at any other run."""
        return _cell(recorded, self.comparisons(name)[self.schema_codes[row]])

    @cached_property
    def schema_codes(self) -> Sequence[int]:
        """For each row of the index the number of the schema that it was recorded under."""
        codes: list[int] = []
        for part in self.runs.index.segments:
            local, texts = part.codes("schema")
            known = [self._schema_ids[text] for text in texts]
            codes.extend([known[code] for code in local] if known != list(range(len(known))) else local)
        return codes

    def comparisons(self, name: str) -> list[Comparison]:
        """For each of those numbers how values of a metric compare with its target."""
        target = self.target(name)
        declared = target if target.declared else None
        return [
            lineage.compare(schema.metrics.get(name) if schema else None, declared)
            for schema in self._schemas_by_code
        ]

    def numbers(self, name: str) -> Iterator[tuple[int, Sequence[int], Sequence[float]] | tuple[int, Cell]]:
        """What `metric` gives, in bulk where a whole segment is comparable as recorded.

        Either (first row of a segment, ascending rows within it, numbers), among which superseded rows may be,
        or a single (row, cell).
        """
        comparisons, merged = self.comparisons(name), self.runs.overrides((METRICS, name))
        alike = {code for code, found in enumerate(comparisons) if found.grade is Grade.IDENTICAL}
        for start, part in self.runs.index.starts():
            found = part.slice(METRICS, name)
            if found is None:
                continue
            same = all(self._schema_ids[text] in alike for text in part.codes("schema")[1])
            exact = found.texts is None and not found.kinds.translate(None, _NUMBERS)
            if same and exact and not merged:
                yield start, found.rows, found.numbers
            else:
                yield from self._one_by_one(start, found, comparisons, merged)
        present = ((row, value) for row, value in merged.items() if value is not ABSENT)
        yield from ((row, self.cell_of(row, name, value)) for row, value in present)

    def _one_by_one(
        self, start: int, part: Slice, comparisons: Sequence[Comparison], passed: Mapping[int, Json]
    ) -> Iterator[tuple[int, Cell]]:
        hidden, codes = self.runs.superseded, self.schema_codes
        for local, recorded in part.values():
            row = start + local
            if row not in hidden and row not in passed:
                yield row, _cell(recorded, comparisons[codes[row]])

    def declared_metrics(self) -> list[str]:
        """Metrics that the target's schemas declare, or that of any run."""
        schemas = (*self.schemas.values(), *(schema for schema in self._schemas_by_code if schema))
        return sorted({name for schema in schemas for name in schema.metrics})

    def definition(self, row: int, metric: str) -> Definition | None:
        """The definition that a run's metric was recorded under; None where no schema declares it."""
        schema = self._schemas_by_code[self.schema_codes[row]]
        return schema.metrics.get(metric) if schema else None

    @cached_property
    def finished(self) -> list[int | None]:
        """When the run of each row finished, else when it was recorded: microseconds since 1970."""
        pairs = zip(self.runs.column("finished"), self.runs.column("recorded"), strict=True)
        return [finished or recorded for finished, recorded in pairs]

    @cached_property
    def run_ids(self) -> list[str]:
        """The run of each row."""
        return self.runs.column("run_id")

    @cached_property
    def experiments(self) -> list[str]:
        """The experiment of each row."""
        return self.runs.column("experiment")

    def cell(self, row: int, metric: str) -> Cell | None:
        """One metric of one run; None where nothing was recorded."""
        return self._cells(metric).get(row)

    def _cells(self, metric: str) -> dict[int, Cell]:
        if metric not in self._known_cells:
            self._known_cells[metric] = dict(self.metric(metric))
        return self._known_cells[metric]

    @cached_property
    def _known_cells(self) -> dict[str, dict[int, Cell]]:
        return {}

    @cached_property
    def _schema_ids(self) -> dict[str, int]:
        """Ids of the recorded schemas, each with its number; distinct schemas are few."""
        ids: dict[str, int] = {}
        for part in self.runs.index.segments:
            for text in part.codes("schema")[1]:
                ids.setdefault(text, len(ids))
        return ids

    @cached_property
    def _schemas_by_code(self) -> list[Schema | None]:
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


def open_view(workspace: Workspace, *, at: str | None = None, told: store_index.Told | None = None) -> View:
    """All runs as the work tree defines them, or as revision `at` does. Raises ConfigError, NotFoundError."""
    runs = RunSet(store_index.load(workspace.repository, told=told))
    recorded = {name for part in runs.index.segments for name in part.codes("schema")[1]}
    return View(workspace, runs, target_schemas(workspace, at, recorded))


def target_schemas(
    workspace: Workspace, at: str | None, recorded: Collection[str] = frozenset()
) -> dict[str, Schema]:
    """The schema files of a revision, or of the work tree; a bare repository has those of its HEAD.

    A file whose canonical bytes are one of the `recorded` blobs was checked when a run was recorded with it, and
    is not checked again.
    """
    parse = partial(_checked_once, workspace.repository.object_format, recorded)
    folder = workspace.schemas
    if at is None and folder is not None:
        files = (
            {path.stem: path.read_bytes() for path in sorted(folder.glob("*.json"))}
            if folder.is_dir()
            else {}
        )
        return {
            name: parse(data, name=name, what=str(folder / f"{name}.json")) for name, data in files.items()
        }
    try:
        commit = history.resolve(workspace.repository, at or "HEAD")
    except NotFoundError:
        if at is None:
            return {}
        raise
    return _schemas_at(workspace, commit, parse)


def _checked_once(
    object_format: str, recorded: Collection[str], data: bytes, *, name: str, what: str
) -> Schema:
    if recorded:
        with suppress(InputError, FormatError):
            whole = canonical.dumps(canonical.loads(data, what=what))
            if objects.make("blob", whole, object_format).id in recorded:
                return document.recorded(whole, name=name)
    return document.parse(data, name=name, what=what)


def _schemas_at(workspace: Workspace, commit: str, parse: Callable[..., Schema]) -> dict[str, Schema]:
    try:
        listed = workspace.repository.git("ls-tree", "-z", f"{commit}:{FOLDER}/schemas").decode(
            "utf-8", "replace"
        )
    except GitError:
        return {}  # no such folder then
    names = [entry.partition("\t")[2] for entry in listed.split("\0")]
    files = [name for name in names if name.endswith(".json")]
    blobs = objects.read(workspace.repository, [f"{commit}:{FOLDER}/schemas/{name}" for name in files])
    found = {}
    for name, blob in zip(files, blobs, strict=True):
        if blob is not None:
            what = f"{commit[:9]}:{FOLDER}/schemas/{name}"
            try:
                found[Path(name).stem] = parse(blob.body, name=Path(name).stem, what=what)
            except ConfigError:
                continue  # a broken schema of the past defines nothing
    return found
