"""Run ids as people write them: any unique prefix of four or more characters."""

from __future__ import annotations

import re

from ledger.errors import AmbiguousError, NotFoundError, UsageError
from ledger.trace.runset import RunSet

MIN_PREFIX = 4
_HEX = re.compile(r"[0-9a-f]{1,32}")
_SHOWN = 8


def one_run(runs: RunSet, prefix: str) -> str:
    """The full id of the one run that a prefix names. Raises UsageError, NotFoundError, AmbiguousError."""
    text = prefix.lower()
    if not _HEX.fullmatch(text) or len(text) < MIN_PREFIX:
        raise UsageError(
            f"not a run id: {prefix!r}",
            hint=f"at least {MIN_PREFIX} of its hex digits; `ledger runs` lists them",
        )
    ids = runs.index.ids("run", text)
    if runs.index.dropped:
        ids = [run_id for run_id in ids if runs.links(run_id)]
    if not ids:
        raise NotFoundError(f"no run {prefix}", hint="`ledger runs` lists them")
    if len(ids) > 1:
        more = "" if len(ids) <= _SHOWN else f" and {len(ids) - _SHOWN} more"
        raise AmbiguousError(
            f"{prefix} names {len(ids)} runs",
            hint="give more digits",
            details=(", ".join(ids[:_SHOWN]) + more,),
        )
    return ids[0]


def row_of(runs: RunSet, run_id: str) -> int:
    """The row that stands for a run. Raises NotFoundError where no ref reaches any of its records."""
    hidden = runs.superseded
    rows = [row for row in runs.index.exact("run", run_id) if row not in hidden]
    if not rows:
        raise NotFoundError(f"no run {run_id[:8]}", hint="`ledger runs` lists them")
    return rows[0]


def records_of(runs: RunSet, run_id: str) -> list[int]:
    """Rows of all records of a run, oldest first."""
    rows = runs.index.exact("run", run_id)
    return sorted(rows, key=lambda row: (runs.record_columns(row)["recorded"] or 0, row))
