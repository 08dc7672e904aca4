"""Runs that a caller names: by an id, or by what `ledger.start` and `ledger.record` return."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from ledger.errors import InputError
from ledger.ids import is_id


class HasId(Protocol):
    """A run, or what became of one."""

    @property
    def id(self) -> str: ...


AnyRun: TypeAlias = str | HasId


def id_of(run: AnyRun) -> str:
    """An id as it was given, or that of a run. Raises InputError."""
    found = run if isinstance(run, str) else getattr(run, "id", None)
    if not isinstance(found, str):
        raise InputError(
            f"{run!r:.60} names no run", hint="its id, or what ledger.start or ledger.record returned"
        )
    return found


def full_id(run: AnyRun, what: str) -> str:
    """The same, whole. Raises InputError."""
    found = id_of(run)
    if not is_id(found):
        raise InputError(
            f"{what} is {found!r:.60}, no run's full id", hint="32 hex digits, or the run itself"
        )
    return found
