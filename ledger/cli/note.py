"""`ledger note`."""

from __future__ import annotations

import sys

import click

from ledger.cli.app import App, json_option
from ledger.errors import InputError, UsageError

_EPILOG = """\b
Examples:
  ledger note 3f9c 'diverged after step 900: learning rate too high'
  ledger note 3f9c - < remarks.txt
  ledger note 3f9c --remove
"""


@click.command(epilog=_EPILOG)
@click.argument("run")
@click.argument("text", required=False)
@click.option("--remove", is_flag=True, help="Take the note away.")
@click.option("--reason", help="Why.")
@json_option
@click.pass_obj
def note(app: App, /, *, run: str, text: str | None, remove: bool, reason: str | None, as_json: bool) -> None:
    """Write TEXT as the note of RUN; - reads it from standard input. It takes the place of an earlier one."""
    from ledger.cli.editing import write
    from ledger.record.edit import Change

    if remove == (text is not None):
        raise UsageError("either a text or --remove", hint=f"ledger note {run} 'what I saw'")
    words = None if remove else _text(text or "")
    write(app, run, Change(run={"note": words}, reason=reason), as_json=as_json)


def _text(given: str) -> str:
    if given != "-":
        text = given.strip()
    else:
        try:
            text = sys.stdin.buffer.read().decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise InputError(f"standard input: not UTF-8 at byte {error.start}") from error
    if not text:
        raise InputError("the note is empty", hint="--remove takes a note away")
    return text
