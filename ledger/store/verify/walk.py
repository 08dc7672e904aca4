"""What one verification has found so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ledger.git.process import Repository
from ledger.model import StoreFault

MAX_READ = 64 << 20
"""Bytes that are held at once."""

Wrong = tuple[str, str]
"""A path within a run, and what is wrong there."""


class Told(Protocol):
    """Hears how far it has come."""

    def __call__(self, done: int, total: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is remembered of a record that could be read."""

    ref: str
    commit: str
    tree: str
    run: str
    experiment: str
    bases: tuple[str, ...]
    """The records it was made from: `base`, then `merges`."""
    sound: bool
    digest: int
    code: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    experiments: int
    runs: int
    records: int
    faults: tuple[StoreFault, ...]
    notes: tuple[StoreFault, ...]
    """What is worth knowing and no fault: an edit or code that is not here, since it was made elsewhere."""
    seen: Mapping[str, Seen] = field(default_factory=dict, repr=False)
    """The records that could be read."""


@dataclass(frozen=True, slots=True)
class Commit:
    ref: str
    id: str
    tree: str
    parents: tuple[str, ...]
    trailers: Mapping[str, str]


@dataclass(slots=True)
class Walk:
    """One verification: what it has found so far."""

    repository: Repository
    faults: list[StoreFault] = field(default_factory=list)
    notes: list[StoreFault] = field(default_factory=list)
    records: dict[str, Seen] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    """Commits without a record that could be read."""
    cut: set[str] = field(default_factory=set)
    """Chains that can't be followed to their beginning."""
    histories: dict[tuple[str, ...], list[Wrong]] = field(default_factory=dict)

    def fault(self, what: str, *, ref: str = "", commit: str = "", path: str = "") -> None:
        self.faults.append(StoreFault(ref=ref, commit=commit, path=path, what=what))

    def note(self, what: str, *, ref: str = "", commit: str = "", path: str = "") -> None:
        self.notes.append(StoreFault(ref=ref, commit=commit, path=path, what=what))
