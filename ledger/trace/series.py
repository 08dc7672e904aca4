"""The series of runs, read back: of one run, or of thousands one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

from ledger.errors import FormatError, LedgerError, NotFoundError
from ledger.git import objects
from ledger.git.objects import Reader
from ledger.model import StoreFault, utc_text
from ledger.store import codec, history
from ledger.store.load import Place, files_at, record_at
from ledger.trace.view import View

SeriesTable: TypeAlias = Any
"""The long Arrow table of `ledger.store.history`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    metric: str
    step: int | None
    time: str | None
    """RFC 3339."""
    value: float | None
    context: str | None


def points(view: View, row: int, metric: str | None = None) -> list[Point]:
    """The series of one run, all or one of them, in the order of their source. Raises NotFoundError, FormatError."""
    table = of_run(view, row)
    names = history.series_names(table) if table is not None else []
    if not names:
        raise NotFoundError("this run has no series", hint="ledger record --history FILE records them")
    if metric is not None and metric not in names:
        near = get_close_matches(metric, names, n=3)
        listed = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names[:12])}"
        raise NotFoundError(f"this run has no series {metric!r}", hint=listed)
    return list(_points(table, metric))


def _points(table: SeriesTable, metric: str | None) -> Iterator[Point]:
    for batch in table.to_batches(max_chunksize=10_000):
        for point in batch.to_pylist():
            if metric in (None, point["metric"]):
                moment = point["time"]
                yield Point(
                    metric=point["metric"],
                    step=point["step"],
                    time=utc_text(moment) if moment else None,
                    value=point["value"],
                    context=point.get("context"),
                )


def of_run(view: View, row: int) -> SeriesTable | None:
    """The table of series of one run; None where it has none. Raises FormatError that names the commit."""
    columns = view.runs.record_columns(row)
    if not columns["history"]:
        return None
    repository = view.workspace.repository
    place = Place(record=columns["record"], ref=columns["ref"], commit=columns["commit"] or "")
    if place.commit:
        content = files_at(repository, place.commit)
        return _decoded(
            {name: data for name, data in content.items() if codec.HISTORY.fullmatch(name)}, place
        )
    return _decoded(dict(record_at(repository, place).history), place)


def _decoded(parts: dict[str, bytes], place: Place) -> SeriesTable:
    try:
        return history.decode(parts)
    except FormatError as error:
        where = place.commit[:12] or f"sealed record {place.record[:12]}"
        raise FormatError(f"{where}: {error.message}", hint=error.hint) from error


def of_runs(view: View, rows: Sequence[int], faults: list[StoreFault]) -> Iterator[tuple[int, SeriesTable]]:
    """(row, series) of each run that has any, read one run at a time. What can't be read is added to `faults`."""
    repository = view.workspace.repository
    records, refs, commits, has_series = map(view.runs.column, ("record", "ref", "commit", "history"))
    wanted = [
        (row, Place(record=records[row], ref=refs[row], commit=commits[row] or ""))
        for row in rows
        if has_series[row]
    ]
    if not wanted:
        return
    with objects.reader(repository, max_bytes=codec.MAX_HISTORY_BYTES) as bulk:
        for row, place in wanted:
            try:
                yield row, _decoded(_parts(view, bulk, place), place)
            except LedgerError as error:
                faults.append(
                    StoreFault(ref=place.ref, commit=place.commit, path="history.parquet", what=error.message)
                )


def _parts(view: View, bulk: Reader, place: Place) -> dict[str, bytes]:
    repository = view.workspace.repository
    if not place.commit:
        return dict(record_at(repository, place).history)
    tree = bulk.read([f"{place.commit}^{{tree}}"])[0]
    if tree is None:
        raise FormatError(f"{place.commit[:12]} can't be read", hint="`ledger verify` says what is wrong")
    entries = objects.parse_tree(tree.body, repository.object_format)
    parts = [entry for entry in entries if codec.HISTORY.fullmatch(entry.name)]
    found = bulk.read([entry.id for entry in parts])
    for entry, blob in zip(parts, found, strict=True):
        if blob is None:
            raise FormatError(f"{place.commit[:12]}: {entry.name} is missing or too large")
    return {entry.name: blob.body for entry, blob in zip(parts, found, strict=True) if blob is not None}
