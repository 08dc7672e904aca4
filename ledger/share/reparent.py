"""Commits with another parent: tree, author, dates and message stay byte for byte."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ledger.errors import FormatError
from ledger.git import objects
from ledger.git.objects import GitObject
from ledger.git.process import Repository

_BULK = 200
"""Commits from which a conversation with git is cheaper than one call."""
_MAX_BYTES = 1 << 20
"""Of a commit: a subject and a few trailers."""
_PARENTS = re.compile(rb"(?:parent [0-9a-f]+\n)+")
_SIGNATURE = re.compile(rb"gpgsig(?:-sha256)? [^\n]*\n(?: [^\n]*\n)*")


def reparented(repository: Repository, commits: Sequence[str], onto: str | None) -> list[GitObject]:
    """The commits, oldest first, as a line on top of `onto`. Raises FormatError where one can't be read."""
    made = []
    for commit, found in zip(commits, _read(repository, commits), strict=True):
        if found is None or found.kind != "commit":
            raise FormatError(f"{commit[:12]} can't be read", hint="`ledger verify` says what is wrong")
        again = objects.make("commit", _on(found.body, onto), repository.object_format)
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
