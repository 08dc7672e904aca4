"""`ledger schema check`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, json_option, one_output
from ledger.errors import GateError, NotFoundError
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.schema.codes import Finding
    from ledger.trace.check import Report

_EPILOG = """\b
Examples:
  ledger schema check                       what changed since the branch forked off, and what runs used
  ledger schema check --against v1.0
  ledger schema check main --json
  ledger schema check --github --fail-on warn

\b
As a pre-commit hook:
  - repo: local
    hooks:
      - {id: ledger-schema, name: ledger schema check, entry: ledger schema check,
         language: system, files: '^\\.ledger/', pass_filenames: false}

\b
As a CI step, with the whole history (fetch-depth: 0) and the runs (git fetch origin 'refs/runs/*:refs/runs/*'):
  - run: ledger schema check --github

\b
Exit codes: 0 nothing to mend, 5 errors (with --fail-on warn: or warnings). docs/meaning.md lists the codes.
"""

_GITHUB = {"error": "error", "warning": "warning", "info": "notice"}
_STYLES: Mapping[str, Any] = {"error": "bad", "warning": "warn", "info": "dim"}


@click.command(epilog=_EPILOG)
@click.argument("name", required=False)
@click.option(
    "--against",
    metavar="REV",
    help="Compare with REV; else with both sides of a merge, or what the branch forked off from.",
)
@json_option
@click.option("--github", "as_github", is_flag=True, help="Print annotations for GitHub Actions.")
@click.option(
    "--format",
    "wanted",
    type=click.Choice(["text", "json", "github"]),
    help="The same by name: text, json or github.",
)
@click.option(
    "--fail-on", type=click.Choice(["error", "warn"]), default="error", show_default=True, help="What fails."
)
@click.pass_obj
def check(
    app: App,
    /,
    *,
    name: str | None,
    against: str | None,
    as_json: bool,
    as_github: bool,
    wanted: str | None,
    fail_on: str,
) -> None:
    """Check schemas and migrations: the schema NAME, else all.

    A definition that changed without a migration is an error, against the revision compared with and against every
    definition that any recorded run used.
    """
    from ledger.trace.check import check as find

    form = one_output(
        json=as_json or wanted == "json", github=as_github or wanted == "github", text=wanted == "text"
    )
    view = app.view(warned=False)
    files = [f".ledger/schemas/{name}.json"] if name else []
    if name and name not in view.schemas and not any(one.file in files for one in view.meaning.faults):
        raise NotFoundError(f"no schema {name!r}", hint=f"known: {', '.join(view.schemas) or 'none'}")
    report = find(view, name=name, against=against)
    _FORMS[form](app, report)
    app.warn_of_faults(view.runs.index.faults)
    counts: Counter[str] = Counter(one.severity for one in report.findings)
    said = f"{_subject(report)}: {_tally(counts) or 'nothing to mend'}"
    sys.stdout.flush()
    if counts["error"] or (fail_on == "warn" and counts["warning"]):
        raise GateError(said, hint="docs/meaning.md explains each code")
    app.talk(said)


def _tally(counts: Mapping[str, int]) -> str:
    words = {"error": "error", "warning": "warning", "info": "note"}
    listed = ((counts.get(severity, 0), word) for severity, word in words.items())
    return ", ".join(counted(count, word) for count, word in listed if count)


def _subject(report: Report) -> str:
    names = ", ".join(report.schemas) or "no schema"
    bases = " and ".join(base[:9] for base in report.bases)
    against = f" against {bases}" if bases else ""
    return f"checked {names}{against}, and {counted(report.used, 'definition')} that runs carry"


def _json(app: App, report: Report) -> None:
    app.json({"findings": [_document(one) for one in report.findings]})


def _document(one: Finding) -> dict[str, Any]:
    return {
        "code": one.code,
        "severity": one.severity,
        "metric": one.metric,
        "file": one.file,
        "message": one.message,
        "hint": one.hint,
        "name": one.name,
        "line": one.line,
    }


def _github(app: App, report: Report) -> None:
    app.lines(map(annotation, report.findings))


def annotation(one: Finding) -> str:
    """A workflow command of GitHub Actions, with everything from data escaped as its runner takes it apart."""
    line = {"line": str(one.line)} if one.line else {}
    facts = {"file": one.file, **line, "title": f"{one.code} {one.name}"}
    properties = ",".join(f"{key}={_property(value)}" for key, value in facts.items() if value)
    hint = f"\n{one.hint}" if one.hint else ""
    return f"::{_GITHUB[one.severity]} {properties}::{_data(one.message + hint)}"


def _data(text: str) -> str:
    from ledger.render.terminal import escape

    escaped = "\n".join(escape(line) for line in text.split("\n"))
    return escaped.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _text(app: App, report: Report) -> None:
    app.lines(_lines(app, report.findings))


def _lines(app: App, findings: Sequence[Finding]) -> Iterator[str]:
    from ledger.render.terminal import escape, paint

    terminal = app.terminal
    for one in findings:
        place = ":".join(part for part in (one.file, str(one.line or "")) if part)
        severity = paint(one.severity, _STYLES[one.severity], terminal)
        hint = f" ({one.hint})" if one.hint else ""
        rest = escape(f"{one.message}{hint}", ascii_only=not terminal.unicode)
        yield f"{escape(place)}{': ' if place else ''}{one.code} {severity}: {rest}"


_FORMS: Mapping[str, Callable[[App, Report], None]] = {"text": _text, "json": _json, "github": _github}
