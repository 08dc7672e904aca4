"""`ledger log`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, one_output, table_options
from ledger.errors import GateError, UsageError
from ledger.model import Level
from ledger.render.format import date, delta, number
from ledger.render.grades import GRADES
from ledger.render.spark import sparkline
from ledger.render.table import Align, Cell, Column, Table, render
from ledger.render.terminal import escape, paint

if TYPE_CHECKING:
    from ledger.trace.log import Log, LogCell, LogRow
    from ledger.trace.view import View

_EPILOG = """\b
Examples:
  ledger log --metric f1
  ledger log --metric f1 --metric loss main..exp/lr
  ledger log --metric f1 --runs -n 20
  ledger log --metric f1 --agg median --since '2 weeks ago' -- src/
  ledger log --metric f1 --all --json

\b
Signs: = the value was recorded under the definition shown   (0.84) another definition or none: not compared
       ~ dirty-base: the run had uncommitted changes that no commit holds
"""


@click.command(epilog=_EPILOG)
@click.argument("revisions", nargs=-1)
@click.option(
    "-m", "--metric", "metrics", multiple=True, metavar="NAME", help="The metric to trace; again for more."
)
@click.option(
    "--agg",
    type=click.Choice(["best", "last", "mean", "median", "min", "max"]),
    help="What stands for several runs of a commit; best where the metric has a direction, else last.",
)
@click.option("--runs", "with_runs", is_flag=True, help="List the runs under their commit.")
@click.option("--all", "everything", is_flag=True, help="All branches and tags.")
@click.option("-n", "--max-count", type=click.IntRange(min=0), metavar="N", help="At most N rows.")
@click.option("--since", "--after", metavar="DATE", help="Commits after DATE.")
@click.option("--until", "--before", metavar="DATE", help="Commits before DATE.")
@click.option("--author", metavar="PATTERN", help="Commits by AUTHOR.")
@click.option("--grep", metavar="PATTERN", help="Commits whose message matches.")
@click.option("--first-parent", is_flag=True, help="Follow only the first parent of merges.")
@click.option("--no-merges", is_flag=True, help="Leave merges out.")
@click.option("--reverse", is_flag=True, help="Oldest first.")
@click.option("--empty", "with_empty", is_flag=True, help="Commits without a value, too.")
@click.option(
    "--strict", is_flag=True, help="Exit 5 when a run was left out because its value does not compare."
)
@table_options
@click.pass_context
def log(ctx: click.Context, /, revisions: tuple[str, ...], **given: Any) -> None:
    """Trace metrics along the history of the code, newest commit first.

    REVISIONS and paths (after --) are those of `git log`. Every run is hung on the commit whose code it measured;
    how sure that is stands beside it, and what could not be placed or compared is counted at the end.
    """
    from ledger.trace.log import Query, trace

    app: App = ctx.obj
    form = one_output(json=given["as_json"], csv=given["as_csv"], md=given["as_md"])
    revisions, paths = _split(revisions, app.words)
    view = app.view()
    metrics = _metrics(app, view, given["metrics"])
    query = Query(
        metrics=metrics,
        revisions=revisions,
        paths=paths,
        everything=given["everything"],
        options=_git_options(given),
        aggregate=given["agg"],
        only_valued=not given["with_empty"],
    )
    found = trace(view, query)
    rows = _limited(found.rows, given["max_count"], reverse=given["reverse"])
    printer = _Printer(app, view, found, rows, with_runs=given["with_runs"])
    _PRINTERS[form](printer)
    app.warn_of_faults(view.runs.index.faults)
    if given["strict"] and (found.left_out.incomparable or found.breaks):
        raise GateError("not every value can be compared", hint="ledger log without --strict shows which")


def _split(words: Sequence[str], typed: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Revisions, and the paths that stand after `--`."""
    count = len(typed) - typed.index("--") - 1 if "--" in typed else 0
    return tuple(words[: len(words) - count]), tuple(words[len(words) - count :])


def _metrics(app: App, view: View, asked: tuple[str, ...]) -> tuple[str, ...]:
    """The metrics asked for, else those of the configuration. An unknown name suggests the right one."""
    names = asked or app.workspace.config.log_metrics
    known = view.runs.index.names("metrics")
    if not names:
        hint = f"--metric {known[0]}" if known else "record a run first: ledger record --help"
        raise UsageError("which metric?", hint=hint)
    for name in names:
        if name not in known and not view.target(name).declared:
            from difflib import get_close_matches

            near = get_close_matches(name, known, n=3)
            hint = (
                f"did you mean {' or '.join(near)}?"
                if near
                else f"recorded: {', '.join(known[:12]) or 'nothing yet'}"
            )
            raise UsageError(f"no run has a metric {name!r}", hint=hint)
    return tuple(dict.fromkeys(names))


