"""One run whole: what it says now, what each of its records changed, and where its code is in the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.errors import NotFoundError
from ledger.git import history, objects
from ledger.git.history import CodeCommit, Range
from ledger.git.process import Repository
from ledger.model import Author, Json, Record
from ledger.schema.definition import Definition
from ledger.store import codec
from ledger.store.load import Place, record_at
from ledger.store.segment import METRICS, flatten
from ledger.trace import targets
from ledger.trace.attach import Attacher, Attachment
from ledger.trace.find import one_run, records_of, row_of
from ledger.trace.runset import ABSENT, Conflict, Field, as_recorded, same
from ledger.trace.view import MISSING, Cell, View

_FILES = (codec.RUN, codec.PARAMS, codec.METRICS)
_OF_THE_RECORD = ("format", "id", "record", "base", "merges", "settles", "recorded", "author", "reason")
"""Keys of `run.json` that say something about the record, not about the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a record made of one field: `params.lr`, `metrics.f1`, `tags.stage`, `status`. ABSENT is nothing."""

    field: str
    old: Json
    new: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDetail:
    record: str
    base: str | None
    merges: tuple[str, ...]
    """Further records that it was made from."""
    settles: tuple[str, ...]
    """Fields in conflict whose value it confirms."""
    recorded: str
    author: Author
    reason: str | None
    ref: str
    commit: str
    """Empty while the record is sealed but not on its chain."""
    changes: tuple[Change, ...]
    """Against what its base and merges say together; nothing for a first record, and for one whose base is not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDetail:
    cell: Cell
    target: Definition
    recorded: Definition | None
    """What the run's own schema says; None where it declares nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    row: int
    run: Mapping[str, Json]
    """`run.json`, with what merged edits changed."""
    params: Mapping[str, Json]
    """Nested as they were recorded."""
    metrics: Mapping[str, MetricDetail]
    records: tuple[RecordDetail, ...]
    """Oldest first."""
    conflicts: tuple[Conflict, ...]
    attachment: Attachment
    attached: CodeCommit | None

    @property
    def id(self) -> str:
        return str(self.run["id"])


def detail(view: View, prefix: str) -> Detail:
    """The run that a prefix of its id names. Raises UsageError, NotFoundError, AmbiguousError, FormatError."""
    run_id = one_run(view.runs, prefix)
    row = row_of(view.runs, run_id)
    documents = _documents(view, records_of(view.runs, run_id))
    whole = documents[row]
    attachment, commit = attached(view, row)
    return Detail(
        row=row,
        run=_merged_run(view, row, whole),
        params=_merged_params(view, row, whole),
        metrics=metrics(view, row),
        records=tuple(_records(view, documents)),
        conflicts=tuple(map(_readable, view.runs.conflicts_of(row))),
        attachment=attachment,
        attached=commit,
    )


def metrics(view: View, row: int) -> dict[str, MetricDetail]:
    """The metrics of a run, each under the definition that its name has now; old names only where none took over."""
    names = {name for group, name in view.runs.run_fields(row) if group == METRICS}
    recorded = {name for name in names if not targets.taken_over(view, row, name)}
    declared = {name for schema in view.schemas.values() for name in schema.metrics} - recorded
    cells = {name: view.cell(row, name) or MISSING for name in sorted(recorded | declared)}
    return {
        name: MetricDetail(cell=cell, target=view.target(name), recorded=view.definition(row, name))
        for name, cell in cells.items()
        if name in recorded or cell.value is not None
    }


def attached(view: View, row: int) -> tuple[Attachment, CodeCommit | None]:
    """Where a run belongs among all that HEAD, branches and tags reach."""
    repository = view.workspace.repository
    commits = history.walk(repository, _everywhere(repository), options=("--topo-order",))
    found = Attacher(repository, commits, view.workspace.config.code_paths).row(view.runs, row)
    return found, next((commit for commit in commits if commit.id == found.commit), None)


def _everywhere(repository: Repository) -> Range:
    try:
        return history.resolve_range(repository, ("HEAD",), everything=True)
    except NotFoundError:  # a HEAD without a commit: there may be other branches
        return history.resolve_range(repository, (), everything=True)


def _documents(view: View, rows: Sequence[int]) -> dict[int, Record]:
    """The records of some rows, without their series: one conversation with git for all that are chained."""
    repository = view.workspace.repository
    columns = {row: view.runs.record_columns(row) for row in rows}
    chained = {row: found["commit"] for row, found in columns.items() if found["commit"]}
    names = [f"{commit}:{name}" for commit in chained.values() for name in _FILES]
    blobs = iter(objects.read(repository, names))
    read = {row: {name: next(blobs) for name in _FILES} for row in chained}
    found = {}
    for row in rows:
        content = {name: blob.body for name, blob in read.get(row, {}).items() if blob is not None}
        if row in chained:
            found[row] = codec.record(content, what=chained[row][:12])
        else:
            found[row] = record_at(repository, Place(record=columns[row]["record"], ref=columns[row]["ref"]))
    return found


def _records(view: View, documents: Mapping[int, Record]) -> list[RecordDetail]:
    by_id = {record.run.record: row for row, record in documents.items()}
    found = []
    for row, record in documents.items():
        columns = view.runs.record_columns(row)
        base = by_id.get(record.run.base or "")
        before = _before(view, documents[base], base, row) if base is not None else {}
        found.append(
            RecordDetail(
                record=record.run.record,
                base=record.run.base,
                merges=record.run.merges,
                settles=record.run.settles,
                recorded=record.run.recorded,
                author=record.run.author,
                reason=record.run.reason,
                ref=columns["ref"],
                commit=columns["commit"] or "",
                changes=_changes(before, _said(record)) if base is not None else (),
            )
        )
    return found


def _before(view: View, base: Record, base_row: int, row: int) -> dict[str, Json]:
    """What a record's base says, and the records that it merges."""
    said = _said(base)
    columns = view.runs.record_columns(row)
    if columns["merges"]:
        own, together = view.runs.fields(base_row), view.runs.lineage(columns["run_id"]).before(row).values
        for field in own.keys() | together.keys():
            value = together.get(field, ABSENT)
            if not same(value, own.get(field, ABSENT)):
                said[".".join(field).removeprefix("run.")] = as_recorded(field, value)
    return said


