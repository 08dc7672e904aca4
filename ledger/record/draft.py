"""What goes into recording one run, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from pathlib import Path

from ledger.errors import InputError
from ledger.model import Artifact, Code, Json, Metric, Record, Status
from ledger.record.code import Captured
from ledger.schema.document import Schema
from ledger.store.slug import RUNS, slug


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a caller hands over about one run; all else is found out."""

    params: Mapping[str, Json] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    """(`params.` or `metrics.`) + name → the file or option that it came from."""
    history: Mapping[str, bytes] = field(default_factory=dict)
    events: bytes | None = None
    id: str | None = None
    record: str | None = None
    """Of a refused run, which keeps its id: however often it is finished, it is recorded once."""
    base: str | None = None
    """The record that this one goes on from: an attempt more of a run that was recorded."""
    refused: Path | None = None
    """The file of a refused run: when it is refused again, what is kept then takes its place."""
    experiment: str | None = None
    name: str | None = None
    status: Status = Status.FINISHED
    started: datetime | None = None
    finished: datetime | None = None
    duration: float | None = None
    parent: str | None = None
    note: str | None = None
    reason: str | None = None
    """Why a run ended as it did."""
    tags: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    environment: Mapping[str, Json] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    code: str | None = None
    """A revision; None: what the work tree holds now."""
    captured: Captured | None = None
    """Code that was captured before (a refused run that is finished later)."""
    outside: bool = False
    """Recorded outside of any clone: there is no code to capture, and no branch to name the experiment."""
    own_files: tuple[str, ...] = ()
    """Paths of the run's own inputs and outputs: they never make it dirty."""
    schema: str | None = None
    frozen: Schema | None = None
    """The schema as it was when the run started, in place of the one that `schema` names now."""
    unchecked: bool = False
    """There was no schema when the run was measured, whatever there is now."""
    checked_by: str = ""
    """Which schema it is checked against, where that is not the one of now: told beside what comes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of one run. From here on it is durable."""

    id: str
    record: str
    experiment: str
    ref: str
    status: Status
    code: Code | None
    chained: bool
    """On its ref already; else sealed, and chained by the next command."""
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    """Their summary values."""
    warnings: tuple[str, ...] = ()


def as_recorded(item: Record, *, chained: bool, warnings: tuple[str, ...] = ()) -> Recorded:
    """What `record` says of a record."""
    run = item.run
    return Recorded(
        id=run.id,
        record=run.record,
        experiment=run.experiment,
        ref=RUNS + slug(run.experiment),
        status=run.status,
        code=run.code,
        chained=chained,
        metrics=item.metrics,
        warnings=warnings,
    )


def check_times(started: datetime | None, finished: datetime | None, duration: float | None) -> None:
    """What somebody says of when a run was. Raises InputError for what can't be."""
    if duration is not None and not 0 <= duration < inf:
        raise InputError(f"duration {duration}: not a length of time", hint="seconds, 0 or more")
    if started and finished and _utc(finished) < _utc(started):
        raise InputError(f"finished {finished} is before started {started}")


def _utc(moment: datetime) -> datetime:
    """One without a zone is in the machine's."""
    return moment.astimezone(UTC)


def status_of(word: str) -> Status:
    """A status by its word. Raises InputError."""
    try:
        return Status(word)
    except ValueError as error:
        raise InputError(f"status {word!r}", hint="finished, failed, killed or lost") from error
