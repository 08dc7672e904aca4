"""`ledger schema migrate`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.cli.app import App, pairs
from ledger.errors import InputError, NotFoundError, UsageError

if TYPE_CHECKING:
    from ledger.schema.document import Schema
    from ledger.trace.drafting import Draft
    from ledger.trace.view import View

_DIGEST = len("-9a07d2c1")
"""The end of a draft's name that is made of its content."""
_EPILOG = """\b
Examples:
  ledger schema migrate                              what changed since HEAD, or since the branch forked off
  ledger schema migrate --rename loss=train_loss
  ledger schema migrate --from v1.0                  from the definitions of a revision
  ledger schema migrate --from 2                     from version 2 that runs or commits have (also NAME@2)
  ledger schema migrate --from d1:9a07d2c1           from one definition that runs used
  ledger schema migrate --take f1                    with what is proposed for f1
  ledger schema migrate --merge                      from both sides of the last merge
  ledger schema migrate -o -                         print it

\b
Complete by itself: another unit, a rename that was confirmed, params of another type. Left to decide, as `todo`:
        why values don't compare (redefine, drop), guesses, values from before the first schema.
Printed, and drafted only with --take: what could be computed from other metrics that runs recorded (F1 from
        precision and recall, error and accuracy, perplexity from loss, RMSE from MSE), percent without a definition.
A draft that holds a `todo` is not used, and `ledger schema check` fails on it.
"""


@click.command(epilog=_EPILOG)
@click.option(
    "--from",
    "source",
    metavar="REV|VERSION|ID",
    help="From a revision, from a version of the schema, or from one definition alone.",
)
@click.option("--name", metavar="NAME", help="The schema; else every one in the work tree.")
@click.option(
    "--rename", "renames", multiple=True, metavar="OLD=NEW", help="OLD is called NEW now; again for more."
)
@click.option("--yes", is_flag=True, help="Take every likely rename for one.")
@click.option(
    "--take", multiple=True, metavar="METRIC", help="Draft what is proposed for METRIC; again for more."
)
@click.option("--merge", is_flag=True, help="From both sides of the last merge.")
@click.option("-o", "--output", metavar="FILE", help="Where to write it, - for standard output.")
@click.pass_obj
def migrate(
    app: App,
    /,
    *,
    source: str | None,
    name: str | None,
    renames: tuple[str, ...],
    yes: bool,
    take: tuple[str, ...],
    merge: bool,
    output: str | None,
) -> None:
    """Draft the migration from older definitions to those in the work tree.

    It is written to .ledger/migrations/NAME/, to be read, completed and committed together with the schema.
    """
    from ledger.trace.predecessors import drafts

    if source is not None and merge:
        raise UsageError("--from and --merge exclude each other")
    view = app.view()
    given = pairs(renames, "--rename")
    asking = _Asking(given, yes=yes)
    schemas = _schemas(view, name or _named(view, source), given)
    found = [
        one
        for schema in schemas
        for one in drafts(view, schema, decide=asking.decide, source=source, merge=merge, take=take)
    ]
    _require_renamed(view, given, found)
    _require_taken(view, schemas, take, found)
    if not found:
        app.talk(_nothing(view))
        return
    paths = _written(app, found, output)
    _explain(app, found, paths)


def _named(view: View, source: str | None) -> str | None:
    """The schema of `NAME@VERSION`."""
    name, at, _ = (source or "").partition("@")
    return name if at and name in view.schemas else None


def _schemas(view: View, name: str | None, renames: Mapping[str, str]) -> list[Schema]:
    if name is not None and name not in view.schemas:
        raise NotFoundError(f"no schema {name!r}", hint=f"known: {', '.join(view.schemas) or 'none'}")
    chosen = [schema for key, schema in view.schemas.items() if name in (None, key)]
    if not chosen:
        raise NotFoundError("no schema in the work tree", hint="ledger schema infer drafts one")
    declared = {metric for schema in chosen for metric in schema.metrics}
    for new in renames.values():
        if new not in declared:
            raise NotFoundError(f"--rename: no schema declares {new}", hint="the new name comes after =")
    return chosen


def _require_renamed(view: View, renames: Mapping[str, str], found: Sequence[Draft]) -> None:
    """Raises NotFoundError for an old name that nothing ever had."""
    drafted = {words.get("from") for one in found for words in one.operations}
    known = {*view.runs.index.names("metrics"), *view.declared_metrics(), *_migrated(view)}
    for old in renames:
        if old not in known and old not in drafted:
            raise NotFoundError(
                f"--rename: nothing was ever called {old}", hint="the old name comes before ="
            )


def _migrated(view: View) -> set[str]:
    """Names that migrations speak of."""
    return {str(words["name"]) for one in view.lineage.migrations for words in one.defs.values()}


