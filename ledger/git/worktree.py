"""The state of the code: what is checked out, what is changed, and a snapshot of it that touches nothing of the user's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ledger.errors import GitError, LedgerError
from ledger.git.process import Repository

_SYNCED = ("-c", "core.fsync=all")
SOURCE_SUFFIXES = frozenset(
    [
        ".py",
        ".pyx",
        ".ipynb",
        ".r",
        ".jl",
        ".sh",
        ".c",
        ".cc",
        ".cpp",
        ".cu",
        ".h",
        ".hpp",
        ".rs",
        ".go",
        ".java",
        ".scala",
        ".js",
        ".ts",
        ".lua",
        ".m",
        ".yaml",
        ".yml",
        ".toml",
        ".cfg",
        ".ini",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTree:
    """What `git status` says, without the run's own files and `.ledger/`."""

    commit: str | None
    """None: no commit yet."""
    branch: str | None
    """None: detached HEAD."""
    changed: tuple[str, ...]
    """Tracked paths that differ from HEAD, staged or not, from the top."""
    submodules: tuple[str, ...]
    """Those of `changed` that are submodules: recorded as dirty, never snapshot."""
    untracked_sources: tuple[str, ...]


def status(repository: Repository, *, ignored: Sequence[str] = (), paths: Sequence[str] = ()) -> WorkTree:
    """`ignored` are paths from the top that do not count; `paths` narrow what counts (a monorepo's own part)."""
    words = (
        "status",
        "--porcelain=v2",
        "--branch",
        "-z",
        "--untracked-files=normal",
        "--ignore-submodules=none",
    )
    output = repository.git(*words, "--no-renames", "--", *_scope(paths)).decode("utf-8", "surrogateescape")
    heads: dict[str, str] = {}
    changed: list[tuple[str, bool]] = []
    untracked: list[str] = []
    for token in output.split("\0"):
        if token.startswith("# branch."):
            key, _, value = token[len("# branch.") :].partition(" ")
            heads[key] = value
        elif token.startswith("? "):
            untracked.append(token[2:])
        elif token[:2] in ("1 ", "u "):
            changed.append(_changed(token))
    own = frozenset(ignored)
    counted = [
        (path, is_module)
        for path, is_module in changed
        if path not in own and not path.startswith(".ledger/")
    ]
    return WorkTree(
        commit=None if heads.get("oid", "(initial)") == "(initial)" else heads["oid"],
        branch=None if heads.get("head") == "(detached)" else heads.get("head"),
        changed=tuple(path for path, _ in counted),
        submodules=tuple(path for path, is_module in counted if is_module),
        untracked_sources=tuple(p for p in untracked if p not in own and _is_source(p, repository.work_tree)),
    )


_LOOKED_AT = 200
"""Entries of an untracked folder that are looked at for source files."""


def _is_source(path: str, top: Path | None) -> bool:
    """Whether an untracked file is source code; of a folder, whether any of its first entries is."""
    if not path.endswith("/"):
        return Path(path).suffix.lower() in SOURCE_SUFFIXES
    if top is None or path.startswith("."):
        return False
    inside = islice((top / path).rglob("*"), _LOOKED_AT)
    return any(entry.suffix.lower() in SOURCE_SUFFIXES for entry in inside)


def _changed(token: str) -> tuple[str, bool]:
    """`1 XY sub mH mI mW hH hI path` or `u XY sub m1 m2 m3 mW h1 h2 h3 path`."""
    fields = token.split(" ", 8 if token[0] == "1" else 10)
    return fields[-1], fields[2].startswith("S")


