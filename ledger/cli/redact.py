"""`ledger redact`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ledger.cli import sharing
from ledger.cli.app import App, json_option
from ledger.errors import UsageError
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.share.redact import Done

_EPILOG = """\b
Examples:
  ledger redact 3f9c --path params.json:/hf_token --reason 'leaked; revoked on 2026-11-21'
  ledger redact 3f9c --path run.json:/environment/API_URL --reason 'internal address'
  ledger redact 3f9c --path events.jsonl: --reason 'names of patients'
  ledger push --redacted

Revoke the secret first: whoever has fetched it has it. docs/redaction.md says what remains to be done on the server.
"""


@click.command(epilog=_EPILOG)
@click.argument("run")
@click.option(
    "--path", required=True, metavar="FILE:/KEY", help="The value: a file of the run, and a JSON pointer."
)
@click.option("--reason", required=True, help="Why; everybody can read it, so don't repeat the value.")
@json_option
@click.pass_obj
def redact(app: App, /, *, run: str, path: str, reason: str, as_json: bool) -> None:
    """Take a value out of RUN, in all of its records: rebuild the chain from there, and leave a mark in its place."""
    from ledger.model import utc_text
    from ledger.share.redact import Request
    from ledger.share.redact import redact as take_out
    from ledger.share.session import begin
    from ledger.store.redacted import place
    from ledger.trace.find import one_run

    if not reason.strip():
        raise UsageError("the reason is empty", hint="others see that something is gone: tell them why")
    request = Request(
        run=one_run(app.view(warned=False).runs, run),
        place=place(path),
        reason=reason.strip(),
        by=app.workspace.config.author,
        at=utc_text(app.workspace.now()),
    )
    with sharing.told() as told, begin(app.workspace, told) as session:
        done = take_out(session, request)
    if as_json:
        app.json(_document(done, request.run))
    else:
        app.lines(_lines(done, request.run))
    app.warn(_warnings(done))


def _document(done: Done, run: str) -> dict[str, Any]:
    return {
        "run": run,
        "redactions": [
            {"id": one.id, "experiment": one.slug, "path": str(one.place), "old": one.old, "new": one.new}
            for one in done.redactions
        ],
        "records": done.records,
        "rebuilt": done.rebuilt,
        "on_remote": list(done.forced),
        "elsewhere": list(done.elsewhere),
    }


def _lines(done: Done, run: str) -> list[str]:
    records = counted(done.records, "record")
    rebuilt = counted(done.rebuilt, "commit is new", "commits are new")
    one = done.redactions[0]
    lines = [f"taken out of {records} of run {run[:8]}: {one.place}; {one.mark} stands there, {rebuilt}"]
    if done.forced:
        lines.append("the remote still has it: ledger push --redacted")
    lines += [
        "here the old objects stay until: git gc --prune=now",
        "on the server its owner has to do the same; a forge keeps caches and forks (docs/redaction.md)",
    ]
    return lines


def _warnings(done: Done) -> list[str]:
    if not done.elsewhere:
        return []
    return [f"the same text stands elsewhere, and was left there: {', '.join(done.elsewhere)}"]
