"""`ledger schema matrix`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, json_option

if TYPE_CHECKING:
    from ledger.trace.matrix import Matrix

_EPILOG = """\b
Examples:
  ledger schema matrix f1
  ledger schema matrix f1 --json

\b
Rows: the definition that values were recorded under. Columns: the one that they are shown under (ledger log --as).
Signs: = the same   → exact   ≈ approximate   ‖ not comparable   ? undeclared   ⚠ migrations contradict each other
"""


@click.command(epilog=_EPILOG)
@click.argument("metric")
@json_option
@click.pass_obj
def matrix(app: App, /, *, metric: str, as_json: bool) -> None:
    """Show which definitions of METRIC compare with which, and how many runs stand under each."""
    from ledger.trace.matrix import matrix as make
    from ledger.trace.targets import forward_hint

    view = app.view()
    found = make(view, metric)
    if found.forwarded:
        app.talk(forward_hint(metric, found.forwarded))
    if as_json:
        app.json(_document(found))
    else:
        app.lines(_lines(app, found))
    app.warn_of_faults(view.runs.index.faults)


def _document(found: Matrix) -> dict[str, Any]:
    return {
        "metric": found.metric,
        "definitions": [
            {
                "did": row.definition.did,
                "name": row.definition.name,
                "versions": list(row.versions),
                "current": row.current,
                "runs": row.runs,
            }
            for row in found.rows
        ],
        "grades": [[grade.value for grade in line] for line in found.grades],
    }


def _lines(app: App, found: Matrix) -> Iterator[str]:
    from ledger.render.grades import GRADES
    from ledger.render.table import Align, Cell, Column, Table, render

    terminal = app.terminal
    renamed = len({row.definition.name for row in found.rows}) > 1
    columns = (
        Column(header=found.metric),
        Column(header=""),
        Column(header="runs", align=Align.RIGHT),
        *(Column(header=row.label) for row in found.rows),
    )
    rows: list[list[Cell | str]] = [
        [
            f"{row.definition.name} {row.label}" if renamed else row.label,
            "now" if row.current else "",
            f"{row.runs:,}",
            *(
                Cell(text=GRADES[grade].text(unicode=terminal.unicode), style=GRADES[grade].style)
                for grade in line
            ),
        ]
        for row, line in zip(found.rows, found.grades, strict=True)
    ]
    yield from render(Table(columns=columns, rows=rows), terminal)
