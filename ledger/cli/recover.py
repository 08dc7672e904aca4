"""`ledger recover`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, json_option
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.model import StoreFault
    from ledger.store.recover import Recovered

_EPILOG = """\b
Examples:
  ledger recover
  ledger recover --index           also make the index anew
  ledger recover --from FOLDER     take in sealed files of a repository that was moved (ledger status names them)

Every command that writes does this by itself; here it is done now, and said.
"""


@click.command(epilog=_EPILOG)
@click.option("--index", "rebuild", is_flag=True, help="Make the index anew.")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Take in the sealed files there.",
)
@json_option
@click.pass_obj
def recover(app: App, /, *, rebuild: bool, folder: Path | None, as_json: bool) -> int:
    """Finish what killed processes left: runs they logged into, stale locks, sealed records not on their ref yet.

    What was logged after the end of a run, and set aside, is added to it.

    Sealed files of the last hours whose records have vanished from their refs are put back as well.
    """
    from ledger.store.recover import recover as finish

    settled = app.settle(aside=True)
    lost, late = (len(settled.recorded), len(settled.added)) if settled else (0, 0)
    taken, faults = _taken(app, folder) if folder is not None else (None, [])
    done = finish(app.workspace.repository)
    done = replace(done, faults=(*faults, *done.faults))
    found: dict[str, Any] = {"lost": lost, "late": late, **({} if taken is None else {"taken": taken})}
    indexed = _rebuilt(app) if rebuild else None
    if as_json:
        app.json(_document(done, indexed) | found)
    else:
        app.lines(_lines(done, indexed, taken or 0, (lost, late)))
    return 1 if done.waiting or faults else 0


def _taken(app: App, folder: Path) -> tuple[int, list[StoreFault]]:
    from ledger.store.orphans import take_in

    return take_in(app.workspace.repository, app.path(str(folder)))


def _rebuilt(app: App) -> int:
    from ledger.store.recover import rebuild_index

    with app.progress("reading runs") as progress:
        return rebuild_index(app.workspace.repository, told=progress.reach)


def _document(done: Recovered, indexed: int | None) -> dict[str, Any]:
    left = done.predecessor
    return {
        "predecessor": None if left is None else {"host": left.host, "pid": left.pid},
        "restored": done.restored,
        "chained": done.chained,
        "waiting": done.waiting,
        "indexed": indexed,
        "faults": [one.document() for one in done.faults],
    }


def _lines(done: Recovered, indexed: int | None, taken: int, recorded: tuple[int, int]) -> Iterator[str]:
    from ledger.render.terminal import escape

    said = list(_said(done))
    lost, late = recorded
    if late:
        who = counted(late, "process", "processes")
        said.insert(0, f"recorded what {who} logged after the end of a run")
    if lost:
        said.insert(0, f"recorded {counted(lost, 'run')} whose process had died")
    if taken:
        said.insert(0, f"took in {counted(taken, 'sealed file')}")
    if indexed is not None:
        said.append(f"made the index anew: {counted(indexed, 'record')}")
    yield from map(escape, said or ["nothing to recover"])
    for one in done.faults:
        where = " ".join(part for part in (one.ref, one.path) if part)
        yield escape(f"still waiting: {where}: {one.what}")


def _said(done: Recovered) -> Iterator[str]:
    if done.predecessor is not None:
        yield f"mended what process {done.predecessor.pid} left when it ended"
    if done.restored:
        yield f"put back {counted(done.restored, 'sealed file')}, whose records had vanished from their refs"
    if done.chained:
        yield f"put {counted(done.chained, 'sealed record')} on their refs"
