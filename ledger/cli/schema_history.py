"""`ledger schema diff` and `ledger schema history`: how definitions changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, json_option
from ledger.errors import NotFoundError
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.schema.definition import Definition
    from ledger.trace.evolution import Bridge, Change, Moment

_DIFF_EPILOG = """\b
Examples:
  ledger schema diff                  from HEAD to the work tree
  ledger schema diff v1.0             from a revision to the work tree
  ledger schema diff main exp/lr
"""

_HISTORY_EPILOG = """\b
Examples:
  ledger schema history f1
  ledger schema history f1 --json
"""


@click.command(epilog=_DIFF_EPILOG)
@click.argument("a", default="HEAD")
@click.argument("b", required=False)
@json_option
@click.pass_obj
def diff(app: App, /, *, a: str, b: str | None, as_json: bool) -> None:
    """Show which definitions differ between revisions A and B, field by field; without B the work tree counts."""
    from ledger.trace.evolution import changes

    view = app.view(at=b)
    found = changes(view.workspace, view.lineage, a, b)
    if as_json:
        app.json({"a": a, "b": b, "changes": [_change_document(one) for one in found]})
    elif found:
        app.lines(_diff_lines(app, found))
    else:
        app.talk(f"no definition differs between {a} and {b or 'the work tree'}")


def _change_document(one: Change) -> dict[str, Any]:
    return {
        "schema": one.schema,
        "part": one.part,
        "name": one.name,
        "old": one.old.did if one.old else None,
        "new": one.new.did if one.new else None,
        "fields": list(one.fields),
        "beside": list(one.beside),
        **_bridge_document(one.bridge),
    }


def _bridge_document(bridge: Bridge | None) -> dict[str, Any]:
    return {
        "grade": bridge.grade.value if bridge else None,
        "reason": bridge.reason if bridge else "",
        "migrations": list(bridge.migrations) if bridge else [],
    }


def _diff_lines(app: App, found: Iterable[Change]) -> Iterator[str]:
    from ledger.render.terminal import escape, paint

    heading = ""
    for one in found:
        title = f"{one.schema} {one.part}"
        if title != heading:
            yield from [""] if heading else []
            yield paint(escape(title), "bold", app.terminal)
            heading = title
        for line in _change_lines(app, one):
            yield escape(f"  {line}", ascii_only=not app.terminal.unicode)


def _change_lines(app: App, one: Change) -> Iterator[str]:
    if one.old is None or one.new is None:
        yield f"{'+' if one.new else '-'} {one.name}  {_did(one.new or one.old)}"
        return
    if one.old.did == one.new.did:
        yield f"{one.name}  {_did(one.old)}, the same definition"
    else:
        yield f"{one.name}  {_did(one.old)} → {_did(one.new)}  {_bridge(app, one.bridge)}"
    yield from (f"    {field}" for field in one.fields)
    yield from (f"    {field} (not part of the definition)" for field in one.beside)


def _did(one: Definition | None) -> str:
    return f"d1:{one.short}" if one else ""


def _bridge(app: App, bridge: Bridge | None) -> str:
    """`→ exact (m1:5e1a77c0b2d4)`: how old values look under the new definition."""
    from ledger.render.grades import GRADES

    if bridge is None:
        return ""
    if not bridge.migrations:
        return "no migration"
    sign = GRADES[bridge.grade].text(unicode=app.terminal.unicode)
    return f"{sign} {bridge.grade.value} ({', '.join(one[:15] for one in bridge.migrations)})"


@click.command(epilog=_HISTORY_EPILOG)
@click.argument("metric")
@click.argument("revision", default="HEAD")
@json_option
@click.pass_obj
def history(app: App, /, *, metric: str, revision: str, as_json: bool) -> None:
    """Show when the definition of METRIC changed, newest first: what changed, what bridges it, how many runs."""
    from ledger.trace.evolution import moments

    view = app.view()
    found = moments(view, metric, revision)
    if not found:
        known = view.declared_metrics()
        hint = f"declared: {', '.join(known[:12])}" if known else "ledger schema infer drafts a schema"
        raise NotFoundError(f"no schema ever declared {metric!r} here", hint=hint)
    if as_json:
        app.json({"metric": metric, "changes": [_moment_document(one) for one in found]})
    else:
        app.lines(_history_lines(app, found))


def _moment_document(one: Moment) -> dict[str, Any]:
    commit = one.commit
    return {
        "commit": commit.id if commit else None,
        "date": commit.date if commit else None,
        "author": commit.author if commit else None,
        "subject": commit.subject if commit else None,
        "schema": one.schema,
        "version": one.version,
        "schema_id": one.schema_id,
        "old": one.old.did if one.old else None,
        "new": one.new.did if one.new else None,
        "fields": list(one.fields),
        **_bridge_document(one.bridge),
        "renamed": {"name": one.renamed.name, "did": one.renamed.did} if one.renamed else None,
        "runs": one.runs,
    }


def _history_lines(app: App, found: Iterable[Moment]) -> Iterator[str]:
    from ledger.render.terminal import escape, paint

    for one in found:
        commit = paint(one.commit.id[:9] if one.commit else "work tree", "id", app.terminal)
        rest = escape("  ".join(_facts(one)), ascii_only=not app.terminal.unicode)
        yield f"{commit}  {rest}"
        for line in _moment_lines(app, one):
            yield escape(f"    {line}", ascii_only=not app.terminal.unicode)


def _facts(one: Moment) -> Iterator[str]:
    from ledger.render.format import date

    if one.commit:
        yield date(one.commit.date)
        yield one.commit.author
    digits = f"@{one.schema_id[3:15]}" if one.schema_id else ""
    yield f"{one.schema} {one.version or ''}{digits}".rstrip()
    if one.new is None:
        yield f"{_did(one.old)} {f'called {one.renamed.name} now' if one.renamed else 'removed'}"
    else:
        declared = f"called {one.renamed.name} before" if one.renamed else "declared"
        yield f"{_did(one.old)} → {_did(one.new)}" if one.old else f"{_did(one.new)} {declared}"
        yield counted(one.runs, "run")


def _moment_lines(app: App, one: Moment) -> Iterator[str]:
    if one.commit:
        yield one.commit.subject
    yield from one.fields
    if one.bridge:
        reason = f": {one.bridge.reason}" if one.bridge.reason and one.bridge.migrations else ""
        yield f"{_bridge(app, one.bridge)}{reason}"
    if one.renamed:
        yield f"ledger schema history {one.renamed.name}"
