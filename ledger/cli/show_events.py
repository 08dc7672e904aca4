"""`ledger show RUN --events`: what happened while a run went on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ledger.cli.app import App

if TYPE_CHECKING:
    from ledger.render.table import Cell
    from ledger.render.terminal import Style
    from ledger.trace.events import Event
    from ledger.trace.view import View

_STYLES: dict[str, Style] = {"debug": "dim", "warning": "warn", "error": "bad", "critical": "bad"}
_HEADERS = ("time", "level", "logger", "message", "fields")


def show_events(app: App, view: View, prefix: str, level: str | None, form: str) -> None:
    """Print the events of the run that a prefix names, those of at least a level, in one of the output formats."""
    from ledger.trace import events
    from ledger.trace.find import one_run, row_of

    print_events(app, events.of_run(view, row_of(view.runs, one_run(view.runs, prefix)), level=level), form)


def print_events(app: App, found: Sequence[Event], form: str) -> None:
    """Print events in one of the output formats."""
    from ledger.render.document import markdown_document

    if form == "json":
        app.json(asdict(one) for one in found)
        return
    rows = ([*(getattr(one, name) for name in _HEADERS[:-1]), _fields(one)] for one in found)
    if form == "csv":
        app.csv(_HEADERS, rows)
    elif form == "md":
        app.chunks(markdown_document(_HEADERS, rows))
    else:
        app.lines(_lines(app, found))


def _lines(app: App, found: Sequence[Event]) -> Iterator[str]:
    """One line an event, and under it the lines of output and of tracebacks that it brought."""
    from ledger.render.format import second
    from ledger.render.table import Cell, Column, Table, render
    from ledger.render.terminal import escape

    rows: list[list[Cell | str]] = [
        [
            second(one.time),
            Cell(text=one.level, style=_STYLES.get(one.level, "")),
            one.logger or "",
            " ".join(part for part in (one.message.replace("\n", " "), _fields(one)) if part),
        ]
        for one in found
    ]
    columns = tuple(Column(header=name) for name in ("time", "level", "logger", "message"))
    shown = [place for place in range(4) if place != 2 or any(one.logger for one in found)]  # noqa: PLR2004
    table = Table(
        columns=tuple(columns[place] for place in shown),
        rows=[[row[place] for place in shown] for row in rows],
    )
    lines = render(table, app.terminal)
    yield next(lines)
    for one, line in zip(found, lines, strict=True):
        yield line
        yield from (f"    {escape(text)}" for text in _below(one))


def _fields(one: Event) -> str:
    from ledger.render.format import plain

    return " ".join(
        f"{name}={plain(value)}" for name, value in one.fields.items() if not isinstance(value, list)
    )


def _below(one: Event) -> Iterator[str]:
    for value in one.fields.values():
        if isinstance(value, list):
            yield from map(str, value)
