"""What metrics mean now: the target's schemas, and the migrations that lead to them, from work tree and history.

Reading a repository never runs its code: schemas, migrations and units are data, each file is checked, and one
that is broken is named and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ledger import canonical, plain_file
from ledger.config import FOLDER, Workspace
from ledger.errors import ConfigError, FormatError, GitError, InputError, NotFoundError
from ledger.frozen import frozen
from ledger.git import history, objects
from ledger.schema import document
from ledger.schema.document import Schema
from ledger.store import migrations
from ledger.store.migrations import UNITS

if TYPE_CHECKING:
    from ledger.schema.codes import Finding
    from ledger.schema.lowered import Migration
    from ledger.schema.units import Unit

SCHEMAS = f"{FOLDER}/schemas"


@frozen()
class Meaning:
    """Definitions to show values under, and how to get there."""

    schemas: Mapping[str, Schema]
    migrations: tuple[Migration, ...] = ()
    faults: tuple[Finding, ...] = ()
    """What is wrong with schemas, units and migrations that were left out."""
    units: Mapping[str, Unit] | None = None


def read(workspace: Workspace, at: str | None, recorded: Collection[str] = frozenset()) -> Meaning:
    """The meaning of the work tree, or of revision `at` alone. Raises NotFoundError.

    A schema file whose bytes are one of the `recorded` blobs is not checked again. A file that can't be used is a
    fault, and all others count.
    """
    schemas, broken = usable_schemas(workspace, at, recorded)
    files = migrations.files(workspace, at)
    if not files:
        return Meaning(schemas=schemas, faults=broken)
    from ledger.store import migration_cache

    known, odd = read_units(workspace, at)
    loaded = migration_cache.load(workspace.repository.folder, files, custom_units=known)
    return Meaning(
        schemas=schemas, migrations=loaded.migrations, faults=(*broken, *odd, *loaded.faults), units=known
    )


@frozen()
class Origin:
    """The commit that brought a file into the history."""

    commit: str
    author: str
    date: str


def introduced(workspace: Workspace, path: str) -> Origin | None:
    """Who brought a migration in, and when; None for a file that is not committed."""
    words = (
        "log",
        "-1",
        "--all",
        "--diff-filter=A",
        "--format=%H%x00%an%x00%aI",
        "--",
        f":(top,literal){path}",
    )
    try:
        found = workspace.repository.git(*words).decode("utf-8", "replace").strip()
    except GitError:
        return None
    commit, _, rest = found.partition("\0")
    author, _, date = rest.partition("\0")
    return Origin(commit=commit, author=author, date=date) if commit else None


def read_units(workspace: Workspace, at: str | None = None) -> tuple[Mapping[str, Unit], tuple[Finding, ...]]:
    """The project's own units, and what is wrong with their file: then there are none."""
    data = migrations.units_file(workspace, at)
    if not data:
        return {}, ()
    from ledger.schema import units
    from ledger.trace import broken

    try:
        return units.load(data, what=UNITS), ()
    except ConfigError as error:
        return {}, broken.units(error, data, file=UNITS)


def target_schemas(
    workspace: Workspace, at: str | None, recorded: Collection[str] = frozenset()
) -> dict[str, Schema]:
    """The schema files of a revision, or of the work tree; a bare repository has those of its HEAD.

    Raises ConfigError for a file of the work tree that can't be used, NotFoundError.
    """
    parse = partial(_checked_once, workspace.repository.object_format, recorded)
    files = _own_schemas(workspace, at)
    if files is None:
        return _schemas_of(workspace, at, parse)[0]
    return {path.stem: _read_by(parse, data, name=path.stem, what=str(path)) for path, data in files.items()}


def usable_schemas(
    workspace: Workspace, at: str | None, recorded: Collection[str] = frozenset()
) -> tuple[dict[str, Schema], tuple[Finding, ...]]:
    """The schemas of the work tree or of a revision, and what is wrong with files left out. Raises NotFoundError."""
    parse = partial(_checked_once, workspace.repository.object_format, recorded)
    files = _own_schemas(workspace, at)
    if files is None:
        return _schemas_of(workspace, at, parse)
    return _parsed({f"{SCHEMAS}/{path.name}": data for path, data in files.items()}, parse)


_File = bytes | ConfigError
"""What is in a file, or why it can't be read."""


def _read_by(parse: Callable[..., Schema], data: _File, *, name: str, what: str) -> Schema:
    if isinstance(data, ConfigError):
        raise data
    return parse(data, name=name, what=what)


def _parsed(
    files: Mapping[str, _File], parse: Callable[..., Schema]
) -> tuple[dict[str, Schema], tuple[Finding, ...]]:
    """Name → schema, and what is wrong with the other files; path → bytes is given."""
    found: dict[str, Schema] = {}
    faults: list[Finding] = []
    for file, data in files.items():
        name = PurePosixPath(file).stem
        try:
            found[name] = _read_by(parse, data, name=name, what=file)
        except ConfigError as error:
            from ledger.trace import broken

            told = data if isinstance(data, bytes) else b""
            faults.extend(broken.schema(error, told, what=file, file=file))
    return found, tuple(faults)


def _own_schemas(workspace: Workspace, at: str | None) -> dict[Path, _File] | None:
    """The schema files of the work tree; None where those of a commit count."""
    folder = workspace.schemas
    if at is not None or folder is None:
        return None
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    found: dict[Path, _File] = {}
    for path in paths:
        try:
            found[path] = plain_file.read(path, document.MAX_BYTES)
        except OSError as error:
            found[path] = ConfigError(f"can't be read: {error.strerror}")
    return found


def _schemas_of(
    workspace: Workspace, at: str | None, parse: Callable[..., Schema]
) -> tuple[dict[str, Schema], tuple[Finding, ...]]:
    try:
        commit = history.resolve(workspace.repository, at or "HEAD")
    except NotFoundError:
        if at is None:
            return {}, ()
        raise
    return _parsed(_schema_files(workspace, commit), parse)


def _checked_once(
    object_format: str, recorded: Collection[str], data: bytes, *, name: str, what: str
) -> Schema:
    """A file whose canonical bytes a run carries was checked when that run was recorded."""
    if recorded:
        with suppress(InputError, FormatError):
            whole = canonical.dumps(canonical.loads(data, what=what))
            if objects.make("blob", whole, object_format).id in recorded:
                return document.recorded(whole, name=name)
    return document.parse(data, name=name, what=what)


def _schema_files(workspace: Workspace, commit: str) -> dict[str, bytes]:
    """Path, with the commit before it → bytes."""
    try:
        listed = workspace.repository.git("ls-tree", "-z", f"{commit}:{SCHEMAS}").decode("utf-8", "replace")
    except GitError:
        return {}  # no such folder then
    names = [entry.partition("\t")[2] for entry in listed.split("\0")]
    files = [name for name in names if name.endswith(".json")]
    blobs = objects.read(workspace.repository, [f"{commit}:{SCHEMAS}/{name}" for name in files])
    found = zip(files, blobs, strict=True)
    return {f"{commit[:9]}:{SCHEMAS}/{name}": blob.body for name, blob in found if blob is not None}
