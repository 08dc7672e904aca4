"""Runs that go on: they are recorded when they end, and until then every listing says how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ledger.cli.app import App
from ledger.config import Workspace
from ledger.errors import LedgerError
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.model import Metric
    from ledger.record.underway import Journal

_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A run that is not recorded yet, and how far it has come."""

    journal: Journal
    points: int = 0
    step: int | None = None
    latest: Mapping[str, Metric] = field(default_factory=dict)
    fault: str = ""

    @property
    def state(self) -> str:
        if self.fault:
            return "unreadable"
        return "running" if self.journal.alive else "died"

    def document(self) -> dict[str, Any]:
        """As `--json` has it."""
        one = self.journal
        return {
            "run_id": one.run,
            "experiment": one.experiment,
            "name": one.name,
            "state": self.state,
            "started": one.started or None,
            "host": one.host,
            "pid": one.pid,
            "attempt": one.attempt,
            "points": self.points,
            "step": self.step,
            "latest": dict(self.latest),
            "path": str(one.path),
            "fault": self.fault or None,
        }


def running(workspace: Workspace) -> Iterator[Running]:
    """Every run that is not recorded yet, the oldest first. One look into a folder where there are none."""
    from ledger.store import journal

    if not journal.listed(workspace.repository):
        return
    from ledger.record import conclude, fold, underway

    for one in underway.journals(workspace):
        try:
            done = fold.progress([one.path, *conclude.parts_of(one.path)])
        except FileNotFoundError:
            continue  # recorded meanwhile
        except (LedgerError, OSError) as error:
            yield Running(journal=one, fault=one.fault or str(error))
        else:
            yield Running(
                journal=one, points=done.points, step=done.step, latest=done.latest, fault=one.fault
            )


def tell(app: App, experiments: Sequence[str] = ()) -> None:
    """Say what is not listed since it is not recorded: runs of these experiments, or of all, that go on, and refused ones.

    One look into each folder where there are none.
    """
    from ledger.store.spool import Spool

    _tell_of_live(app, experiments)
    refused = len(Spool.of(app.workspace.repository).refused_files())
    if refused:
        app.talk(f"hint: {counted(refused, 'refused run waits', 'refused runs wait')}: ledger status")


def _tell_of_live(app: App, experiments: Sequence[str]) -> None:
    from ledger.store import journal

    if not journal.listed(app.workspace.repository):
        return
    from ledger.record import underway

    alive = (one for one in underway.journals(app.workspace) if one.alive and not one.fault)
    found = [one for one in alive if _is_of(one, experiments)]
    if found:
        names = list(dict.fromkeys(one.experiment for one in found))
        where = f" ({', '.join(names[:_NAMED])}{', ...' if len(names) > _NAMED else ''})"
        count = counted(len(found), "run goes", "runs go")
        app.talk(f"hint: {count} on{where}: ledger runs --running")


def cells(app: App) -> dict[str, dict[str, str]]:
    """What `ledger runs --tree` shows of runs that go on, by id and column: others stand below them."""
    from ledger.store import journal

    if not journal.listed(app.workspace.repository):
        return {}
    from ledger.record import underway

    return {
        one.run: {
            "experiment": one.experiment,
            "name": one.name or "",
            "status": "running",
            "finished": "running",
        }
        for one in underway.journals(app.workspace)
    }


def show_running(app: App, form: str, experiments: Sequence[str]) -> None:
    """Print what goes on, as `ledger runs --running`."""
    found = [one for one in running(app.workspace) if _is_of(one.journal, experiments)]
    if form == "json":
        app.json([one.document() for one in found])
    elif form == "ids":
        app.lines(one.journal.run for one in found)
    elif found:
        app.lines(table(app, found))
    else:
        app.talk("no run goes on")


def _is_of(one: Journal, experiments: Sequence[str]) -> bool:
    return not experiments or one.experiment in experiments


def table(app: App, found: Sequence[Running]) -> Iterator[str]:
    """What people see of them."""
    from ledger.render.format import ago
    from ledger.render.table import Align, Cell, Column, Table, render

    columns = (
        Column(header="run"),
        Column(header="experiment", shrink=1),
        Column(header="name", shrink=2),
        Column(header="state"),
        Column(header="started"),
        Column(header="step", align=Align.RIGHT),
        Column(header="points", align=Align.RIGHT),
        Column(header="latest", shrink=3),
        Column(header="where", shrink=2),
    )
    now = app.workspace.now()
    rows: list[list[Cell | str]] = [
        [
            Cell(text=one.journal.run[:8], style="id"),
            one.journal.experiment,
            one.journal.name or "",
            one.state,
            ago(one.journal.started, now) if one.journal.started else "",
            f"{one.step:,}" if one.step is not None else "",
            f"{one.points:,}",
            _latest(one),
            f"process {one.journal.pid} on {one.journal.host}" if not one.fault else one.fault,
        ]
        for one in found
    ]
    yield from render(Table(columns=columns, rows=rows), app.terminal)
    if any(one.state == "died" for one in found):
        yield "the next command that lists or records runs records what died (ledger recover)"


def _latest(one: Running) -> str:
    from ledger.render.format import plain

    told = [f"{name} {plain(value)}" for name, value in one.latest.items()]
    return ", ".join(told[:_NAMED]) + (", ..." if len(told) > _NAMED else "")
