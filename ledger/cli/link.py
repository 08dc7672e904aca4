"""`ledger link`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.cli.app import App, json_option
from ledger.errors import InputError, UsageError
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.store.links import Manual

_MAP_BYTES = 1 << 28
_EPILOG = """\b
Examples:
  ledger link 3f9c 8d21e07 --reason 'squashed by hand'
  ledger link 3f9c --remove
  ledger link --from-map .git/filter-repo/commit-map

\b
A link made by hand counts where the run's own commit, an equal tree and rewritten history lead nowhere. Amends and
rebases link themselves where git's post-rewrite hook is installed. Links are pushed and pulled with runs.
"""


@click.command(epilog=_EPILOG)
@click.argument("run", required=False)
@click.argument("commit", required=False)
@click.option("--reason", help="Why.")
@click.option("--remove", is_flag=True, help="Take an earlier link of the run back.")
@click.option(
    "--from-map",
    "map_file",
    metavar="FILE",
    help="Old and new commits, as git-filter-repo's commit-map has them.",
)
@json_option
@click.pass_obj
def link(
    app: App,
    /,
    *,
    run: str | None,
    commit: str | None,
    reason: str | None,
    remove: bool,
    map_file: str | None,
    as_json: bool,
) -> None:
    """Say which COMMIT the RUN belongs to, or which commits of a rewritten history took the place of which."""
    if map_file is not None:
        if run or commit or remove or reason:
            raise UsageError("--from-map stands alone", hint="ledger link --from-map FILE")
        _from_map(app, app.path(map_file), as_json=as_json)
    elif run is None or remove == (commit is not None):
        raise UsageError("a run and its commit, or --remove", hint="ledger link 3f9c HEAD~2")
    else:
        _by_hand(app, run, commit, reason, as_json=as_json)


def _by_hand(app: App, prefix: str, revision: str | None, reason: str | None, *, as_json: bool) -> None:
    from ledger.git import history
    from ledger.store import link_log
    from ledger.trace.find import one_run

    workspace = app.workspace
    commit = history.resolve(workspace.repository, revision) if revision else None
    event = _event(app, one_run(app.view().runs, prefix), commit, reason)
    link_log.add(workspace.repository, [event], workspace.config.author)
    if as_json:
        app.json({"run": event.run, "commit": event.commit, "reason": event.reason})
    elif commit:
        app.lines([f"linked {event.run[:8]} to {commit[:9]}"])
    else:
        app.lines([f"took back what was said of {event.run[:8]}"])


def _event(app: App, run: str, commit: str | None, reason: str | None) -> Manual:
    from ledger.model import utc_text
    from ledger.store.links import MAX_TEXT, Manual

    if reason is not None and len(reason) > MAX_TEXT:
        raise InputError(f"a reason of {len(reason):,} characters, the limit is {MAX_TEXT:,}")
    author = str(app.workspace.config.author)[:MAX_TEXT]
    recorded = utc_text(app.workspace.now())
    return Manual(recorded=recorded, run=run, commit=commit, author=author, reason=reason)


def _from_map(app: App, path: Path, *, as_json: bool) -> None:
    from ledger.model import utc_text
    from ledger.store import link_log
    from ledger.store.links import Rewritten

    pairs = link_log.pairs_in(_text(path))
    if not pairs:
        raise InputError(f"{path}: no pairs of an old and a new commit", hint="each line is <old> <new>")
    event = Rewritten(by="map", recorded=utc_text(app.workspace.now()), pairs=pairs)
    repository = app.workspace.repository
    link_log.add(repository, link_log.with_trees(repository, [event]), app.workspace.config.author)
    if as_json:
        app.json({"pairs": len(pairs)})
    else:
        app.lines([f"linked {counted(len(pairs), 'commit')}"])


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAP_BYTES:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes, the limit is {_MAP_BYTES:,}")
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a list of commits") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
