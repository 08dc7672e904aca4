"""What `tag`, `note` and `amend` share: from a prefix to the run's tips, and what is said afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.cli.app import App

if TYPE_CHECKING:
    from ledger.record.edit import Change, Tip


def write(app: App, prefix: str, change: Change, *, as_json: bool) -> None:
    """Edit the run that a prefix names, and say what became of it."""
    from ledger.cli.record import document
    from ledger.record.draft import as_recorded
    from ledger.record.edit import edit
    from ledger.render.terminal import escape

    found = start(app, prefix)
    written = edit(app.workspace, found, change)
    if written is None:
        app.talk("nothing to change: the run says so already")
        if as_json:
            app.json(document(as_recorded(found.record, chained=True)))
        return
    done, changed = written
    said = [name.removeprefix("run.") for name in changed]
    app.warn(done.warnings)
    with app.telling(f"edited {done.id}"):
        if as_json:
            app.json(document(done))
            return
        app.lines([escape(f"edited {done.id[:8]} in {done.experiment}: {', '.join(said)}")])


def start(app: App, prefix: str) -> Tip:
    """What an edit of a run starts from. Raises NotFoundError, AmbiguousError, FormatError."""
    from ledger.record.edit import Tip
    from ledger.store.load import record_at
    from ledger.trace.find import one_run
    from ledger.trace.tips import start_of

    runs = app.view().runs
    found = start_of(runs, one_run(runs, prefix))
    return Tip(
        record=record_at(app.workspace.repository, found.place),
        merged=found.merged,
        gone=found.gone,
        merges=found.merges,
        disputed=found.disputed,
    )
