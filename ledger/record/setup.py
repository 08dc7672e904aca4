"""Setting a repository up: a commented configuration and a first schema. Nothing is overwritten or committed."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ledger import canonical
from ledger.config import FOLDER, Workspace
from ledger.errors import InputError, RepositoryError, StorageError
from ledger.model import Json, Metric
from ledger.schema import document, draft, starters

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
DEFAULT_NAME = "main"

_CONFIG = """\
# Settings of ledger for this project. They come with every clone, and can narrow what git's own configuration
# (git config ledger.*) allows to be captured, never widen it. Every line but the first two may go.

[ledger]
format = 1
{schema}

[record]
# Files that `ledger record` reads when it is called without any; patterns from the top of the work tree.
{params}
{metrics}
# Environment variables to keep, of those that `git config ledger.environment` allows.
# environment = ["CUDA_VISIBLE_DEVICES"]
# Python packages whose versions to keep.
# packages = ["scikit-learn", "torch"]

[code]
# Paths that count as the code of the experiments; the whole repository if absent.
# paths = ["src", "configs"]
# The branch that others start from; else the remote's, main or master.
# default_branch = "main"
# Uncommitted changes of tracked files are kept with a run, up to this size; false keeps none.
# snapshot = true
# snapshot_max_bytes = 10485760

[live]
# What a value out of the schema's minimum and maximum does while a run goes on: warn, stop or ignore.
# on_range = "warn"

[log]
# What `ledger log` shows when it is called without --metric.
{shown}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the files of a first setup hold: path from the top of the work tree → bytes."""

    files: Mapping[str, bytes]
    schema: str | None = None
    """Name of the schema, if there is one."""
    metrics: tuple[str, ...] = ()
    """The names that the schema declares."""
    reads_files: bool = False
    """Whether a bare `ledger record` will find its metrics by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Absolute paths: what was made, and what stood there already and was left alone."""

    created: tuple[Path, ...] = ()
    existing: tuple[Path, ...] = ()
    schemas: tuple[str, ...] = ()
    """Names of all schemas that there are now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Files that a schema is drafted from, as paths from the top (None: outside of it), and what they hold."""

    params: Mapping[str, Json] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    param_files: tuple[str, ...] = ()
    metric_files: tuple[str, ...] = ()


def from_starter(starter: str, *, name: str | None = None) -> Plan:
    """A setup with one of the shipped schemas. Raises NotFoundError, InputError."""
    return _plan(schema_name(name or starter), starters.load(starter), Sources())


def from_values(sources: Sources, *, name: str | None = None) -> Plan:
    """A setup with a schema drafted from the params and metrics of one run. Raises InputError."""
    chosen = schema_name(name or DEFAULT_NAME)
    return _plan(chosen, draft.infer([(sources.params, sources.metrics)], name=chosen), sources)


def without_schema() -> Plan:
    """Settings alone: every value is kept as it is, and compared by its name."""
    return _plan(None, None, Sources())


def _plan(name: str | None, schema: bytes | None, sources: Sources) -> Plan:
    metrics: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    files: dict[str, bytes] = {}
    if name and schema is not None:
        parsed = document.parse(schema, name=name, what=f"{name}.json")
        metrics = tuple(parsed.metrics)
        shown = tuple(
            key for key, value in parsed.metrics.items() if value.direction and key in sources.metrics
        )[:3]
        files[f"{FOLDER}/schemas/{name}.json"] = schema
    config = _CONFIG.format(
        schema=_line(
            "schema",
            canonical.compact(name) if name else None,
            '"main"',
            "The schema that runs are checked against: .ledger/schemas/NAME.json.",
        ),
        params=_files("params", sources.param_files, "params.yaml"),
        metrics=_files("metrics", sources.metric_files, "metrics.json"),
        shown=_line("metrics", canonical.compact(shown) if shown else None, '["f1", "loss"]'),
    )
    return Plan(
        files={f"{FOLDER}/config.toml": config.encode(), **files},
        schema=name,
        metrics=metrics,
        reads_files=bool(sources.metric_files),
    )


def _files(key: str, paths: Sequence[str], example: str) -> str:
    names = [glob.escape(path) for path in paths]
    return _line(key, canonical.compact(names) if names else None, f'["{example}"]')


def _line(key: str, value: str | None, example: str, comment: str = "") -> str:
    """One setting, or an example of it as a comment. JSON text is TOML for strings and lists of them."""
    head = f"# {comment}\n" if comment else ""
    return head + (f"{key} = {value}" if value is not None else f"# {key} = {example}")


def schema_name(name: str) -> str:
    """A name for a schema file. Raises InputError."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"not a name for a schema: {canonical.compact(name[:60])}", hint="letters, digits, dots, - and _"
        )
    return name


def require_work_tree(workspace: Workspace) -> Path:
    """The top of the work tree. Raises RepositoryError in a bare repository."""
    top = workspace.repository.work_tree
    if top is None:
        raise RepositoryError(
            "a bare repository has no work tree for .ledger/",
            hint="run `ledger init` in a clone and push it; reading works here as it is",
        )
    return top


def write(workspace: Workspace, plan: Plan) -> Written:
    """Make the files of a plan that are not there yet. Raises RepositoryError, StorageError."""
    top = require_work_tree(workspace)
    created: list[Path] = []
    existing: list[Path] = []
    for name, data in plan.files.items():
        path = top / name
        (created if create(path, data) else existing).append(path)
    schemas = tuple(sorted(path.stem for path in (top / FOLDER / "schemas").glob("*.json")))
    return Written(created=tuple(created), existing=tuple(existing), schemas=schemas)


def create(path: Path, data: bytes) -> bool:
    """Write a new file; False if something is there already. Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        if path.parent.is_dir():
            return False
        raise StorageError(f"{path.parent} is not a folder", hint="move it away") from None
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StorageError(f"{path}: {error.strerror or error}", hint="make room and run it again") from error
    return True