def _changes(before: Mapping[str, Json], after: Mapping[str, Json]) -> tuple[Change, ...]:
    pairs = ((name, before.get(name, ABSENT), after.get(name, ABSENT)) for name in sorted({*before, *after}))
    return tuple(Change(field=name, old=one, new=other) for name, one, other in pairs if not same(one, other))


def _said(record: Record) -> dict[str, Json]:
    document: dict[str, Any] = codec.run_document(record.run)
    own = {key: value for key, value in document.items() if key not in _OF_THE_RECORD}
    return flatten({**own, "params": dict(record.params), "metrics": dict(record.metrics)})


def _overridden(view: View, row: int) -> dict[Field, Json]:
    """Fields in which the merged run says something else than its row."""
    own, whole = view.runs.fields(row), view.runs.run_fields(row)
    return {
        field: value
        for field in own.keys() | whole.keys()
        if not same(value := whole.get(field, ABSENT), own.get(field, ABSENT))
    }


def _merged_run(view: View, row: int, record: Record) -> dict[str, Json]:
    document: dict[str, Any] = codec.run_document(record.run)
    tags = dict(document.get("tags", {}))
    for (group, name), value in _overridden(view, row).items():
        if group in ("run", "tags"):
            place = document if group == "run" else tags
            place[name] = as_recorded((group, name), value)
    document = {key: value for key, value in document.items() if value is not ABSENT}
    tags = {key: value for key, value in tags.items() if value is not ABSENT}
    return {**document, "tags": tags} if tags else {k: v for k, v in document.items() if k != "tags"}


def _merged_params(view: View, row: int, record: Record) -> dict[str, Json]:
    changed = {name: value for (group, name), value in _overridden(view, row).items() if group == "params"}
    return overlaid(record.params, changed)


def overlaid(params: Mapping[str, Json], changed: Mapping[str, Json]) -> dict[str, Json]:
    """Nested params with some replaced or taken away (ABSENT) by flat name; new ones come under that name."""
    left = dict(changed)
    found = {**_inside(params, "", left), **left}
    return {name: value for name, value in found.items() if value is not ABSENT}


def _inside(node: Mapping[str, Json], prefix: str, left: dict[str, Json]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in node.items():
        if isinstance(value, dict) and value:
            found[key] = _inside(value, f"{prefix}{key}.", left) or ABSENT
        else:
            found[key] = left.pop(prefix + key, value)
    return {key: value for key, value in found.items() if value is not ABSENT}


def records(view: View, run_id: str) -> tuple[RecordDetail, ...]:
    """What each record of a run changed, oldest first. Raises FormatError."""
    return tuple(_records(view, _documents(view, records_of(view.runs, run_id))))


def _readable(conflict: Conflict) -> Conflict:
    values = tuple(as_recorded(conflict.field, value) for value in conflict.values)
    return Conflict(run_id=conflict.run_id, field=conflict.field, values=values, records=conflict.records)
