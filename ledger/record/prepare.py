"""From a draft to a whole record: its code, its experiment, its schema, without what looks like a secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ledger import plain_file
from ledger.canonical import compact
from ledger.config import Workspace
from ledger.errors import ConfigError, LedgerError, RefusedError
from ledger.model import Code, Fault, Record, Run, SchemaName, Status, new_id, utc_text
from ledger.record import head_schemas, secrets, typos
from ledger.record.code import Captured, capture, experiment_name, of_head, of_revision, of_revisions
from ledger.record.draft import Draft
from ledger.record.renames import Renames
from ledger.schema import document
from ledger.schema.document import Schema

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A draft made whole, and what speaks against recording it."""

    record: Record
    pack: bytes = field(default=b"", repr=False)
    refused: Path | None = None
    faults: tuple[str, ...] = ()
    hint: str = ""
    warnings: tuple[str, ...] = ()


class Session:
    """Records runs one after another: what they share is found out once."""

    def __init__(self, workspace: Workspace, drafts: Sequence[Draft] = ()) -> None:
        self._workspace = workspace
        self._drafts = drafts
        self._codes: dict[tuple[str | None, tuple[str, ...]], Captured | RefusedError] = {}
        self._schemas: dict[str | None, Schema | None] = {}
        self._renames = Renames(workspace)

    def prepare(self, draft: Draft) -> Prepared:
        """Find out what the draft leaves open, mask secrets, validate. What is wrong is listed, never raised."""
        now = utc_text(self._workspace.now())
        faults: list[str] = []
        hints: list[str] = []
        self._attempt(self._settings, faults, hints)
        captured = None if draft.outside else self._attempt(lambda: self._code(draft), faults, hints)
        code = captured.code if captured else None
        experiment = self._attempt(lambda: self._experiment(draft, code), faults, hints) or ""
        schema = self._attempt(lambda: self._schema_of(draft), faults, hints)
        if schema is not None:
            broken = _validate(schema, draft)
            faults += [str(fault) for fault in broken]
            hints += [draft.checked_by] if broken and draft.checked_by else []
        run = Run(
            id=draft.id or new_id(),
            record=draft.record or new_id(),
            base=draft.base,
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
            reason=draft.reason,
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
        warnings = (
            *(self._unchosen if schema is None and not faults and not draft.unchecked else ()),
            *(captured.warnings if captured else ()),
            *(self._renames.told(draft.metrics, schema) if schema else ()),
            *_misspelt(schema, draft),
            *([draft.checked_by] if draft.checked_by else []),
            *masks,
        )
        pack = captured.pack if captured else b""
        return Prepared(
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

    def _settings(self) -> None:
        if self._workspace.config.fault:
            raise self._workspace.config.fault

    def _experiment(self, draft: Draft, code: Code | None) -> str:
        """Without code the run is refused anyway: that no branch names its experiment is then no fault of its own."""
        environ = self._workspace.environ
        if code is None and not draft.outside and not (draft.experiment or environ.get("LEDGER_EXPERIMENT")):
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

    def _schema_of(self, draft: Draft) -> Schema | None:
        return None if draft.unchecked else draft.frozen or self._schema(draft.schema)

    @cached_property
    def _unchosen(self) -> tuple[str, ...]:
        names = schema_names(self._workspace)
        if not names:
            return ()
        known, first = ", ".join(names), compact(names[0])
        mend = f".ledger/config.toml needs, under [ledger]: schema = {first}; or record with --schema"
        return (f"nothing is checked: there are the schemas {known}, and none is chosen; {mend}",)

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
        return head_schemas.load(workspace.repository, wanted)
    if wanted is None:
        names = schema_names(workspace)
        return _parsed_schema(folder / f"{names[0]}.json") if len(names) == 1 else None
    path = folder / f"{wanted}.json"
    if path.parent != folder or not path.is_file():
        known = ", ".join(schema_names(workspace))
        raise ConfigError(
            f"no schema {wanted!r}", hint=f"known: {known}" if known else "ledger init makes a first one"
        )
    return _parsed_schema(path)


def schema_names(workspace: Workspace) -> list[str]:
    """Of the schemas that runs may be checked against, sorted: those of the work tree, else of HEAD."""
    folder = workspace.schemas
    if folder is None:
        return sorted(head_schemas.files(workspace.repository))
    return sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []


_parsed: dict[tuple[Path, int, int], Schema] = {}


def _parsed_schema(path: Path) -> Schema:
    try:
        state = path.stat()
        key = (path, state.st_mtime_ns, state.st_size)
        if key not in _parsed:
            data = plain_file.read(path, document.MAX_BYTES)
            _parsed[key] = document.parse(data, name=path.stem, what=str(path))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    return _parsed[key]


def _validate(schema: Schema, draft: Draft) -> tuple[Fault, ...]:
    def origin(part: str, name: str) -> str:
        return draft.origins.get(f"{part}.{name}", part or "the run")

    partial = draft.status.partial
    return document.validate(schema, draft.params, draft.metrics, origin=origin, partial=partial)


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
