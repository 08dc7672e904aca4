"""Commits between tips and what is known already, of many chains in one git process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ledger.git.process import Repository, lines
from ledger.store.aftercare import RECORD_TRAILER

_FORM = "--format=%H%x00%T%x00%P"
_WITH_RECORDS = f"{_FORM}%x00%(trailers:key={RECORD_TRAILER},valueonly,unfold,separator=%x20)"


@dataclass(frozen=True, slots=True)
class Link:
    """A commit of a chain."""

    id: str
    tree: str
    parents: tuple[str, ...]
    record: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """What one tip adds to what was known, oldest first, and what it stands on."""

    links: list[Link]
    root: str | None
    """The parent of the oldest: a commit that was known; None for a chain of its own."""
    forked: Link | None = None
    """A commit with more than one parent: no chain."""


def beyond(
    repository: Repository, tips: Mapping[str, str], known: Collection[str], *, records: bool = True
) -> dict[str, Line]:
    """For each key the line of commits from its tip down to what `known` reaches. Raises GitError."""
    if not tips:
        return {}
    asked = "".join(f"{word}\n" for word in (*set(tips.values()), *(f"^{one}" for one in set(known))))
    words = ("log", _WITH_RECORDS if records else _FORM, "--stdin")
    links = dict(_link(line) for line in lines(repository.git(*words, stdin=asked.encode())))
    return {key: _line(tip, links) for key, tip in tips.items()}


def _link(line: str) -> tuple[str, Link]:
    oid, tree, parents, *rest = line.split("\0")
    return oid, Link(oid, tree, tuple(parents.split()), rest[0].strip() if rest else "")


def _line(tip: str, links: Mapping[str, Link]) -> Line:
    found: list[Link] = []
    at: str | None = tip
    while at is not None and (link := links.get(at)):
        if len(link.parents) > 1:
            return Line([], None, link)
        found.append(link)
        at = link.parents[0] if link.parents else None
    found.reverse()
    return Line(found, at)


def records_of(repository: Repository, tip: str) -> frozenset[str]:
    """Record ids of a whole chain. Raises GitError."""
    form = f"--format=%(trailers:key={RECORD_TRAILER},valueonly,unfold,separator=%x20)"
    return frozenset(
        repository.git("log", form, "--end-of-options", tip, "--").decode("ascii", "replace").split()
    )
