"""How `ledger log` prints what it found: a table for people, JSON, CSV and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from ledger.cli.app import App
from ledger.cli.aside import ADOPT, own_document, parenthesised
from ledger.frozen import frozen
from ledger.model import Grade, Level
from ledger.render.format import counted, date, day, delta, number, with_unit
from ledger.render.grades import DISPUTED, GRADES
from ledger.render.spark import sparkline
from ledger.render.table import Align, Cell, Column, Table, render
from ledger.render.terminal import Style, escape, paint
from ledger.trace import disputes
from ledger.trace.log_rows import NOTHING

if TYPE_CHECKING:
    from ledger.trace.log import Log
    from ledger.trace.log_breaks import Break
    from ledger.trace.log_rows import LogCell, LogRow, Partition
    from ledger.trace.view import Cell as ViewCell
    from ledger.trace.view import View

_DIGITS = 9
"""Of a commit's id, for people."""


@frozen(kw_only=False, slots=False)
class Printer:
    app: App
    view: View
    found: Log
    rows: Sequence[LogRow]
    with_runs: bool
    at: str | None = None
    """The revision whose definitions are shown, where the range chose it."""

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
                        "migration": b.migration,
                        **({"partition": dict(b.partition)} if b.partition else {}),
                    }
                    for b in self.found.breaks
                ],
                "left_out": {
                    "out_of_range": left.out_of_range,
                    "unattached": left.unattached,
                    "no_value": left.no_value,
                    "incomparable": left.incomparable,
                    "inexact": left.inexact,
                    "not_finite": left.not_finite,
                    "compared": left.compared,
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
            **({"partition": dict(row.partition)} if row.partition else {}),
            "metrics": {
                name: {**_cell_document(self.view, name, cell), **self._conflicts(name, cell, row)}
                for name, cell in row.cells.items()
            },
        }

    @cached_property
    def _disputed(self) -> dict[str, frozenset[int]]:
        """Metric → rows of the runs in which it is in conflict."""
        if not self.view.runs.disputes:
            return {}
        return {name: disputes.rows_of(self.view, name) for name in self.found.metrics}

    def _in_conflict(self, name: str, cell: LogCell, row: LogRow) -> list[int]:
        """Rows of the runs in conflict that a value is, or sums up."""
        about = self._disputed.get(name, frozenset())
        return [one for one in ((cell.row,) if cell.row is not None else row.rows) if one in about]

    def _disputed_in(self, row: LogRow) -> list[str]:
        """Metrics of a row on which edits disagree."""
        cells = row.cells.items() if self._disputed else ()
        return [name for name, cell in cells if self._in_conflict(name, cell, row)]

    def _conflicts(self, name: str, cell: LogCell, row: LogRow) -> dict[str, list[str]]:
        found = self._in_conflict(name, cell, row) if self._disputed else []
        return {"conflicts": [self.view.run_ids[one] for one in found]} if found else {}

    def csv(self) -> None:

        self.app.csv(self._headers(), self._plain())

    def markdown(self) -> None:
        from ledger.render.document import markdown_document

        self.app.chunks(markdown_document(self._headers(), self._plain(digits=_DIGITS)))

    def _headers(self) -> list[str]:
        from ledger.trace.columns import CONFLICTS

        per_metric = (
            f"{name}{part}" for name in self.found.metrics for part in ("", ".grade", ".count", ".delta")
        )
        within = (f"params.{name}" for name in self._params)
        return ["commit", "date", "author", "subject", "level", *within, *per_metric, CONFLICTS]

    def _plain(self, digits: int | None = None) -> Iterator[list[str | int | float | None]]:
        """A line a row; of a commit's id so many digits, or all."""
        for row in self.rows:
            line: list[str | int | float | None] = [
                row.commit.id[:digits], row.commit.date, row.commit.author, row.commit.subject, row.level.value,
                *_fields(row.partition, self._params),
            ]  # fmt: skip
            for name in self.found.metrics:
                cell = row.cells.get(name)
                line += (
                    [cell.value, cell.grade.value, cell.count, cell.delta]
                    if cell
                    else [None, None, None, None]
                )
            yield [*line, ",".join(self._disputed_in(row)) or None]

    def text(self) -> None:
        self.app.lines(self._lines())

    def _lines(self) -> Iterator[str]:
        terminal = self.app.terminal
        if not self.rows:
            if not self.found.rows:  # else none were asked for
                yield f"no commit in this range has a value of {', '.join(self.found.metrics)}"
        else:
            table = Table(columns=tuple(self._columns()), rows=list(self._table_rows()))
            rendered = iter(render(table, terminal))
            yield next(rendered)
            for row in self.rows:
                for broken in self._breaks_above.get((row.commit.id, row.partition), ()):
                    yield paint(f"-- {self._said_of(broken)} --", "warn", terminal)
                yield next(rendered)
                if self.with_runs:
                    yield from self._run_lines(row.rows, inexact=row.inexact, within=row.partition)
        if self.with_runs and self.found.unattached_rows:
            yield "on no commit of this history"
            yield from self._run_lines(self.found.unattached_rows)
        if self.rows:
            yield from self._sparklines()
        yield from self._footer()

    @cached_property
    def _breaks_above(self) -> dict[tuple[str, Partition], list[Break]]:
        """Breaks by the row that is printed below them: the older one, unless the order is reversed."""
        reverse = len(self.rows) > 1 and self.found.rows[:1] != tuple(self.rows[:1])
        found: dict[tuple[str, Partition], list[Break]] = {}
        for broken in self.found.breaks:
            below = broken.newer if reverse else broken.older
            found.setdefault((below, broken.partition), []).append(broken)
        return found

    def _said_of(self, broken: Break) -> str:
        """The metric, the reason, and the migration that gives it, with who wrote it and when."""
        from ledger.trace.meaning import introduced

        about = broken.metric + _within(broken.partition)
        if broken.migration is None or broken.file is None:
            return escape(f"{about}: {broken.reason}")
        origin = introduced(self.view.workspace, broken.file)
        who = f", {origin.author} {date(origin.date)}" if origin else ", not committed"
        return escape(f"{about}: {broken.reason} ({broken.migration[:15]}{who})")

    @cached_property
    def _params(self) -> list[str]:
        """Params that some shown metric compares within."""
        return list(dict.fromkeys(name for row in self.rows for name, _ in row.partition))

    def _columns(self) -> Iterator[Column]:
        yield Column(header="commit")
        yield Column(header="date")
        yield from (Column(header=name) for name in self._params)
        for name in self.found.metrics:
            yield Column(header=with_unit(name, self.found.targets[name].unit), align=Align.POINT)
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
            line = [
                self._styled(row.commit.id[:_DIGITS], "id"),
                day(row.commit.seconds) or date(row.commit.date),
            ]
            within = dict(row.partition)
            line += [_part(within[name]) if name in within else "" for name in self._params]
            for name in self.found.metrics:
                cells = self._cells(name, row.cells.get(name), spread=name in spread)
                line += self._doubted(name, cells, row) if self._disputed else cells
            line += [*([self._level(row)] if levels else []), row.commit.subject]
            yield line

    def _cells(self, name: str, cell: LogCell | None, *, spread: bool) -> list[Cell | str]:
        if cell is None:
            return [""] * (3 if spread else 2)
        shown = number(cell.value) if cell.comparable else self._aside(name, cell)
        value: Cell | str = shown
        if not cell.comparable or cell.grade is not Grade.IDENTICAL or cell.drift:
            mark, style = _mark(cell.grade, cell.comparable, bool(cell.drift), self.app.terminal.unicode)
            value = Cell(text=shown, mark=mark, style="" if cell.comparable else "dim", mark_style=style)
        change = self._styled(
            delta(cell.delta, beside=abs(cell.value or 0.0)), self._judged(name, cell.delta)
        )
        return [value, change, *([_spread(cell)] if spread else [])]

    def _doubted(self, name: str, cells: list[Cell | str], row: LogRow) -> list[Cell | str]:
        cell = row.cells.get(name)
        if cell is None or not self._in_conflict(name, cell, row):
            return cells
        value = Cell(text=cells[0]) if isinstance(cells[0], str) else cells[0]
        return [replace(value, mark=value.mark + DISPUTED, mark_style="warn"), *cells[1:]]

    def _aside(self, name: str, cell: LogCell | ViewCell) -> str:
        return parenthesised(number(cell.aside), cell.own, self.found.targets[name].unit)

    def _styled(self, text: str, style: Style) -> Cell | str:
        return Cell(text=text, style=style) if self.app.terminal.colour else text

    def _judged(self, name: str, change: float | None) -> Style:
        direction = self.found.targets[name].direction
        if not change or direction is None:
            return ""
        return "good" if (change > 0) == (direction == "higher") else "bad"

    def _level(self, row: LogRow) -> str:
        if row.level is Level.COMMIT or not row.rows:
            return ""
        many = f" 1 of {row.of}" if row.of > 1 else ""
        return row.level.value + many

    def _run_lines(
        self, rows: Sequence[int], *, inexact: int = 0, within: Partition | None = None
    ) -> Iterator[str]:
        """A line a run; the last `inexact` of them were not measured on exactly the code of their commit.

        With the metrics that compare within the same params as those of the line above; without one with all.
        """
        terminal = self.app.terminal
        metrics = [name for name in self.found.metrics if within is None or self._is_within(name, within)]
        for position, number_of_row in enumerate(rows):
            values = (
                f"{escape(name)} {self._said(name, cell, number_of_row)}"
                for name in metrics
                if (cell := self.view.cell(number_of_row, name))
            )
            apart = "  (not this exact code)" if position >= len(rows) - inexact else ""
            experiment = self.view.experiments[number_of_row]
            text = f"    {self.view.run_ids[number_of_row][:8]}  {escape(experiment)}  {'  '.join(values)}{apart}"
            yield paint(text, "dim", terminal) if apart else text

    def _said(self, name: str, cell: ViewCell, row: int) -> str:
        """The value of one run, with the marks that the table has."""
        shown = number(cell.value) if cell.comparable else self._aside(name, cell)
        marks, _ = _mark(cell.grade, cell.comparable, False, self.app.terminal.unicode)
        if row in self._disputed.get(name, ()):
            marks += DISPUTED
        return f"{shown} {marks}" if marks else shown

    def _is_within(self, name: str, partition: Partition) -> bool:
        return {*self.found.targets[name].partition} & {*self._params} == {param for param, _ in partition}

    def _is_undeclared(self, name: str) -> bool:
        return any((cell := row.cells.get(name)) and cell.grade is Grade.UNDECLARED for row in self.rows)

    def _sparklines(self) -> Iterator[str]:
        gap = True
        for name in self.found.metrics:
            for partition, values in sorted(self.found.series(name).items(), key=lambda item: repr(item[0])):
                if len(values) > 1:
                    yield from [""] if gap else []
                    gap = False
                    yield self._sparkline(name, partition, values)

    def _sparkline(self, name: str, partition: Partition, values: Sequence[float | None]) -> str:
        drawn = sparkline(values, unicode=self.app.terminal.unicode)
        ends = f"{number(values[0])} .. {number(values[-1])} over {len(values)} commits"
        return f"{escape(name + _within(partition))}{self._standing_for(name)}  {drawn}  {ends}"

    def _standing_for(self, name: str) -> str:
        """Which of several runs of a commit is shown, where some commit has several."""
        return f" ({self.found.aggregates[name]} of each commit)" if self._has_spread(name) else ""

    def _footer(self) -> Iterator[str]:
        left = self.found.left_out
        parts = [
            (left.out_of_range, "on commits outside this range"),
            (left.unattached, "unattached" if self.with_runs else "unattached (--runs lists them)"),
            (left.no_value, "without a value"),
            (left.incomparable, "not comparable"),
            (left.not_finite, "whose value is not finite"),
            (left.inexact, "not of exactly this code (--runs shows them)"),
        ]
        said = [f"{counted(count, 'run')} {what}" for count, what in parts if count]
        hidden = len(self.found.rows) - len(self.rows)
        if hidden:
            said.insert(0, counted(hidden, "more row" if self._params else "more commit"))
        if said:
            yield ""
            yield f"left out: {', '.join(said)}"
        yield from self._apart()
        for name in self.found.metrics:
            if self.at and not self.found.targets[name].declared and self._is_undeclared(name):
                yield f"{escape(name)} has no definition at {self.at[:_DIGITS]}: --at HEAD shows it as it is defined now"
            if not self.at and self.found.targets[name].declared and self._is_undeclared(name):
                yield f"? {escape(name)}: values from before a schema said what it means; {ADOPT}"
            if any(self._in_conflict(name, row.cells[name], row) for row in self.rows if name in row.cells):
                yield f"{DISPUTED} edits disagree on {escape(name)}, the latest counts: ledger show RUN"
            if any((cell := row.cells.get(name)) and cell.drift for row in self.rows):
                yield f"{DRIFT} the code behind {escape(name)} changed: ledger drift {escape(name)}"
            yield from self._changed(name)
        if left.incomparable:
            valued = left.compared + left.incomparable + left.not_finite
            yield f"compared: {left.compared:,} of {valued:,} runs with a value"

    def _apart(self) -> Iterator[str]:
        """Of several metrics each, since a run that is left out of one is compared by another."""
        apart = self.found.left_out.apart if len(self.found.metrics) > 1 else {}
        for name, count in apart.items():
            yield f"{escape(name)}: {counted(count, 'run')} not comparable"

    def _changed(self, name: str) -> Iterator[str]:
        """That values of shown runs are not what was recorded first."""
        from ledger.trace import amended

        runs = amended.runs_of(self.view, name) if self.view.runs.superseded else frozenset()
        shown = [row for line in self.rows if name in line.cells for row in line.rows if row in runs]
        if shown:
            first = self.view.run_ids[shown[0]][:8]
            what = counted(len(shown), "run was", "runs were")
            yield f"{escape(name)} of {what} changed later: ledger explain {first} {escape(name)}"


