"""What an edit of a run starts from: the record that carries it, and what the other tips add to that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.model import Json
from ledger.store.load import Place
from ledger.trace.find import row_of
from ledger.trace.merging import tips
from ledger.trace.runset import ABSENT, Field, RunSet, as_recorded, same


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where an edit of a run starts."""

    place: Place
    """The record that carries the run."""
    merged: Mapping[Field, Json]
    """Fields in which the merged run says something else than this record."""
    gone: tuple[Field, ...]
    """Fields of this record that the merged run does not have."""
    merges: tuple[str, ...]
    """The other records that no record was made from, the latest first."""
    disputed: frozenset[Field]
    """Fields in conflict."""


def start_of(runs: RunSet, run_id: str) -> Start:
    """Where an edit of a run starts. Raises NotFoundError where all its records are dropped."""
    carrier = row_of(runs, run_id)
    columns = runs.record_columns(carrier)
    own, whole = runs.fields(carrier), runs.run_fields(carrier)
    return Start(
        place=Place(record=columns["record"], ref=columns["ref"], commit=columns["commit"] or ""),
        merged={
            field: as_recorded(field, value)
            for field, value in whole.items()
            if not same(own.get(field, ABSENT), value)
        },
        gone=tuple(sorted(own.keys() - whole.keys())),
        merges=tuple(link.record for link in reversed(tips(runs.links(run_id))[:-1])),
        disputed=frozenset(conflict.field for conflict in runs.conflicts_of(carrier)),
    )
