"""`ledger push`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ledger.cli import sharing
from ledger.cli.app import App, json_option
from ledger.cli.sharing import experiment_option

if TYPE_CHECKING:
    from ledger.share.push import Options
    from ledger.share.report import Report
    from ledger.share.session import Session

_EPILOG = """\b
Examples:
  ledger push                       everything that the home remote lacks
  ledger push -e main -e exp/lr     two experiments
  ledger push origin backup         the home remote, then a mirror of it
  ledger push --dry-run

The home remote is ledger.remote of git's configuration, else origin, else the only one. Code goes along only where
git config ledger.pushCode says auto or always. Exit codes: 0 ok, 1 the server refuses or a ref is in the way, 4 try again.
"""


@click.command(epilog=_EPILOG)
@click.argument("remotes", nargs=-1, metavar="[REMOTE]...")
@experiment_option
@click.option("--inbox", is_flag=True, help="Send to this clone's inbox instead of fetching chains first.")
@click.option("--retry", is_flag=True, help="Send again what the server refused.")
@click.option("--redacted", is_flag=True, help="Replace chains that hold what `ledger redact` took out.")
@click.option("-n", "--dry-run", is_flag=True, help="Fetch, say what would be sent, and send nothing.")
@json_option
@click.pass_obj
def push(
    app: App,
    /,
    *,
    remotes: tuple[str, ...],
    experiments: tuple[str, ...],
    inbox: bool,
    retry: bool,
    redacted: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Publish runs: fetch what is new, put unpublished runs on top of it, send them, and look what arrived."""
    from ledger.git import remote
    from ledger.share.push import Options
    from ledger.share.session import begin, require_home

    workspace = app.workspace
    home = require_home(workspace)
    names = [remote.require(workspace.repository, name) for name in dict.fromkeys(remotes)] or [home]
    options = Options(
        slugs=sharing.slugs(experiments), inbox=inbox, retry=retry, dry_run=dry_run, redacted=redacted
    )
    names.sort(key=lambda name: name != home)  # mirrors get what home has by then
    with sharing.told() as told, begin(workspace, told) as session:
        reports = sharing.each(names, lambda name: _pushed(session, name, home, options))
    return sharing.say(app, reports, as_json=as_json)


def _pushed(session: Session, name: str, home: str, options: Options) -> Report:
    from ledger.share.mirror import push_mirror
    from ledger.share.push import push as push_home

    return push_home(session, name, options) if name == home else push_mirror(session, name, home, options)
