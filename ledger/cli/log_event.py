"""`ledger log-event`."""

from __future__ import annotations

import os
import time

import click

from ledger.cli.app import App, pairs
from ledger.model import LEVELS

_EPILOG = """\b
Examples:
  ledger log-event "data read" rows=1000 source=s3://bucket/data
  ledger log-event "the validation set is small" --level warning
  ledger show RUN --events                            reads them

It adds to the run in LEDGER_RUN, which `ledger run` sets.
"""


@click.command("log-event", epilog=_EPILOG)
@click.argument("message")
@click.argument("words", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    default="info",
    show_default=True,
)
@click.pass_obj
def log_event(app: App, /, *, message: str, words: tuple[str, ...], level: str) -> None:
    """Say in the run that goes on what happened, from a shell script within it."""
    from ledger.record import jot
    from ledger.store.values import is_number, parse_number

    main = jot.journal_of(os.environ, app.directory)
    texts = pairs(words, "log-event")
    fields = {name: parse_number(text) if is_number(text) else text for name, text in texts.items()}
    text = message.encode("utf-8", "replace").decode()
    jot.add(main, [jot.event_block(text, level=level, time=time.time_ns() // 1000, fields=fields)])
