"""`ledger export`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.cli.app import App
from ledger.cli.viewing import Viewing, undecided, view_options
from ledger.errors import UsageError
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.trace.export import Export, Write

_EPILOG = """\b
Examples:
  ledger export --format parquet out/
  ledger export --format csv --where 'metrics.f1 > 0.9' --no-history out/
  duckdb -c "select run_id, \\"metrics.f1\\" from 'out/runs.parquet' order by 2 desc limit 5"

\b
runs      one row a run: run_id, experiment, ..., params.*, metrics.*, tags.*, grade.*; metrics.* are null where
          a value does not compare, grade.* say why and recorded.* what it was; conflicts names columns on which edits disagree
history   one row a point: run_id, metric, step, time, value, context; grade where any series was converted or
          derived, and recorded where value is null since it does not compare; of points logged several times for
          one step the last, with --all-attempts each, with its attempt (null is the first)
Units, definitions and directions stand in the fields' metadata (ledger.unit, ledger.definition, ledger.direction).
"""


@click.command(epilog=_EPILOG)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["parquet", "csv", "json"]),
    default="parquet",
    show_default=True,
)
@click.option("-w", "--where", metavar="EXPR", help="Only runs for which EXPR is true, as in ledger runs.")
@click.option(
    "-e",
    "--experiment",
    "experiments",
    multiple=True,
    metavar="NAME",
    help="Only runs of this experiment; again for more.",
)
@click.option("--no-history", is_flag=True, help="Runs only, no series.")
@click.option("--all-attempts", is_flag=True, help="Points that were logged again, too.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty, and replace files there.")
@view_options()
@click.pass_obj
def export(
    app: App,
    /,
    *,
    folder: Path,
    form: str,
    where: str | None,
    experiments: tuple[str, ...],
    no_history: bool,
    all_attempts: bool,
    force: bool,
    viewing: Viewing,
) -> None:
    """Write runs and series into DIR, for pandas, polars, DuckDB, R or a spreadsheet."""
    from ledger.trace import apart
    from ledger.trace.export import Export, publish
    from ledger.trace.listing import Listing, find

    if all_attempts and no_history:
        raise UsageError("--all-attempts and --no-history exclude each other")
    view = viewing.open_all(app)
    found = find(view, Listing(where=where, experiments=experiments))
    with app.progress("exporting") as progress:
        whole = Export(view=view, found=found, all_attempts=all_attempts, told=progress.reach)
        files = _FORMS[form](whole)
        wanted = {
            name: write for name, write in files.items() if not (no_history and name.startswith("history"))
        }
        written = publish(app.path(str(folder)), wanted, force=force)
    for path in written:
        app.talk(f"wrote {path}")
    if found.left_out:
        app.talk(undecided(found))
    app.talk(f"{counted(found.passed, 'run')}")
    app.warn_of_faults([*view.runs.index.faults, *whole.faults])
    viewing.require(lambda: {*apart.of_listing(found, found.columns.names), *whole.series_apart})


def _parquet(whole: Export) -> dict[str, Write]:
    from ledger.trace.export import parquet_history, parquet_runs

    return {"runs.parquet": parquet_runs(whole), "history.parquet": parquet_history(whole)}


def _csv(whole: Export) -> dict[str, Write]:
    from ledger.render.columns import csv_columns
    from ledger.render.document import csv_document
    from ledger.trace.export import run_rows

    def runs() -> Iterator[str]:
        yield from csv_document(*run_rows(whole))

    def history() -> Iterator[str]:
        yield from csv_columns(whole.points_schema().names, whole.point_columns())

    return {"runs.csv": _text(runs), "history.csv": _text(history)}


def _json(whole: Export) -> dict[str, Write]:
    from ledger.render.columns import json_columns
    from ledger.render.document import json_chunks

    return {
        "runs.json": _text(lambda: json_chunks(whole.documents())),
        "history.json": _text(lambda: json_columns(whole.points_schema().names, whole.point_columns())),
    }


def _text(chunks: Callable[[], Iterator[str]]) -> Write:
    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(chunks())

    return write


_FORMS: Mapping[str, Callable[[Export], dict[str, Write]]] = {"parquet": _parquet, "csv": _csv, "json": _json}
