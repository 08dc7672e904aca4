"""`ledger checkout`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.cli.app import App, json_option
from ledger.errors import LedgerError, NotFoundError

if TYPE_CHECKING:
    from ledger.model import Code

_EPILOG = """\b
Examples:
  ledger checkout 3f9c                  into ../PROJECT-3f9c01d2
  ledger checkout 3f9c /tmp/then
  git worktree remove ../PROJECT-3f9c01d2

\b
What is checked out here is not touched, and no hook of the repository runs. Uncommitted changes that the run had are
uncommitted changes there. Submodules stay empty: git submodule update fills them.
"""


@click.command(epilog=_EPILOG)
@click.argument("run")
@click.argument("path", required=False)
@json_option
@click.pass_obj
def checkout(app: App, /, *, run: str, path: str | None, as_json: bool) -> None:
    """Put the exact code of RUN into a new work tree at PATH, uncommitted changes included."""
    from ledger.git import worktrees

    run_id, code = _code(app, run)
    repository = app.workspace.repository
    place = Path(app.path(path)) if path else _default(app, run_id)
    for commit in filter(None, (code.snapshot, code.commit)):
        if not worktrees.have(repository, commit):
            raise NotFoundError(
                f"the code of {run_id[:8]} is not here: {commit[:12]}",
                hint="it was recorded elsewhere, and comes with a branch from there; "
                f"where ledger.pushCode published it: git fetch {_remote(app)} {commit}",
            )
    worktrees.add(repository, place, code.commit, code.snapshot)
    if code.dirty and (code.problem or not code.snapshot):
        kept = "were not all kept" if code.snapshot else "were not kept"
        app.warn([f"its uncommitted changes {kept}: {code.problem or 'no snapshot'}"])
    with app.telling(f"checked out at {place}"):
        if as_json:
            app.json(
                {
                    "run": run_id,
                    "path": str(place),
                    "commit": code.commit,
                    "snapshot": code.snapshot,
                    "dirty": code.dirty,
                }
            )
        else:
            changed = " with its uncommitted changes" if code.snapshot else ""
            app.lines([f"{place}: {code.commit[:9]}{changed}"])


def _code(app: App, prefix: str) -> tuple[str, Code]:
    from ledger.store.load import Place, record_at
    from ledger.trace.find import one_run, row_of

    runs = app.view().runs
    run_id = one_run(runs, prefix)
    said = runs.record_columns(row_of(runs, run_id))
    place = Place(record=said["record"], ref=said["ref"], commit=said["commit"] or "")
    code = record_at(app.workspace.repository, place).run.code
    if code is None:
        raise NotFoundError(f"the run {run_id[:8]} names no code")
    return run_id, code


def _remote(app: App) -> str:
    from ledger.share.session import home

    with suppress(LedgerError):  # which of several is not said
        return home(app.workspace) or "REMOTE"
    return "REMOTE"


def _default(app: App, run_id: str) -> Path:
    """Beside the main work tree; of a bare repository, beside that."""
    common = app.workspace.repository.common_dir
    top = common.parent if common.name == ".git" else common
    return top.parent / f"{top.name.removesuffix('.git')}-{run_id[:8]}"
