"""Where git looks for the hooks of a repository."""

from __future__ import annotations

from pathlib import Path

from ledger.frozen import frozen
from ledger.git.process import Repository

_OF_EVERYBODY = ("system", "global")


@frozen()
class HookFolder:
    path: Path
    shared: bool = False
    """The user's other repositories have it, too."""
    sourced: bool = False
    """Its files are run by `sh`, whatever they say and may (husky)."""


def hook_folder(repository: Repository) -> HookFolder:
    """The folder that `core.hooksPath` names, else `hooks` beside the refs, which all work trees share."""
    words = ("config", "-z", "--show-scope", "--type=path", "--get-all", "core.hooksPath")
    found = repository.git(*words, accept=(0, 1)).decode("utf-8", "surrogateescape").split("\0")[:-1]
    pairs = list(zip(found[::2], found[1::2], strict=True))[:-1]  # the last is what every git gets from us
    if not pairs:
        return HookFolder(path=default_folder(repository))
    scope, name = pairs[-1]
    path = (repository.work_tree or repository.git_dir) / name
    if path.name == "_" and path.parent.name == ".husky":
        return HookFolder(path=path.parent, sourced=True)
    return HookFolder(path=path, shared=scope in _OF_EVERYBODY)


def default_folder(repository: Repository) -> Path:
    """Where hooks are unless the configuration says otherwise."""
    return repository.common_dir / "hooks"
