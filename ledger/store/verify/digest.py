"""One number for all that the index should say of a record: computed from its files, and from the index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ledger import canonical
from ledger.store.index import Index
from ledger.store.rows import METRICS, PARAMS, RUN_COLUMNS, TAGS, flatten, row_of
from ledger.store.segment import Segment

_MASK = (1 << 64) - 1


def of_record(run: Mapping[str, Any], params: Mapping[str, Any], metrics: Mapping[str, Any]) -> int:
    """From decoded files. The number holds within one process only; 0 for a run that the index can't hold."""
    try:
        total = _columns(row_of(run))
    except (KeyError, ValueError, TypeError, AttributeError):
        return 0
    numbers = {name: canonical.number(value) for name, value in metrics.items()}
    for group, values in ((METRICS, numbers), (PARAMS, flatten(params)), (TAGS, run.get("tags") or {})):
        total += sum(_value(group, name, value) for name, value in values.items())
    return total & _MASK


def of_index(index: Index) -> Iterator[tuple[str, int]]:
    """(record, number) of every record on a chain that some ref reaches."""
    for part in index.segments:
        totals = _rows(part)
        for group in (METRICS, PARAMS, TAGS):
            for name in part.names(group):
                found = part.slice(group, name)
                for row, value in found.values() if found is not None else ():
                    totals[row] += _value(group, name, value)
        ids = zip(part.column("record"), part.column("commit"), totals, strict=True)
        yield from (
            (record, total & _MASK) for record, commit, total in ids if commit and record not in index.dropped
        )


def place_of(index: Index, record: str) -> tuple[str, str]:
    """Ref and commit that the index names for a record."""
    for part in index.segments:
        for row in part.exact("record", record):
            return str(part.column("ref")[row]), str(part.column("commit")[row])
    return "", ""


def _rows(part: Segment) -> list[int]:
    columns = [part.column(name) for name in RUN_COLUMNS]
    return [_columns(dict(zip(RUN_COLUMNS, row, strict=True))) for row in zip(*columns, strict=True)]


def _columns(row: Mapping[str, Any]) -> int:
    """Nothing, false and the empty text are one: the index keeps them so."""
    return hash(tuple((name, str(value)) for name, value in row.items() if value))


def _value(group: str, name: str, value: object) -> int:
    kind = type(value)
    text = repr(value) if kind is not list and kind is not dict else canonical.compact(value)
    return hash((group, name, kind.__name__, text))
