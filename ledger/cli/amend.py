"""`ledger amend`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, json_option
from ledger.errors import UsageError
from ledger.model import Status

if TYPE_CHECKING:
    from ledger.model import Json

_EPILOG = """\b
Examples:
  ledger amend 3f9c --metric f1=0.87 --reason 'evaluated on the wrong split'
  ledger amend 3f9c --param optimizer.lr=0.01 --status failed --reason 'typed it wrong'
  ledger amend 3f9c --remove-metric loss --reason 'was the loss of another model'

Both values stay readable, with who changed them, when and why: ledger show RUN --records
"""


@click.command(epilog=_EPILOG)
@click.argument("run")
@click.option(
    "-m", "--metric", "metrics", multiple=True, metavar="NAME=VALUE", help="The right value of a metric."
)
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="The right value of a param."
)
@click.option(
    "--remove-metric", "no_metrics", multiple=True, metavar="NAME", help="A metric that should not be there."
)
@click.option(
    "--remove-param", "no_params", multiple=True, metavar="NAME", help="A param that should not be there."
)
@click.option(
    "--status",
    type=click.Choice([s.value for s in Status if s is not Status.RUNNING]),
    help="What became of it.",
)
@click.option("--name", help="Another name; empty for none.")
@click.option("--reason", required=True, help="Why: it is kept with the correction.")
@json_option
@click.pass_obj
def amend(app: App, /, *, run: str, reason: str, as_json: bool, **given: Any) -> None:
    """Correct RUN by a further record; what it said before stays readable.

    The values are checked against the schema that the run was recorded with.
    """
    from ledger.cli.editing import write
    from ledger.record.edit import Change
    from ledger.record.inputs import read_metrics, read_params

    if not reason.strip():
        raise UsageError("--reason is empty", hint="say why, in a few words")
    metrics = read_metrics((), given["metrics"]).metrics()
    params = _flat(read_params((), given["params"]).values)
    gone = (
        *(("metrics", name) for name in given["no_metrics"]),
        *(("params", name) for name in given["no_params"]),
    )
    fields = {name: given[name] or None for name in ("name", "status") if given[name] is not None}
    if not (metrics or params or gone or fields):
        raise UsageError("nothing to correct", hint=f"ledger amend {run} --metric f1=0.87 --reason '...'")
    change = Change(metrics=metrics, params=params, run=fields, removed=gone, reason=reason.strip())
    write(app, run, change, as_json=as_json)


def _flat(params: dict[str, Json]) -> dict[str, Json]:
    from ledger.store.segment import flatten

    return flatten(params)
