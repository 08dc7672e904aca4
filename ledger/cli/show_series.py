"""`ledger show RUN --history`: the series of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ledger.cli.app import App
from ledger.cli.show import escaped

if TYPE_CHECKING:
    from ledger.model import Grade
    from ledger.render.table import Cell
    from ledger.trace.series import Point
    from ledger.trace.view import View


def show_series(
    app: App, view: View, prefix: str, metric: str | None, form: str, *, all_attempts: bool
) -> frozenset[str]:
    """Print the series of the run that a prefix names, all or one of them, in one of the output formats.

    Returns those that hold values which do not count.
    """
    from ledger.model import Grade
    from ledger.render.document import csv_document, markdown_document
    from ledger.trace.find import one_run, row_of
    from ledger.trace.series import points

    row = row_of(view.runs, one_run(view.runs, prefix))
    found = points(view, row, metric, all_attempts=all_attempts)
    headers = ["metric", "step", "time", "value"]
    if any(point.context is not None for point in found):
        headers.append("context")
    if all_attempts and any(point.attempt is not None for point in found):
        headers.append("attempt")
    if any(point.grade is not Grade.IDENTICAL for point in found):
        headers.append("grade")
    apart = frozenset(point.metric for point in found if point.recorded is not None)
    if apart:
        headers.append("recorded")
    rows = ([getattr(point, name) for name in headers] for point in found)
    if form == "json":
        app.json({name: getattr(point, name) for name in headers} for point in found)
    elif form == "csv":
        app.chunks(csv_document(headers, rows, escaped=sys.stdout.isatty()))
    elif form == "md":
        app.chunks(markdown_document(headers, rows))
    else:
        app.lines(_series_lines(app, found, all_attempts=all_attempts))
    return apart


def _series_lines(app: App, found: Sequence[Point], *, all_attempts: bool) -> Iterator[str]:
    """One line a series: how it went; then every point."""
    from ledger.model import Grade
    from ledger.render.format import minute, number
    from ledger.render.grades import GRADES
    from ledger.render.spark import sparkline
    from ledger.render.table import Align, Column, Table, render

    series: dict[tuple[str, Grade], list[float | None]] = {}
    for point in found:
        series.setdefault((point.metric, point.grade), []).append(_number(point))
    for (name, grade), values in series.items():
        drawn = sparkline(values, unicode=app.terminal.unicode)
        said = "" if grade is Grade.IDENTICAL else f"  {_sign(app, grade)} {GRADES[grade].words}"
        ends = f"{number(values[0])} .. {number(values[-1])} over {len(values):,} points"
        yield f"{escaped(name)}  {drawn}  {ends}{said}"
    yield ""
    columns = {
        "metric": Column(header="metric", shrink=1),
        "step": Column(header="step", align=Align.RIGHT),
        "value": Column(header="value", align=Align.POINT),
        "time": Column(header="time"),
        "context": Column(header="context", shrink=2),
        **({"attempt": Column(header="attempt", align=Align.RIGHT)} if all_attempts else {}),
    }
    shown = [name for name in columns if name == "value" or any(getattr(p, name) is not None for p in found)]
    texts = (
        {
            "metric": p.metric,
            "step": number(p.step),
            "value": _point_value(app, p),
            "time": minute(p.time),
            "context": p.context,
            "attempt": number(p.attempt),
        }
        for p in found
    )
    rows = ([text[name] or "" for name in shown] for text in texts)
    yield from render(Table(columns=tuple(columns[name] for name in shown), rows=rows), app.terminal)


def _sign(app: App, grade: Grade) -> str:
    from ledger.render.grades import GRADES

    return GRADES[grade].text(unicode=app.terminal.unicode)


def _point_value(app: App, point: Point) -> Cell | str:
    """In parentheses where it does not compare."""
    from ledger.model import Grade
    from ledger.render.format import number
    from ledger.render.table import Cell

    text = number(_number(point)) or "null"
    if point.grade is Grade.IDENTICAL:
        return text
    shown = text if point.recorded is None else f"({text})"
    return Cell(text=shown, mark=_sign(app, point.grade), style="" if point.recorded is None else "dim")


def _number(point: Point) -> float | None:
    return point.value if point.recorded is None else point.recorded