def _require_taken(
    view: View, schemas: Sequence[Schema], take: Sequence[str], found: Sequence[Draft]
) -> None:
    """Raises NotFoundError for a metric that nothing is proposed for, and nothing makes yet."""
    declared = {name: one for schema in schemas for name, one in schema.metrics.items()}
    drafted = {words.get("to") for one in found for words in one.operations if words["op"] in _TAKEN}
    for name in take:
        if name not in declared:
            raise NotFoundError(f"--take: no schema declares {name}", hint=f"declared: {', '.join(declared)}")
        if name not in drafted and not view.lineage.converts_to(declared[name]):
            hint = "without --take the command prints what is proposed, if anything is"
            raise NotFoundError(f"--take: nothing is proposed for {name}", hint=hint)


_TAKEN = ("derive", "affine")
"""Operations that are drafted only where they are taken."""


def _nothing(view: View) -> str:
    """That nothing is left to draft; unfinished drafts are named, since they do nothing yet."""
    files = dict.fromkeys(
        one.file for one in view.meaning.faults if one.name == "TODO_UNRESOLVED" and one.file
    )
    if files:
        return f"nothing more to draft; unfinished, and not used yet: {', '.join(files)}"
    return "nothing to migrate: every definition that was used leads to the schema (ledger schema check)"


class _Asking:
    """Decides about renames: as the command line says, else by asking, where somebody can answer."""

    def __init__(self, given: Mapping[str, str], *, yes: bool) -> None:
        self._given = given
        self._yes = yes
        self._can_ask = sys.stdin.isatty() and sys.stderr.isatty()

    def decide(self, candidates: Mapping[str, Sequence[str]]) -> Mapping[str, str | None]:
        decided: dict[str, str | None] = dict(self._given)
        for old, likely in candidates.items():
            if old in decided:
                continue
            free = [new for new in likely if new not in decided.values()]
            if self._yes and free:
                decided[old] = free[0]
            elif self._can_ask:
                decided[old] = next((new for new in free if self._confirm(old, new)), None)
        return decided

    def _confirm(self, old: str, new: str) -> bool:
        from ledger.render.terminal import escape

        return click.confirm(escape(f"renamed {old} → {new}?"), default=False, err=True)


def _written(app: App, found: Sequence[Draft], output: str | None) -> list[str]:
    """Write the drafts; their paths. Raises InputError for a file that is there already."""
    from ledger.record import setup

    if output == "-":
        for one in found:
            app.json(json.loads(one.data))
        return []
    if output is not None and len(found) > 1:
        raise UsageError(
            f"{len(found)} drafts and one file: from {', '.join(one.label for one in found)}",
            hint="--from names one of them, --name one schema; without -o each gets a file of its own",
        )
    date = app.workspace.now().strftime("%Y-%m-%d")
    paths = [app.path(output) if output else _path(app, one, date) for one in found]
    for path, one in zip(paths, found, strict=True):
        same = [] if output else list(path.parent.glob(f"*{path.stem[-_DIGEST:]}.json"))
        if same or not setup.create(path, one.data):
            there = os.path.relpath(same[0] if same else path)
            raise InputError(
                f"{there} is there already", hint="complete that one, or remove it to draft anew"
            )
    shown = [os.path.relpath(path) for path in paths]
    app.lines(shown)
    sys.stdout.flush()
    return shown


def _path(app: App, one: Draft, date: str) -> Path:
    from ledger.record import setup
    from ledger.store.migrations import MIGRATIONS

    return setup.require_work_tree(app.workspace) / MIGRATIONS / one.schema / one.file(date)


def _explain(app: App, found: Sequence[Draft], paths: Sequence[str]) -> None:
    app.talk("\n".join(_talk(found, paths)))


def _talk(found: Sequence[Draft], paths: Sequence[str]) -> Iterator[str]:
    for one in found:
        yield f"{one.schema}, from {one.label}:"
        yield from _operations(one)
        yield from _alternatives(one)
    open_questions = [one for one in found if not one.complete]
    yield ""
    if open_questions:
        files = "it" if len(found) == 1 else "them"
        yield f"next: complete {files}, remove each `todo`, then `ledger schema check`"
    else:
        yield "next: `ledger schema check`"
    yield f"      git add {' '.join(paths) or 'FILE'} .ledger/schemas, and commit them together"


def _operations(one: Draft) -> Iterator[str]:
    for words in one.operations:
        inputs = words.get("inputs")
        old, new = words.get("from"), words.get("to")
        if isinstance(inputs, Mapping):
            old = " and ".join(map(str, inputs.values()))
        names = f"{old} → {new}" if new not in (None, old) else f"{old}"
        yield f"  {words['op']} {names}"
        if "todo" in words:
            yield f"    to do: {words['todo']}"


def _alternatives(one: Draft) -> Iterator[str]:
    from ledger.canonical import compact

    for proposal in one.proposals:
        target = proposal.operation["to"]
        yield f"  # {target} could be computed from what runs recorded, if {proposal.holds}"
        yield f"  #   {compact(dict(proposal.operation))}"
        yield f"  #   --take {target} drafts that"
