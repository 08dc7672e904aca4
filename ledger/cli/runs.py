"""`ledger runs`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import click

from ledger.cli import running
from ledger.cli.app import App, one_output, table_options
from ledger.cli.aside import ADOPT
from ledger.cli.viewing import Viewing, listed, undecided, view_options
from ledger.errors import NotFoundError, UsageError
from ledger.render.format import counted, with_unit

if TYPE_CHECKING:
    from ledger.render.table import Cell, Column
    from ledger.trace.listing import Found
    from ledger.trace.view import View

_EPILOG = """\b
Examples:
  ledger runs
  ledger runs --where 'metrics.f1 > 0.9 and params.lr < 0.01' --sort -f1 -n 10
  ledger runs --columns f1,lr,branch,duration -e main
  ledger runs --where "status != 'finished' or tags.stage = 'sweep'" --ids
  ledger runs --where 'metrics.`val/f1@5` is not null' --csv > runs.csv
  ledger runs --running                         what is not recorded yet, since it goes on
  ledger runs --tree -w 'f1 > 0.9'              under the sweeps and runs that they belong to
  ledger runs --where 'f1 > 90' --as 1          values, filter and order under version 1 of the schema

\b
Filters: and, or, not, = != < <= > >=, in (1, 2), like 'ad*', is null; text in quotes, odd names in backticks.
         A run that lacks a comparable value is left out, under not too, and counted.
Order:   --sort f1 ascending, --sort -f1 descending; NaN, infinities and missing values come last either way.
           A metric that compares only within one machine, say, is sorted machine by machine.
