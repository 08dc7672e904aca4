"""Finishing a run that was refused: what is given now replaces or adds to what was given then."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ledger import canonical
from ledger.config import Workspace
from ledger.errors import ContentionError, FormatError, InputError, LedgerError
from ledger.model import Metric, Run, utc_time
from ledger.record import in_force
from ledger.record.code import Captured
from ledger.record.run import Draft, Recorded, record
from ledger.store import codec
from ledger.store.sealed import Sealed, read

_ELSEWHERE = frozenset({errno.EAGAIN, errno.EACCES})


def finish(workspace: Workspace, path: Path, given: Draft) -> Recorded:
    """Record the refused run at `path` with the corrections of `given`, once, and remove the file.

    Refused again, it is kept with the corrections, in place of what was kept before.
    Raises ContentionError while another process finishes it, and what `corrected` and `record` raise.
    """
    with _claimed(path):
        draft = to_finish(workspace, path, given)
        _require_new(workspace, path, draft)
        done = record(workspace, [draft])[0]
        path.unlink(missing_ok=True)
    return done


@contextmanager
def _claimed(path: Path) -> Iterator[None]:
    """Hold a refused file: of two that finish it at once, one records. The hold ends with its process."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise _no_such(path) from error
    try:
        _lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _ELSEWHERE:
            raise ContentionError(
                f"another process is finishing {path}", hint="`ledger runs` shows the run when it is done"
            ) from error
        return  # a file system without locks: the record's id alone keeps the run from being recorded twice
    if not path.exists() or not os.path.samestat(os.fstat(descriptor), path.stat()):
        raise _no_such(path)  # finished, or refused again, between opening and locking


def _no_such(path: Path) -> InputError:
    return InputError(
        f"{path}: no such file",
        hint="refused runs are in .git/ledger/spool/refused; `ledger status` lists them",
    )


def _require_new(workspace: Workspace, path: Path, draft: Draft) -> None:
    """A process that was killed between recording a refused run and removing its file has left the file."""
    from ledger.store import index

    known: Sequence[int] = ()
    with suppress(LedgerError):  # an index that can't be read keeps no run from being recorded
        found = index.load(workspace.repository)
        known = (
            found.find("record", draft.record) if draft.record and draft.record not in found.dropped else ()
        )
    if known:
        path.unlink(missing_ok=True)
        name = (draft.id or "")[:8]
        raise InputError(
            f"run {name} was recorded already, from this refused file; the file is removed",
            hint=f"ledger show {name}; to correct it: ledger amend {name}",
        )


def to_finish(workspace: Workspace, path: Path, given: Draft) -> Draft:
    """What `finish` records: `corrected`, under the schema that counts for it. Raises what that raises."""
    return in_force.chosen(workspace, corrected(path, given))


def corrected(path: Path, given: Draft) -> Draft:
    """The refused run at `path` with the corrections of `given`. Raises InputError, FormatError, ConfigError."""
    if not path.exists():
        raise _no_such(path)
    sealed = read(path)
    if len(sealed) != 1 or sealed[0].slug:
        raise FormatError(f"{path} is not a refused run")
    content = sealed[0].files
    run = _run(content.get(codec.RUN, b""), str(path))
    params = _object(content.get(codec.PARAMS, b""), f"{path}: {codec.PARAMS}")
    metrics = codec.metrics(content.get(codec.METRICS, b""), what=str(path))
    return in_force.then(sealed[0], run, _merged(path, sealed[0], run, params, metrics, given))


def _merged(
    path: Path,
    sealed: Sealed,
    run: Run,
    params: Mapping[str, Any],
    metrics: Mapping[str, Metric],
    given: Draft,
) -> Draft:
    then, content = "the refused run", sealed.files
    return replace(
        given,
        id=run.id,
        record=sealed.record,
        base=run.base,
        refused=path,
        params={**params, **given.params},
        metrics={**metrics, **given.metrics},
        origins={
            **{f"params.{name}": then for name in params},
            **{f"metrics.{name}": then for name in metrics},
            **given.origins,
        },
        history={
            **{name: data for name, data in content.items() if codec.HISTORY.fullmatch(name)},
            **given.history,
        },
        events=given.events or content.get(codec.EVENTS),
        experiment=given.experiment or run.experiment or None,
        name=given.name or run.name,
        status=run.status,
        started=given.started or (utc_time(run.started) if run.started else None),
        finished=given.finished or (utc_time(run.finished) if run.finished else None),
        duration=given.duration if given.duration is not None else run.duration,
        parent=given.parent or run.parent,
        note=given.note or run.note,
        tags={**run.tags, **given.tags},
        command=given.command or run.command,
        environment=run.environment or given.environment,
        artifacts=(*run.artifacts, *given.artifacts),
        captured=Captured(code=run.code, pack=sealed.pack) if run.code and given.code is None else None,
    )


def _run(data: bytes, what: str) -> Run:
    """A refused run may lack an experiment: that can be why it was refused."""
    document = _object(data, what)
    run = codec.run_of({**document, "experiment": document.get("experiment") or "?"}, what=what)
    return replace(run, experiment="") if run.experiment == "?" else run


def _object(data: bytes, what: str) -> dict[str, Any]:
    found = canonical.loads(data, what=what)
    if not isinstance(found, dict):
        raise FormatError(f"{what}: not a JSON object")
    return found
