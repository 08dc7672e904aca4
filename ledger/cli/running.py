"""Runs that go on, as `ledger status` shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.cli.app import App
from ledger.config import Workspace
from ledger.errors import LedgerError

if TYPE_CHECKING:
    from ledger.record.underway import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A run that is not recorded yet, and how far it has come."""

    journal: Journal
    points: int = 0
    step: int | None = None
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
            yield Running(journal=one, points=done.points, step=done.step, fault=one.fault)


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
            f"process {one.journal.pid} on {one.journal.host}" if not one.fault else one.fault,
        ]
        for one in found
    ]
    yield from render(Table(columns=columns, rows=rows), app.terminal)
    if any(one.state == "died" for one in found):
        yield "the next command that lists or records runs records what died (ledger recover)"
