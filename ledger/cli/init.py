"""`ledger init`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.cli.app import App
from ledger.errors import UsageError

if TYPE_CHECKING:
    from ledger.record.setup import Plan, Written

_EPILOG = """\b
Examples:
  ledger init                                               settings only
  ledger init --starter classification                      with a schema: units, directions, definitions
  ledger init --metrics metrics.json --params params.yaml   with a schema drafted from your files
  ledger init --remote origin                               plain git fetch brings runs along, into tracking refs
  ledger init --list                                        the starters

What .ledger/config.toml may hold stands in it as comments. Nothing is overwritten, and nothing is committed.
"""


@click.command(epilog=_EPILOG)
@click.option("--starter", metavar="NAME", help="Begin with one of the shipped schemas.")
@click.option(
    "--metrics",
    "--from",
    "metric_files",
    multiple=True,
    metavar="FILE",
    help="Draft a schema from the metrics of a run.",
)
@click.option("--params", "param_files", multiple=True, metavar="FILE", help="And from its params.")
@click.option("--name", metavar="NAME", help="What to call the schema; else the starter's name, or main.")
@click.option("--remote", metavar="NAME", help="Have plain `git fetch` bring the runs of a remote along.")
@click.option("--list", "list_starters", is_flag=True, help="List the starters.")
@click.pass_obj
def init(
    app: App,
    /,
    *,
    starter: str | None,
    metric_files: tuple[str, ...],
    param_files: tuple[str, ...],
    name: str | None,
    remote: str | None,
    list_starters: bool,
) -> None:
    """Set a repository up: .ledger/config.toml, and a first schema if you say what it is to come from."""
    from ledger.record import setup

    if list_starters:
        from ledger.cli.schema import starter_lines

        app.chunks(starter_lines())
        return
    if starter and (metric_files or param_files):
        raise UsageError(
            "--starter and --metrics exclude each other", hint="begin with one of them, and edit the file"
        )
    if name and not (starter or metric_files or param_files):
        raise UsageError(
            "--name names a schema, and there is none", hint="add --starter NAME or --metrics FILE"
        )
    if remote is not None:
        _set_up_remote(app, remote)
        if not (starter or metric_files or param_files):
            return
    setup.require_work_tree(app.workspace)
    plan = _plan(app, starter, metric_files, param_files, name)
    chosen = app.workspace.config.schema
    app.lines(_said(plan, setup.write(app.workspace, plan), chosen))


def _set_up_remote(app: App, name: str) -> None:
    from ledger.share.remotes import set_up

    done = set_up(app.workspace, name)
    for line in done:
        app.talk(f"git config {line}")
    app.lines([f"runs live on {name}: ledger push, ledger pull" if done else f"{name} is set up already"])


def _plan(
    app: App, starter: str | None, metrics: tuple[str, ...], params: tuple[str, ...], name: str | None
) -> Plan:
    from ledger.record import setup
    from ledger.record.inputs import read_metrics, read_params

    if starter:
        return setup.from_starter(starter, name=name)
    if not (metrics or params):
        return setup.without_schema()
    sources = setup.Sources(
        metrics=read_metrics([str(app.path(path)) for path in metrics]).metrics(),
        params=read_params([str(app.path(path)) for path in params]).values,
        metric_files=_inside(app, metrics),
        param_files=_inside(app, params),
    )
    return setup.from_values(sources, name=name)


def _inside(app: App, files: tuple[str, ...]) -> tuple[str, ...]:
    """The files below the top of the work tree, as paths from there: what `ledger record` reads by itself from now on."""
    from ledger.record.code import own_paths

    return own_paths(app.workspace.repository, [str(app.path(path)) for path in files])


def _said(plan: Plan, written: Written, chosen: str | None) -> Iterator[str]:
    from ledger.render.terminal import escape

    for verb, paths in (("created", written.created), ("exists, left as it is:", written.existing)):
        yield from (escape(f"{verb} {_shown(path)}") for path in paths)
    if plan.schema is None and not written.schemas:
        yield "no schema: every value is kept, and compared with its like by name"
        yield "  later: ledger schema infer, from recorded runs; or ledger init --list, for one to begin with"
    elif plan.schema and any(path.suffix == ".json" for path in written.created) and written.existing:
        yield escape(f'  to check runs against it, .ledger/config.toml needs: schema = "{plan.schema}"')
    if plan.schema and len(written.schemas) > 1 and written.existing and chosen is None:
        yield escape(f"  with {' and '.join(written.schemas)} and none chosen there, nothing is checked")
    yield ""
    yield "next:"
    if written.created:
        words = " ".join(shlex.quote(_shown(path)) for path in written.created)
        yield escape(f"  git add {words} && git commit -m 'Set up ledger'")
    yield f"  {_record_line(plan)}"
    yield ""
    yield "runs are commits on refs/runs/*, which `git log --all` shows too; to leave them out:"
    yield "  git log --exclude='refs/runs/*' --exclude='refs/ledger/*' --all"


def _record_line(plan: Plan) -> str:
    """The command that records the first run."""
    if plan.reads_files:
        return "ledger record"
    metric = shlex.quote(plan.metrics[0] if plan.metrics else "accuracy")
    return f"ledger record -p lr=0.1 -m {metric}=0.91        (or --params FILE --metrics FILE)"


def _shown(path: Path) -> str:
    return os.path.relpath(path)
