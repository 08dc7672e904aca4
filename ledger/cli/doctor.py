"""`ledger doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ledger.cli.app import App, json_option

if TYPE_CHECKING:
    from ledger.share.problem import Problem

_EPILOG = """\b
Examples:
  ledger doctor
  ledger doctor --json

Exit code 1 when something is wrong, 0 for warnings. `ledger verify` reads all data back; this looks at what surrounds it.
"""


@click.command(epilog=_EPILOG)
@json_option
@click.pass_obj
def doctor(app: App, /, *, as_json: bool) -> int:
    """Look for what endangers runs: refspecs that overwrite them, missing hooks, stale locks, an old or vulnerable git.

    Says what to do; changes nothing.
    """
    import dataclasses

    from ledger.share.doctor import examine

    problems = examine(app.workspace)
    if as_json:
        app.json({"problems": [dataclasses.asdict(one) for one in problems]})
    else:
        app.lines(_lines(problems))
    return 1 if any(one.severity == "error" for one in problems) else 0


def _lines(problems: list[Problem]) -> Iterator[str]:
    from ledger.render.terminal import escape

    for one in problems:
        said = "warning: " if one.severity == "warning" else ""
        yield escape(f"{one.code}: {said}{one.what}")
        yield escape(f"  {one.hint}")
    if not problems:
        yield "all is well"
