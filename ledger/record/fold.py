"""A journal as the run that it tells of: the same for a run that ends and for one that died."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from ledger.errors import FormatError
from ledger.model import Artifact, Json, Metric
from ledger.store import points
from ledger.store.journal import END, HEAD, NOTE, POINTS, SNAPSHOT, Block, blocks, head, parsed, read
from ledger.store.points import NO_STEP, Key, Series, is_no_value


@dataclass(slots=True, kw_only=True)
class Folded:
    """What the files of one journal say together: the owner's first, then its parts in the order of their names."""

    head: Mapping[str, Any] = field(default_factory=dict)
    end: Mapping[str, Any] | None = None
    """How it ended; None where the process died before."""
    pack: bytes = b""
    params: dict[str, Json] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    note: str | None = None
    summary: dict[str, Metric] = field(default_factory=dict)
    artifacts: list[Artifact] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    series: dict[Key, Series] = field(default_factory=dict)


def fold(main: Path, parts: Sequence[Path] = (), tail: Sequence[bytes] = ()) -> Folded:
    """Read a journal whole, and of parts what the record is to hold. `tail` are blocks that the disk did not take.

    Raises FormatError, OSError.
    """
    folded = Folded()
    for block in chain(read(main), *map(blocks, tail)):
        _take(folded, block, main, owner=True)
    for part in parts:
        for block in read(part, stop=_held(part)):
            _take(folded, block, part, owner=False)
    if not folded.head:
        raise FormatError(f"{main}: a journal without its head")
    return folded


def rest(part: Path) -> Folded:
    """What a part says beyond what the record holds that was made without waiting for it. Raises FormatError, OSError."""
    held = _held(part) or 0
    folded = Folded(head={**head(part), **({"params": {}, "tags": {}} if held else {})})
    for block in read(part, held):
        if block.kind in (POINTS, NOTE):
            _take(folded, block, part, owner=False)
    return folded


def _held(part: Path) -> int | None:
    name = parsed(part.name)
    return name.held if name is not None and name.held >= 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """What a metric came to last."""

    value: Metric
    step: int | None = None
    context: str | None = None


def latest(folded: Folded) -> dict[str, list[Latest]]:
    """What was set by hand, or what each series logged last: without a context first."""
    found: dict[str, list[Latest]] = {}
    for (metric, context), series in folded.series.items():
        found.setdefault(metric, []).append(_end(series, context))
    for each in found.values():
        each.sort(key=lambda one: one.context or "")
    return {**found, **{name: [Latest(value=value)] for name, value in folded.summary.items()}}


def _end(series: Series, context: str | None) -> Latest:
    value, step = series.values[-1], series.steps[-1]
    return Latest(
        value=None if is_no_value(value) else value, step=None if step == NO_STEP else step, context=context
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run has come, as far as its journal says."""

    points: int = 0
    step: int | None = None
    """The highest."""
    latest: Mapping[str, Metric] = field(default_factory=dict)


def progress(paths: Sequence[Path]) -> Progress:
    """What the files of a journal hold so far. Raises FormatError, OSError."""
    folded = Folded()
    for path in paths:
        for block in read(path):
            if block.kind in (POINTS, NOTE):
                _take(folded, block, path, owner=False)
    count = sum(len(one.steps) for one in folded.series.values())
    highest = max((max(one.steps) for one in folded.series.values()), default=NO_STEP)
    ends = {name: each[0].value for name, each in latest(folded).items()}
    return Progress(points=count, step=highest if highest != NO_STEP else None, latest=ends)


_DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    struct.error,
)


def _take(folded: Folded, block: Block, path: Path, *, owner: bool) -> None:
    try:
        if block.kind == POINTS:
            points.gather(block.payload, folded.series)
        elif block.kind == HEAD:
            _head(folded, block.document(), owner=owner)
        elif block.kind == SNAPSHOT:
            folded.pack = bytes(block.payload)
        elif block.kind == END and owner:
            folded.end = block.document()
        elif block.kind == NOTE:
            _NOTES[block.document()["op"]](folded, block.document())
    except _DAMAGED as error:
        raise FormatError(f"{path}: a block that can't be read: {type(error).__name__}: {error}") from error


def _head(folded: Folded, head: Mapping[str, Any], *, owner: bool) -> None:
    """What the owner says counts; a process that attached later adds to it."""
    if owner:
        folded.head = head
        folded.note = head.get("note")
    folded.params = {**dict(head.get("params") or {}), **folded.params}
    folded.tags = {**dict(head.get("tags") or {}), **folded.tags}


def _params(folded: Folded, note: Mapping[str, Any]) -> None:
    folded.params.update(note["values"])


def _summary(folded: Folded, note: Mapping[str, Any]) -> None:
    folded.summary.update(note["values"])


def _unset(folded: Folded, note: Mapping[str, Any]) -> None:
    folded.summary.pop(note["name"], None)


def _tag(folded: Folded, note: Mapping[str, Any]) -> None:
    folded.tags[note["name"]] = note["value"]


def _note(folded: Folded, note: Mapping[str, Any]) -> None:
    folded.note = note["text"]


def _artifact(folded: Folded, note: Mapping[str, Any]) -> None:
    """The last one of a role and name counts: a checkpoint that is saved again."""
    made = Artifact(**{name: value for name, value in note.items() if name != "op"})
    folded.artifacts = [one for one in folded.artifacts if (one.role, one.name) != (made.role, made.name)]
    folded.artifacts.append(made)


def _event(folded: Folded, note: Mapping[str, Any]) -> None:
    folded.events.append({name: value for name, value in note.items() if name != "op"})


_NOTES = {
    "params": _params,
    "summary": _summary,
    "unset": _unset,
    "tag": _tag,
    "note": _note,
    "artifact": _artifact,
    "event": _event,
}
