"""The code history of a trace, which git reads while all else that the trace needs is imported and opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ledger.frozen import frozen
from ledger.git import history
from ledger.git.history import CodeCommit, Range
from ledger.git.process import Repository


@frozen()
class Ahead:
    """A range, and everything that its right side reaches as soon as somebody asks for it."""

    span: Range
    reached: Callable[[], list[CodeCommit]]


@contextmanager
def begin(repository: Repository, revisions: Sequence[str], *, everything: bool = False) -> Iterator[Ahead]:
    """Resolve revisions and start reading. Raises NotFoundError, UsageError."""
    span = history.resolve_range(repository, revisions, everything=everything)
    # Several tips in the order of their dates can put a parent before its child.
    options = ("--topo-order",) if everything else ()
    with history.walk_ahead(repository, Range(include=span.include), options=options) as reached:
        yield Ahead(span=span, reached=reached)
