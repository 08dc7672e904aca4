"""`ledger log`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ledger.cli import running
from ledger.cli.app import App, one_output, table_options
from ledger.cli.viewing import current, view_options
from ledger.errors import NotFoundError, UsageError, did_you_mean

if TYPE_CHECKING:
    from ledger.cli.viewing import Viewing
    from ledger.trace.log_rows import LogRow
    from ledger.trace.view import View

_EPILOG = """\b
Examples:
  ledger log --metric f1
  ledger log --metric f1 --metric loss main..exp/lr
  ledger log --metric f1 --runs -n 20
  ledger log --metric f1 --agg median --since '2 weeks ago' -- src/
  ledger log --metric f1 --all --json

\b
Signs: →  converted exactly by a migration      ≈  approximately (counts with --approx)
       (84.2) ‖  another definition, ?  none: shown, never compared
       ~  the code behind the metric is another than at the newest commit (ledger drift)

\b
Levels: tree          another commit with the same files       rewritten   what an amend or a rebase made of it
        patch         a commit with the same change            manual      linked by hand (ledger link)
        pull-request  what its pull request or branch was merged as
        dirty-base    the run had uncommitted changes that no commit holds
"""


@click.command(epilog=_EPILOG)
@click.argument("revisions", nargs=-1)
@click.option(
    "-m", "--metric", "metrics", multiple=True, metavar="NAME", help="The metric to trace; again for more."
)
@click.option(
    "--agg",
    type=click.Choice(["best", "last", "mean", "median", "min", "max"]),
    help="What stands for several runs of a commit; best where the metric has a direction, else last.",
)
@click.option("--runs", "with_runs", is_flag=True, help="List the runs under their commit.")
@click.option("--all", "everything", is_flag=True, help="All branches and tags.")
@click.option("-n", "--max-count", type=click.IntRange(min=0), metavar="N", help="At most N rows.")
@click.option("--since", "--after", metavar="DATE", help="Commits after DATE.")
@click.option("--until", "--before", metavar="DATE", help="Commits before DATE.")
@click.option("--author", metavar="PATTERN", help="Commits by AUTHOR.")
@click.option("--grep", metavar="PATTERN", help="Commits whose message matches.")
@click.option("--first-parent", is_flag=True, help="Follow only the first parent of merges.")
@click.option("--no-merges", is_flag=True, help="Leave merges out.")
@click.option("--reverse", is_flag=True, help="Oldest first.")
@click.option("--empty", "with_empty", is_flag=True, help="Commits without a value, too.")
@view_options("the range's tip")
@table_options
@click.pass_context
def log(ctx: click.Context, /, revisions: tuple[str, ...], **given: Any) -> None:
    """Trace metrics along the history of the code, newest commit first.

    REVISIONS and paths (after --) are those of `git log`. Every run is hung on the commit whose code it measured;
    how sure that is stands beside it, and what could not be placed or compared is counted at the end.
    """
    app: App = ctx.obj
    form = one_output(json=given["as_json"], csv=given["as_csv"], md=given["as_md"])
    revisions, paths = _split(revisions, app.words)
    viewing: Viewing = given["viewing"]
    from ledger.trace.ahead import begin

    # Git reads while what traces is imported, which takes as long.
    with begin(app.workspace.repository, revisions, everything=given["everything"]) as ahead:
        from ledger.cli.log_output import PRINTERS, Printer
        from ledger.trace.log import Query, trace

        tip = None if viewing.at else _tip(app, revisions)
        view = viewing.open(app, tip=tip)
        query = Query(
            metrics=_metrics(app, view, given["metrics"]),
            revisions=revisions,
            paths=paths,
            everything=given["everything"],
            options=_git_options(given),
            aggregate=given["agg"],
            only_valued=not given["with_empty"],
        )
        found = trace(view, query, ahead)
    rows = _limited(found.rows, given["max_count"], reverse=given["reverse"])
    printer = Printer(app, view, found, rows, with_runs=given["with_runs"], at=tip)
    PRINTERS[form](printer)
    running.tell(app)
    app.warn_of_faults(view.runs.index.faults)
    viewing.require(lambda: found.left_out.apart)


def _tip(app: App, revisions: Sequence[str]) -> str | None:
    """The revision whose definitions a range is shown under: its tip; None for the work tree, where that is HEAD."""
    if not revisions:
        return None
    from ledger.git import history

    repository = app.workspace.repository
    tips = history.resolve_range(repository, revisions).include
    head = history.identify(repository, ["HEAD^{commit}"])[0]
    return tips[0] if len(tips) == 1 and tips[0] != head else None


def _split(words: Sequence[str], typed: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Revisions, and the paths that stand after `--`."""
    count = len(typed) - typed.index("--") - 1 if "--" in typed else 0
    return tuple(words[: len(words) - count]), tuple(words[len(words) - count :])


def _metrics(app: App, view: View, asked: tuple[str, ...]) -> tuple[str, ...]:
    """The metrics asked for, else those of the configuration. An unknown name suggests the right one."""
    from ledger.trace.targets import require

    names = asked or app.workspace.config.log_metrics
    known = view.runs.index.names("metrics")
    if not names:
        hint = f"--metric {known[0]}" if known else "record a run first: ledger record --help"
        raise UsageError("which metric?", hint=hint)
    names = tuple(current(app, view, name) for name in names)
    for name in names:
        if name not in known and not view.target(name).declared:
            hint = did_you_mean(name, known, f"recorded: {', '.join(known[:12]) or 'nothing yet'}")
            raise NotFoundError(f"no run has a metric {name!r}", hint=hint)
    require(view, names)
    return tuple(dict.fromkeys(names))


def _git_options(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Git's own options, each built here from a value: nothing that was typed is passed on as an option."""
    valued = [
        f"--{name}={given[name]}" for name in ("since", "until", "author", "grep") if given[name] is not None
    ]
    flags = [f"--{name.replace('_', '-')}" for name in ("first_parent", "no_merges") if given[name]]
    return (*valued, *flags)


def _limited(rows: Sequence[LogRow], count: int | None, *, reverse: bool) -> list[LogRow]:
    chosen = list(rows if count is None else rows[:count])
    return chosen[::-1] if reverse else chosen
