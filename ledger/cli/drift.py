"""`ledger drift`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, json_option
from ledger.errors import ConfigError, NotFoundError, did_you_mean
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.trace.drift import Change, Drift
    from ledger.trace.view import View

_SHOWN, _PARTS_SHOWN = 5, 10
_EPILOG = """\b
Examples:
  ledger drift f1
  ledger drift f1 v1.0..main
  ledger drift f1 --json

\b
Needs "source": "eval/metrics.py:f1" in the metric's x-ledger. The code is read from git and never run.
Counts: what the function does, and the helpers, classes and constants of this repository that it uses, in any
        file; names imported from elsewhere. Not: comments, docstrings, annotations, formatting, moves to
        another file, other functions. Renaming a variable counts.
Unseen: what is looked up at run time (getattr, plugins, configuration files), compiled code, symbolic links.
"""


@click.command(epilog=_EPILOG)
@click.argument("metric")
@click.argument("revisions", nargs=-1)
@json_option
@click.pass_obj
def drift(app: App, /, *, metric: str, revisions: tuple[str, ...], as_json: bool) -> None:
    """List the commits at which the code that computes METRIC changed, newest first.

    Runs on both sides of such a commit share a definition, and may still not measure the same.
    """
    from ledger.trace.drift import drift as find

    view = app.view()
    _require_source(view, metric)
    found = find(view, metric, revisions)
    if as_json:
        app.json(_document(view, metric, found))
    else:
        app.lines(_lines(app, view, metric, found))
    app.warn_of_faults(view.runs.index.faults)


def _require_source(view: View, metric: str) -> None:
    """Raises NotFoundError for an unknown metric, ConfigError for one that does not say where it is implemented."""
    from ledger.schema.fingerprint import parse_source
    from ledger.trace.drift import sources

    known = {*view.runs.index.names("metrics"), *view.declared_metrics()}
    if metric not in known:
        hint = did_you_mean(metric, known, "`ledger schema show` lists the metrics")
        raise NotFoundError(f"there is no metric {metric!r}", hint=hint)
    named = sources(view, metric)
    if not named:
        raise ConfigError(
            f"the definition of {metric} does not say where it is computed",
            hint=f'add "source": "path/to/file.py:function" to the x-ledger of {metric} in its schema file',
        )
    parse_source(named[0])


def _document(view: View, metric: str, found: Drift) -> dict[str, Any]:
    ids = view.run_ids
    return {
        "metric": metric,
        "definition": found.definition.did,
        "sources": list(found.sources),
        "commits": found.commits,
        "changes": [_change_document(change) for change in found.changes],
        "unknown": [{"reason": why, "commits": list(commits)} for why, commits in found.unknown.items()],
        "uncommitted": [ids[row] for row in found.uncommitted],
        "unread": [ids[row] for row in found.unread],
    }


def _change_document(change: Change) -> dict[str, Any]:
    commit = change.newer
    return {
        "commit": commit.id,
        "date": commit.date,
        "author": commit.author,
        "subject": commit.subject,
        "older": change.older,
        "parts": [
            {"path": part.path or None, "name": part.name or None, "change": part.how}
            for part in change.parts
        ],
        "runs_before": change.runs_before,
        "runs_after": change.runs_after,
    }


def _lines(app: App, view: View, metric: str, found: Drift) -> Iterator[str]:
    from ledger.render.terminal import escape

    where = escape(found.sources[0])
    yield f"{escape(metric)}  {where}  d1:{found.definition.short}"
    yield ""
    if found.changes:
        yield from _change_lines(app, found)
        yield ""
    yield _summary(found)
    for reason, commits in found.unknown.items():
        yield f"not known at {counted(len(commits), 'commit')} (newest {commits[0][:9]}): {escape(reason)}"
    yield from _run_lines(view, found.uncommitted, "measured with uncommitted changes of this code")
    yield from _run_lines(view, found.unread, "measured with code that is not known")


def _change_lines(app: App, found: Drift) -> Iterator[str]:
    from ledger.render.format import date
    from ledger.render.table import Align, Cell, Column, Table, render
    from ledger.render.terminal import escape

    right = Align.RIGHT
    columns = (
        Column(header="commit"), Column(header="date"), Column(header="runs before", align=right),
        Column(header="after", align=right), Column(header="author", shrink=2), Column(header="subject", shrink=1),
    )  # fmt: skip
    rows: list[list[Cell | str]] = [
        [
            Cell(text=change.newer.id[:9], style="id"),
            date(change.newer.date),
            f"{change.runs_before:,}",
            f"{change.runs_after:,}",
            change.newer.author,
            change.newer.subject,
        ]
        for change in found.changes
    ]
    header, *rendered = render(Table(columns=columns, rows=rows), app.terminal)
    yield header
    for line, change in zip(rendered, found.changes, strict=True):
        yield line
        yield from (f"    {escape(text)}" for text in _parts(change))


def _parts(change: Change) -> list[str]:
    if not change.parts:
        return ["the same parts, used differently"]
    more = len(change.parts) - _PARTS_SHOWN
    return [
        *map(str, change.parts[:_PARTS_SHOWN]),
        *([f"and {more:,} more (--json has all)"] if more > 0 else []),
    ]


def _summary(found: Drift) -> str:
    if not found.commits:
        return "no commits in this range"
    known = found.commits - sum(map(len, found.unknown.values()))
    if not known:
        return "whether the code changed is not known"
    count = len(found.changes)
    said = f"the code changed {counted(count, 'time')}" if count else "the code did not change"
    return f"{said} in {counted(found.commits, 'commit')}"


def _run_lines(view: View, rows: tuple[int, ...], what: str) -> Iterator[str]:
    if rows:
        ids = [view.run_ids[row][:8] for row in rows[:_SHOWN]]
        more = f" and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
        yield f"{counted(len(rows), 'run')} {what}: {', '.join(ids)}{more}"