Signs:   0.84 → converted exactly   (0.84) another definition or none: not compared   0.84 >< edits disagree
"""

_ID_DIGITS = 8
_NARROWEST = 160
"""Columns of text that are filled where there is no terminal to ask."""
_GIVING_WAY = ("experiment", "finished")
"""Leading columns that make room for a metric, in this order."""


@click.command(epilog=_EPILOG)
@click.option(
    "-w",
    "--where",
    multiple=True,
    metavar="EXPR",
    help="Only runs for which EXPR is true; again: all of them.",
)
@click.option(
    "-s",
    "--sort",
    "sort",
    multiple=True,
    metavar="COL",
    help="Order by a column; -COL: descending. Else the newest first.",
)
@click.option(
    "-c",
    "--columns",
    multiple=True,
    metavar="A,B,C",
    help="The columns to show, such as f1,lr,branch or metrics.*.",
)
@click.option("-n", "--max-count", "limit", type=click.IntRange(min=0), metavar="N", help="At most N runs.")
@click.option(
    "-e",
    "--experiment",
    "experiments",
    multiple=True,
    metavar="NAME",
    help="Only runs of this experiment; again for more.",
)
@click.option("--ids", "only_ids", is_flag=True, help="Print full ids only, one a line.")
@click.option("--tree", "as_tree", is_flag=True, help="Each run under the one that it belongs to.")
@click.option("--running", "only_running", is_flag=True, help="Runs that go on, how far they are, instead.")
@view_options()
@table_options
@click.pass_obj
def runs(
    app: App,
    /,
    *,
    where: tuple[str, ...],
    sort: tuple[str, ...],
    columns: tuple[str, ...],
    limit: int | None,
    experiments: tuple[str, ...],
    only_ids: bool,
    as_tree: bool,
    only_running: bool,
    viewing: Viewing,
    as_json: bool,
    as_csv: bool,
    as_md: bool,
) -> None:
    """List runs, the newest first: filtered, sorted, with the columns that tell most.

    JSON and CSV have every column: fields, params.*, metrics.*, tags.*, and grade.* for each metric.
    """
    from ledger.trace import apart
    from ledger.trace.listing import Listing, chosen, find, split
    from ledger.trace.where import all_of

    form = one_output(json=as_json, csv=as_csv, md=as_md, ids=only_ids, tree=as_tree)
    asked = tuple(name for text in columns for name in split(text)) or None
    keys = tuple(name for text in sort for name in split(text))
    if columns and asked is None:
        raise UsageError("--columns names no column", hint="--columns f1,lr,branch")
    if only_running:
        if form not in ("text", "json", "ids") or where or sort or columns or limit is not None:
            raise UsageError("--running goes with --experiment, --json and --ids alone")
        app.settle()
        running.show_running(app, form, experiments)
        return
    view = viewing.open_all(app)
    listing = Listing(where=all_of(where), columns=asked, sort=keys, limit=limit, experiments=experiments)
    try:
        found = find(view, listing)
    except NotFoundError:  # perhaps the first run of an experiment
        running.tell(app, experiments)
        raise
    printer = _Printer(app, view, found, asked)
    _PRINTERS[form](printer)
    printer.footer()
    names = chosen(found.columns, asked)
    viewing.tell(app, view, (name.removeprefix("metrics.") for name in names if name.startswith("metrics.")))
    running.tell(app, experiments)
    app.warn_of_faults(view.runs.index.faults)
    viewing.require(lambda: set(apart.of_listing(found, names)))


@dataclass(frozen=True, slots=True)
class _Printer:
    app: App
    view: View
    found: Found
    asked: tuple[str, ...] | None
    left_out: list[str] = field(default_factory=list)
    """Columns for which there is no room."""

    def json(self) -> None:
        self.app.json(self.found.documents(self._every_name()))

    def csv(self) -> None:
        from ledger.trace.listing import records

        table = self.found.sheet(self._every_name())
        rows = (list(record.values()) for record in records(table))
        self.app.csv(table.column_names, rows)

    def markdown(self) -> None:
        from ledger.render.document import markdown_document
        from ledger.render.table import whole

        names = self._names()
        headers = [column.header for column in self._columns(names)]
        rows = (list(map(whole, row)) for row in self._rows(names))
        self.app.chunks(markdown_document(headers, rows))

    def ids(self) -> None:
        from ledger.trace.listing import records

        for record in records(self.found.table(["run_id"])):
            sys.stdout.write(record["run_id"] + "\n")

    def text(self) -> None:
        if len(self.found.rows):
            self.app.lines(self._lines())
        elif len(self.view.runs.rows):
            self.app.talk("no such runs")
        else:
            self.app.talk("no runs yet: ledger record --help shows how to record one")

    def tree(self) -> None:
        if len(self.found.rows):
            self.app.lines(self._tree_lines())
        else:
            self.text()

    def _tree_lines(self) -> Iterator[str]:
        from ledger.cli.runs_tree import rows
        from ledger.render.table import Table, render
        from ledger.trace.tree import tree

        nodes = tree(self.view.runs, self.found)
        here = replace(self, found=self.found.of([node.row for node in nodes if node.row is not None]))
        names = self._names()
        going_on = {
            run: [cells.get(name, "") for name in names] for run, cells in running.cells(self.app).items()
        }
        cells = rows(nodes, here._rows(names), len(names), going_on, unicode=self.app.terminal.unicode)  # noqa: SLF001 - of itself
        yield from render(Table(columns=tuple(self._columns(names)), rows=cells), self.app.terminal)

    def _every_name(self) -> list[str]:
        from ledger.trace.listing import chosen

        return chosen(self.found.columns, self.asked)

    def _lines(self) -> Iterator[str]:
        from ledger.render.table import Table, render

        names = self._names()
        table = Table(columns=tuple(self._columns(names)), rows=self._rows(names))
        yield from render(table, self.app.terminal)

    def _names(self) -> list[str]:
        """Full names of the columns to show to people."""
        from ledger.trace.listing import chosen, ranked

        if self.asked is not None:
            return chosen(self.found.columns, self.asked)
        sample = self.found.table(["experiment", "status", "name"]).slice(0, 1000).to_pydict()
        leading = [
            "run_id",
            *(["experiment"] if len(set(sample["experiment"])) > 1 else []),
            "finished",
            *(["status"] if set(sample["status"]) - {"finished"} else []),
            *(["name"] if any(sample["name"]) else []),
        ]
        return self._fitting(leading, ranked(self.view, self.found))

    def _fitting(self, leading: Sequence[str], candidates: Sequence[str]) -> list[str]:
        """The leading columns and as many of the candidates, in their order, as fit beside them.

        Where not even one metric would, it takes the place of experiment and date. What is left out is counted.
        """
        from ledger.render.table import GAP, whole
        from ledger.render.terminal import width

        terminal = self.app.terminal
        names = [*leading, *candidates]
        rows = [[width(whole(cell)) for cell in row] for row in self._rows(names, sample=50)]
        headers = [width(column.header) for column in self._columns(names)]
        widths = [max(down) + len(GAP) for down in zip(headers, *rows, strict=True)]
        taken = dict(zip(names, widths, strict=True))
        total = terminal.width if terminal.tty else _NARROWEST
        first = next((name for name in candidates if name.startswith("metrics.")), None)
        kept = list(leading)
        for name in _GIVING_WAY:
            if first and name in kept and sum(taken[one] for one in (*kept, first)) > total:
                kept.remove(name)
        room = total - sum(taken[name] for name in kept)
        for name in candidates:
            if taken[name] <= room:
                kept.append(name)
                room -= taken[name]
        self.left_out.extend(name for name in names if name not in kept)
        return kept

    def _columns(self, names: Sequence[str]) -> Iterator[Column]:
        from ledger.render.table import Align, Column

        shorts = [_short(name) for name in names]
        for name, short in zip(names, shorts, strict=True):
            group, _, rest = name.partition(".")
            header = short if shorts.count(short) == 1 else name
            if group == "metrics":
                yield Column(header=with_unit(header, self.view.target(rest).unit), align=Align.POINT)
            elif group == "params":
                yield Column(header=header, align=Align.POINT, shrink=2)
            elif name in ("run_id", "finished", "started", "recorded", "code.commit", "code.tree", "parent"):
                yield Column(header=header)
            else:
                yield Column(header=header, align=Align.RIGHT if name == "duration" else Align.LEFT, shrink=1)

    def _rows(self, names: Sequence[str], sample: int | None = None) -> Iterator[list[Cell | str]]:
        from ledger.trace.listing import records

        found = self.found if sample is None else self.found.first(sample)
        table = found.table(names)
        asides = self._asides(found, table.column_names)
        disputed = found.disputed(names)
        for place, record in enumerate(records(table)):
            beside = {name: texts[place] for name, texts in asides.items()}
            cells = (self._cell(name, record, beside) for name in names)
            about = disputed.get(place, ())
            yield [
                _disputed(cell) if name in about else cell for name, cell in zip(names, cells, strict=True)
            ]

    def _asides(self, found: Found, names: Sequence[str]) -> dict[str, list[str]]:
        """Metric → for each run what does not count, in parentheses."""
        from ledger.cli.aside import parenthesised
        from ledger.render.format import number
        from ledger.trace.apart import asides

        told = {}
        for metric in (name.removeprefix("recorded.") for name in names if name.startswith("recorded.")):
            values, own = asides(found.columns, metric, found.rows)
            pairs = zip(values.to_pylist(), own, strict=True)
            unit = self.view.target(metric).unit
            told[metric] = [parenthesised(number(value), one, unit) for value, one in pairs]
        return told

    def _cell(self, name: str, record: Mapping[str, Any], asides: Mapping[str, str]) -> Cell | str:
        from ledger.render.table import Cell

        group, _, rest = name.partition(".")
        if group == "metrics":
            return self._metric(rest, record, asides.get(rest, ""))
        if name == "run_id":
            return Cell(text=record[name][:_ID_DIGITS], style="id")
        if name == "status" and record[name] != "finished":
            return Cell(text=str(record[name] or ""), style="warn")
        return _shown(name, record[name])

    def _metric(self, name: str, record: Mapping[str, Any], aside: str) -> Cell | str:
        from ledger.model import Grade
        from ledger.render.format import number
        from ledger.render.grades import GRADES
        from ledger.render.table import Cell

        value = record[f"metrics.{name}"]
        grade = Grade(record[f"grade.{name}"])
        sign = GRADES[grade].text(unicode=self.app.terminal.unicode)
        if value is not None:
            return number(value) if grade is Grade.IDENTICAL else Cell(text=number(value), mark=sign)
        if grade is Grade.MISSING:
            return ""
        return Cell(text=aside, mark=sign, style="dim")

    def footer(self) -> None:
        """What is not shown and why, on standard error, where it disturbs no reader of the data."""
        for hint in self.found.hints:
            self.app.talk(hint)
        for metric, params in self._parted():
            ordered = ": sorted within each" if f"metrics.{metric}" in self.found.keys else ""
            self.app.talk(f"hint: {metric} compares only within one {' and '.join(params)}{ordered}")
        if names := self._undeclared():
            self.app.talk(f"hint: ? {listed(names)}: values from before a schema said what it means; {ADOPT}")
        if self.found.disputed(self._every_name()):
            self.app.talk("hint: >< edits disagree, the latest counts: ledger show RUN says who said what")
        if self.left_out:
            self.app.talk(f"+{counted(len(self.left_out), 'column')} (--columns)")
        shown, passed, left_out = len(self.found.rows), self.found.passed, self.found.left_out
        if shown < passed:
            self.app.talk(f"{shown:,} of {passed:,} runs shown (-n {shown})")
        if left_out:
            self.app.talk(undecided(self.found))

    def _undeclared(self) -> list[str]:
        from ledger.trace.apart import undeclared

        return list(
            undeclared(self.found, [name for name in self._every_name() if name not in self.left_out])
        )

    def _parted(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        from ledger.trace.apart import parted

        shown = [name for name in self._every_name() if name not in self.left_out]
        yield from parted(self.found, dict.fromkeys((*shown, *self.found.keys)))


def _short(name: str) -> str:
    if name == "run_id":
        return "id"
    if name == "finished":
        return "when"
    return name.partition(".")[2] or name


def _shown(name: str, value: Any) -> str:
    from ledger.render.format import duration, minute, number

    if name in ("started", "finished", "recorded"):
        return minute(value)
    if name == "duration":
        return duration(value)
    if name in ("code.commit", "code.tree") and value:
        return str(value)[:9]
    if name == "parent" and value:
        return str(value)[:_ID_DIGITS]
    return number(value) if not isinstance(value, str) else value


def _disputed(cell: Cell | str) -> Cell:
    from ledger.render.grades import DISPUTED
    from ledger.render.table import Cell

    plain = Cell(text=cell) if isinstance(cell, str) else cell
    return replace(plain, mark=plain.mark + DISPUTED)


_PRINTERS = {
    "text": _Printer.text,
    "json": _Printer.json,
    "csv": _Printer.csv,
    "md": _Printer.markdown,
    "ids": _Printer.ids,
    "tree": _Printer.tree,
}
