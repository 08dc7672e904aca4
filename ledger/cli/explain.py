"""`ledger explain`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, json_option
from ledger.cli.viewing import Viewing, view_options

if TYPE_CHECKING:
    from ledger.schema.definition import Definition
    from ledger.trace.amended import Edit
    from ledger.trace.explain import Explanation, Recorded, Told

_EPILOG = """\b
Examples:
  ledger explain 3f9c f1
  ledger explain 3f9c f1 --as 2            the same value under version 2 of the schema
  ledger explain 3f9c f1 --at v1.0         as the definitions and migrations of a revision have it
  ledger explain 3f9c f1 --json

\b
Prints what was recorded and under which definition; each step to the value shown, with its exact factor, its
migration, and the commit that brought that in; or what lies between, and what would join the two.
"""


@click.command(epilog=_EPILOG)
@click.argument("run")
@click.argument("metric")
@view_options()
@json_option
@click.pass_obj
def explain(app: App, /, *, run: str, metric: str, viewing: Viewing, as_json: bool) -> None:
    """Explain one value: what was recorded, and how it became what is shown, or why it does not compare.

    RUN is its id, or four or more of its first digits.
    """
    from ledger.trace import apart
    from ledger.trace.explain import explain as find

    view = viewing.open(app)
    found = find(view, run, metric)
    if as_json:
        app.json(_document(found))
    else:
        app.lines(_lines(app, found, metric))
    app.warn_of_faults(view.runs.index.faults)
    viewing.require(lambda: {found.metric} if found.cell.grade in apart.grades(view) else set())


def _document(found: Explanation) -> dict[str, Any]:
    from ledger.cli.aside import own_document

    cell = found.cell
    return {
        "run": found.run_id,
        "metric": found.metric,
        "value": cell.value if cell.comparable else None,
        "grade": cell.grade.value,
        "reason": cell.reason,
        "target": _definition(found.target),
        "recorded": [
            {"name": one.name, "value": one.value, "definition": _definition(one.definition)}
            for one in found.recorded
        ],
        "factor": found.factor or None,
        "own": own_document(cell.aside, cell.own),
        "own_steps": [_step_document(told) for told in found.own_steps],
        "steps": [_step_document(told) for told in found.steps],
        "breaks": [_step_document(told) for told in found.breaks],
        "hints": list(found.hints),
        "conflicts": [
            {"field": ".".join(one.field), "values": list(one.values), "records": list(one.records)}
            for one in found.conflicts
        ],
        "edits": [_edit_document(one) for one in found.edits],
    }


def _edit_document(one: Edit) -> dict[str, Any]:
    from ledger.trace.runset import ABSENT

    return {
        "name": one.name,
        "old": None if one.old is ABSENT else one.old,
        "new": None if one.new is ABSENT else one.new,
        "record": one.record,
        "author": one.author.name,
        "recorded": one.recorded,
        "reason": one.reason,
    }


def _definition(one: Definition | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "did": one.did,
        "name": one.name,
        "unit": one.unit,
        "how": dict(one.how),
        "on": dict(one.on),
        "direction": one.direction,
        "summary": one.summary,
        "epoch": one.epoch,
    }


def _step_document(told: Told) -> dict[str, Any]:
    step, origin = told.step, told.origin
    return {
        "op": step.op,
        "from": list(step.sources),
        "to": step.target,
        "does": step.does,
        "inverse": step.backward,
        "asserted": step.asserted,
        "reason": step.reason,
        "migration": step.migration,
        "file": step.file,
        "commit": origin.commit if origin else None,
        "author": origin.author if origin else None,
        "date": origin.date if origin else None,
    }


def _lines(app: App, found: Explanation, asked: str) -> Iterator[str]:
    from ledger.render.terminal import escape, paint
    from ledger.trace.targets import forward_hint

    if found.forwarded:
        app.talk(forward_hint(asked, found.forwarded))
    lines = (*_head(found), *_recorded(found), *_edits(found), *_way(found), "", *_result(app, found))
    for line in lines:
        safe = escape(line, ascii_only=not app.terminal.unicode)
        yield paint(safe, "bold", app.terminal) if line.startswith("run ") else safe


def _head(found: Explanation) -> Iterator[str]:
    yield f"run {found.run_id[:8]}  {found.metric}"
    yield f"shown as  {_said(found.target)}"


def _recorded(found: Explanation) -> Iterator[str]:
    yield ""
    yield "recorded" if found.recorded else f"recorded  nothing as {found.metric}"
    for one in found.recorded:
        yield f"  {one.name} {_value(one)}  {_said(one.definition) if one.definition else 'no definition'}"


def _edits(found: Explanation) -> Iterator[str]:
    from ledger.render.format import date, plain
    from ledger.trace.runset import ABSENT

    if found.edits:
        yield ""
        yield "changed since it was first recorded"
    for one in found.edits:
        old, new = ("nothing" if value is ABSENT else plain(value) for value in (one.old, one.new))
        yield f"  {one.name} {old} → {new}  {one.author.name}  {date(one.recorded)}"
        if one.reason:
            yield f"     reason: {one.reason}"


def _value(one: Recorded) -> str:
    from ledger.render.format import plain

    unit = one.definition.unit if one.definition else None
    return plain(one.value) + (f" {unit}" if unit and unit != "1" else "")


def _said(one: Definition) -> str:
    """`f1 d1:9a07d2c1e655  unit 1  average=macro  imdb test`: what tells it from others."""
    from ledger.canonical import compact

    if not one.declared:
        return f"{one.name}, which nothing declares: compared by name"
    words = [
        f"{part}.{key}={value if isinstance(value, str) else compact(value)}"
        for part, words in (("how", one.how), ("on", one.on))
        for key, value in words.items()
    ]
    unit = [f"unit {one.unit}"] if one.unit else []
    epoch = [f"epoch {one.epoch}"] if one.epoch != 1 else []
    better = [f"{one.direction} is better"] if one.direction else []
    return "  ".join([f"{one.name} d1:{one.short}", *unit, *words, *epoch, *better])


def _way(found: Explanation) -> Iterator[str]:
    for title, listed in (
        ("steps", found.steps),
        ("within its own frame", found.own_steps),
        ("between them", found.breaks),
    ):
        if listed:
            yield ""
            yield title
            for number, told in enumerate(listed, 1):
                yield from _step(number, told)


def _step(number: int, told: Told) -> Iterator[str]:
    from ledger.render.format import date

    step, origin = told.step, told.origin
    names = " and ".join(step.sources)
    way = f"{names} → {step.target}" if step.target else names
    marks = [*(["inverse"] if step.backward else []), *(["asserted"] if step.asserted else [])]
    marked = f"  ({', '.join(marks)})" if marks else ""
    yield f"  {number}. {step.op}  {way}{'  ' + step.does if step.does else ''}{marked}"
    if step.reason:
        yield f"     reason: {step.reason}"
    yield f"     {step.migration[:15]}  {step.file}"
    yield (
        f"     {origin.commit[:9]}  {origin.author}  {date(origin.date)}"
        if origin
        else "     not committed yet"
    )


def _result(app: App, found: Explanation) -> Iterator[str]:
    from ledger.cli.aside import parenthesised
    from ledger.render.format import plain
    from ledger.render.grades import DISPUTED, GRADES

    cell, sign = found.cell, GRADES[found.cell.grade]
    mark = sign.text(unicode=app.terminal.unicode)
    unit = f" {found.target.unit}" if found.target.unit not in (None, "1") else ""
    aside = "" if cell.aside is None else parenthesised(plain(cell.aside), cell.own, found.target.unit)
    shown = f"{plain(cell.value)}{unit}" if cell.comparable else aside
    yield f"{mark}{DISPUTED if found.conflicts else ''} {found.metric} {shown}".rstrip()
    for one in found.conflicts:
        won, *lost = map(plain, one.values)
        yield f"  edits disagree on {one.field[1]}: {won} counts, others said {', '.join(lost)}"
    factor = f": {found.factor}, applied once" if found.factor else ""
    undeclared = cell.comparable and not found.target.declared  # there is no definition to speak of
    words = cell.reason if undeclared and cell.reason else sign.words
    yield f"  {cell.grade.value}: {words}{factor if cell.comparable else ''}"
    if cell.own and found.own_steps:
        yield f"  in parentheses as {_said(cell.own)}{factor}"
    if cell.reason and cell.reason != words:
        yield f"  {cell.reason}"
    yield from (f"  {one}" for one in found.contradictions)
    yield from (f"  {hint}" for hint in found.hints)
