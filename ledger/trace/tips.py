"""What an edit of a run starts from: its tips, and how each differs from the merged run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ledger.model import Json, utc_text
from ledger.store.load import Place
from ledger.trace.find import row_of
from ledger.trace.runset import ABSENT, Field, RunSet, same

_TIMES = frozenset({("run", "started"), ("run", "finished")})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TipRow:
    """A record that no other record of its run names as its base."""

    place: Place
    merged: Mapping[Field, Json]
    """Fields in which the merged run says something else than this record, without those in conflict."""
    gone: tuple[Field, ...]
    """Fields of this record that the merged run does not have."""


def tips_of(runs: RunSet, run_id: str) -> list[TipRow]:
    """The tips of a run, the one that counts last."""
    carrier = row_of(runs, run_id)
    rows = [row for row in runs.index.find("run", run_id) if row not in _dropped(runs)]
    columns = {row: runs.record_columns(row) for row in rows}
    bases = {record["base"] for record in columns.values()}
    others = [row for row in rows if columns[row]["record"] not in bases and row != carrier]
    others.sort(key=lambda row: (columns[row]["recorded"] or 0, columns[row]["record"]))
    whole = runs.run_fields(carrier)
    disputed = {conflict.field for conflict in runs.conflicts_of(carrier)}
    return [_tip(columns[row], runs.fields(row), whole, disputed) for row in (*others, carrier)]


def _tip(
    columns: Mapping[str, Any], own: Mapping[Field, Json], whole: Mapping[Field, Json], disputed: set[Field]
) -> TipRow:
    undisputed = {field: value for field, value in whole.items() if field not in disputed}
    return TipRow(
        place=Place(record=columns["record"], ref=columns["ref"], commit=columns["commit"] or ""),
        merged={
            field: _as_recorded(field, value)
            for field, value in undisputed.items()
            if not same(own.get(field, ABSENT), value)
        },
        gone=tuple(sorted(own.keys() - whole.keys() - disputed)),
    )


def _dropped(runs: RunSet) -> frozenset[int]:
    return frozenset(row for record in runs.index.dropped for row in runs.index.find("record", record))


def _as_recorded(field: Field, value: Json) -> Json:
    """A time as `run.json` writes it: the index holds microseconds since 1970."""
    if field in _TIMES and isinstance(value, int):
        return utc_text(_EPOCH + timedelta(microseconds=value))
    return value
