"""`ledger diff`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, json_option, md_option, one_output
from ledger.cli.viewing import Viewing, view_options
from ledger.render.format import counted, with_unit
from ledger.render.grades import DISPUTED

if TYPE_CHECKING:
    from ledger.render.table import Cell
    from ledger.render.terminal import Style
    from ledger.trace.compare import Comparison, MetricPair, Pair
    from ledger.trace.view import Cell as Value

_EPILOG = """\b
Examples:
  ledger diff 3f9c a81e
  ledger diff 3f9c a81e --all      what is equal, too
  ledger diff 3f9c a81e --md       to paste into a pull request
  ledger diff 3f9c a81e --as 1     both under version 1 of the schema

\b
The change of a metric is B - A, green where B is better by the declared direction. There is none where one of the
values was recorded under another definition: such a value stands in parentheses, with the reason.
"""

_NUMBER_PLACES = (1, 2, 3)
"""Columns of numbers in the table of metrics."""


@click.command(epilog=_EPILOG)
@click.argument("a")
@click.argument("b")
@click.option("--all", "everything", is_flag=True, help="What is equal, too.")
@view_options()
@json_option
@md_option
@click.pass_obj
def diff(
    app: App, /, *, a: str, b: str, everything: bool, viewing: Viewing, as_json: bool, as_md: bool
) -> None:
    """Compare two runs: params, metrics, code, environment, artifacts. A and B are ids or their first digits."""
    from ledger.trace import apart
    from ledger.trace.compare import compare
    from ledger.trace.detail import detail

    form = one_output(json=as_json, md=as_md)
    view = viewing.open_all(app)
    found = compare(view, detail(view, a), detail(view, b))
    printer = _Printer(app, found, everything=everything)
    if form == "json":
        app.json(printer.document())
    elif form == "md":
        app.chunks(printer.markdown())
    else:
        app.lines(printer.lines())
    viewing.tell(app, view, (pair.name for pair in found.metrics))
    app.warn_of_faults(view.runs.index.faults)
    viewing.require(lambda: set(apart.of_comparison(view, found)))


@dataclass(frozen=True, slots=True)
class _Printer:
    app: App
    found: Comparison
    everything: bool

    def document(self) -> dict[str, Any]:
        code = self.found.code
        return {
            "a": self.found.a.id,
            "b": self.found.b.id,
            "params": [_pair_document(pair) for pair in self._shown(self.found.params)],
            "metrics": [self._metric_document(pair) for pair in self._shown_metrics()],
            "code": {
                "a": code.a, "b": code.b, "only_a": code.only_a, "only_b": code.only_b,
                "dirty_a": code.dirty_a, "dirty_b": code.dirty_b, "diff": self._git_diff(),
            },
            "environment": [_pair_document(pair) for pair in self._shown(self.found.environment)],
            "artifacts": [_pair_document(pair) for pair in self._shown(self.found.artifacts)],
            "conflicts": [{"run": run, "fields": [*names]} for run, names in self.found.disputed.items()],
        }  # fmt: skip

    def _metric_document(self, pair: MetricPair) -> dict[str, Any]:
        return {
            "name": pair.name,
            "a": _value_document(pair.a),
            "b": _value_document(pair.b),
            "delta": pair.delta,
            "better": pair.better,
            "unit": pair.target.unit,
            "reason": pair.reason,
        }

    def _shown(self, pairs: Iterable[Pair]) -> list[Pair]:
        return [pair for pair in pairs if self.everything or pair.differs]

    def _shown_metrics(self) -> list[MetricPair]:
        return [pair for pair in self.found.metrics if self.everything or pair.differs]

    def lines(self) -> Iterator[str]:
        from ledger.render.table import Align, Column, Table, render
        from ledger.render.terminal import paint

        terminal = self.app.terminal
        first = True
        for title, headers, rows in self._tables():
            if not first:
                yield ""
            first = False
            yield paint(title, "bold", terminal)
            points = title == "metrics"
            columns = tuple(
                Column(
                    header=header,
                    align=Align.POINT if points and place in _NUMBER_PLACES else Align.LEFT,
                    shrink=0 if points else 1,
                )
                for place, header in enumerate(headers)
            )
            yield from (f"  {line}" for line in render(Table(columns=columns, rows=rows), terminal))
        if not first:
            yield ""
        yield from self._code_lines()
        yield from self._disputed_lines()
        yield from self._equal_lines()

    def _tables(self) -> Iterator[tuple[str, list[str], list[list[Cell | str]]]]:
        """(title, headers, rows) of each part that has something to show."""
        one, other = self.found.a.id[:8], self.found.b.id[:8]
        metrics = self._shown_metrics()
        if metrics:
            headers = ["metric", one, other, "change", ""]
            yield "metrics", headers, [self._metric_row(pair) for pair in metrics]
        for title, header, pairs in (
            ("params", "param", self.found.params),
            ("environment", "name", self.found.environment),
            ("artifacts", "artifact", self.found.artifacts),
        ):
            shown = self._shown(pairs)
            if shown:
                yield (
                    title,
                    [header, one, other],
                    [[pair.name, _said(pair.a), _said(pair.b)] for pair in shown],
                )

    def _metric_row(self, pair: MetricPair) -> list[Cell | str]:
        from ledger.render.format import delta
        from ledger.render.table import Cell

        style: Style = "" if pair.better is None else "good" if pair.better else "bad"
        beside = max((abs(cell.value) for cell in (pair.a, pair.b) if cell.value is not None), default=0.0)
        word = "" if pair.better is None else "better" if pair.better else "worse"
        unit = pair.target.unit
        change = Cell(text=delta(pair.delta, beside=beside), style=style)
        return [
            with_unit(pair.name, unit),
            self._value(pair.a, unit),
            self._value(pair.b, unit),
            change,
            Cell(text=pair.reason or word, style=style),
        ]

    def _value(self, cell: Value, unit: str | None) -> Cell | str:
        from ledger.cli.aside import parenthesised
        from ledger.model import Grade
        from ledger.render.format import number
        from ledger.render.grades import GRADES
        from ledger.render.table import Cell

        if cell.comparable:
            return number(cell.value, digits=10)
        if cell.grade is Grade.MISSING:
            return ""
        shown = parenthesised(number(cell.aside, digits=10), cell.own, unit)
        return Cell(text=shown, mark=GRADES[cell.grade].text(unicode=self.app.terminal.unicode), style="dim")

    def _code_lines(self) -> Iterator[str]:
        code = self.found.code
        if not code.a or not code.b:
            yield "code  not known of " + ("both" if not code.a and not code.b else "one of them")
            return
        flags = ["dirty" if dirty else "" for dirty in (code.dirty_a, code.dirty_b)]
        one, other = (
            " ".join(filter(None, (text[:9], flag)))
            for text, flag in zip((code.a, code.b), flags, strict=True)
        )
        if code.a == code.b:
            yield f"code  both on {one}" if one == other else f"code  {one}, {other}"
        else:
            yield (
                f"code  {one} → {other}: {self._distance()}"
                if self.app.terminal.unicode
                else f"code  {one} -> {other}: {self._distance()}"
            )
        if self._git_diff():
            yield f"      {self._git_diff()}"

    def _distance(self) -> str:
        code = self.found.code
        if code.only_a is None or code.only_b is None:
            return "one of the commits is not here"
        if not code.only_a:
            return f"{counted(code.only_b, 'commit')} ahead"
        if not code.only_b:
            return f"{counted(code.only_a, 'commit')} behind"
        return f"{counted(code.only_a, 'commit')} and {counted(code.only_b, 'commit')} apart"

    def _git_diff(self) -> str | None:
        """The command that shows what the code changed."""
        code = self.found.code
        if not code.compare_a or not code.compare_b or code.compare_a == code.compare_b:
            return None
        return f"git diff --stat {code.compare_a[:12]} {code.compare_b[:12]}"

    def _disputed_lines(self) -> Iterator[str]:
        from ledger.render.terminal import escape

        for run, names in self.found.disputed.items():
            about = escape(", ".join(names))
            yield f"{DISPUTED} edits of {run[:8]} disagree on {about}, the latest counts: ledger show {run[:8]}"

    def _equal_lines(self) -> Iterator[str]:
        """How much is not shown because it is equal."""
        if self.everything:
            return
        looked_at = (("param", self.found.params), ("metric", self.found.metrics))
        equal = [(name, sum(not pair.differs for pair in pairs)) for name, pairs in looked_at]
        said = " and ".join(counted(count, name) for name, count in equal if count)
        if said:
            yield f"equal: {said} (--all shows them)"

    def markdown(self) -> Iterator[str]:
        from ledger.render.document import markdown_document
        from ledger.render.table import whole

        for title, headers, rows in self._tables():
            yield f"### {title}\n\n"
            yield from markdown_document(headers, [list(map(whole, row)) for row in rows])
            yield "\n"
        for line in (*self._code_lines(), *self._disputed_lines()):
            yield f"    {line}\n"


def _pair_document(pair: Pair) -> dict[str, Any]:
    from ledger.trace.runset import ABSENT

    values = {key: value for key, value in (("a", pair.a), ("b", pair.b)) if value is not ABSENT}
    return {"name": pair.name, **values}


def _value_document(cell: Value) -> dict[str, Any]:
    from ledger.cli.aside import own_document

    return {
        "value": cell.value if cell.comparable else None,
        "grade": cell.grade.value,
        "recorded": cell.recorded,
        "own": own_document(cell.aside, cell.own),
        "reason": cell.reason,
    }


def _said(value: Any) -> str:
    from ledger.render.format import plain
    from ledger.trace.runset import ABSENT

    return "" if value is ABSENT else plain(value)
