"""The files of a project's migrations, from work tree and history together, and that of the units they speak of.

Without a revision they are those of the work tree, of HEAD and of the default branch together, since a branch that
forked off before a migration still reads runs that were recorded after it; of two files with one path the work tree's
counts, and a file that HEAD has and the work tree deleted is gone.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from ledger import plain_file
from ledger.config import FOLDER, Workspace
from ledger.git import history, objects, worktree
from ledger.git.process import Repository
from ledger.store import cachefile

MIGRATIONS, UNITS = f"{FOLDER}/migrations", f"{FOLDER}/units.json"
MAX_FILE = 1 << 20
"""Bytes of a migration; a larger file is not one."""
_MAX_FILES = 5_000


def files(workspace: Workspace, at: str | None) -> dict[str, bytes]:
    """Path → bytes, of revision `at` or of what counts now. Raises NotFoundError, GitError."""
    if at is not None:
        return _files_at(workspace, [history.resolve(workspace.repository, at)])
    top = workspace.repository.work_tree
    own = _files_in(top / MIGRATIONS, top) if top else {}
    others = _files_at(workspace, _revisions(workspace), beside=own)
    gone = worktree.deleted(workspace.repository, MIGRATIONS) if others and top else frozenset()
    return {path: data for path, data in {**others, **own}.items() if path not in gone}


def _revisions(workspace: Workspace) -> list[str]:
    default = workspace.config.default_branch
    return [
        f"refs/heads/{default}" if default else "refs/remotes/origin/HEAD",
        "refs/heads/main",
        "refs/heads/master",
        "HEAD",
    ]


def _files_in(folder: Path, top: Path) -> dict[str, bytes]:
    """Migrations of the work tree. What is too large is cut one byte above the limit, and so refused by its reader."""
    if not folder.is_dir():
        return {}
    found = {}
    for path in sorted(folder.glob("*/*.json"))[:_MAX_FILES]:
        name = path.relative_to(top).as_posix()
        try:
            found[name] = plain_file.read(path, MAX_FILE)
        except OSError:
            found[name] = b""  # no migration: its reader says so
    return found


def _files_at(
    workspace: Workspace, revisions: Sequence[str], beside: Collection[str] = ()
) -> dict[str, bytes]:
    """Migrations of commits, without those of some paths; the later revision's file counts."""
    repository = workspace.repository
    trees = history.identify(repository, [f"{revision}:{MIGRATIONS}" for revision in revisions])
    listed = _listed(repository, tuple(dict.fromkeys(found for found in trees if found)))
    blobs = {path: blob for path, blob in listed.items() if path not in beside}
    if not blobs:
        return {}
    sizes = objects.sizes(repository, list(blobs.values()))
    small = {
        path: blob
        for (path, blob), size in zip(blobs.items(), sizes, strict=True)
        if size is not None and size <= MAX_FILE
    }
    bodies = objects.read(repository, list(small.values()))
    return {path: body.body for path, body in zip(small, bodies, strict=True) if body is not None}


def _listed(repository: Repository, trees: Sequence[str]) -> Mapping[str, str]:
    """Path → blob in all of the trees; what a tree holds is asked once."""
    if not trees:
        return {}
    kept, key = repository.folder / "cache" / "migration-trees.json", f"{_LISTING} {' '.join(trees)}"
    with suppress(ValueError):
        body = cachefile.read(kept, key)
        if body is not None and isinstance(found := json.loads(body), dict):
            return found
    blobs: dict[str, str] = {}
    for tree in trees:
        listed = repository.git("ls-tree", "-r", "-z", tree).decode("utf-8", "replace")
        for entry in listed.split("\0")[:_MAX_FILES]:
            facts, _, name = entry.partition("\t")
            if name.endswith(".json") and facts.startswith("100") and len(PurePosixPath(name).parts) == 2:  # noqa: PLR2004
                blobs[f"{MIGRATIONS}/{name}"] = facts.split()[2]
    cachefile.keep(kept, key, json.dumps(blobs).encode())
    return blobs


_LISTING = 1
"""Version of the file that keeps it."""


def units_file(workspace: Workspace, at: str | None) -> bytes | None:
    """What the project's own units are read from; None where it has none. Raises GitError, OSError."""
    top = workspace.repository.work_tree
    if at is None and top is not None:
        path = top / UNITS
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(MAX_FILE + 1)
    (found,) = objects.read(workspace.repository, [f"{at or 'HEAD'}:{UNITS}"])
    return found.body if found else None