def _git_options(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Git's own options, each built here from a value: nothing that was typed is passed on as an option."""
    valued = [
        f"--{name}={given[name]}" for name in ("since", "until", "author", "grep") if given[name] is not None
    ]
    flags = [f"--{name.replace('_', '-')}" for name in ("first_parent", "no_merges") if given[name]]
    return (*valued, *flags)


def _limited(rows: Sequence[LogRow], count: int | None, *, reverse: bool) -> list[LogRow]:
    chosen = list(rows if count is None else rows[:count])
    return chosen[::-1] if reverse else chosen


@dataclass(frozen=True, slots=True)
class _Printer:
    app: App
    view: View
    found: Log
    rows: Sequence[LogRow]
    with_runs: bool

    def json(self) -> None:
        left = self.found.left_out
        self.app.json(
            {
                "metrics": list(self.found.metrics),
                "rows": [self._document(row) for row in self.rows],
                "breaks": [
                    {
                        "metric": b.metric,
                        "newer": b.newer,
                        "older": b.older,
                        "reason": b.reason,
                        "migration": None,
                    }
                    for b in self.found.breaks
                ],
                "left_out": {
                    "out_of_range": left.out_of_range,
                    "unattached": left.unattached,
                    "no_value": left.no_value,
                    "incomparable": left.incomparable,
                },
            }
        )

    def _document(self, row: LogRow) -> dict[str, Any]:
        commit = row.commit
        ids = self.view.run_ids
        return {
            "commit": commit.id,
            "date": commit.date,
            "author": commit.author,
            "subject": commit.subject,
            "level": row.level.value,
            "run_ids": [ids[number] for number in row.rows],
            "metrics": {name: _cell_document(cell) for name, cell in row.cells.items()},
        }

    def csv(self) -> None:
        from ledger.render.document import csv_document

        self.app.chunks(csv_document(self._headers(), self._plain()))

    def markdown(self) -> None:
        from ledger.render.document import markdown_document

        self.app.chunks(markdown_document(self._headers(), self._plain()))

    def _headers(self) -> list[str]:
        per_metric = (
            f"{name}{part}" for name in self.found.metrics for part in ("", ".grade", ".count", ".delta")
        )
        return ["commit", "date", "author", "subject", "level", *per_metric]

    def _plain(self) -> Iterator[list[str | int | float | None]]:
        for row in self.rows:
            line: list[str | int | float | None] = [
                row.commit.id, row.commit.date, row.commit.author, row.commit.subject, row.level.value,
            ]  # fmt: skip
            for name in self.found.metrics:
                cell = row.cells.get(name)
                line += (
                    [cell.value, cell.grade.value, cell.count, cell.delta]
                    if cell
                    else [None, None, None, None]
                )
            yield line

    def text(self) -> None:
        self.app.lines(self._lines())

    def _lines(self) -> Iterator[str]:
        terminal = self.app.terminal
        if not self.rows:
            yield f"no commit in this range has a value of {', '.join(self.found.metrics)}"
        else:
            table = Table(columns=tuple(self._columns()), rows=list(self._table_rows()))
            rendered = iter(render(table, terminal))
            yield next(rendered)
            breaks = {b.older: b for b in self.found.breaks}
            for row in self.rows:
                broken = breaks.get(row.commit.id)
                if broken is not None:
                    yield paint(f"-- {broken.metric}: {broken.reason} --", "warn", terminal)
                yield next(rendered)
                if self.with_runs:
                    yield from self._run_lines(row)
            yield from self._sparklines()
        yield from self._footer()

    def _columns(self) -> Iterator[Column]:
        yield Column(header="commit")
        yield Column(header="date")
        for name in self.found.metrics:
            unit = self.found.targets[name].unit
            yield Column(header=name + (f" [{unit}]" if unit and unit != "1" else ""), align=Align.POINT)
            yield Column(header="change", align=Align.POINT)
            if self._has_spread(name):
                yield Column(header="spread")
        if self._has_levels:
            yield Column(header="level")
        yield Column(header="subject", shrink=1, least=12)

    def _has_spread(self, name: str) -> bool:
        return any((cell := row.cells.get(name)) and cell.count > 1 for row in self.rows)

    @property
    def _has_levels(self) -> bool:
        return any(row.level is not Level.COMMIT for row in self.rows if row.rows)

    def _table_rows(self) -> Iterator[list[Cell | str]]:
        spread = {name for name in self.found.metrics if self._has_spread(name)}
        levels = self._has_levels
        for row in self.rows:
            line: list[Cell | str] = [Cell(text=row.commit.id[:9], style="id"), date(row.commit.date)]
            for name in self.found.metrics:
                line += self._cells(name, row.cells.get(name), spread=name in spread)
            line += [*([self._level(row)] if levels else []), row.commit.subject]
            yield line

    def _cells(self, name: str, cell: LogCell | None, *, spread: bool) -> list[Cell | str]:
        if cell is None:
            return [""] * (3 if spread else 2)
        value: Cell | str = number(cell.recorded)
        if not cell.comparable:
            mark = GRADES[cell.grade].text(unicode=self.app.terminal.unicode)
            value = Cell(text=f"({value})", mark=mark, style="dim")
        change = Cell(
            text=delta(cell.delta, beside=abs(cell.value or 0.0)), style=self._judged(name, cell.delta)
        )
        return [value, change, *([_spread(cell)] if spread else [])]

    def _judged(self, name: str, change: float | None) -> Any:
        direction = self.found.targets[name].direction
        if not change or direction is None:
            return ""
        return "good" if (change > 0) == (direction == "higher") else "bad"

    def _level(self, row: LogRow) -> str:
        if row.level is Level.COMMIT or not row.rows:
            return ""
        many = f" 1 of {row.of}" if row.of > 1 else ""
        return ("~ " if row.level is Level.DIRTY_BASE else "") + row.level.value + many

    def _run_lines(self, row: LogRow) -> Iterator[str]:
        terminal = self.app.terminal
        for position, number_of_row in enumerate(row.rows):
            values = (
                f"{name} {number(cell.value) if cell.comparable else f'({number(cell.recorded)})'}"
                for name in self.found.metrics
                if (cell := self.view.cell(number_of_row, name))
            )
            inexact = "  (not this exact code)" if position >= len(row.rows) - row.inexact else ""
            experiment = self.view.experiments[number_of_row]
            text = f"    {self.view.run_ids[number_of_row][:8]}  {escape(experiment)}  {'  '.join(values)}{inexact}"
            yield paint(text, "dim", terminal) if inexact else text

    def _sparklines(self) -> Iterator[str]:
        gap = True
        for name in self.found.metrics:
            values = self.found.series(name)
            if len(values) > 1:
                drawn = sparkline(values, unicode=self.app.terminal.unicode)
                yield from [""] if gap else []
                gap = False
                yield f"{name}{self._standing_for(name)}  {drawn}  {number(values[0])} .. {number(values[-1])} over {len(values)} commits"

    def _standing_for(self, name: str) -> str:
        """Which of several runs of a commit is shown, where some commit has several."""
        return f" ({self.found.aggregates[name]} of each commit)" if self._has_spread(name) else ""

    def _footer(self) -> Iterator[str]:
        left = self.found.left_out
        parts = [
            (left.out_of_range, "on commits outside this range"),
            (left.unattached, "unattached"),
            (left.no_value, "without a value"),
            (left.incomparable, "not comparable"),
        ]
        said = [f"{count:,} {'run' if count == 1 else 'runs'} {what}" for count, what in parts if count]
        hidden = len(self.found.rows) - len(self.rows)
        if hidden:
            said.insert(0, f"{hidden:,} more {'commit' if hidden == 1 else 'commits'}")
        if said:
            yield ""
            yield f"left out: {', '.join(said)}"


def _cell_document(cell: LogCell) -> dict[str, Any]:
    return {
        "value": cell.value,
        "grade": cell.grade.value,
        "recorded": cell.recorded,
        "count": cell.count,
        "min": cell.minimum,
        "max": cell.maximum,
        "mean": cell.mean,
        "delta": cell.delta,
        "drift": None,
        "reason": cell.reason,
    }


def _spread(cell: LogCell) -> str:
    """`0.88..0.91 of 5`: the range of the runs of a commit, and how many they are."""
    if cell.count < 2:  # noqa: PLR2004
        return ""
    return f"{number(cell.minimum, digits=4)}..{number(cell.maximum, digits=4)} of {cell.count}"


_PRINTERS = {"text": _Printer.text, "json": _Printer.json, "csv": _Printer.csv, "md": _Printer.markdown}
