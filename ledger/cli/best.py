"""The best value of an experiment, marked where edits of its run disagree on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.render.table import Cell
    from ledger.trace.spread import Spread
    from ledger.trace.view import View


def disputed(view: View, metric: str, row: int | None) -> dict[str, list[str]]:
    """The run behind a value, for JSON, where its edits disagree on it; else nothing."""
    from ledger.trace import disputes

    if row is None or not disputes.of_metric(view, row, metric):
        return {}
    return {"conflicts": [view.run_ids[row]]}


def best_cell(view: View, metric: str, best: Spread | None) -> Cell | str:
    """For a table; an asterisk where values compare within partitions only."""
    from ledger.render.format import number
    from ledger.render.grades import DISPUTED
    from ledger.render.table import Cell

    if best is None:
        return "*"
    shown = number(best.best)
    return Cell(text=shown, mark=DISPUTED, mark_style="warn") if disputed(view, metric, best.row) else shown


def dispute_told(view: View, metric: str, spreads: Iterable[Spread]) -> Iterator[str]:
    """What the mark means, below a table that has it."""
    from ledger.render.grades import DISPUTED
    from ledger.render.terminal import escape

    if any(disputed(view, metric, best.row) for best in spreads):
        yield f"{DISPUTED} edits disagree on {escape(metric)}, the latest counts: ledger show RUN"
