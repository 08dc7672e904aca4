"""`ledger server-check`: what the server hooks call."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from ledger.cli.app import App
from ledger.errors import UsageError

if TYPE_CHECKING:
    from ledger.git.process import Repository
    from ledger.share.server import Command

_EPILOG = """\b
Examples, in a bare repository's hooks/update and hooks/pre-receive:
  ledger server-check "$1" "$2" "$3"
  ledger server-check            reads `<old> <new> <ref>` lines

Exit codes: 0 when all may come in, 1 when something is refused (each with what to mend). See docs/server.md.
"""


@click.command("server-check", epilog=_EPILOG)
@click.argument("words", nargs=-1, metavar="[REF OLD NEW]")
@click.pass_obj
def server_check(app: App, /, *, words: tuple[str, ...]) -> int:
    """Judge a push on the server: chains that only grow, records that are whole, small and valid."""
    from ledger.git.process import quarantined
    from ledger.render.terminal import escape
    from ledger.share.server import check

    repository = quarantined(app.workspace.repository, os.environ)
    complaints = check(repository, _commands(repository, words))
    for complaint in complaints:
        for line in str(complaint).splitlines():
            sys.stderr.write(f"ledger: {escape(line)}\n")
    return 1 if complaints else 0


def _commands(repository: Repository, words: tuple[str, ...]) -> list[Command]:
    from ledger.share import server

    if not words:
        try:
            return server.parse(sys.stdin, repository.zeros)
        except ValueError as error:
            raise UsageError("standard input: not lines of `<old> <new> <ref>`") from error
    if len(words) != 3:  # noqa: PLR2004 - what git gives an update hook
        raise UsageError("give REF OLD NEW, or nothing and the lines on standard input")
    ref, old, new = words
    return [server.command(ref, old, new, repository.zeros)]
