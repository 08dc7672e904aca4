"""Values that a later record of their run changed: what they were first, who changed them, when and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ledger.frozen import frozen
from ledger.model import Author, Json
from ledger.store.segment import METRICS
from ledger.trace.view import View


@frozen()
class Edit:
    """What one record made of a metric; ABSENT is nothing."""

    name: str
    old: Json
    new: Json
    record: str
    author: Author
    recorded: str
    reason: str | None


def edits(view: View, run_id: str, names: Collection[str]) -> tuple[Edit, ...]:
    """Of some metrics of a run, oldest first. Raises FormatError for a record that can't be read."""
    if len(view.runs.index.exact("run", run_id)) == 1:
        return ()
    from ledger.trace.detail import records

    fields = {f"{METRICS}.{name}": name for name in names}
    return tuple(
        Edit(
            name=fields[change.field],
            old=change.old,
            new=change.new,
            record=record.record,
            author=record.author,
            recorded=record.recorded,
            reason=record.reason,
        )
        for record in records(view, run_id)
        for change in record.changes
        if change.field in fields
    )


def runs_of(view: View, metric: str) -> frozenset[int]:
    """Rows of the runs whose records do not all say the same of a metric, or of what it is made of."""
    by_run = _several(view)
    if not by_run:
        return frozenset()
    interesting = {row for rows in by_run.values() for row in rows}
    names = {metric}.union(*(view.plans(metric)[view.schema_codes[row]].names for row in interesting))
    said: dict[int, set[tuple[str, str]]] = {row: set() for row in interesting}
    for name, row, value in _values(view, names):
        if row in said:
            said[row].add((name, repr(value)))
    differing = (rows for rows in by_run.values() if len({frozenset(said[row]) for row in rows}) > 1)
    return frozenset(row for rows in differing for row in rows) - view.runs.superseded


def _several(view: View) -> dict[str, list[int]]:
    """Runs with several records that are still there, and the rows of these."""
    index, hidden = view.runs.index, view.runs.superseded
    gone = {row for record in index.dropped for row in index.exact("record", record)}
    again = {view.run_ids[row] for row in hidden - gone}
    found = {run: [row for row in index.exact("run", run) if row not in gone] for run in again}
    return {run: rows for run, rows in found.items() if len(rows) > 1}


def _values(view: View, names: Collection[str]) -> Iterator[tuple[str, int, Json]]:
    """(metric, row, value) of every record, superseded ones too."""
    for start, part in view.runs.index.starts():
        for name in names:
            if found := part.slice(METRICS, name):
                yield from ((name, start + local, value) for local, value in found.values())
