"""A metric along the history of the code: one row a commit, newest first, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.frozen import frozen
from ledger.git import history
from ledger.schema.definition import Definition
from ledger.trace import left_out, log_breaks, log_rows, metric_column
from ledger.trace.ahead import Ahead, begin
from ledger.trace.attach import Attacher
from ledger.trace.left_out import LeftOut
from ledger.trace.log_breaks import Break
from ledger.trace.log_rows import LogRow, Partition
from ledger.trace.view import View


@frozen()
class Query:
    """What to trace: metrics, and revisions, paths and filters as `git log` takes them."""

    metrics: tuple[str, ...]
    revisions: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    everything: bool = False
    options: tuple[str, ...] = ()
    """git's own, from a closed list: --first-parent, --since=..., --author=..., -n..."""
    aggregate: str | None = None
    """best, last, mean, median, min or max; None: best where the metric has a direction, else last."""
    only_valued: bool = False


@frozen()
class Log:
    metrics: tuple[str, ...]
    targets: Mapping[str, Definition]
    aggregates: Mapping[str, str]
    """What stands for several runs of one commit, by metric."""
    rows: tuple[LogRow, ...]
    breaks: tuple[Break, ...]
    left_out: LeftOut
    unattached_rows: tuple[int, ...] = ()

    def series(self, metric: str) -> dict[Partition, list[float | None]]:
        """Comparable values, oldest first, within each partition: what sparklines show."""
        found: dict[Partition, list[float | None]] = {}
        for row in reversed(self.rows):
            cell = row.cells.get(metric)
            if cell and cell.comparable and cell.value is not None:
                found.setdefault(row.partition, []).append(float(cell.value))
        return found


def trace(view: View, query: Query, ahead: Ahead | None = None) -> Log:
    """Walk the history, or take what is read of it already, and hang the runs on it.

    Raises NotFoundError, UsageError.
    """
    if ahead is None:
        with begin(view.workspace.repository, query.revisions, everything=query.everything) as begun:
            return trace(view, query, begun)
    repository, span = view.workspace.repository, ahead.span
    columns = {name: metric_column.read(view, name, query.aggregate) for name in query.metrics}
    reached = ahead.reached()
    narrowed = bool(span.exclude or query.paths or query.options)
    shown = history.walk(repository, span, options=query.options, paths=query.paths) if narrowed else reached
    attacher = Attacher(repository, reached, view.workspace.config.code_paths)
    members = log_rows.members(view, attacher)
    rows = log_rows.with_drift(view, log_rows.of_commits(view, shown, members, columns), columns)
    shown_ids = {commit.id for commit in shown}
    return Log(
        metrics=query.metrics,
        targets={name: column.target for name, column in columns.items()},
        aggregates={name: column.aggregate for name, column in columns.items()},
        rows=tuple(row for row in rows if row.cells or not query.only_valued),
        breaks=tuple(log_breaks.breaks(view, rows, query.metrics)),
        left_out=left_out.count(members, shown_ids, rows, columns),
        unattached_rows=tuple(sorted(row for _, group in members.get(None, ()) for row in group)),
    )
