"""Commits with another parent: tree, author, dates and message stay byte for byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ledger.errors import FormatError
from ledger.git import objects
from ledger.git.objects import GitObject
from ledger.git.process import Repository

_BULK = 200
"""Commits from which a conversation with git is cheaper than one call."""
_MAX_BYTES = 1 << 20
"""Of a commit: a subject and a few trailers."""
_PARENTS = re.compile(rb"(?:parent [0-9a-f]+\n)+")
_TREE = re.compile(rb"\Atree [0-9a-f]+")
_SIGNATURE = re.compile(rb"gpgsig(?:-sha256)? [^\n]*\n(?: [^\n]*\n)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redone:
    """What a commit is to hold instead: the one case in which more than its parent changes."""

    tree: str
    message: Callable[[bytes], bytes]
    parts: tuple[GitObject, ...]
    """The tree, and files that are new in it."""


_NOTHING: Mapping[str, Redone] = MappingProxyType({})


def reparented(
    repository: Repository, commits: Sequence[str], onto: str | None, redone: Mapping[str, Redone] = _NOTHING
) -> list[GitObject]:
    """The commits, oldest first, as a line on top of `onto`. Raises FormatError where one can't be read.

    `redone` says, by id, which of them are to hold something else.
    """
    made = []
    for commit, found in zip(commits, _read(repository, commits), strict=True):
        if found is None or found.kind != "commit":
            raise FormatError(f"{commit[:12]} can't be read", hint="`ledger verify` says what is wrong")
        body = _with(found.body, redone[commit]) if commit in redone else found.body
        again = objects.make("commit", _on(body, onto), repository.object_format)
        made.append(again)
        onto = again.id
    return made


def _read(repository: Repository, commits: Sequence[str]) -> Sequence[GitObject | None]:
    if len(commits) < _BULK:
        return objects.read(repository, commits)
    with objects.reader(repository, max_bytes=_MAX_BYTES) as bulk:
        return bulk.read(commits)


def _on(body: bytes, parent: str | None) -> bytes:
    """The body of a commit with another parent; a signature over the old one goes."""
    head, end, message = body.partition(b"\n\n")
    first, _, rest = (head + b"\n").partition(b"\n")
    rest = _SIGNATURE.sub(b"", _PARENTS.sub(b"", rest))
    line = b"parent %s\n" % parent.encode() if parent else b""
    return b"%s\n%s%s" % (first, line, rest.removesuffix(b"\n")) + end + message


def _with(body: bytes, redone: Redone) -> bytes:
    head, end, message = body.partition(b"\n\n")
    return _TREE.sub(b"tree " + redone.tree.encode(), head) + end + redone.message(message)
