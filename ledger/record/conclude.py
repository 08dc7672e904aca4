"""From a journal to a record: what `finish` does, and recovery in its place."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from ledger.config import Workspace
from ledger.errors import LedgerError, NotFoundError, RefusedError
from ledger.git import worktree
from ledger.model import Artifact, Code, Metric, Record, Status, utc_text, utc_time
from ledger.record import fold, liveness, secrets
from ledger.record.begin import Begun
from ledger.record.code import Captured
from ledger.record.fold import Folded
from ledger.record.outlet import Outlet
from ledger.record.run import Draft, Recorded, load_schema, record
from ledger.record.summaries import summaries
from ledger.store import journal
from ledger.store.journal import END, parsed
from ledger.store.points import Key, Series

PATIENCE_SECONDS, IMPATIENCE_SECONDS = 10.0, 1.0
"""How long a run that ends, well or not, waits for the other processes that log into it."""
_POLL_SECONDS = 0.05
MAX_EVENTS_BYTES = 32 << 20
"""Of `events.jsonl`: what comes after is counted."""


def finished(
    begun: Begun, outlet: Outlet, *, status: Status, reason: str | None, say: Callable[[str], None]
) -> Recorded | None:
    """End the run that this process owns, and record it. Raises LedgerError, OSError: the journal is kept then."""
    workspace = begun.workspace
    if workspace is None:
        raise ValueError("an inert run has nothing to record")
    end = ending(workspace, status, reason, dropped=outlet.dropped)
    outlet.add_block(journal.json_frame(END, end))
    with suppress(OSError):
        outlet.flush()
    tail = outlet.unwritten()
    if begun.attached:
        outlet.writer.close()
        return None
    for change in _code_changes(workspace, begun):
        say(change)
    path = outlet.writer.path
    _await_parts(path, PATIENCE_SECONDS if status is Status.FINISHED else IMPATIENCE_SECONDS)
    done = concluded(workspace, path, tail=tail)
    outlet.writer.close()
    for warning in done.warnings:
        say(warning)
    return done


def ending(workspace: Workspace, status: Status, reason: str | None, *, dropped: int = 0) -> dict[str, Any]:
    """The last block of a journal."""
    return {
        "status": status.value,
        "reason": reason,
        "finished": utc_text(workspace.now()),
        "dropped": dropped,
    }


def concluded(workspace: Workspace, path: Path, *, tail: Sequence[bytes] = ()) -> Recorded:
    """Record what an ended journal tells, then remove its files. Raises LedgerError, OSError.

    A run that is refused is kept as such, and its journal goes too.
    """
    parts = parts_of(path)
    folded = fold.fold(path, parts, tail)
    if folded.end is None:
        raise ValueError(f"{path} has no end")
    draft = drafted(workspace, folded, folded.end)
    folded.series.clear()  # the same numbers are in the draft, as Parquet
    try:
        done = record(workspace, [draft])[0]
    except RefusedError:
        journal.removed([path, *parts])
        raise
    journal.removed([path, *parts])
    return done


def parts_of(main: Path) -> list[Path]:
    """What attached processes wrote for a journal."""
    own = parsed(main.name)
    found = []
    for file in sorted(main.parent.iterdir()):
        name = parsed(file.name)
        if own is not None and name is not None and name.writer and name.main == own.main:
            found.append(file)
    return found


def _await_parts(main: Path, seconds: float) -> None:
    """Let attached processes end first, as long as they live."""
    end = time.monotonic() + seconds
    while any(map(_goes_on, parts_of(main))) and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)


def _goes_on(part: Path) -> bool:
    with suppress(OSError, LedgerError, LookupError):
        if not any(block.kind == END for block in journal.read(part)):
            return liveness.alive(journal.head(part)["who"], part.stat().st_mtime)
    return False


def drafted(workspace: Workspace, folded: Folded, end: Mapping[str, Any]) -> Draft:
    """The run that a journal tells of."""
    from ledger.store import history
    from ledger.store.history.live import from_series, to_series

    head = folded.head
    schema = load_schema(workspace, head.get("schema"))
    before = earlier(workspace, head["base"]) if head.get("base") else None
    table = from_series(folded.series, int(head.get("attempt", 1))) if folded.series else None
    series: Mapping[Key, Series] = folded.series
    if before is not None and before.history:
        known = history.decode(before.history)
        series = to_series(history.latest(history.joined([known, *([table] if table else [])])))
        table = history.joined([known, *([table] if table else [])])
    metrics, unsure = summaries(series, _given(before, series, folded.summary), schema)
    notes = [_event("warning", f"no summary of {name}: it stands in several contexts") for name in unsure]
    if end.get("dropped"):
        notes.append(
            _event("error", f"{end['dropped']:,} values were dropped: the disk was full for too long")
        )
    started = utc_time(head["started"])
    finished = max(
        utc_time(end["finished"]), started
    )  # the time of a file is coarse, and clocks are set back
    duration = (finished - started).total_seconds()
    return Draft(
        id=head["run"],
        record=head["record"],
        base=before.run.record if before else None,
        params={**(before.params if before else {}), **folded.params},
        metrics=metrics,
        history=history.encode(table) if table is not None else {},
        events=((before.events if before else None) or b"") + (events([*folded.events, *notes]) or b"")
        or None,
        experiment=head["experiment"],
        name=head.get("name") or (before.run.name if before else None),
        status=Status(end["status"]),
        started=utc_time(before.run.started) if before and before.run.started else started,
        finished=finished,
        duration=round(duration + ((before.run.duration if before else None) or 0.0), 6),
        parent=head.get("parent") or (before.run.parent if before else None),
        note=folded.note or (before.run.note if before else None),
        reason=end.get("reason"),
        tags={**(before.run.tags if before else {}), **folded.tags},
        command=tuple(head.get("command") or ()),
        environment=head.get("environment") or {},
        artifacts=_artifacts(before, folded),
        captured=_captured(head, folded.pack),
        schema=head.get("schema"),
    )


def earlier(workspace: Workspace, record_id: str) -> Record:
    """A record that is sealed or chained here. Raises NotFoundError, FormatError."""
    from ledger.store import index
    from ledger.store.load import Place, record_at

    for part in index.load(workspace.repository).segments:
        for row in part.exact("record", record_id):
            ref, commit = (part.column(name)[row] for name in ("ref", "commit"))
            return record_at(workspace.repository, Place(record=record_id, ref=ref, commit=commit or ""))
    raise NotFoundError(f"the record {record_id[:12]}, from which a run goes on, is not here")


def _given(
    before: Record | None, series: Mapping[Key, Series], now: Mapping[str, Metric]
) -> Mapping[str, Metric]:
    """Values set by hand: those of earlier attempts stand where no series is there to make one of."""
    there = {metric for metric, _ in series}
    kept = {name: value for name, value in (before.metrics if before else {}).items() if name not in there}
    return {**kept, **now}


def _artifacts(before: Record | None, folded: Folded) -> tuple[Artifact, ...]:
    made = {(one.role, one.name) for one in folded.artifacts}
    kept = [one for one in (before.run.artifacts if before else ()) if (one.role, one.name) not in made]
    return (*kept, *folded.artifacts)


def _captured(head: Mapping[str, Any], pack: bytes) -> Captured:
    code = Code(**{**head["code"], "ignored": tuple(head["code"]["ignored"])})
    return Captured(code=code, pack=pack, warnings=tuple(head.get("warnings") or ()))


def _event(level: str, message: str) -> dict[str, Any]:
    return {"level": level, "message": message}


def events(found: Sequence[Mapping[str, Any]]) -> bytes | None:
    """`events.jsonl`: one object a line, with `time` (RFC 3339), `level`, `message`, and `logger` and `fields` if any."""
    lines: list[bytes] = []
    size = 0
    for number, event in enumerate(found):
        line = _line(event)
        size += len(line)
        if size > MAX_EVENTS_BYTES:
            lines.append(_line(_event("warning", f"{len(found) - number:,} further events left out")))
            break
        lines.append(line)
    return b"".join(lines) or None


def _line(event: Mapping[str, Any]) -> bytes:
    document = dict(event)
    if "time" in document:
        document["time"] = _moment(document["time"])
    document["message"], _ = secrets.scrub_text("event", str(document.get("message", "")))
    text = json.dumps(_finite(document), ensure_ascii=False, sort_keys=True)
    return text.encode("utf-8", "replace") + b"\n"


def _moment(microseconds: int) -> str:
    from datetime import UTC, timedelta

    return utc_text(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds))


def _finite(value: Any) -> Any:
    """Non-finite numbers as the words that all files of a run have for them."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def _code_changes(workspace: Workspace, begun: Begun) -> list[str]:
    """What was changed in the code while the run went on: it was recorded as it was at the start."""
    top = workspace.repository.work_tree
    if top is None or begun.code is None:
        return []
    try:
        now = worktree.status(workspace.repository, paths=workspace.config.code_paths)
    except LedgerError:
        return []
    later = begun.started.timestamp()
    touched = [path for path in now.changed if _modified(top / path) > later]
    said = (
        [f"the code moved on during the run: recorded is {begun.code.commit[:9]}"]
        if now.commit != begun.code.commit
        else []
    )
    if touched:
        said.append(f"changed during the run, recorded as it was at the start: {', '.join(touched[:5])}")
    return said


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0
