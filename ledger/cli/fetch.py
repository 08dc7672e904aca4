"""`ledger fetch`."""

from __future__ import annotations

import click

from ledger.cli import sharing
from ledger.cli.app import App, json_option

_EPILOG = """\b
Examples:
  ledger fetch
  ledger fetch backup
"""


@click.command(epilog=_EPILOG)
@click.argument("remotes", nargs=-1, metavar="[REMOTE]...")
@sharing.shared
@json_option
@click.pass_obj
def fetch(
    app: App,
    /,
    *,
    remotes: tuple[str, ...],
    experiments: tuple[str, ...],
    whole: bool,
    accept_rewind: bool,
    as_json: bool,
) -> int:
    """Fetch runs into tracking refs, and check them. Your own chains stay as they are; inboxes are read at once."""
    from ledger.git import remote
    from ledger.share.fetch import Wanted
    from ledger.share.pull import fetch_only
    from ledger.share.session import begin, require_home

    workspace = app.workspace
    home = require_home(workspace)
    names = [remote.require(workspace.repository, name) for name in dict.fromkeys(remotes)] or [home]
    with sharing.told() as told, begin(workspace, told) as session:
        reports = sharing.each(
            names,
            lambda name: fetch_only(
                session,
                name,
                Wanted(
                    slugs=sharing.slugs(experiments),
                    whole=whole,
                    accept_rewind=accept_rewind,
                    boxes=name == home,
                ),
            ),
        )
    return sharing.say(app, reports, as_json=as_json)
