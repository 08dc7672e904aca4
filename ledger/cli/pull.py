"""`ledger pull`."""

from __future__ import annotations

import click

from ledger.cli import sharing
from ledger.cli.app import App, json_option

_EPILOG = """\b
Examples:
  ledger pull
  ledger pull -e exp/lr
  ledger pull --accept-rewind      the remote's chain was set back, and that is meant to be so

Heads of squash-merged pull requests come along where runs on them would be unattached; git config
ledger.fetchRequests false turns that off.
"""


@click.command(epilog=_EPILOG)
@sharing.shared
@json_option
@click.pass_obj
def pull(
    app: App,
    /,
    *,
    experiments: tuple[str, ...],
    whole: bool,
    accept_rewind: bool,
    as_json: bool,
) -> int:
    """Bring runs of the home remote here, and put what is not published yet on top of them. Sends nothing."""
    from ledger.share.fetch import Wanted
    from ledger.share.pull import pull as pull_home
    from ledger.share.session import begin, require_home

    name = require_home(app.workspace)
    wanted = Wanted(slugs=sharing.slugs(experiments), whole=whole, accept_rewind=accept_rewind)
    with sharing.told() as told, begin(app.workspace, told) as session:
        report = pull_home(session, name, wanted)
    return sharing.say(app, [report], as_json=as_json)
