"""Where values of one column stop being comparable, and what says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from ledger.frozen import frozen
from ledger.model import Grade
from ledger.schema.definition import Definition
from ledger.schema.lineage import compare
from ledger.schema.plan import Step
from ledger.trace.log_rows import LogCell, LogRow, Partition
from ledger.trace.view import View

_APART = frozenset({Grade.INCOMPARABLE, Grade.UNDECLARED})


@frozen()
class Break:
    """Between two neighbours of one column, values stop being comparable."""

    metric: str
    newer: str
    older: str
    reason: str
    migration: str | None = None
    """Id of the migration that says so."""
    file: str | None = None
    partition: Partition = ()


def breaks(view: View, rows: Sequence[LogRow], metrics: Sequence[str]) -> Iterable[Break]:
    """Neighbours of a column, within one partition, of which at least one stands in another frame than the target."""
    for name in metrics:
        for partition in dict.fromkeys(row.partition for row in rows):
            mine = [
                (row, row.cells[name]) for row in rows if row.partition == partition and name in row.cells
            ]
            valued = [(row, cell) for row, cell in mine if cell.comparable or cell.grade in _APART]
            for (newer, one), (older, other) in pairwise(valued):
                if one.frame != other.frame and not (one.comparable and other.comparable):
                    yield _break(view, name, newer, older)


def _break(view: View, name: str, newer: LogRow, older: LogRow) -> Break:
    """What lies between two neighbours: the breaks that the older one has and the newer one has not."""
    after, before = (_steps(view, name, row.cells[name]) for row in (newer, older))
    apart = older.cells[name] if not older.cells[name].comparable else newer.cells[name]
    between = [step for step in before if step not in after] if apart is older.cells[name] else list(after)
    return Break(
        metric=name,
        newer=newer.commit.id,
        older=older.commit.id,
        reason="; ".join(dict.fromkeys(step.reason for step in between if step.reason))
        or _unexplained(view, name, newer, older)
        or apart.reason,
        migration=between[-1].migration if between else None,
        file=between[-1].file if between else None,
        partition=newer.partition,
    )


def _unexplained(view: View, name: str, newer: LogRow, older: LogRow) -> str:
    """What differs from the older definition to the newer one; nothing where a cell has another reason than that."""
    cells = [row.cells[name] for row in (older, newer)]
    before, after = (_definition(view, name, cell) for cell in cells)
    if before is None or after is None:
        return ""
    target = view.target(name)
    told = zip((before, after), cells, strict=True)
    plain = all(one.did == target.did or compare(one, target).reason == cell.reason for one, cell in told)
    return compare(before, after).reason if plain else ""


def _definition(view: View, name: str, cell: LogCell) -> Definition | None:
    """What a value means; None where no schema says so."""
    if cell.comparable:
        return view.target(name)
    plan = view.plan(cell.row, name) if cell.row is not None else None
    return plan.source if plan and plan.source and plan.source.declared else None


def _steps(view: View, name: str, cell: LogCell) -> tuple[Step, ...]:
    if cell.comparable or cell.row is None:
        return ()
    return view.plan(cell.row, name).breaks
