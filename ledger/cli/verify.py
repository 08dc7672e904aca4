"""`ledger verify`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, json_option

if TYPE_CHECKING:
    from ledger.model import StoreFault
    from ledger.store.verify import Report

_EPILOG = """\b
Examples:
  ledger verify
  ledger verify --json | jq '.faults[].what'

Exit codes: 0 when all is well, 1 when there are faults. Nothing is changed or repaired.
"""


@click.command(epilog=_EPILOG)
@json_option
@click.pass_obj
def verify(app: App, /, *, as_json: bool) -> int:
    """Read everything back strictly and report every fault.

    Refs, commits, trees, files, schemas, series, edits, the code that runs name, sealed files and the index.
    """
    from ledger.render.progress import Progress
    from ledger.store.verify import verify as read_everything

    repository = app.workspace.repository
    with Progress(sys.stderr, enabled=sys.stderr.isatty(), label="verifying records") as progress:
        report = read_everything(repository, told=progress.reach)
    if as_json:
        app.json(_document(report))
    else:
        app.lines(_lines(report))
    return 1 if report.faults else 0


def _document(report: Report) -> dict[str, Any]:
    return {
        "experiments": report.experiments,
        "runs": report.runs,
        "records": report.records,
        "faults": [_fault(one) for one in report.faults],
        "notes": [_fault(one) for one in report.notes],
    }


def _fault(one: StoreFault) -> dict[str, str]:
    return {"ref": one.ref, "commit": one.commit, "path": one.path, "what": one.what}


def _lines(report: Report) -> Iterator[str]:
    from ledger.render.terminal import escape

    yield (
        f"{_count(report.experiments, 'experiment')}, {_count(report.runs, 'run')}, "
        f"{_count(report.records, 'record')}: {_count(len(report.faults), 'fault') if report.faults else 'all is well'}"
    )
    for label, found in (("fault", report.faults), ("note", report.notes)):
        for one in found:
            where = " ".join(part for part in (one.ref, one.commit[:12], one.path) if part)
            yield escape(f"{label}: {where}: {one.what}" if where else f"{label}: {one.what}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
