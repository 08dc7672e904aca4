"""`ledger show RUN --history`: the series of a run, of a million points in a second or two."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ledger.cli.app import App

if TYPE_CHECKING:
    from ledger.render.table import Cell
    from ledger.trace.readings import SeriesTable
    from ledger.trace.view import View

_IDENTICAL = "identical"


def show_series(
    app: App, view: View, prefix: str, metric: str | None, form: str, *, all_attempts: bool
) -> frozenset[str]:
    """Print the series of the run that a prefix names, all or one of them, in one of the output formats.

    Returns those that hold values which do not count.
    """
    from ledger.trace import series
    from ledger.trace.find import one_run, row_of

    row = row_of(view.runs, one_run(view.runs, prefix))
    found = series.table(view, row, [metric] if metric is not None else None, all_attempts=all_attempts)
    print_series(app, found, form, all_attempts=all_attempts)
    return frozenset(series.apart(found))


def print_series(app: App, found: SeriesTable, form: str, *, all_attempts: bool) -> None:
    """Print a table of series in one of the output formats."""
    from ledger.render.columns import csv_columns, json_columns
    from ledger.render.document import markdown_document
    from ledger.render.terminal import holds_unicode

    headers = _headers(found, all_attempts=all_attempts)
    if form == "json":
        sys.stdout.writelines(json_columns(headers, _chunks(found), ascii_only=not holds_unicode(sys.stdout)))
    elif form == "csv":
        app.chunks(csv_columns(headers, _chunks(found), escaped=sys.stdout.isatty()))
    elif form == "md":
        rows = (
            row for chunk in _chunks(found) for row in zip(*(chunk[name] for name in headers), strict=True)
        )
        app.chunks(markdown_document(headers, rows))
    else:
        app.lines(_series_lines(app, found, all_attempts=all_attempts))


def _headers(found: SeriesTable, *, all_attempts: bool) -> list[str]:
    """Columns that say nothing are left out."""
    told = [name for name in ("context", *(["attempt"] if all_attempts else [])) if _says(found, name)]
    if "grade" in found.column_names:
        grades = set(found.column("grade").unique().to_pylist())
        told += ["grade"] if grades - {None, _IDENTICAL} else []
    return ["metric", "step", "time", "value", *told, *(["recorded"] if _says(found, "recorded") else [])]


def _says(found: SeriesTable, name: str) -> bool:
    return name in found.column_names and found.column(name).null_count < found.num_rows


def _chunks(found: SeriesTable) -> Iterator[dict[str, Any]]:
    from ledger.store.history import chunks

    for chunk in chunks(found):
        grades = chunk.get("grade", [])
        yield {**chunk, "grade": [grade or _IDENTICAL for grade in grades]} if None in grades else chunk


def _series_lines(app: App, found: SeriesTable, *, all_attempts: bool) -> Iterator[str]:
    """One line a series: how it went; then every point."""
    from ledger.render.table import Align, Column, Table, render

    yield from _summary(app, found)
    yield ""
    columns = {
        "metric": Column(header="metric", shrink=1),
        "step": Column(header="step", align=Align.RIGHT),
        "value": Column(header="value", align=Align.POINT),
        "time": Column(header="time"),
        "context": Column(header="context", shrink=2),
        **({"attempt": Column(header="attempt", align=Align.RIGHT)} if all_attempts else {}),
    }
    shown = [name for name in columns if name == "value" or _says(found, name)]
    rows = (row for chunk in _chunks(found) for row in _rows(app, chunk, shown))
    yield from render(Table(columns=tuple(columns[name] for name in shown), rows=rows), app.terminal)


def _summary(app: App, found: SeriesTable) -> Iterator[str]:
    from ledger.model import Grade
    from ledger.render.format import counted, number
    from ledger.render.grades import GRADES
    from ledger.render.spark import sparkline
    from ledger.render.terminal import escape

    series: dict[tuple[str, str], list[float | None]] = {}
    needed = [name for name in ("metric", "grade", "value", "recorded") if name in found.column_names]
    for chunk in _chunks(found.select(needed)):
        grades = chunk.get("grade") or [_IDENTICAL] * len(chunk["metric"])
        keys = list(zip(chunk["metric"], grades, strict=True))
        if len(set(keys)) == 1:
            series.setdefault(keys[0], []).extend(_values(chunk))
            continue
        for key, value in zip(keys, _values(chunk), strict=True):
            series.setdefault(key, []).append(value)
    for (name, grade), values in series.items():
        drawn = sparkline(values, unicode=app.terminal.unicode)
        said = "" if grade == _IDENTICAL else f"  {_sign(app, grade)} {GRADES[Grade(grade)].words}"
        ends = f"{number(values[0])} .. {number(values[-1])} over {counted(len(values), 'point')}"
        yield f"{escape(name)}  {drawn}  {ends}{said}"


def _values(chunk: Mapping[str, Any]) -> Sequence[float | None]:
    """What was recorded, where that does not count."""
    values: list[float | None] = chunk["value"]
    if "recorded" not in chunk:
        return values
    return [value if own is None else own for value, own in zip(values, chunk["recorded"], strict=True)]


def _rows(app: App, chunk: Mapping[str, Any], shown: Iterable[str]) -> Iterator[tuple[Cell | str, ...]]:
    from ledger.render.format import numbers

    columns: dict[str, Callable[[], Sequence[Cell | str]]] = {
        "metric": lambda: chunk["metric"],
        "step": lambda: numbers(chunk["step"]),
        "value": lambda: _cells(app, chunk),
        "time": lambda: [f"{time[:10]} {time[11:16]}" if time else "" for time in chunk["time"]],
        "context": lambda: [context or "" for context in chunk["context"]],
        "attempt": lambda: numbers(chunk["attempt"]),
    }
    return zip(*(columns[name]() for name in shown), strict=True)


def _cells(app: App, chunk: Mapping[str, Any]) -> Sequence[Cell | str]:
    """The values, in parentheses where they do not compare."""
    from ledger.render.format import numbers
    from ledger.render.table import Cell

    texts = [text or "null" for text in numbers(_values(chunk))]
    if "grade" not in chunk:
        return texts
    signs = {grade: _sign(app, grade) for grade in set(chunk["grade"])}
    aside = chunk.get("recorded") or [None] * len(texts)
    return [
        text
        if grade == _IDENTICAL
        else Cell(text=text, mark=signs[grade])
        if own is None
        else Cell(text=f"({text})", mark=signs[grade], style="dim")
        for text, grade, own in zip(texts, chunk["grade"], aside, strict=True)
    ]


def _sign(app: App, grade: str) -> str:
    from ledger.model import Grade
    from ledger.render.grades import GRADES

    return GRADES[Grade(grade)].text(unicode=app.terminal.unicode)