def _scope(paths: Sequence[str]) -> list[str]:
    return [f":(top,literal){path}" for path in paths]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Uncommitted changes as a commit on HEAD."""

    commit: str
    tree: str
    pack: bytes
    """All its objects that HEAD lacks: no ref holds them yet, and a `git gc` may take them at any time."""


class SnapshotTooLargeError(LedgerError):
    kind = "snapshot"


def snapshot(
    repository: Repository,
    tree: WorkTree,
    *,
    ignored: Sequence[str],
    untracked: Sequence[str],
    max_bytes: int,
) -> Snapshot:
    """The tracked changes, taken through a copy of the index; the same state gives the same ids.

    `untracked` are glob patterns of files to take along. Raises SnapshotTooLargeError, GitError.
    """
    import shutil
    import tempfile

    top = repository.work_tree
    if top is None or tree.commit is None:
        raise LedgerError("a snapshot needs a work tree and a commit")
    _check_size(top, tree.changed, max_bytes)
    folder = Path(tempfile.mkdtemp(prefix="ledger-index-"))
    try:
        index = folder / "index"
        own = repository.git_dir / "index"
        own_files = [f":(top,exclude,literal){path}" for path in (*ignored, ".ledger")]
        for last in (False, False, True):
            if own.exists():
                # With its times: a file that changed in the second in which the index was written is told by them.
                shutil.copy2(own, index)
            try:
                return _taken(repository, tree.commit, index, own_files, untracked, max_bytes)
            except GitError:  # a `gc --prune=now` may have taken what was just written
                if last:
                    raise
        raise AssertionError("unreachable")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _taken(
    repository: Repository,
    parent: str,
    index: Path,
    own_files: Sequence[str],
    untracked: Sequence[str],
    max_bytes: int,
) -> Snapshot:
    env = {"GIT_INDEX_FILE": str(index)}
    words = (*_SYNCED, "add", "-u", "--ignore-errors", "--", ":(top)")
    repository.git(*words, *own_files, env=env, accept=(0, 1))
    if untracked and repository.work_tree:
        _add_untracked(repository, untracked, own_files, env, repository.work_tree, max_bytes)
    tree_id = repository.git(*_SYNCED, "write-tree", env=env).decode().strip()
    commit = _commit(repository, tree_id, parent)
    wanted = f"{commit}\n^{parent}\n".encode()
    pack = repository.git("pack-objects", "--revs", "--stdout", "-q", stdin=wanted)
    return Snapshot(commit=commit, tree=tree_id, pack=pack)


def deleted(repository: Repository, folder: str) -> frozenset[str]:
    """Files of HEAD below a folder, by path from the top, that the work tree has no more; not what it leaves out.

    Nothing where there is no commit yet.
    """
    words = ("diff-index", "-z", "--name-only", "--no-renames", "--diff-filter=D", "HEAD", "--")
    try:
        found = repository.git(*words, f":(top,literal){folder}")
    except GitError:
        return frozenset()
    return frozenset(path for path in found.decode("utf-8", "replace").split("\0") if path)


def _add_untracked(
    repository: Repository,
    globs: Sequence[str],
    own_files: Sequence[str],
    env: dict[str, str],
    top: Path,
    limit: int,
) -> None:
    patterns = [f":(top,glob){pattern}" for pattern in globs]
    listed = repository.git(
        "ls-files", "-z", "--others", "--exclude-standard", "--full-name", "--", *patterns, *own_files
    )
    paths = [path for path in listed.decode("utf-8", "surrogateescape").split("\0") if path]
    _check_size(top, paths, limit)
    if paths:
        repository.git("add", "--", *(f":(top,literal){path}" for path in paths), env=env)


def _check_size(top: Path, paths: Sequence[str], limit: int) -> None:
    total = 0
    for path in paths:
        try:
            total += os.lstat(top / path).st_size
        except OSError:
            continue  # deleted: nothing to store
    if total > limit:
        raise SnapshotTooLargeError(
            f"{total:,} bytes changed, the limit is {limit:,} (ledger.snapshotMaxBytes)"
        )


def _commit(repository: Repository, tree_id: str, parent: str) -> str:
    """HEAD's date and a fixed identity: the same dirty state gives the same commit in every run of a sweep."""
    seconds = repository.git("show", "-s", "--format=%ct", "--end-of-options", parent).decode().split()[0]
    env = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", "ledger"), ("EMAIL", "ledger@localhost"), ("DATE", f"@{seconds} +0000"))
    }
    words = (
        *_SYNCED,
        "commit-tree",
        "--no-gpg-sign",
        tree_id,
        "-p",
        parent,
        "-m",
        "ledger: uncommitted changes",
    )
    return repository.git(*words, env=env).decode().strip()
