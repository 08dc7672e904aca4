"""Whether git calls ledger's hooks: in a clone those that follow rewritten history, in a bare repository those that guard it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ledger import resources
from ledger.config import Workspace
from ledger.git import refs
from ledger.git.hooks import HookFolder, hook_folder
from ledger.git.process import Repository
from ledger.share.problem import Problem, warning
from ledger.store.slug import RUNS

_CLONE = ("post-rewrite", "post-commit")
_NEEDED = "post-rewrite"
_SERVER = ("update", "pre-receive")
_BLOCK = b"# >>> ledger "
"""What `ledger hooks install` puts beside another hook begins with it."""
_CALLS = (b"server-check", b"ledger/rewritten")
"""In hooks that people wrote themselves."""
_PROGRAM = "ledger.serverCheck"


def hooks(workspace: Workspace) -> Iterator[Problem]:
    """Nothing is said of repositories without runs."""
    repository = workspace.repository
    if not refs.tips(repository, RUNS):
        return
    if repository.work_tree is None:
        yield from _of_a_server(repository, hook_folder(repository))
    else:
        yield from _of_a_clone(hook_folder(repository))


def _of_a_clone(folder: HookFolder) -> Iterator[Problem]:
    for name in _CLONE:
        path = folder.path / name
        data = _read(path)
        if not _ours(name, data):
            if name == _NEEDED:
                yield _missing(path, foreign=bool(data))
        elif not folder.sourced and not os.access(path, os.X_OK):
            yield _not_called(path)
        elif _outdated(name, data):
            yield _of_another_version(path, data)


def _missing(path: Path, *, foreign: bool) -> Problem:
    there = f"{path} is another's, without ledger's part" if foreign else f"there is no {path}"
    return warning(
        "hook-missing",
        f"{there}: amends and rebases leave runs on the old commits, found again by their changes at best",
        "ledger hooks install" + ("; what is there is called as before" if foreign else ""),
    )


def _of_a_server(repository: Repository, folder: HookFolder) -> Iterator[Problem]:
    paths = [folder.path / name for name in _SERVER]
    found = {path: data for path in paths if _ours(path.name, data := _read(path))}
    called = [path for path in found if os.access(path, os.X_OK)]
    if not found:
        shipped = resources.folder("hooks") / "update"
        yield Problem(
            code="server-hook-missing",
            what=f"neither {paths[0]} nor pre-receive is ledger's: whoever may push can delete and rewrite runs",
            hint=f"cp {shipped} {paths[0]}; chmod +x {paths[0]} (docs/server.md)",
        )
    elif not called:
        yield from map(_not_called, found)
    yield from (
        _of_another_version(path, found[path]) for path in called if _outdated(path.name, found[path])
    )
    yield from _program(repository) if called else ()


def _program(repository: Repository) -> Iterator[Problem]:
    said = (
        repository.git("config", "--get", _PROGRAM, accept=(0, 1)).decode("utf-8", "surrogateescape").strip()
    )
    if said and shutil.which(said) is None:
        yield Problem(
            code="server-check-missing",
            what=f"{_PROGRAM} is {said}, which can't be run: the hook lets nothing in",
            hint=f'git config {_PROGRAM} "$(command -v ledger)"',
        )


def _of_another_version(path: Path, data: bytes) -> Problem:
    copy = f"cp {resources.folder('hooks') / path.name} {path}"
    return warning(
        "hook-outdated",
        f"{path} is that of another version of ledger",
        "ledger hooks install" if _BLOCK in data else copy,
    )


def _not_called(path: Path) -> Problem:
    return Problem(
        code="hook-not-called",
        what=f"git does not call {path}: it is not executable",
        hint=f"chmod +x {path}",
    )


def _ours(name: str, data: bytes) -> bool:
    return _BLOCK in data or _title(name) in data or any(word in data for word in _CALLS)


def _outdated(name: str, data: bytes) -> bool:
    """Whether it is a shipped hook, and not the one of this version; what people wrote themselves is theirs."""
    shipped = _BLOCK in data or _title(name) in data
    return shipped and _shipped(name) not in data


def _shipped(name: str) -> bytes:
    """Without its first line: it may stand in the middle of another hook."""
    return (resources.folder("hooks") / name).read_bytes().partition(b"\n")[2].rstrip(b"\n")


def _title(name: str) -> bytes:
    return _shipped(name).partition(b"\n")[0]


def _read(path: Path) -> bytes:
    """Nothing where there is none. Raises OSError."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
