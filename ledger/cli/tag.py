"""`ledger tag`."""

from __future__ import annotations

import click

from ledger.cli.app import App, json_option, pairs
from ledger.errors import UsageError

_EPILOG = """\b
Examples:
  ledger tag 3f9c stage=final
  ledger tag 3f9c stage=final reviewed=yes -d draft
  ledger runs --where "tags.stage == 'final'"

The run's earlier records stay as they are; `ledger show RUN --records` lists them.
"""


@click.command(epilog=_EPILOG)
@click.argument("run")
@click.argument("tags", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("-d", "--delete", "removed", multiple=True, metavar="NAME", help="Take a tag away.")
@click.option("--reason", help="Why.")
@json_option
@click.pass_obj
def tag(
    app: App,
    /,
    *,
    run: str,
    tags: tuple[str, ...],
    removed: tuple[str, ...],
    reason: str | None,
    as_json: bool,
) -> None:
    """Set or remove tags of RUN (its id, or the first four or more digits of it)."""
    from ledger.cli.editing import write
    from ledger.record.edit import Change

    if not tags and not removed:
        raise UsageError("no tag given", hint=f"ledger tag {run} stage=final")
    gone = tuple(("tags", name) for name in removed)
    write(app, run, Change(tags=pairs(tags, "tag"), removed=gone, reason=reason), as_json=as_json)
