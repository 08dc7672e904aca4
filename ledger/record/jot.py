"""Adding to a run from processes that live a moment (`ledger log-metric` in a shell loop), without starting all the rest.

All of them share one file beside the run's journal, and append to it under a lock. Its first block is followed by an
end at once, so that nobody waits for its writers: what they bring is there when they return.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ledger.errors import NotFoundError, StorageError, UsageError
from ledger.ids import is_id
from ledger.record import noted
from ledger.store import journal
from ledger.store.journal import END, HEAD, JOURNAL_FORMAT, Name

_BOUNDS = ("inimum", "aximum")
"""A part of all names that bounds have in a schema."""
_ENDING_BYTES = 65_536
"""The end of a run is among the last so many bytes of its journal."""


def journal_of(environ: Mapping[str, str], directory: Path) -> Path:
    """The journal of the run that LEDGER_RUN names.

    `ledger run` says where it is (LEDGER_JOURNAL); else git is asked for the repository around `directory`.
    Raises UsageError, NotFoundError, RepositoryError.
    """
    run = environ.get("LEDGER_RUN", "")
    if not run:
        raise UsageError(
            "LEDGER_RUN names no run", hint="this adds to a run from within: ledger run -- ./train.sh"
        )
    if not is_id(run):
        raise UsageError(f"LEDGER_RUN is {run!r:.60}, no run's id", hint="it is set by ledger run")
    told = Path(environ.get("LEDGER_JOURNAL", ""))
    name = journal.parsed(told.name)
    if name is not None and name.run == run and told.exists():
        return told
    from ledger.git.process import discover

    for path, one in journal.listed(discover(directory, environ)).items():
        if one.run == run and not one.writer:
            return path
    raise _over(run)


def metrics_block(
    values: Mapping[str, float], *, step: int, time: int, context: Mapping[str, Any] | None
) -> bytes:
    """Observations of one moment. `step` may be NO_STEP; `time` in microseconds since 1970."""
    from ledger.canonical import compact
    from ledger.store import points

    text = compact(dict(sorted(context.items()))) if context else None
    call = (points.Layout(tuple(values), text), step, time * 1000, tuple(values.values()))
    return journal.frame(journal.POINTS, *points.encode(points.Calls.of(call)))


def event_block(message: str, *, level: str, time: int, fields: Mapping[str, Any]) -> bytes:
    """Something that happened."""
    document = noted.event(message, level=level, time=time, fields=fields)
    return journal.json_frame(journal.NOTE, document)


def out_of_range(main: Path, values: Mapping[str, float]) -> dict[str, str]:
    """Metrics whose value the schema of the run does not allow, with what to say of it. Raises LedgerError, OSError."""
    head = journal.head(main)
    text = head.get("schema_json") or ""
    if not any(word in text for word in _BOUNDS):  # most have none, and to read a schema takes a while
        return {}
    from ledger.record import ranges
    from ledger.schema import document

    schema = document.parse(text.encode(), name=head["schema"], what=f"schema {head['schema']}")
    return ranges.broken(schema, values)


def said(main: Path, metric: str) -> bool:
    """Whether an event of the run says already that values of a metric are out of range: a loop would say it each time."""
    name = journal.parsed(main.name)
    path = main.with_name(Name(name.run, name.record, journal.SHELL).file) if name else main
    try:
        notes = [block.document() for block in journal.read(path) if block.kind == journal.NOTE]
    except (OSError, ValueError):
        return False
    return any(note.get("op") == "event" and note["message"].startswith(f"{metric} = ") for note in notes)


def add(main: Path, blocks: Iterable[bytes]) -> None:
    """Append blocks to what a run's own processes log. They count when this returns.

    Raises NotFoundError where the run has ended, StorageError.
    """
    name = journal.parsed(main.name)
    if name is None:
        raise NotFoundError(f"{main} is no journal")
    path = main.with_name(Name(name.run, name.record, journal.SHELL).file)
    data = b"".join(blocks)
    if not main.exists():
        raise _over(name.run)
    try:
        with _locked(path) as descriptor:
            end = os.fstat(descriptor).st_size
            _append(descriptor, data if end else _head(name) + data, end)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}", hint="make room and log it again") from error
    # Whoever ends a run says so first, and reads what others brought afterwards: before that word, it counts.
    if _has_ended(main):
        if not main.exists():
            path.unlink(missing_ok=True)
        raise _over(name.run)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _append(descriptor: int, data: bytes, end: int) -> None:
    """All or nothing. Raises OSError."""
    view, position = memoryview(data), end
    try:
        while view:
            written = os.pwrite(descriptor, view, position)
            view, position = view[written:], position + written
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, end)
        raise


def _head(name: Name) -> bytes:
    from ledger.record import liveness

    head = {"format": JOURNAL_FORMAT, "run": name.run, "record": name.record, "who": liveness.who()}
    return journal.json_frame(HEAD, head) + journal.json_frame(END, {})


def _has_ended(main: Path) -> bool:
    """Whether the run's own process has said that it ended, or its journal is gone."""
    try:
        with main.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - _ENDING_BYTES, 0))
            return any(block.kind == END for block in journal.blocks(file.read()))
    except FileNotFoundError:
        return True


def _over(run: str) -> NotFoundError:
    return NotFoundError(f"no run {run[:8]} goes on: nothing was logged", hint="log before the run ends")
