"""A record as files, and back: version first, then decode.

The tree of a run commit is flat, mode 100644, and holds only the names below.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ledger import canonical
from ledger.errors import FormatError, InputError
from ledger.git.objects import REGULAR, TreeEntry
from ledger.model import RUN_FORMAT, Artifact, Author, Code, Json, Metric, Record, Run, SchemaName, Status

RUN, PARAMS, METRICS, SCHEMA, EVENTS = (
    "run.json",
    "params.json",
    "metrics.json",
    "schema.json",
    "events.jsonl",
)
HISTORY = re.compile(r"history(-\d{4,6})?\.parquet")
MAX_BYTES = {RUN: 4 << 20, PARAMS: 16 << 20, METRICS: 16 << 20, SCHEMA: 16 << 20, EVENTS: 64 << 20}
MAX_HISTORY_BYTES = 64 << 20
MAX_ENTRIES = 10_000
REQUIRED = (RUN, PARAMS, METRICS)
_PLAIN = ("name", "base", "started", "finished", "duration", "parent", "note", "reason")
_NUMBERS = frozenset((int, float, type(None)))
_LISTS = ("merges", "settles", "command")


def files(record: Record) -> dict[str, bytes]:
    """The files of a record by name. Raises InputError for a value without a JSON form."""
    try:
        out = {
            RUN: canonical.dumps(run_document(record.run)),
            PARAMS: canonical.dumps(record.params),
            METRICS: canonical.dumps(record.metrics),
        }
    except TypeError as error:
        raise InputError(f"a value that JSON can't hold: {error}") from error
    if record.schema is not None:
        out[SCHEMA] = record.schema
    if record.events is not None:
        out[EVENTS] = record.events
    return {**out, **record.history}


def oversized(files: Mapping[str, bytes]) -> str:
    """What no reader would take of the files of a record, in words; empty where there is nothing."""
    large = ((name, len(data)) for name, data in files.items() if len(data) > max_bytes(name))
    return "; ".join(
        f"{name} would have {size:,} bytes, the limit is {max_bytes(name):,}" for name, size in large
    )


def run_document(run: Run) -> dict[str, Json]:
    """What `run.json` says; what is not known is absent."""
    document: dict[str, Any] = {
        "format": RUN_FORMAT,
        "id": run.id,
        "record": run.record,
        "recorded": run.recorded,
        "experiment": run.experiment,
        "status": run.status.value,
        "author": {"name": run.author.name, "email": run.author.email},
    }
    document |= {key: value for key in _PLAIN if (value := getattr(run, key)) is not None}
    document |= {key: list(value) for key in _LISTS if (value := getattr(run, key))}
    if run.environment:
        document["environment"] = dict(run.environment)
    if run.tags:
        document["tags"] = dict(run.tags)
    if run.artifacts:
        document["artifacts"] = [_artifact_document(artifact) for artifact in run.artifacts]
    if run.schema:
        document["schema"] = _known({"name": run.schema.name, "version": run.schema.version})
    if run.code:
        document["code"] = _code_document(run.code)
    return document


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _names(of: type[Code | Artifact]) -> list[str]:
    return [field.name for field in fields(of)]


def _code_document(code: Code) -> dict[str, Any]:
    document = _known({name: getattr(code, name) for name in _names(Code) if name != "ignored"})
    if code.ignored:
        document["ignored"] = list(code.ignored)
    return document


def _artifact_document(artifact: Artifact) -> dict[str, Any]:
    document = _known({name: getattr(artifact, name) for name in _names(Artifact) if name != "hashes"})
    if artifact.hashes:
        document["hashes"] = dict(artifact.hashes)
    return document


def record(content: Mapping[str, bytes], *, what: str) -> Record:
    """The inverse of `files`. Raises FormatError that names `what` and the file."""
    for name in REQUIRED:
        if name not in content:
            raise FormatError(f"{what}: {name} is missing")
    return Record(
        run=run(content[RUN], what=what),
        params=_object(content[PARAMS], f"{what}: {PARAMS}"),
        metrics=metrics(content[METRICS], what=what),
        schema=content.get(SCHEMA),
        history={name: data for name, data in content.items() if HISTORY.fullmatch(name)},
        events=content.get(EVENTS),
    )


def run(data: bytes, *, what: str) -> Run:
    """`run.json`; unknown keys are left to newer ledgers, a newer format is refused."""
    document = _object(data, f"{what}: {RUN}")
    return run_of(document, what=what)


def run_of(document: Mapping[str, Any], *, what: str) -> Run:
    check_version(document, what=what)
    try:
        return Run(
            id=_text(document["id"]),
            record=_text(document["record"]),
            recorded=_text(document["recorded"]),
            experiment=_text(document["experiment"]),
            status=Status(document.get("status", Status.FINISHED)),
            author=_author(document.get("author", {})),
            environment=dict(document.get("environment", {})),
            tags=dict(document.get("tags", {})),
            artifacts=tuple(_fields(Artifact, item) for item in document.get("artifacts", ())),
            schema=_fields(SchemaName, document["schema"]) if "schema" in document else None,
            code=_code(document["code"]) if "code" in document else None,
            merges=tuple(document.get("merges", ())),
            settles=tuple(document.get("settles", ())),
            command=tuple(document.get("command", ())),
            **{key: document.get(key) for key in _PLAIN},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"{what}: {RUN} is not a run: {type(error).__name__}: {error}") from error


def check_version(document: Mapping[str, Any], *, what: str) -> None:
    """Read it, ask for an upgrade, or refuse: there is no fourth answer."""
    version = document.get("format")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise FormatError(f"{what}: {RUN} has no format version")
    if version > RUN_FORMAT:
        raise FormatError(
            f"{what}: format {version} is newer than this ledger reads ({RUN_FORMAT})", hint="upgrade ledger"
        )


def metrics(data: bytes, *, what: str) -> dict[str, Metric]:
    return metrics_of(_object(data, f"{what}: {METRICS}"), what=what)


def metrics_of(values: Mapping[str, Any], *, what: str) -> dict[str, Metric]:
    if _NUMBERS.issuperset(map(type, values.values())):
        return dict(values)
    out = {name: canonical.number(value) for name, value in values.items()}
    for name, value in out.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
            raise FormatError(f"{what}: {METRICS}: {name} is not a number")
    return out  # type: ignore[return-value]


def check_tree(entries: list[TreeEntry]) -> str | None:
    """What is wrong with the tree of a run commit, or None: foreign names, modes, duplicates, missing files."""
    if len(entries) > MAX_ENTRIES:
        return f"{len(entries):,} entries"
    names = set()
    for entry in entries:
        if entry.mode != REGULAR:
            return f"{entry.name}: mode {entry.mode.decode('ascii', 'replace')} instead of 100644"
        if entry.name not in MAX_BYTES and not HISTORY.fullmatch(entry.name):
            return f"{entry.name}: not a file of a run"
        names.add(entry.name)
    if len(names) != len(entries):
        return "one name stands twice"
    absent = [name for name in REQUIRED if name not in names]
    return f"{absent[0]} is missing" if absent else None


def max_bytes(name: str) -> int:
    return MAX_BYTES.get(name, MAX_HISTORY_BYTES)


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = canonical.loads(data, what=what)
    except InputError as error:
        raise FormatError(error.message, hint=error.hint) from error
    if not isinstance(value, dict):
        raise FormatError(f"{what} is not a JSON object")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"text expected, not {value!r}")
    return value


def _fields(kind: type[Any], document: Mapping[str, Any]) -> Any:
    return kind(**{key: value for key, value in document.items() if key in kind.__slots__})


def _author(document: Mapping[str, Any]) -> Author:
    return Author(
        name=str(document.get("name", "ledger")), email=str(document.get("email", "ledger@localhost"))
    )


def _code(document: Mapping[str, Any]) -> Code:
    return _fields(Code, {**document, "ignored": tuple(document.get("ignored", ()))})  # type: ignore[no-any-return]
