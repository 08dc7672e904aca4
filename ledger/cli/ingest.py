"""`ledger ingest`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ledger.cli import sharing
from ledger.cli.app import App, json_option
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.share.ingest import Ingested

_SHOWN = 20
_EPILOG = """\b
Examples:
  ledger ingest /shared/runs
  ledger ingest s3://bucket/runs gs://other/runs --delete
  ledger ingest run.zip
  ledger record --spool /shared/runs -e sweep -m f1=0.91      what fills such a place, from any machine

Each record is validated as `ledger verify` does, and is on its chain exactly once, however often and by however many
it is ingested. Object stores take their credentials from the environment, as their own tools do.
Exit codes: 0 ok, 1 files were refused (each is named, and left where it is), 4 try again.
"""


@click.command(epilog=_EPILOG)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--delete", is_flag=True, help="Delete files of which every record was seen on its chain.")
@json_option
@click.pass_obj
def ingest(app: App, /, *, sources: tuple[str, ...], delete: bool, as_json: bool) -> int:
    """Validate and chain what `ledger record --spool` left: in folders, sealed files, s3:// and gs://."""
    from ledger.share.ingest import ingest as take_in
    from ledger.store.depot import depot

    environ = app.workspace.environ
    places = [depot(source, within=app.directory, environ=environ) for source in sources]
    with sharing.told() as told:
        done = take_in(app.workspace, places, delete=delete, told=told)
    with app.telling(f"ingested {counted(done.records, 'record')}"):
        if as_json:
            app.json(_document(done))
        else:
            app.lines(_lines(done))
    app.warn(_warnings(done))
    return 1 if done.refused or done.waiting else 0


def _document(done: Ingested) -> dict[str, Any]:
    return {
        "files": done.files,
        "records": done.records,
        "known": done.known,
        "waiting": done.waiting,
        "deleted": done.deleted,
        "refused": [{"file": one.place, "what": list(one.what)} for one in done.refused],
    }


def _lines(done: Ingested) -> Iterator[str]:
    parts = [f"{counted(done.records, 'new record')}"]
    for count, what in (
        (done.known, "there already"),
        (done.waiting, "sealed here, not on a chain yet"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    for count, what in ((len(done.refused), "refused"), (done.deleted, "deleted")):
        if count:
            parts.append(f"{counted(count, 'file')} {what}")
    yield f"{counted(done.files, 'file')}: {', '.join(parts)}"


def _warnings(done: Ingested) -> Iterator[str]:
    for one in done.refused[:_SHOWN]:
        yield f"{one.place}: {'; '.join(one.what)}"
    if len(done.refused) > _SHOWN:
        yield f"and {counted(len(done.refused) - _SHOWN, 'more file was', 'more files were')} refused"
    for fault in done.faults[:_SHOWN]:
        yield f"{fault.ref or fault.path}: {fault.what}"
