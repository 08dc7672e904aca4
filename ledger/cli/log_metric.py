"""`ledger log-metric`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from ledger.cli.app import App, pairs
from ledger.errors import GateError, LedgerError, UsageError, words_of_the_call

_EPILOG = """\b
Examples:
  ledger run -- ./train.sh                            and in train.sh:
  ledger log-metric loss=0.31 --step 7
  ledger log-metric f1=0.9 acc=0.8 --context split=val
  ledger log-metric bleu=null                         computed, and there was no value

It adds to the run in LEDGER_RUN, which `ledger run` sets. When it returns, the values survive the death of every
process. What lies outside of the schema's minimum and maximum is logged and told of at once; with
`on_range = "stop"` under [live] in .ledger/config.toml the exit code is 5.
"""


@click.command("log-metric", epilog=_EPILOG)
@click.argument("words", nargs=-1, required=True, metavar="NAME=VALUE...")
@click.option("--step", type=int, help="The step; a lower one or the same may come again.")
@click.option(
    "--context", multiple=True, metavar="NAME=VALUE", help="On what it was measured; may be repeated."
)
@click.pass_obj
def log_metric(app: App, /, *, words: tuple[str, ...], step: int | None, context: tuple[str, ...]) -> None:
    """Add values of metrics to the run that goes on, from a shell script within it."""
    from ledger.record import jot, ranks
    from ledger.record.values import MAX_STEP
    from ledger.store.points import NO_STEP

    if step is not None and abs(step) > MAX_STEP:
        raise UsageError(f"--step {step}: beyond 2**62")
    main = jot.journal_of(os.environ, app.directory)
    rank = ranks.detect(os.environ)
    where = {**({"rank": rank.number} if rank and rank.number else {}), **pairs(context, "--context")}
    now = time.time_ns() // 1000
    with words_of_the_call():
        values = _values(words)
    blocks = [jot.metrics_block(values, step=NO_STEP if step is None else step, time=now, context=where)]
    wrong = _out_of_range(app, main, values)
    for name, message in wrong.items():
        if not jot.said(main, name):
            blocks.append(jot.event_block(message, level="warning", time=now, fields={}))
    jot.add(main, blocks)
    if wrong and app.workspace.config.on_range == "stop":
        raise GateError(next(iter(wrong.values())), hint="it was logged; mend the metric or its schema")
    app.warn(wrong.values())


def _out_of_range(app: App, main: Path, values: Mapping[str, float]) -> dict[str, str]:
    """What the configuration wants to know of at once; a schema that can't be read is told of at the end of the run."""
    from ledger.record import jot

    try:
        wrong = jot.out_of_range(main, values)
    except (LedgerError, OSError):
        return {}
    return wrong if wrong and app.workspace.config.on_range != "ignore" else {}


def _values(words: Iterable[str]) -> dict[str, float]:
    from ledger.store.points import NO_VALUE
    from ledger.store.values import clean_name, is_number, parse_number, too_large

    found: dict[str, float] = {}
    for word in words:
        name, equals, text = word.rpartition("=")
        if not equals:
            raise UsageError(
                f"{word}: not NAME=VALUE", hint=f"ledger log-metric {word.strip() or 'loss'}=0.31"
            )
        name = clean_name(name, word)
        if name in found:
            raise UsageError(f"{name} is given twice", hint="one value a call; --step tells calls apart")
        try:
            found[name] = float(parse_number(text)) if is_number(text) else NO_VALUE
        except OverflowError as error:
            raise too_large(name, text) from error
        if not is_number(text) and text != "null":
            raise UsageError(f"{name}: {text!r:.60} is not a number", hint="a number, nan, inf or null")
    return found
