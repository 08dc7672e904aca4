"""`ledger compare`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, one_output, table_options
from ledger.cli.best import best_cell, dispute_told, disputed
from ledger.cli.viewing import Viewing, view_options
from ledger.errors import UsageError
from ledger.render.format import counted, with_unit

if TYPE_CHECKING:
    from ledger.model import Json
    from ledger.render.table import Cell
    from ledger.render.terminal import Style
    from ledger.trace.contrast import Contrast, Contrasted, Gain
    from ledger.trace.view import View

_SHOWN = 4
_DIGITS = 9
"""Of a commit's id, for people."""
_EPILOG = """\b
Examples:
  ledger compare main exp/lr exp/arch
  ledger compare main exp/lr -m f1 --md      to paste into a pull request
  ledger compare main exp/lr --json

\b
Best is by the metric's direction, among values that compare; without a direction it is that of the run that finished
last. The change is best - base: base is the best that the first one, or the default branch, has for exactly the code at
which the experiment left it, or for the nearest commit below that has such runs.
"""


@click.command(epilog=_EPILOG)
@click.argument("experiments", nargs=-1, metavar="EXPERIMENT EXPERIMENT...")
@click.option(
    "-m", "--metric", "metrics", multiple=True, metavar="NAME", help="Only this metric; again for more."
)
@view_options()
@table_options
@click.pass_obj
def compare(
    app: App,
    /,
    *,
    experiments: tuple[str, ...],
    metrics: tuple[str, ...],
    viewing: Viewing,
    as_json: bool,
    as_csv: bool,
    as_md: bool,
) -> None:
    """Compare experiments with the first: best and spread, the gain over where they left it, params that differ."""
    from ledger.cli.experiments import chosen
    from ledger.trace.contrast import contrast

    form = one_output(json=as_json, csv=as_csv, md=as_md)
    names = tuple(dict.fromkeys(experiments))
    if len(names) < 2:  # noqa: PLR2004 - a comparison
        raise UsageError("two or more experiments to compare", hint="ledger compare main exp/lr")
    view = viewing.open_all(app)
    shown = chosen(app, view, metrics) or view.runs.index.names("metrics")
    found = contrast(view, names, shown)
    if form == "json":
        app.json(_document(view, found))
    elif form == "text":
        app.lines(_lines(app, view, found))
    elif form == "md":
        app.chunks(_markdown(found))
    else:
        app.csv(_HEADERS, _flat(found))
    viewing.tell(app, view, shown)
    app.warn_of_faults(view.runs.index.faults)
    viewing.require(lambda: {one.name for one in found.metrics if any(g.spread.apart for g in one.gains)})


def _document(view: View, found: Contrasted) -> dict[str, Any]:
    return {
        "experiments": [
            {"experiment": side.name, "runs": len(side.rows), "tip": side.tip, "base": side.base}
            for side in found.sides
        ],
        "metrics": [
            {
                "name": one.name,
                "unit": one.target.unit,
                "direction": one.target.direction,
                "partition": dict(one.partition),
                "values": [_gain_document(view, one.name, gain) for gain in one.gains],
            }
            for one in found.metrics
        ],
        "params": [
            {
                "name": param.name,
                "values": [
                    {"experiment": side.name, "values": list(values)}
                    for side, values in zip(found.sides, param.values, strict=True)
                ],
            }
            for param in found.params
        ],
    }


def _gain_document(view: View, metric: str, gain: Gain) -> dict[str, Any]:
    one = gain.spread
    return {
        "experiment": gain.side.name,
        "best": one.best,
        "run_id": view.run_ids[one.row] if one.row is not None else None,
        "count": one.count,
        "min": one.minimum,
        "max": one.maximum,
        "mean": one.mean,
        "stdev": one.deviation,
        "left_out": one.left_out,
        "base": gain.base,
        "base_commit": gain.base_commit,
        "delta": gain.delta,
        "better": gain.better,
        **disputed(view, metric, one.row),
    }


