"""What a newer ledger wrote may have other files and other rules: its version is looked at before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from ledger import canonical
from ledger.errors import FormatError, GitError, InputError
from ledger.git import objects
from ledger.git.process import Repository
from ledger.store import codec


def newer(repository: Repository, commits: Sequence[str]) -> Mapping[str, FormatError]:
    """For each commit that a newer ledger wrote, the error that says so. For those that can't be read as runs."""
    names = [f"{commit}:{codec.RUN}" for commit in commits]
    if not names:
        return {}
    found: dict[str, FormatError] = {}
    with suppress(GitError):  # an object is damaged: others say so
        sizes = objects.sizes(repository, names)
        fits = [
            commit
            for commit, size in zip(commits, sizes, strict=True)
            if size is not None and size <= codec.max_bytes(codec.RUN)
        ]
        for commit, item in zip(
            fits, objects.read(repository, [f"{commit}:{codec.RUN}" for commit in fits]), strict=True
        ):
            error = _newer(item.body, commit[:12]) if item is not None and item.kind == "blob" else None
            if error:
                found[commit] = error
    return found


def _newer(data: bytes, what: str) -> FormatError | None:
    with suppress(InputError):
        document = canonical.loads(data, what=what)
        if isinstance(document, Mapping):
            try:
                codec.check_version(document, what=what)
            except FormatError as error:
                return error if error.hint else None
    return None
