"""`ledger verify`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, json_option
from ledger.errors import InputError
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.store.verify import Report
    from ledger.store.verify.signatures import Signatures

_EPILOG = """\b
Examples:
  ledger verify
  ledger verify --json | jq '.faults[].what'
  ledger verify --repair                                      makes the index anew, keeps code that nothing keeps
  ledger verify --signatures --allowed-signers signers.txt    who vouches for the runs

Exit codes: 0 when all is well, 1 when there are faults; a bad signature is one, a missing or unknown one is not.
Records are never changed.
"""


@click.command(epilog=_EPILOG)
@click.option("--repair", is_flag=True, help="Make anew what is derived, then verify again.")
@click.option("--signatures", is_flag=True, help="Check signatures as well, and count them.")
@click.option(
    "--allowed-signers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Who may sign (ssh-keygen's format); else gpg.ssh.allowedSignersFile.",
)
@json_option
@click.pass_obj
def verify(
    app: App, /, *, repair: bool, signatures: bool, allowed_signers: Path | None, as_json: bool
) -> int:
    """Read everything back strictly and report every fault.

    Refs, commits, trees, files, schemas, series, edits, links, redactions, the code that runs name, sealed files and
    the index.
    """
    from ledger.store.verify import repair as make_anew

    report = _read(app)
    done: list[str] | None = None
    if repair:
        done = make_anew(app.workspace.repository, report.seen)
        report = _read(app)
    signed = _signatures(app, allowed_signers) if signatures or allowed_signers else None
    if signed is not None:
        report = replace(report, faults=(*report.faults, *signed.faults))
    if as_json:
        app.json(_document(report, signed, done))
    else:
        app.lines(_lines(report, signed, done))
    return 1 if report.faults else 0


def _read(app: App) -> Report:
    from ledger.share import integrity
    from ledger.store.verify import verify as read_everything

    repository = app.workspace.repository
    with app.progress("verifying records") as progress:
        report = read_everything(repository, told=progress.reach)
    return replace(report, faults=(*report.faults, *integrity.faults(repository)))


def _signatures(app: App, given: Path | None) -> Signatures:
    from ledger.git.signing import allowed_signers
    from ledger.store.verify.signatures import signatures

    repository = app.workspace.repository
    allowed = app.path(str(given)) if given else allowed_signers(repository)
    if allowed is not None and not allowed.is_file():
        raise InputError(f"{allowed}: no such file", hint="lines of `name@host ssh-ed25519 AAAA...`")
    with app.progress("checking signatures") as progress:
        return signatures(repository, allowed, told=progress.reach)


def _document(report: Report, signed: Signatures | None, done: list[str] | None) -> dict[str, Any]:
    return {
        "experiments": report.experiments,
        "runs": report.runs,
        "records": report.records,
        "faults": [one.document() for one in report.faults],
        "notes": [one.document() for one in report.notes],
        **({"repaired": done} if done is not None else {}),
        **({"signatures": {**_counts(signed), "signers": signed.signers}} if signed else {}),
    }


def _counts(signed: Signatures) -> dict[str, int]:
    return {
        "good": signed.good,
        "bad": signed.bad,
        "unknown": signed.unknown,
        "unsigned": signed.unsigned,
    }


def _lines(report: Report, signed: Signatures | None, done: list[str] | None) -> Iterator[str]:
    from ledger.render.terminal import escape

    yield from done or ()
    yield (
        f"{counted(report.experiments, 'experiment')}, {counted(report.runs, 'run')}, "
        f"{counted(report.records, 'record')}: {counted(len(report.faults), 'fault') if report.faults else 'all is well'}"
    )
    if signed is not None:
        yield "signatures: " + ", ".join(f"{count:,} {what}" for what, count in _counts(signed).items())
        for name, count in sorted(signed.signers.items()):
            yield escape(f"  {count:,} by {name}")
    for label, found in (("fault", report.faults), ("note", report.notes)):
        for one in found:
            yield escape(": ".join(part for part in (label, one.where, one.what) if part))
