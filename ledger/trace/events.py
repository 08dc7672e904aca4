"""The events of a run, read back: what happened while it went on, in the order of time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ledger.errors import FormatError, NotFoundError
from ledger.git import objects
from ledger.model import LEVELS, Json
from ledger.store import codec
from ledger.store.load import Place, record_at
from ledger.trace.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    time: str | None
    """RFC 3339, UTC; None for what ledger itself noted at the end."""
    level: str
    message: str
    logger: str | None = None
    fields: Mapping[str, Json] = field(default_factory=dict)


def of_run(view: View, row: int, *, level: str | None = None) -> list[Event]:
    """The events of one run, those of at least a level. Raises NotFoundError where it has none, FormatError."""
    columns = view.runs.record_columns(row)
    place = Place(record=columns["record"], ref=columns["ref"], commit=columns["commit"] or "")
    data = _read(view, place)
    return parsed(data, place.commit[:12] or f"sealed record {place.record[:12]}", level=level)


def parsed(data: bytes | None, where: str, *, level: str | None = None) -> list[Event]:
    """The same of the bytes of a file; `where` names it in errors."""
    if not data:
        raise NotFoundError(
            "this run has no events", hint="run.event, ledger log-event and ledger.LogHandler make them"
        )
    found = sorted(_events(data, where), key=lambda one: one.time or "~")
    least = LEVELS.index(level) if level else 0
    return [one for one in found if rank(one.level) >= least]


def rank(level: str) -> int:
    """How grave a level is."""
    return LEVELS.index(level if level in LEVELS else "info")


def _read(view: View, place: Place) -> bytes | None:
    repository = view.workspace.repository
    if not place.commit:
        return record_at(repository, place).events
    found = objects.read(repository, [f"{place.commit}:{codec.EVENTS}"])[0]
    return found.body if found is not None else None


def _events(data: bytes, where: str) -> Iterator[Event]:
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                yield _event(json.loads(line))
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                raise FormatError(f"{where}: {codec.EVENTS}, line {number}: {error}") from error


def _event(document: Mapping[str, Json]) -> Event:
    time, level, logger, fields = (document.get(key) for key in ("time", "level", "logger", "fields"))
    return Event(
        time=str(time) if time is not None else None,
        level=str(level or "info").lower(),
        message=str(document.get("message", "")),
        logger=str(logger) if logger is not None else None,
        fields=fields if isinstance(fields, dict) else {},
    )