DRIFT = "~"
"""Marks a value whose code is another than at the newest commit, although the definition is the same."""


def _cell_document(view: View, name: str, cell: LogCell) -> dict[str, Any]:
    from ledger.trace.log_rows import behind

    recorded, reason = behind(view, name, cell)
    return {
        "value": cell.value,
        "grade": cell.grade.value,
        "recorded": recorded,
        "own": own_document(cell.aside, cell.own),
        "count": cell.count,
        "min": cell.minimum,
        "max": cell.maximum,
        "mean": cell.mean,
        "delta": cell.delta,
        "drift": cell.drift,
        "reason": reason,
    }


@cache
def _mark(grade: Grade, comparable: bool, drift: bool, unicode: bool) -> tuple[str, Style]:  # noqa: FBT001 - keys of the cache
    """What stands behind a value, and its style: there are a few, and each stands on very many lines."""
    sign = GRADES[grade]
    plain = comparable and grade is Grade.IDENTICAL
    return ("" if plain else sign.text(unicode=unicode)) + (DRIFT if drift else ""), sign.style


def _part(value: str) -> str:
    return "-" if value == NOTHING else value


def _within(partition: Partition) -> str:
    """` [fast]`: what a metric is compared within."""
    return f" [{', '.join(_part(value) for _, value in partition)}]" if partition else ""


def _fields(partition: Partition, params: Sequence[str]) -> list[str | None]:
    """Of each param its value; None where the row has none, or is not about it."""
    values = {name: value for name, value in partition if value != NOTHING}
    return [values.get(name) for name in params]


def _spread(cell: LogCell) -> str:
    """`0.88..0.91 of 5`: the range of the runs of a commit, and how many they are."""
    if cell.count < 2:  # noqa: PLR2004
        return ""
    return f"{number(cell.minimum, digits=4)}..{number(cell.maximum, digits=4)} of {cell.count}"


PRINTERS = {"text": Printer.text, "json": Printer.json, "csv": Printer.csv, "md": Printer.markdown}
