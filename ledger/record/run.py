"""The road of every record: validate → seal → chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ledger.config import Workspace
from ledger.errors import ConfigError, LedgerError, RefusedError
from ledger.model import (
    Artifact,
    Code,
    Fault,
    Json,
    Metric,
    Record,
    Run,
    SchemaName,
    Status,
    new_id,
    utc_text,
    utc_time,
)  # fmt: skip
from ledger.record import secrets, typos
from ledger.record.code import Captured, capture, experiment_name, of_head, of_revision, of_revisions
from ledger.record.message import commit_message
from ledger.schema import document
from ledger.schema.document import Schema
from ledger.store import chain, codec
from ledger.store.slug import RUNS, slug
from ledger.store.spool import Sealed, Spool

_T = TypeVar("_T")


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
    tags: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    environment: Mapping[str, Json] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    code: str | None = None
    """A revision; None: what the work tree holds now."""
    captured: Captured | None = None
    """Code that was captured before (a refused run that is finished later)."""
    own_files: tuple[str, ...] = ()
    """Paths of the run's own inputs and outputs: they never make it dirty."""
    schema: str | None = None


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
    warnings: tuple[str, ...] = ()


def record(workspace: Workspace, drafts: Sequence[Draft]) -> list[Recorded]:
    """Record runs: all of them or, where one breaks a rule, none (each is then kept as a refused file).

    Raises RefusedError, InputError, ConfigError, StorageError.
    """
    session = _Session(workspace, drafts)
    prepared = [session.prepare(draft) for draft in drafts]
    faulty = [item for item in prepared if item.faults]
    if faulty:
        raise _refusal(workspace, faulty, len(prepared))
    fate = stored(workspace, [item.record for item in prepared], [item.pack for item in prepared])
    return [_recorded(item, fate) for item in prepared]


