"""The run that a journal tells of, as a draft: what it logged, on top of the earlier attempts that it goes on from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ledger.config import Workspace
from ledger.errors import NotFoundError
from ledger.model import Artifact, Code, Json, Metric, Record, Status, utc_time
from ledger.record import events
from ledger.record.code import Captured
from ledger.record.draft import Draft
from ledger.record.events import event
from ledger.record.fold import Folded
from ledger.record.summaries import summaries
from ledger.schema import document
from ledger.schema.document import Schema
from ledger.store.points import Key, Series, thinned

Table = Any
"""Of Arrow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    draft: Draft
    share: int = 1
    """Of how many points one is left: a history has an upper limit. 1: all."""


def retold(workspace: Workspace, folded: Folded, end: Mapping[str, Any]) -> Told:
    """What is to be recorded. Raises NotFoundError where the attempt before is not here, ConfigError, FormatError."""
    head = folded.head
    before = earlier(workspace, head["base"]) if head.get("base") else None
    schema = schema_of(head)
    table, series, share = _series(folded, before)
    metrics, unsure = summaries(series, _given(before, series, folded.summary), schema)
    count = end.get("dropped")
    dropped = (
        [event("error", f"{count:,} values were dropped: the disk was full for too long")] if count else []
    )
    notes = _notes(unsure, dropped, share)
    draft = Draft(
        id=head["run"],
        record=head["record"],
        experiment=head["experiment"],
        status=Status(end["status"]),
        reason=end.get("reason"),
        params=folded.params,
        metrics=metrics,
        history=_encoded(table),
        events=events.lines([*folded.events, *notes]) or None,
        name=head.get("name"),
        note=folded.note,
        parent=head.get("parent"),
        tags=folded.tags,
        command=tuple(head.get("command") or ()),
        environment=head.get("environment") or {},
        artifacts=tuple(folded.artifacts),
        captured=_captured(head, folded.pack),
        frozen=schema,
        **_times(head, end),
    )
    return Told(draft=_after(draft, before) if before else draft, share=share)


def added(folded: Folded, before: Record, record_id: str) -> Told | None:
    """What a process logged that its run did not wait for, on top of the run's newest record; None for nothing new.

    All that was said stays: what this says otherwise stands in an event. Summaries are made anew where the points that
    stand for a metric are more now. Raises ConfigError, FormatError.
    """
    run, schema = before.run, schema_then(before)
    params, tags, note, other = _words(folded, before)
    anything = (folded.series, folded.events, folded.summary, folded.artifacts, params, tags, note, other)
    if not any(anything):
        return None
    table, series, share = _series(folded, before)
    standing = {**_standing(before, folded, series, schema), **folded.summary}
    metrics, unsure = summaries(series, standing, schema)
    said = {**event("warning", "said after the end of the run, where it says otherwise"), "fields": other}
    notes = _notes(unsure, [said] if other else [], share)
    draft = Draft(
        id=run.id,
        record=record_id,
        base=run.record,
        experiment=run.experiment,
        status=run.status,
        reason=run.reason,
        params={**before.params, **params},
        metrics=metrics,
        history=_encoded(table),
        events=(before.events or b"") + events.lines([*folded.events, *notes]) or None,
        name=run.name,
        note=run.note or note,
        parent=run.parent,
        tags={**run.tags, **tags},
        command=run.command,
        environment=run.environment,
        artifacts=_artifacts(tuple(folded.artifacts), run.artifacts),
        started=utc_time(run.started) if run.started else None,
        finished=utc_time(run.finished) if run.finished else None,
        duration=run.duration,
        captured=Captured(code=run.code) if run.code else None,
        outside=run.code is None,
        frozen=schema,
        unchecked=schema is None,
    )
    return Told(draft=draft, share=share)


def _words(
    folded: Folded, before: Record
) -> tuple[dict[str, Json], dict[str, str], str | None, dict[str, Json]]:
    """Params, tags and the note that nobody gave before, and what was said that says otherwise."""
    known = before.run
    params = {**(folded.head.get("params") or {}), **folded.params}
    tags = {**(folded.head.get("tags") or {}), **folded.tags}
    other: dict[str, Json] = {
        f"params.{name}": value
        for name, value in folded.params.items()
        if before.params.get(name, value) != value
    }
    other |= {
        f"tags.{name}": value for name, value in folded.tags.items() if known.tags.get(name, value) != value
    }
    if folded.note and known.note and folded.note != known.note:
        other["note"] = folded.note
    return (
        {name: value for name, value in params.items() if name not in before.params},
        {name: value for name, value in tags.items() if name not in known.tags},
        None if known.note else folded.note,
        other,
    )


