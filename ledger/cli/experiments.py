"""`ledger experiments`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from ledger.cli import running
from ledger.cli.app import App, one_output, table_options
from ledger.cli.best import best_cell, dispute_told, disputed
from ledger.cli.viewing import Viewing, current, view_options
from ledger.errors import NotFoundError, did_you_mean
from ledger.model import utc_text_of
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.render.table import Cell
    from ledger.trace.experiments import Experiment
    from ledger.trace.view import View

_MOST_METRICS = 3
_EPILOG = """\b
Examples:
  ledger experiments
  ledger experiments -m f1 -m loss
  ledger experiments --json

\b
States: open      its branch stands, and the default branch lacks its tip
        merged    the default branch reaches its tip
        squashed  the default branch has its changes as other commits
        deleted   its branch is gone, and its changes are nowhere on the default branch
        -         no branch was ever called so
"""


@click.command(epilog=_EPILOG)
@click.option(
    "-m", "--metric", "metrics", multiple=True, metavar="NAME", help="Show its best value; again for more."
)
@view_options()
@table_options
@click.pass_obj
def experiments(
    app: App, /, *, metrics: tuple[str, ...], viewing: Viewing, as_json: bool, as_csv: bool, as_md: bool
) -> None:
    """List experiments, the latest active first: what became of their branches, counts, best values.

    A best value is one by the metric's direction, among values that compare; without a direction it is that of the run
    that finished last. Runs of a deleted branch stay where they are.
    """
    from ledger.trace.experiments import experiments as find

    form = one_output(json=as_json, csv=as_csv, md=as_md)
    view = viewing.open_all(app)
    names = chosen(app, view, metrics)
    found = find(view, names)
    if form == "json":
        app.json([_document(view, one) for one in found])
    elif form == "text":
        app.lines(_lines(app, view, found, names))
    else:
        _flat(app, found, names, form)
    viewing.tell(app, view, names)
    running.tell(app)
    app.warn_of_faults(view.runs.index.faults)
    viewing.require(lambda: {name for one in found for name, best in one.best.items() if best and best.apart})


def chosen(app: App, view: View, asked: Sequence[str]) -> list[str]:
    """The metrics asked for, else those of the configuration, else the first that are declared and were recorded."""
    from ledger.trace.targets import require

    known = view.runs.index.names("metrics")
    declared = view.declared_metrics()
    for name in asked:
        if name not in known and name not in declared:
            hint = did_you_mean(name, [*known, *declared], f"recorded: {', '.join(known[:12])}")
            raise NotFoundError(f"no run has a metric {name!r}", hint=hint)
    asked = [current(app, view, name) for name in asked]
    require(view, asked)
    configured = [name for name in app.workspace.config.log_metrics if name in known]
    recorded = [name for name in declared if name in known and view.target(name).direction]
    return list(dict.fromkeys(asked)) or configured or recorded[:_MOST_METRICS]


def _active(one: Experiment) -> str | None:
    """RFC 3339 text."""
    return utc_text_of(one.active) if one.active is not None else None


def _document(view: View, one: Experiment) -> dict[str, Any]:
    return {
        "experiment": one.name,
        "state": one.state,
        "runs": len(one.rows),
        "commits": one.commits,
        "tip": one.tip,
        "attached": {"commit": one.attached.commit, "level": one.attached.level.value},
        "active": _active(one),
        "best": {
            name: {
                "value": best.best if best else None,
                "run_id": view.run_ids[best.row] if best and best.row is not None else None,
                "count": best.count if best else 0,
                "left_out": best.left_out if best else 0,
                "reason": "" if best else parted_reason(view, name),
                **disputed(view, name, best.row if best else None),
            }
            for name, best in one.best.items()
        },
    }


def parted_reason(view: View, metric: str) -> str:
    """Why values of several partitions have no best."""
    return f"values compare only within one {', '.join(sorted(view.target(metric).partition))}"


def _lines(app: App, view: View, found: Sequence[Experiment], names: Sequence[str]) -> Iterator[str]:
    from ledger.render.format import ago
    from ledger.render.table import Align, Cell, Column, Table, render

    if not found:
        yield "no runs yet: ledger record --help"
        return
    columns = (
        Column(header="experiment", shrink=1),
        Column(header="state"),
        Column(header="runs", align=Align.RIGHT),
        Column(header="commits", align=Align.RIGHT),
        *(Column(header=f"best {name}", align=Align.POINT) for name in names),
        Column(header="active"),
    )
    now = app.workspace.now()
    rows: list[list[Cell | str]] = [
        [
            Cell(text=one.name, style="id"),
            one.state or "-",
            f"{len(one.rows):,}",
            f"{one.commits:,}",
            *(best_cell(view, name, one.best[name]) for name in names),
            ago(_active(one), now),
        ]
        for one in found
    ]
    yield from render(Table(columns=columns, rows=rows), app.terminal)
    for name in names:
        spreads = [best for one in found if (best := one.best[name])]
        apart, left_out = sum(one.apart for one in spreads), sum(one.left_out for one in spreads)
        for count, why in ((apart, "does not compare"), (left_out - apart, "is not finite")):
            if count:
                yield f"{counted(count, 'run')} left out: {name} {why} there"
        if any(one.best[name] is None for one in found):
            yield f"* {name}: {parted_reason(view, name)}"
        yield from dispute_told(view, name, spreads)


def _flat(app: App, found: Sequence[Experiment], names: Sequence[str], form: str) -> None:
    from ledger.render.document import markdown_document

    headers = ["experiment", "state", "runs", "commits", "active", *names]
    rows = (
        [
            one.name,
            one.state or "",
            len(one.rows),
            one.commits,
            _active(one) or "",
            *(best.best if (best := one.best[name]) else None for name in names),
        ]
        for one in found
    )
    if form == "csv":
        app.csv(headers, rows)
    else:
        app.chunks(markdown_document(headers, rows))