def check(workspace: Workspace, drafts: Sequence[Draft]) -> None:
    """Everything that `record` would check, recording nothing. Raises what `record` raises."""
    session = _Session(workspace, drafts)
    faults = [fault for draft in drafts for fault in session.prepare(draft).faults]
    if faults:
        raise RefusedError(
            f"the run would be refused: {faults[0]}", details=tuple(faults) if len(faults) > 1 else ()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of records that are durable."""

    chained: frozenset[str] = frozenset()
    """Ids of those that are on their chain."""
    warnings: tuple[str, ...] = ()
    """Where the others are, and why, unless a process that is writing just now takes them along."""


def seal_and_chain(
    workspace: Workspace, records: Sequence[Record], packs: Sequence[bytes] = ()
) -> frozenset[str]:
    """Make records durable, then chain what can be chained; return the ids of those that are on their chain.

    `packs` hold the snapshots of new runs, record by record.
    """
    return stored(workspace, records, packs).chained


def stored(workspace: Workspace, records: Sequence[Record], packs: Sequence[bytes] = ()) -> Fate:
    """What `seal_and_chain` does, with what there is to say about it. Raises StorageError."""
    spool = Spool.of(workspace.repository)
    whole = [sealed(item, pack) for item, pack in zip(records, packs or [b""] * len(records), strict=True)]
    path = spool.seal(whole, name=_stem(workspace, records[0].run.record))
    try:
        drained = chain.drain(workspace.repository, known={path: whole})
    except LedgerError as error:  # durable all the same: the next command chains it
        return _waiting(path, error.message)
    except OSError as error:
        return _waiting(path, ": ".join(str(part) for part in (error.filename, error.strerror) if part))
    if not path.exists():
        return Fate(chained=frozenset(item.run.record for item in records))
    own = {str(path), *(RUNS + item.slug for item in whole)}
    why = next((fault.what for fault in drained.faults if own & {fault.path, fault.ref}), "")
    if path.parent == spool.fallback:
        why = why or f"{spool.folder} can't be written"
    return _waiting(path, why) if why else Fate()


def _waiting(path: Path, why: str) -> Fate:
    return Fate(warnings=(f"sealed in {path}, not on its ref yet: {why}",))


def _stem(workspace: Workspace, record_id: str) -> str:
    """Names that sort by time, whatever the clock's resolution."""
    return f"{int(workspace.now().timestamp() * 1e6):016d}-{record_id}"


def sealed(item: Record, pack: bytes = b"") -> Sealed:
    """A record with what its commit needs."""
    return Sealed(
        record=item.run.record,
        run=item.run.id,
        slug=slug(item.run.experiment),
        author=item.run.author,
        seconds=int(utc_time(item.run.recorded).timestamp()),
        message=commit_message(item),
        code=_keep_alive(item.run.code),
        files=codec.files(item),
        pack=pack,
    )


def _keep_alive(code: Code | None) -> tuple[str, ...]:
    return Captured(code=code).keep_alive if code else ()


def _recorded(item: _Prepared, fate: Fate) -> Recorded:
    run = item.record.run
    return Recorded(
        id=run.id,
        record=run.record,
        experiment=run.experiment,
        ref=RUNS + slug(run.experiment),
        status=run.status,
        code=run.code,
        chained=run.record in fate.chained,
        warnings=(*item.warnings, *fate.warnings),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    record: Record
    pack: bytes = field(default=b"", repr=False)
    refused: Path | None = None
    faults: tuple[str, ...] = ()
    hint: str = ""
    warnings: tuple[str, ...] = ()


class _Session:
    """Records runs one after another: what they share is found out once."""

    def __init__(self, workspace: Workspace, drafts: Sequence[Draft] = ()) -> None:
        self._workspace = workspace
        self._drafts = drafts
        self._codes: dict[tuple[str | None, tuple[str, ...]], Captured | RefusedError] = {}
        self._schemas: dict[str | None, Schema | None] = {}

    def prepare(self, draft: Draft) -> _Prepared:
        now = utc_text(self._workspace.now())
        faults: list[str] = []
        hints: list[str] = []
        captured = self._attempt(lambda: self._code(draft), faults, hints)
        code = captured.code if captured else None
        experiment = self._attempt(lambda: self._experiment(draft, code), faults, hints) or ""
        schema = self._attempt(lambda: self._schema(draft.schema), faults, hints)
        if schema is not None:
            broken = _validate(schema, draft)
            faults += [str(fault) for fault in broken]
        run = Run(
            id=draft.id or new_id(),
            record=draft.record or new_id(),
            recorded=now,
            experiment=experiment,
            status=draft.status,
            name=draft.name,
            started=_text_of(draft.started),
            finished=_text_of(draft.finished) or (now if draft.status is not Status.RUNNING else None),
            duration=draft.duration if draft.duration is not None else _duration(draft),
            code=code,
            schema=SchemaName(name=schema.name, version=schema.version) if schema else None,
            command=draft.command,
            environment=draft.environment,
            artifacts=draft.artifacts,
            parent=draft.parent,
            tags=draft.tags,
            note=draft.note,
            author=self._workspace.config.author,
        )
        whole = Record(
            run=run,
            params=draft.params,
            metrics=draft.metrics,
            schema=schema.data if schema else None,
            history=draft.history,
            events=draft.events,
        )
        masked, masks = _without_secrets(whole)
        warnings = (*(captured.warnings if captured else ()), *_misspelt(schema, draft), *masks)
        pack = captured.pack if captured else b""
        return _Prepared(
            record=masked,
            pack=pack,
            refused=draft.refused,
            faults=tuple(faults),
            hint="; ".join(hints),
            warnings=warnings,
        )

    def _attempt(self, get: Callable[[], _T], faults: list[str], hints: list[str]) -> _T | None:
        """A step that may fail without keeping the others from saying what is wrong with theirs."""
        try:
            return get()
        except LedgerError as error:
            faults += [error.message, *error.details]
            hints += [error.hint] if error.hint else []
            return None

    def _experiment(self, draft: Draft, code: Code | None) -> str:
        """Without code the run is refused anyway: that no branch names its experiment is then no fault of its own."""
        environ = self._workspace.environ
        if code is None and not (draft.experiment or environ.get("LEDGER_EXPERIMENT")):
            return ""
        return experiment_name(draft.experiment, code.branch if code else None, environ)

    def _code(self, draft: Draft) -> Captured:
        if draft.captured is not None:
            return draft.captured
        key = (draft.code, draft.own_files)
        if key not in self._codes:
            self._codes[key] = self._captured(draft)
        found = self._codes[key]
        if isinstance(found, RefusedError):
            raise found
        return found

    def _captured(self, draft: Draft) -> Captured | RefusedError:
        try:
            if draft.code is not None:
                return self._revisions.get(draft.code) or of_revision(self._workspace, draft.code)
            if self._workspace.repository.work_tree is None:
                return of_head(self._workspace)
            return capture(self._workspace, own_files=draft.own_files)
        except RefusedError as error:
            return error

    @cached_property
    def _revisions(self) -> Mapping[str, Captured]:
        """The code of all runs that name a revision, found in one go."""
        named = {draft.code for draft in self._drafts if draft.code is not None and draft.captured is None}
        try:
            return of_revisions(self._workspace, named)
        except LedgerError:
            return {}  # each is asked for alone then: the run that it fails for says so

    def _schema(self, name: str | None) -> Schema | None:
        if name not in self._schemas:
            self._schemas[name] = load_schema(self._workspace, name)
        return self._schemas[name]


def load_schema(workspace: Workspace, name: str | None) -> Schema | None:
    """The schema by name, the configured one, or the only one there is; None where the project has none.

    Raises ConfigError for one that is named but absent, or broken.
    """
    folder = workspace.schemas
    wanted = name or workspace.config.schema
    if folder is None:
        return None
    if wanted is None:
        files = sorted(folder.glob("*.json")) if folder.is_dir() else []
        return _parsed_schema(files[0]) if len(files) == 1 else None
    path = folder / f"{wanted}.json"
    if path.parent != folder or not path.is_file():
        known = ", ".join(sorted(item.stem for item in folder.glob("*.json"))) if folder.is_dir() else ""
        raise ConfigError(
            f"no schema {wanted!r}", hint=f"known: {known}" if known else "ledger init makes a first one"
        )
    return _parsed_schema(path)


_parsed: dict[tuple[Path, int, int], Schema] = {}


def _parsed_schema(path: Path) -> Schema:
    state = path.stat()
    key = (path, state.st_mtime_ns, state.st_size)
    if key not in _parsed:
        _parsed[key] = document.parse(path.read_bytes(), name=path.stem, what=str(path))
    return _parsed[key]


def _validate(schema: Schema, draft: Draft) -> tuple[Fault, ...]:
    def origin(part: str, name: str) -> str:
        return draft.origins.get(f"{part}.{name}", part or "the run")

    return document.validate(schema, draft.params, draft.metrics, origin=origin)


def _misspelt(schema: Schema | None, draft: Draft) -> tuple[str, ...]:
    if schema is None:
        return ()
    return (
        *typos.near("metric", draft.metrics, schema.metrics),
        *typos.near("param", draft.params, schema.params),
    )


def _text_of(moment: datetime | None) -> str | None:
    return utc_text(moment) if moment else None


def _duration(draft: Draft) -> float | None:
    if draft.started and draft.finished:
        return (draft.finished - draft.started).total_seconds()
    return None


def _without_secrets(item: Record) -> tuple[Record, tuple[str, ...]]:
    """The record with values masked that look like secrets, and a word on each."""
    params, in_params = secrets.scrub(item.params)
    tags, in_tags = secrets.scrub(item.run.tags)
    note, in_note = secrets.scrub_text("note", item.run.note) if item.run.note else (item.run.note, ())
    command, in_command = secrets.scrub_command(item.run.command)
    already = item.run.environment.get("masked") or ()
    reports = [
        *(f"environment {name}" for name in (already if isinstance(already, (list, tuple)) else ())),
        *(f"params.{report}" for report in in_params),
        *(f"tags.{report}" for report in in_tags),
        *map(str, (*in_note, *in_command)),
    ]
    if not reports:
        return item, ()
    run = replace(item.run, tags=tags, note=note, command=tuple(command))
    return replace(item, params=params, run=run), tuple(f"masked: {report}" for report in reports)


def _refusal(workspace: Workspace, faulty: Sequence[_Prepared], total: int) -> RefusedError:
    """Keep refused runs as sealed files and say where."""
    spool = Spool.of(workspace.repository)
    details, paths = [], []
    for item in faulty:
        path = _kept(workspace, spool, item)
        paths.append(path)
        details += [*item.faults, f"kept: {path}"] if total > 1 else list(item.faults)
    hint = next((item.hint for item in faulty if item.hint), "") or "mend what is wrong"
    which = f"{len(faulty)} of {total} runs refused, none recorded" if total > 1 else "the run was refused"
    count = sum(len(item.faults) for item in faulty)
    first = faulty[0].faults[0] if count == 1 else f"{count} faults"
    return RefusedError(
        f"{which}: {first}",
        hint=f"{hint}; nothing is lost, finish it with: ledger record --refused {paths[0]}",
        details=tuple(details) if count > 1 else (),
    )


def _kept(workspace: Workspace, spool: Spool, item: _Prepared) -> Path:
    """Keep a refused run: in place of the file that it comes from, which goes only when the new one is durable."""
    before = item.refused
    if before is not None and before.parent.resolve() == spool.refused.resolve():
        return spool.refuse(_refused(item), name=before.stem)
    path = spool.refuse(_refused(item), name=_stem(workspace, item.record.run.record))
    if before is not None:
        before.unlink(missing_ok=True)
    return path


def _refused(item: _Prepared) -> Sealed:
    """A draft as a sealed file: it has no slug yet, and may have no experiment. Its message says what is wrong."""
    run = item.record.run
    return Sealed(
        record=run.record,
        run=run.id,
        slug="",
        author=run.author,
        seconds=0,
        message="\n".join(item.faults),
        code=(),
        files=codec.files(item.record),
        pack=item.pack,
    )
