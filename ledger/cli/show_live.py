"""`ledger show RUN` of a run that goes on: what its journal says so far, and no value as if it were recorded."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ledger.cli.app import App
from ledger.errors import AmbiguousError, NotFoundError, UsageError

if TYPE_CHECKING:
    from ledger.record.fold import Folded, Latest
    from ledger.record.underway import Journal
    from ledger.trace.view import View

REASON = "running, not recorded yet"
_SHOWN = 8


def live_run(app: App, view: View, prefix: str) -> Journal | None:
    """The run that a prefix names if no recorded one begins like that. Raises AmbiguousError.

    One look into a folder where no run goes on.
    """
    from ledger.store import journal
    from ledger.trace.find import MIN_PREFIX

    text = prefix.lower()
    known = len(text) < MIN_PREFIX or not journal.listed(app.workspace.repository)
    if known or view.runs.index.ids("run", text):
        return None
    from ledger.record import underway

    found = [one for one in underway.journals(app.workspace) if one.run.startswith(text)]
    if len(found) > 1:
        ids = ", ".join(one.run for one in found[:_SHOWN])
        raise AmbiguousError(f"{prefix} names {len(found)} runs", hint="give more digits", details=(ids,))
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be shown of it."""

    part: str = ""
    """`params`, `metrics`, `history` or `events`; empty for all that is short."""
    series: str | None = None
    all_attempts: bool = False
    level: str | None = None


def show_live(app: App, journal: Journal, form: str, wanted: Wanted) -> None:
    """Print what is known of it so far, as it was logged. Raises NotFoundError, UsageError."""
    from ledger.record import conclude, fold

    part = wanted.part
    if part == "records":
        raise NotFoundError(
            f"run {journal.run[:8]} goes on: nothing is recorded yet", hint=f"ledger show {journal.run[:8]}"
        )
    if form in ("csv", "md") and part not in ("history", "events"):
        raise UsageError(f"--{form} goes with --history and --events", hint="ledger show RUN --json")
    folded = fold.fold(journal.path, conclude.parts_of(journal.path))
    if part == "history":
        _print_history(app, folded, form, wanted)
    elif part == "events":
        _print_events(app, folded, form, wanted)
    elif form == "json":
        whole = _document(journal, folded)
        app.json(whole[part] if part else whole)
    else:
        app.lines(_lines(app, journal, folded, part))


def _print_history(app: App, folded: Folded, form: str, wanted: Wanted) -> None:
    from ledger.cli.show_series import print_series
    from ledger.store import history
    from ledger.store.history.live import from_series

    names = sorted({metric for metric, _ in folded.series})
    if not names:
        raise NotFoundError("this run has logged no series yet", hint="run.flush() writes what is logged")
    if wanted.series and wanted.series not in names:
        raise NotFoundError(
            f"this run has no series {wanted.series!r} yet", hint=f"there are: {', '.join(names[:12])}"
        )
    whole = from_series(folded.series)
    chosen = history.of_series(whole, [wanted.series]) if wanted.series else whole
    shown = chosen if wanted.all_attempts else history.latest(chosen)
    print_series(app, shown, form, all_attempts=wanted.all_attempts)
    app.talk(f"hint: {REASON}: as logged so far")


def _print_events(app: App, folded: Folded, form: str, wanted: Wanted) -> None:
    from ledger.cli.show_events import print_events
    from ledger.record.events import lines
    from ledger.trace.events import parsed

    print_events(app, parsed(lines(folded.events), "journal", level=wanted.level), form)
    app.talk(f"hint: {REASON}: what happened so far")


def _document(journal: Journal, folded: Folded) -> dict[str, Any]:
    """As for a recorded run; no metric has a `value` yet, but `latest` and `step`."""
    from ledger.record.fold import latest

    head = folded.head
    code = {name: value for name, value in (head.get("code") or {}).items() if name != "ignored"}
    return {
        "run": {
            "id": journal.run,
            "experiment": journal.experiment,
            "name": journal.name,
            "status": "running",
            "started": journal.started,
            "attempt": journal.attempt,
            "host": journal.host,
            "pid": journal.pid,
            "code": code or None,
            "command": head.get("command"),
            "parent": head.get("parent"),
            "tags": folded.tags,
            "note": folded.note,
            "artifacts": [asdict(one) for one in folded.artifacts],
        },
        "params": folded.params,
        "metrics": {name: _metric_document(each[0]) for name, each in latest(folded).items()},
        "records": [],
        "conflicts": [],
        "attached": {"commit": None, "level": "unattached"},
    }


def _metric_document(one: Latest) -> dict[str, Any]:
    absent = ("value", "recorded", "own", "unit", "definition", "direction", "recorded_definition")
    return {
        **dict.fromkeys(absent),
        "grade": "missing",
        "reason": REASON,
        "latest": one.value,
        "step": one.step,
    }


def _lines(app: App, journal: Journal, folded: Folded, part: str) -> Iterator[str]:
    from ledger.record.fold import latest
    from ledger.render.format import plain
    from ledger.render.table import aligned
    from ledger.render.terminal import paint
    from ledger.store.segment import flatten

    sections: dict[str, list[Any]] = {
        "params": [(name, plain(value)) for name, value in flatten(folded.params).items()],
        "metrics": [
            (name, plain(one.value), f"step {one.step:,}" if one.step is not None else "", one.context or "", REASON)
            for name, each in latest(folded).items()
            for one in each
        ],
        "tags": sorted(folded.tags.items()),
    }  # fmt: skip
    if part:
        yield from aligned(sections[part], app.terminal)
        return
    yield paint(f"run {journal.run}", "id", app.terminal)
    yield from aligned(list(_facts(app, journal, folded).items()), app.terminal)
    for heading, rows in sections.items():
        if rows:
            yield ""
            yield paint(heading, "bold", app.terminal)
            yield from (f"  {line}" for line in aligned(rows, app.terminal))


def _facts(app: App, journal: Journal, folded: Folded) -> Mapping[str, str]:
    from ledger.render.format import ago

    head = folded.head
    count = sum(len(one.steps) for one in folded.series.values())
    found = {
        "experiment": journal.experiment,
        "name": journal.name or "",
        "parent": head.get("parent") or "",
        "note": folded.note or "",
        "status": REASON,
        "attempt": str(journal.attempt) if journal.attempt > 1 else "",
        "started": ago(journal.started, app.workspace.now()),
        "where": f"process {journal.pid} on {journal.host}",
        "points": f"{count:,}",
        "code": str((head.get("code") or {}).get("commit") or "")[:9],
        "command": shlex.join(head.get("command") or ()),
    }
    return {name: text for name, text in found.items() if text}
