"""Values that edits made at the same time disagree on: the latest counts, and readers are told that it is not the only one."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ledger.store.segment import METRICS, PARAMS
from ledger.trace.params import Params
from ledger.trace.runset import ABSENT, Conflict
from ledger.trace.view import View


def rows_of(view: View, metric: str) -> frozenset[int]:
    """Rows of the runs in which a metric, or what it is made of, is in conflict."""
    return frozenset(row for row in view.runs.disputes if any(_about(view, row, metric)))


def of_metric(view: View, row: int, metric: str) -> tuple[Conflict, ...]:
    """The conflicts behind one value."""
    return tuple(_about(view, row, metric)) if row in view.runs.disputes else ()


def columns_of(view: View, rows: Collection[int], names: Collection[str]) -> dict[int, list[str]]:
    """Rows of runs in conflict, with those of some columns (`metrics.f1`, `params.lr`, `note`) that it is about."""
    params = Params(view)
    found = {
        row: [name for name in names if _is_about(view, params, row, name)]
        for row in rows
        if row in view.runs.disputes
    }
    return {row: about for row, about in found.items() if about}


def _is_about(view: View, params: Params, row: int, column: str) -> bool:
    fields = {one.field for one in view.runs.disputes[row]}
    group, _, name = column.partition(".")
    if group == METRICS:
        return any(_about(view, row, name))
    if group == PARAMS:
        moved = view.runs.params is not None and view.runs.params(name).get(row) is ABSENT
        return not moved and any((PARAMS, one) in fields for one in params.behind(row, name))
    return ((group, name) if name else ("run", column)) in fields


def _about(view: View, row: int, metric: str) -> Iterator[Conflict]:
    names = view.plans(metric)[view.schema_codes[row]].names | {metric}
    for one in view.runs.disputes[row]:
        if one.field[0] == METRICS and one.field[1] in names:
            yield one
