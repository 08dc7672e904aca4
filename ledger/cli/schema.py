"""`ledger schema`: its subcommands, and among them infer, show and starters."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, Group, json_option
from ledger.errors import ConfigError, InputError, NotFoundError
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.schema.codes import Finding
    from ledger.schema.definition import Definition
    from ledger.schema.document import Schema
    from ledger.store.load import Place

_NEWEST = 2_000
"""Runs that a draft looks at."""

_EPILOG = """\b
Examples:
  ledger schema infer                     .ledger/schemas/main.json, from the runs recorded so far
  ledger schema show                      what the metrics and params mean
  ledger schema diff                      what changed since HEAD
  ledger schema check                     whether that is explained
  ledger schema migrate                   draft the migration that explains it
  ledger schema matrix f1                 which definitions of f1 compare with which
  ledger schema history f1                when its definition changed, and what bridges that
"""

_ELSEWHERE = {
    "check": "ledger.cli.schema_check",
    "diff": "ledger.cli.schema_history",
    "history": "ledger.cli.schema_history",
    "matrix": "ledger.cli.schema_matrix",
    "migrate": "ledger.cli.schema_migrate",
}
"""Subcommands in modules of their own, which load when they are called."""


class _Subcommands(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(_ELSEWHERE[cmd_name]), cmd_name)
        return command


@click.group(cls=_Subcommands, epilog=_EPILOG)
def schema() -> None:
    """Look at schemas, check them, and draft schemas and migrations."""


@schema.command()
@click.option("-e", "--experiment", metavar="NAME", help="From the runs of one experiment only.")
@click.option("--name", default="main", show_default=True, help="What to call the schema.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to write it, - for standard output; else .ledger/schemas/NAME.json.",
)
@click.pass_obj
def infer(app: App, /, *, experiment: str | None, name: str, output: str | None) -> None:
    """Draft a schema from recorded runs: names, types, and directions where a name leaves no doubt."""
    from ledger.record import setup
    from ledger.schema import draft
    from ledger.store.load import samples

    setup.schema_name(name)
    places, total = _places(app, experiment)
    data = draft.infer(samples(app.workspace.repository, places), name=name)
    if output == "-":
        app.json(json.loads(data))
        return
    path = (
        app.path(output)
        if output
        else setup.require_work_tree(app.workspace) / f".ledger/schemas/{name}.json"
    )
    if not setup.create(path, data):
        raise InputError(
            f"{path} is there already",
            hint="-o FILE writes elsewhere, -o - prints it; ledger never overwrites",
        )
    of = f"{len(places):,} of {total:,} runs, the newest" if len(places) < total else counted(total, "run")
    required = _REQUIRED if b'"required": [' in data else ""
    app.talk(_NEXT.format(path=_relative(path), of=of, required=required))


_REQUIRED = ", and take out of `required` what a run may lack"
_NEXT = """\
drafted {path} from {of}

