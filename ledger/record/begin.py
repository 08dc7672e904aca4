"""The start of a live run: what is known of it then stands in the head of its journal, on the disk, before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ledger.config import Workspace
from ledger.errors import StorageError
from ledger.model import Code, Json, new_id, utc_text
from ledger.record import environment, late, liveness
from ledger.record.code import Captured, capture, experiment_name, of_head
from ledger.record.inputs import params_of
from ledger.record.retold import schema_of, schema_then
from ledger.record.run import load_schema
from ledger.schema.document import Schema
from ledger.store import journal
from ledger.store.journal import HEAD, JOURNAL_FORMAT, SNAPSHOT, Name, Writer
from ledger.store.values import clean_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """What a caller says of a run that starts; all else is found out."""

    id: str | None = None
    experiment: str | None = None
    name: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
    parent: str | None = None
    schema: str | None = None
    command: Sequence[str] = ()
    base: str | None = None
    """The record that a resumed run goes on from."""
    attempt: int = 1
    own_files: Sequence[str] = ()
    """Paths of the run's own inputs and outputs: they never make it dirty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A run that has started. Without a writer it is inert."""

    id: str
    experiment: str
    started: datetime
    workspace: Workspace | None = None
    record: str = ""
    name: str | None = None
    attempt: int = 1
    params: Mapping[str, Json] = field(default_factory=dict)
    context: Mapping[str, Json] = field(default_factory=dict)
    """What this process adds to the context of each observation."""
    schema: Schema | None = None
    code: Code | None = None
    """As it was at the start."""
    writer: Writer | None = None
    attached: bool = False
    """The run is another process's, which folds in what is logged here."""
    late: bool = False
    """That process has ended: what is logged here is added to the run afterwards."""

    @property
    def root(self) -> Path | None:
        return self.workspace.repository.work_tree if self.workspace else None


def begin(workspace: Workspace, asked: Begin) -> Begun:
    """Start a run: its code, environment and schema are those of now.

    Raises RefusedError where there is no commit or no experiment, InputError, ConfigError, StorageError.
    """
    params = params_of(asked.params).values
    schema = load_schema(workspace, asked.schema)
    captured = _captured(workspace, asked.own_files)
    begun = Begun(
        id=asked.id or new_id(),
        record=new_id(),
        experiment=experiment_name(asked.experiment, captured.code.branch, workspace.environ),
        started=workspace.now(),
        workspace=workspace,
        name=asked.name,
        attempt=asked.attempt,
        params=params,
        schema=schema,
        code=captured.code,
    )
    head = {**_head(workspace, asked, begun), **_code(captured)}
    first = [journal.json_frame(HEAD, head)]
    if captured.pack:
        first.append(journal.frame(SNAPSHOT, captured.pack))
    return _with_writer(begun, workspace, Name(begun.id, begun.record), first)


def attach(
    workspace: Workspace, run_id: str, *, rank: int = 0, params: Mapping[str, Any], tags: Mapping[str, str]
) -> Begun | None:
    """Log into a run that another process owns, through a journal of one's own; None where no such run goes on.

    What a further process says of the run as a whole is added to it where nobody has said it before; its
    rank, but for 0, is context of each of its observations.
    """
    for path, name in journal.listed(workspace.repository).items():
        if name.run == run_id and not name.writer:
            return _attached(workspace, path, name, rank, params, tags)
    return None


def _attached(
    workspace: Workspace,
    path: Path,
    main: Name,
    rank: int,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
) -> Begun | None:
    try:
        owner = journal.head(path)
    except FileNotFoundError:
        return None
    begun = Begun(
        id=main.run,
        record=main.record,
        experiment=str(owner["experiment"]),
        started=workspace.now(),
        workspace=workspace,
        name=owner.get("name"),
        attempt=int(owner.get("attempt", 1)),
        params=params_of(params).values,
        context={"rank": rank} if rank else {},
        schema=schema_of(owner),
        attached=True,
    )
    name, first = _part(begun, rank, tags)
    try:
        writer = Writer.create(path.parent, name, first)
    except OSError as error:
        raise StorageError(f"{path.parent}: {error.strerror or error}") from error
    try:
        return replace(begun, writer=writer, late=journal.ended(path))
    except FileNotFoundError:  # it ended while we came
        journal.removed([writer.path])
        writer.close()
        return None


def attach_late(
    workspace: Workspace, run_id: str, *, rank: int = 0, params: Mapping[str, Any], tags: Mapping[str, str]
) -> Begun | None:
    """Log into a run that is recorded already: what is logged is added when this process is over. None for no such run."""
    before = late.newest(workspace, run_id)
    if before is None:
        return None
    begun = Begun(
        id=run_id,
        record=before.run.record,
        experiment=before.run.experiment,
        started=workspace.now(),
        workspace=workspace,
        name=before.run.name,
        attempt=late.attempt_of(before),
        params=params_of(params).values,
        context={"rank": rank} if rank else {},
        schema=schema_then(before),
        attached=True,
        late=True,
    )
    return _with_writer(begun, workspace, *_part(begun, rank, tags))


def _part(begun: Begun, rank: int, tags: Mapping[str, str]) -> tuple[Name, list[bytes]]:
    head = {
        "format": JOURNAL_FORMAT,
        "run": begun.id,
        "record": begun.record,
        "attempt": begun.attempt,
        "params": dict(begun.params),
        "tags": {clean_name(name, "tag"): str(value) for name, value in tags.items()},
        "who": liveness.who(),
    }
    name = Name(begun.id, begun.record, f"{rank:06}-{new_id()[:12]}")
    return name, [journal.json_frame(HEAD, head)]


def inert(workspace: Workspace, run_id: str, asked: Begin) -> Begun:
    """A run that another process records: what is logged here goes nowhere."""
    params = params_of(asked.params).values
    return Begun(id=run_id, experiment=asked.experiment or "", started=workspace.now(), params=params)


def _with_writer(begun: Begun, workspace: Workspace, name: Name, first: Sequence[bytes]) -> Begun:
    problems = []
    for folder in journal.folders(workspace.repository):
        try:
            return replace(begun, writer=Writer.create(folder, name, first))
        except OSError as error:
            problems.append(f"{folder}: {error.strerror or error}")
    raise StorageError(
        "no journal can be written for the run",
        hint="make room or mend the permissions",
        details=tuple(problems),
    )


def _captured(workspace: Workspace, own_files: Sequence[str]) -> Captured:
    if workspace.repository.work_tree is None:
        return of_head(workspace)
    return capture(workspace, own_files=own_files, moment="start")


def _head(workspace: Workspace, asked: Begin, begun: Begun) -> dict[str, Any]:
    config = workspace.config
    tags = {clean_name(name, "tag"): str(value) for name, value in asked.tags.items()}
    facts = environment.capture(allow=config.environment, packages=config.packages, environ=workspace.environ)
    return {
        "format": JOURNAL_FORMAT,
        "run": begun.id,
        "record": begun.record,
        "base": asked.base,
        "attempt": begun.attempt,
        "experiment": begun.experiment,
        "started": utc_text(begun.started),
        "name": asked.name,
        "note": asked.note,
        "parent": asked.parent,
        "params": dict(begun.params),
        "tags": tags,
        "schema": begun.schema.name if begun.schema else None,
        "schema_json": begun.schema.data.decode() if begun.schema else None,
        "command": list(asked.command or (sys.argv if sys.argv != [""] else ())),
        "environment": facts,
        "author": asdict(config.author),
        "who": liveness.who(),
    }


def _code(captured: Captured) -> dict[str, Any]:
    return {"code": asdict(captured.code), "warnings": list(captured.warnings)}