def schema_then(before: Record) -> Schema | None:
    """The schema that a record was checked against. Raises ConfigError."""
    name = before.run.schema
    if before.schema is None or name is None:
        return None
    return document.parse(before.schema, name=name.name, what=f"schema {name.name}")


def _standing(
    before: Record, folded: Folded, series: Mapping[Key, Series], schema: Schema | None
) -> Mapping[str, Metric]:
    """Values of metrics for which no point counts that did not count before."""
    grown = {metric for metric, context in folded.series if context is None or (metric, None) not in series}
    contexts = Counter(metric for metric, _ in series)
    found = {}
    for name, value in before.metrics.items():
        definition = schema.metrics.get(name) if schema else None
        source = (definition.series if definition else None) or name
        unsure = contexts[source] > 1 and (source, None) not in series
        if source not in grown or unsure:
            found[name] = value
    return found


def schema_of(head: Mapping[str, Any]) -> Schema | None:
    """The schema as it was when the run started. Raises ConfigError."""
    text = head.get("schema_json")
    return (
        document.parse(text.encode(), name=head["schema"], what=f"schema {head['schema']}") if text else None
    )


def _notes(unsure: Sequence[str], others: Sequence[dict[str, Any]], share: int) -> list[dict[str, Any]]:
    """What ledger itself has to say of a run."""
    parted = (event("warning", f"no summary of {name}: it stands in several contexts") for name in unsure)
    limited = event("warning", f"one of {share} points is kept: a history has an upper limit")
    return [*parted, *others, *([limited] if share > 1 else [])]


def _times(head: Mapping[str, Any], end: Mapping[str, Any]) -> dict[str, Any]:
    """The time of a file is coarse, and clocks are set back: no run ends before it starts."""
    started = utc_time(head["started"])
    finished = max(utc_time(end["finished"]), started)
    return {"started": started, "finished": finished, "duration": (finished - started).total_seconds()}


def _captured(head: Mapping[str, Any], pack: bytes) -> Captured:
    code = Code(**{**head["code"], "ignored": tuple(head["code"]["ignored"])})
    return Captured(code=code, pack=pack, warnings=tuple(head.get("warnings") or ()))


# series -----------------------------------------------------------------------------------------------------------


def _series(folded: Folded, before: Record | None) -> tuple[Table | None, Mapping[Key, Series], int]:
    """The table to keep, all that counts for summaries, and how much was thinned."""
    from ledger.store import history
    from ledger.store.history.live import from_series, to_series

    known = history.decode(before.history) if before and before.history else None
    room = history.MAX_ROWS - (known.num_rows if known is not None else 0)
    kept, share = thinned(folded.series, max(room, 1))
    table = from_series(kept, int(folded.head.get("attempt", 1))) if kept else None
    if known is None:
        return table, folded.series, share
    whole = history.joined([known, *([table] if table is not None else [])])
    return whole, to_series(history.latest(whole)), share


def _encoded(table: Table | None) -> dict[str, bytes]:
    from ledger.store import history

    return history.encode(table) if table is not None else {}


def _given(
    before: Record | None, series: Mapping[Key, Series], now: Mapping[str, Metric]
) -> Mapping[str, Metric]:
    """Values set by hand: those of earlier attempts stand where no series is there to make one of."""
    there = {metric for metric, _ in series}
    kept = {name: value for name, value in (before.metrics if before else {}).items() if name not in there}
    return {**kept, **now}


# earlier attempts -------------------------------------------------------------------------------------------------


def earlier(workspace: Workspace, record_id: str) -> Record:
    """A record that is sealed or chained here. Raises NotFoundError, FormatError."""
    from ledger.store import index
    from ledger.store.load import Place, record_at

    for part in index.load(workspace.repository).segments:
        for row in part.exact("record", record_id):
            ref, commit = (part.column(name)[row] for name in ("ref", "commit"))
            return record_at(workspace.repository, Place(record=record_id, ref=ref, commit=commit or ""))
    raise NotFoundError(f"the record {record_id[:12]}, from which a run goes on, is not here")


def _after(draft: Draft, before: Record) -> Draft:
    """A record holds the whole run: what earlier attempts said stands where this one says nothing else."""
    run = before.run
    return replace(
        draft,
        base=run.record,
        params={**before.params, **draft.params},
        tags={**run.tags, **draft.tags},
        name=draft.name or run.name,
        note=draft.note or run.note,
        parent=draft.parent or run.parent,
        events=(before.events or b"") + (draft.events or b"") or None,
        artifacts=_artifacts(run.artifacts, draft.artifacts),
        started=utc_time(run.started) if run.started else draft.started,
        duration=round((run.duration or 0.0) + (draft.duration or 0.0), 6),
    )


def _artifacts(before: tuple[Artifact, ...], now: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
    made = {(one.role, one.name) for one in now}
    return (*(one for one in before if (one.role, one.name) not in made), *now)