next:
  1. fill in unit, how and on of each metric{required}
  2. ledger schema migrate    values recorded before have no definition and stay apart (?); this drafts what joins them
  3. ledger schema check      then git add {path} .ledger/migrations, and commit them together"""


def _places(app: App, experiment: str | None) -> tuple[list[Place], int]:
    """Where the newest runs are, and how many there are. Raises NotFoundError for none."""
    from ledger.store.load import Place

    view = app.view()
    runs = view.runs
    rows = [row for row in runs.rows if experiment in (None, view.experiments[row])]
    if not rows:
        known = sorted(set(view.experiments))
        hint = f"recorded: {', '.join(known[:12])}" if known else "record a run first: ledger record --help"
        raise NotFoundError(f"no runs in {experiment!r}" if experiment else "no runs yet", hint=hint)
    recorded = runs.column("recorded")
    newest = sorted(rows, key=lambda row: (recorded[row] or 0, row))[-_NEWEST:]
    commits, refs, records = runs.column("commit"), runs.column("ref"), runs.column("record")
    return [Place(record=records[row], ref=refs[row], commit=commits[row] or "") for row in newest], len(rows)


def _relative(path: Path) -> str:
    return os.path.relpath(path)


@schema.command()
@click.argument("name", required=False)
@click.option("--at", metavar="REV", help="As a revision has it; else the work tree.")
@json_option
@click.pass_obj
def show(app: App, /, *, name: str | None, at: str | None, as_json: bool) -> None:
    """Show what metrics and params mean: of the schema NAME, else of all.

    Files that can't be used are named after the others are shown, and the exit code is 1.
    """
    from ledger.trace.meaning import usable_schemas

    known, faults = usable_schemas(app.workspace, at)
    mine = [one for one in faults if name in (None, Path(one.file).stem)]
    if name is not None and name not in known and not mine:
        hint = f"known: {', '.join(known)}" if known else "ledger init --list, or ledger schema infer"
        raise NotFoundError(f"no schema {name!r}", hint=hint)
    chosen = [item for key, item in known.items() if name in (None, key)]
    if as_json:
        app.json([_document(item) for item in chosen])
    elif chosen:
        app.lines(_lines(app, chosen))
    if mine:
        sys.stdout.flush()
        raise _unusable(mine)
    if not as_json and not chosen:
        app.lines(["no schema: every value is kept, and compared with its like by name"])
        app.talk(
            "hint: ledger init --list shows schemas to begin with; ledger schema infer drafts one from recorded runs"
        )


def _unusable(faults: Sequence[Finding]) -> ConfigError:
    files = list(dict.fromkeys(one.file for one in faults))
    count = f"{files[0]} is not a schema" if len(files) == 1 else f"{len(files)} files are no schemas"
    hint = "mend it, or remove it" if len(files) == 1 else "mend them, or remove them"
    return ConfigError(count, hint=hint, details=tuple(map(str, faults)))


def _document(item: Schema) -> dict[str, Any]:
    return {
        "name": item.name,
        "version": item.version,
        "id": item.id,
        "strict": item.strict,
        "metrics": {name: _definition(one) for name, one in item.metrics.items()},
        "params": {name: _definition(one) for name, one in item.params.items()},
    }


def _definition(one: Definition) -> dict[str, Any]:
    return {
        "did": one.did,
        "type": list(one.type),
        "unit": one.unit,
        "direction": one.direction,
        "kind": one.kind,
        "summary": one.summary,
        "how": dict(one.how),
        "on": dict(one.on),
        "epoch": one.epoch,
        "values": list(one.values) if one.values is not None else None,
        "minimum": one.minimum,
        "maximum": one.maximum,
        "source": one.source,
        "series": one.series,
        "description": one.description,
    }


def _lines(app: App, schemas: Iterable[Schema]) -> Iterator[str]:
    from ledger.render.terminal import escape, paint

    for number, item in enumerate(schemas):
        if number:
            yield ""
        version = f" version {item.version}" if item.version else ""
        version += f" {item.short}"
        strict = ", strict: other names are refused" if item.strict else ""
        yield paint(escape(f"{item.name}{version}{strict}"), "bold", app.terminal)
        for what, members in (("metrics", item.metrics), ("params", item.params)):
            if members:
                yield ""
                yield from _table(app, what, members)


def _table(app: App, what: str, members: Mapping[str, Definition]) -> Iterator[str]:
    from ledger.canonical import compact
    from ledger.render.table import Cell, Column, Table, render

    facts: list[tuple[Column, Callable[[Definition], Cell | str]]] = [
        (Column(header=what), lambda one: one.name),
        (
            Column(header="type"),
            lambda one: "|".join(one.type) if one.values is None else compact(one.values),
        ),
        (Column(header="unit"), lambda one: one.unit or ""),
        (Column(header="better"), lambda one: one.direction or ""),
        (Column(header="how", shrink=1, least=16), lambda one: _words(one.how)),
        (Column(header="on", shrink=2), lambda one: _words(one.on)),
        (Column(header="definition"), lambda one: Cell(text=one.short, style="id")),
    ]
    said = [(column, tell) for column, tell in facts if any(tell(one) for one in members.values())]
    rows = [[tell(one) for _, tell in said] for one in members.values()]
    yield from render(Table(columns=tuple(column for column, _ in said), rows=rows), app.terminal)


def _words(words: Mapping[str, Any]) -> str:
    """`sklearn.metrics.f1_score average=macro`: the function, then its arguments."""
    from ledger.canonical import compact

    rest = (
        f"{key}={value if isinstance(value, str) else compact(value)}"
        for key, value in words.items()
        if key != "fn"
    )
    return " ".join([*([str(words["fn"])] if "fn" in words else []), *rest])


@schema.command()
@json_option
@click.pass_obj
def starters(app: App, /, *, as_json: bool) -> None:
    """List the schemas to begin with (ledger init --starter NAME)."""
    from ledger.schema import starters as shipped

    if as_json:
        app.json([{"name": name, "description": shipped.describe(name)} for name in shipped.names()])
    else:
        app.chunks(starter_lines())


def starter_lines() -> Iterator[str]:
    """The starters, one a line; they can be looked at outside of a repository."""
    from ledger.schema import starters as shipped

    width = max(map(len, shipped.names()))
    yield from (f"{name:<{width}}  {shipped.describe(name)}\n" for name in shipped.names())
