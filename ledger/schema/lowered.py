"""What reading migration files comes to: edges between definitions, apart from how files are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ledger.frozen import frozen
from ledger.schema.edges import Edge
from ledger.schema.locks import Lock, unlock

if TYPE_CHECKING:
    from ledger.schema.codes import Finding
    from ledger.schema.definition import Definition

_SHORT = len("m1:") + 12


@frozen()
class Migration:
    """A migration that holds; `id` is `m1:` and the hash of what it does."""

    id: str
    file: str
    summary: str
    schema: str
    labels: tuple[str, str]
    """Version labels of both sides, for people; empty where there is none."""
    supersedes: tuple[str, ...]
    edges: tuple[Edge, ...]
    defs: Mapping[str, Lock] = field(repr=False)

    @property
    def short(self) -> str:
        """What is shown to people; compare `id`."""
        return self.id[:_SHORT]

    def definition(self, did: str) -> Definition:
        """One of the definitions that it holds. Raises KeyError."""
        return unlock(self.defs[did])


@frozen()
class Loaded:
    """Migrations that can be used, and what is wrong with the others."""

    migrations: tuple[Migration, ...]
    faults: tuple[Finding, ...]