def _lines(app: App, view: View, found: Contrasted) -> Iterator[str]:
    from ledger.render.table import Align, Column, Table, render
    from ledger.render.terminal import escape, paint

    point = Align.POINT
    columns = (
        Column(header="metric", shrink=2), Column(header="experiment", shrink=1),
        Column(header="runs", align=Align.RIGHT), Column(header="best", align=point),
        Column(header="mean", align=point), Column(header="spread"),
        Column(header="base", align=point), Column(header="change", align=point), Column(header=""),
    )  # fmt: skip
    rows = [row for one in found.metrics for row in _rows(app, view, one)]
    if rows:
        yield from render(Table(columns=columns, rows=rows), app.terminal)
    else:
        yield "no value that these experiments could be compared by"
    if found.params:
        yield ""
        yield paint("params that differ", "bold", app.terminal)
        names = tuple(Column(header=side.name, shrink=1) for side in found.sides)
        params = [[one.name, *map(_some, one.values)] for one in found.params]
        yield from render(Table(columns=(Column(header="param"), *names), rows=params), app.terminal)
    for one in found.metrics:
        apart = sum(gain.spread.apart for gain in one.gains)
        if apart:
            who = counted(apart, "run whose value does", "runs whose values do")
            yield f"left out: {who} not compare as {escape(one.name)}"
        if left := sum(gain.spread.left_out for gain in one.gains) - apart:
            yield f"left out: {counted(left, 'run')} whose {escape(one.name)} is not finite"
        yield from dispute_told(view, one.name, (gain.spread for gain in one.gains))


def _rows(app: App, view: View, one: Contrast) -> Iterator[list[Cell | str]]:
    from ledger.render.format import delta, number
    from ledger.render.table import Cell

    title = _title(one)
    for gain in one.gains:
        spread = gain.spread
        style: Style = "" if gain.better is None else "good" if gain.better else "bad"
        beside = abs(spread.best or 0.0)
        plus = "±" if app.terminal.unicode else "+-"
        yield [
            title,
            Cell(text=gain.side.name, style="id"),
            f"{spread.count:,}",
            best_cell(view, one.name, spread),
            number(spread.mean),
            f"{plus} {number(spread.deviation, digits=2)}" if spread.deviation is not None else "",
            number(gain.base),
            Cell(text=delta(gain.delta, beside=beside), style=style),
            Cell(text="" if gain.better is None else "better" if gain.better else "worse", style=style),
        ]
        title = ""


def _title(one: Contrast) -> str:
    from ledger.trace.log_rows import NOTHING

    within = ", ".join(f"{name} {value}" for name, value in one.partition if value != NOTHING)
    return with_unit(one.name, one.target.unit) + (f" ({within})" if within else "")


def _some(values: Sequence[Json]) -> str:
    """The most frequent few."""
    from ledger.render.format import plain

    more = f" and {len(values) - _SHOWN:,} more" if len(values) > _SHOWN else ""
    return ", ".join(map(plain, values[:_SHOWN])) + more


_HEADERS = (
    "metric", "experiment", "runs", "best", "mean", "stdev", "min", "max", "base", "base_commit", "change", "left_out",
)  # fmt: skip


def _flat(found: Contrasted, digits: int | None = None) -> Iterator[list[str | int | float | None]]:
    """A line an experiment and metric; of a commit's id so many digits, or all."""
    for one in found.metrics:
        for gain in one.gains:
            spread = gain.spread
            yield [
                _title(one), gain.side.name, spread.count, spread.best, spread.mean, spread.deviation, spread.minimum,
                spread.maximum, gain.base, (gain.base_commit or "")[:digits], gain.delta, spread.left_out,
            ]  # fmt: skip


def _markdown(found: Contrasted) -> Iterator[str]:
    from ledger.render.document import markdown_document

    yield from markdown_document(_HEADERS, _flat(found, _DIGITS))
    if found.params:
        yield "\n"
        headers = ["param", *(side.name for side in found.sides)]
        yield from markdown_document(headers, ([one.name, *map(_some, one.values)] for one in found.params))
