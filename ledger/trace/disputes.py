"""Values that edits made at the same time disagree on: the latest counts, and readers are told that it is not the only one."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ledger.store.segment import METRICS
from ledger.trace.runset import Conflict
from ledger.trace.view import View


def rows_of(view: View, metric: str) -> frozenset[int]:
    """Rows of the runs in which a metric, or what it is made of, is in conflict."""
    return frozenset(row for row in view.runs.disputes if any(_about(view, row, metric)))


def of_metric(view: View, row: int, metric: str) -> tuple[Conflict, ...]:
    """The conflicts behind one value."""
    return tuple(_about(view, row, metric)) if row in view.runs.disputes else ()


def columns_of(view: View, row: int, names: Collection[str]) -> list[str]:
    """Those of some columns (`metrics.f1`, `params.lr`, `note`) in which a run is in conflict."""
    found = view.runs.disputes.get(row, ())
    named = {one.field[1] if one.field[0] == "run" else ".".join(one.field) for one in found}
    metrics = (name for name in names if name.startswith(f"{METRICS}.")) if found else ()
    behind = {name for name in metrics if any(_about(view, row, name.partition(".")[2]))}
    return [name for name in names if name in named or name in behind]


def _about(view: View, row: int, metric: str) -> Iterator[Conflict]:
    names = view.plans(metric)[view.schema_codes[row]].names | {metric}
    for one in view.runs.disputes[row]:
        if one.field[0] == METRICS and one.field[1] in names:
            yield one
