"""Bulk reads that go on where one object is missing or damaged, and say what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ledger.errors import GitError
from ledger.git import objects
from ledger.git.objects import GitObject
from ledger.git.process import Repository


def read_carefully(repository: Repository, names: Sequence[str], *, max_bytes: int) -> list[GitObject | str]:
    """Objects by id, in order; for one that can't be had, what is wrong with it."""
    if not names:
        return []
    try:
        with objects.reader(repository, max_bytes=max_bytes) as bulk:
            found = bulk.read(names)
    except OSError:  # git gave up in the middle: an object is damaged
        found = [None] * len(names)
    lacking = [name for name, body in zip(names, found, strict=True) if body is None]
    reasons = _second_look(repository, lacking, max_bytes) if lacking else {}
    return [reasons[name] if body is None else body for name, body in zip(names, found, strict=True)]


def _second_look(repository: Repository, names: Sequence[str], max_bytes: int) -> dict[str, GitObject | str]:
    sizes = sizes_of(repository, names)
    told: dict[str, GitObject | str] = {}
    readable = []
    for name in names:
        size = sizes[name]
        if size is None:
            told[name] = f"{name[:12]} is missing from the repository, or damaged"
        elif size > max_bytes:
            told[name] = f"{size:,} bytes, the limit is {max_bytes:,}"
        else:
            readable.append(name)
    return {**told, **_halved(repository, readable)}


def _halved(repository: Repository, names: Sequence[str]) -> dict[str, GitObject | str]:
    """Git ends at the first damaged object: halves until it stands alone."""
    if not names:
        return {}
    try:
        found = objects.read(repository, names)
    except (GitError, ValueError) as error:
        if len(names) == 1:
            return {names[0]: f"{names[0][:12]} is damaged: {_first_line(error)}"}
        middle = len(names) // 2
        return {**_halved(repository, names[:middle]), **_halved(repository, names[middle:])}
    missing = "is missing from the repository"
    return {name: body or f"{name[:12]} {missing}" for name, body in zip(names, found, strict=True)}


def _first_line(error: Exception) -> str:
    said = error.stderr if isinstance(error, GitError) else str(error)
    return next(iter(said.strip().splitlines()), "git ended")


def sizes_of(repository: Repository, names: Collection[str]) -> dict[str, int | None]:
    """Sizes in bytes; None for an object that is missing, or too damaged to have one."""
    asked = list(dict.fromkeys(names))
    if not asked:
        return {}
    try:
        return dict(zip(asked, objects.sizes(repository, asked), strict=True))
    except (GitError, ValueError):
        if len(asked) == 1:
            return {asked[0]: None}
        middle = len(asked) // 2
        return {**sizes_of(repository, asked[:middle]), **sizes_of(repository, asked[middle:])}
