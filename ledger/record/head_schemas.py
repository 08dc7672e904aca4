"""The schemas of the commit that is checked out: those that count where there is no work tree (a bare repository)."""

from __future__ import annotations

from ledger.config import FOLDER
from ledger.errors import ConfigError
from ledger.git import objects
from ledger.git.process import Repository
from ledger.schema import document
from ledger.schema.document import Schema

_FOLDER = f"HEAD:{FOLDER}/schemas"
_SUFFIX = ".json"


def load(repository: Repository, name: str | None) -> Schema | None:
    """By name, or the only one there is; None where there is none. Raises ConfigError as for a work tree."""
    known = files(repository)
    if name is None:
        return _parsed(repository, *next(iter(known.items()))) if len(known) == 1 else None
    if name not in known:
        hint = f"known: {', '.join(known)}" if known else "commit one first: a bare repository has no other"
        raise ConfigError(f"no schema {name!r}", hint=hint)
    return _parsed(repository, name, known[name])


def files(repository: Repository) -> dict[str, str]:
    """Name → id of each schema file. Raises GitError."""
    (folder,) = objects.read(repository, [_FOLDER])
    if folder is None or folder.kind != "tree":
        return {}
    entries = objects.parse_tree(folder.body, repository.object_format)
    found = {one.name: one.id for one in entries if one.name.endswith(_SUFFIX)}
    return {name.removesuffix(_SUFFIX): found[name] for name in sorted(found)}


def _parsed(repository: Repository, name: str, oid: str) -> Schema:
    what = f"{_FOLDER}/{name}{_SUFFIX}"
    (size,) = objects.sizes(repository, [oid])
    if size is None or size > document.MAX_BYTES:
        raise ConfigError(f"{what}: missing, or more than {document.MAX_BYTES:,} bytes")
    (found,) = objects.read(repository, [oid])
    if found is None or found.kind != "blob":
        raise ConfigError(f"{what}: not a file")
    return document.parse(found.body, name=name, what=what)
