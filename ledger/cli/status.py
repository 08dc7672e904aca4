"""`ledger status`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, json_option
from ledger.errors import ConfigError
from ledger.model import utc_text_of
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.cli.running import Running
    from ledger.git.worktree import WorkTree
    from ledger.model import StoreFault
    from ledger.schema.document import Schema
    from ledger.share.standing import Standing
    from ledger.store.orphans import Orphan
    from ledger.store.state import Experiment, State

_SHOWN = 10

_EPILOG = """\b
Examples:
  ledger status
  ledger status --json
"""


@click.command(epilog=_EPILOG)
@json_option
@click.pass_obj
def status(app: App, /, *, as_json: bool) -> None:
    """Say what is recorded, what the next run would be tied to, what waits and what is in the way."""
    from ledger.cli.running import running
    from ledger.share.standing import standing
    from ledger.store import index as store_index
    from ledger.store.orphans import orphans
    from ledger.store.state import look

    repository = app.workspace.repository
    index = store_index.load(repository)
    found = _Found(
        state=look(repository, index),
        faults=tuple(index.faults),
        tree=_tree(app),
        schemas=_schemas(app),
        where=str(repository.work_tree or repository.git_dir),
        orphans=tuple(orphans(repository)),
        running=tuple(running(app.workspace)),
        standing=standing(app.workspace),
    )
    if as_json:
        app.json(_document(found))
    else:
        app.lines(_lines(app, found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    state: State
    faults: tuple[StoreFault, ...]
    tree: WorkTree | None
    schemas: tuple[Schema | None, str]
    """The schema that the next run is checked against, or why there is none."""
    where: str
    orphans: tuple[Orphan, ...]
    running: tuple[Running, ...]
    """Runs that are not recorded yet."""
    standing: Standing


def _tree(app: App) -> WorkTree | None:
    """The code state as the next `ledger record` would see it; None in a bare repository."""
    from ledger.git import worktree
    from ledger.record.code import own_paths

    repository, config = app.workspace.repository, app.workspace.config
    top = repository.work_tree
    if top is None:
        return None
    own = [str(path) for pattern in (*config.params, *config.metrics) for path in top.glob(pattern)]
    return worktree.status(repository, ignored=own_paths(repository, own), paths=config.code_paths)


def _schemas(app: App) -> tuple[Schema | None, str]:
    from ledger.record.prepare import load_schema, schema_names

    try:
        schema = load_schema(app.workspace, None)
    except ConfigError as error:
        return None, error.message
    if schema is not None:
        return schema, ""
    names = schema_names(app.workspace)
    if names:
        return (
            None,
            f"none chosen of {', '.join(names)} (schema = in .ledger/config.toml, or record --schema)",
        )
    return None, "none: every value is kept, and compared with its like by name"


def _document(found: _Found) -> dict[str, Any]:
    state, tree, (schema, why) = found.state, found.tree, found.schemas
    return {
        "repository": found.where,
        "code": None
        if tree is None
        else {
            "commit": tree.commit,
            "branch": tree.branch,
            "dirty": bool(tree.changed),
            "changed": list(tree.changed),
            "untracked_sources": list(tree.untracked_sources),
        },
        "schema": {"name": schema.name, "version": schema.version} if schema else None,
        "schema_problem": why or None,
        "experiments": [
            {
                "name": one.name,
                "ref": one.ref,
                "runs": one.runs,
                "records": one.records,
                "last": _last(one),
            }
            for one in state.experiments
        ],
        "waiting": [{"path": str(one.path), "records": one.records, "why": one.why} for one in state.waiting],
        "refused": [{"path": str(one.path), "fault": one.fault} for one in state.refused],
        "orphaned": [
            {"path": str(one.folder), "repository": one.repository, "files": one.files}
            for one in found.orphans
        ],
        "running": [one.document() for one in found.running],
        "unreadable": [one.document() for one in found.faults],
        "lock": None
        if state.holder is None
        else {"host": state.holder.host, "pid": state.holder.pid, "alive": state.holder.alive},
        "index_bytes": state.index_bytes,
        "remote": _remote_document(found.standing),
    }


def _remote_document(found: Standing) -> dict[str, Any] | None:
    if found.remote is None and not found.problem:
        return None
    return {
        "name": found.remote,
        "shared": found.shared,
        "problem": found.problem or None,
        "experiments": [
            {
                "experiment": one.slug,
                "unpublished": one.unpublished,
                "behind": one.behind,
                "quarantined": one.quarantined,
                "inbox": one.inbox,
                "rewound": one.rewound,
                "redacted": one.forced,
            }
            for one in found.experiments
        ],
    }


def _last(one: Experiment) -> str | None:
    """When the last run was recorded: RFC 3339 text."""
    return utc_text_of(one.last) if one.last is not None else None


def _lines(app: App, found: _Found) -> Iterator[str]:
    from ledger.render.terminal import escape

    yield from map(escape, _heads(found))
    yield ""
    yield from _experiments(app, found)
    if found.running:
        from ledger.cli.running import table

        yield ""
        yield from table(app, found.running)
    yield from map(escape, _troubles(found))


def _heads(found: _Found) -> Iterator[str]:
    from ledger.render.format import size

    tree, (schema, why) = found.tree, found.schemas
    yield f"repository  {found.where}"
    yield f"code        {'a bare repository: no work tree' if tree is None else _code(tree)}"
    if schema is not None:
        yield f"schema      {schema.name}{f' version {schema.version}' if schema.version else ''}"
    else:
        yield f"schema      {why}"
    yield f"index       {size(found.state.index_bytes)}"
    yield from _remote(found.standing, sum(one.records for one in found.state.experiments))


def _remote(found: Standing, records: int) -> Iterator[str]:
    if found.problem:
        yield f"remote      {found.problem}"
    elif found.shared:
        yield f"remote      {found.remote}: {_remote_counts(found)}"
    elif found.remote and records:
        yield f"remote      {found.remote}: nothing seen there yet, {records:,} not published (ledger push)"


_COUNTS = {
    "unpublished": "{count:,} not published (ledger push)",
    "behind": "{count:,} to take over (ledger pull)",
    "inbox": "{count:,} in inboxes",
    "quarantined": "{count:,} refused by the server (ledger push --retry)",
}


_STATES = {
    "rewound": "rewound there: {names} (ledger fetch says what is gone, ledger pull --accept-rewind brings it back)",
    "forced": "what was taken out of {names} is still there (ledger push --redacted)",
}


def _remote_counts(found: Standing) -> str:
    """As far as the remote was last seen."""
    parts = [text.format(count=found.total(what)) for what, text in _COUNTS.items() if found.total(what)]
    parts += [text.format(names=found.names(what)) for what, text in _STATES.items() if found.names(what)]
    return ", ".join(parts) or "up to date when it was last seen"


def _code(tree: WorkTree) -> str:
    branch = tree.branch or "detached HEAD"
    if tree.commit is None:
        return f"{branch}, no commit yet"
    state = "clean"
    if tree.changed:
        more = f" and {len(tree.changed) - 3} more" if len(tree.changed) > 3 else ""  # noqa: PLR2004
        state = f"changed: {', '.join(tree.changed[:3])}{more}"
    return f"{branch} {tree.commit[:9]}, {state}"


def _experiments(app: App, found: _Found) -> Iterator[str]:
    from ledger.render.format import ago
    from ledger.render.table import Align, Column, Table, render

    known = found.state.experiments
    if not known:
        yield "no runs yet: ledger record --help"
        return
    columns = (
        Column(header="experiment", shrink=1),
        Column(header="runs", align=Align.RIGHT),
        Column(header="records", align=Align.RIGHT),
        Column(header="last"),
    )
    now = app.workspace.now()
    rows = [[one.name, f"{one.runs:,}", f"{one.records:,}", ago(_last(one), now)] for one in known[:_SHOWN]]
    yield from render(Table(columns=columns, rows=rows), app.terminal)
    if len(known) > _SHOWN:
        yield f"and {counted(len(known) - _SHOWN, 'more experiment')}"


def _troubles(found: _Found) -> Iterator[str]:
    state = found.state
    if state.waiting:
        count = sum(one.records for one in state.waiting)
        yield ""
        yield f"waiting: {counted(count, 'sealed record')}, safe on disk, not on a ref yet"
        yield from _capped([f"  {one.path.name}: {one.why}" for one in state.waiting])
    if state.refused:
        yield ""
        yield "refused (finish with: ledger record --refused FILE -m NAME=VALUE; or delete FILE):"
        yield from _capped([f"  {one.path}: {one.fault}" for one in state.refused])
    if found.faults:
        yield ""
        yield "unreadable (ledger verify says more):"
        yield from _capped([f"  {one.where}: {one.what}" for one in found.faults])
    if found.orphans:
        yield ""
        yield "sealed files of repositories that are gone or elsewhere now (in the right one: ledger recover --from FOLDER):"
        yield from _capped(
            [f"  {one.folder}: {counted(one.files, 'file')} of {one.repository}" for one in found.orphans]
        )
    if state.holder is not None:
        yield ""
        who = f"process {state.holder.pid} on {state.holder.host}"
        yield _HOLDERS[state.holder.alive].format(who=who)


_HOLDERS = {
    True: "{who} is writing",
    False: "{who} ended while it was writing; the next command that writes finishes its work (ledger recover)",
    None: "{who} is writing, or was when it ended",
}


def _capped(lines: list[str]) -> list[str]:
    rest = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"  and {rest} more"] if rest > 0 else [])]
