"""The road of every record: validate → seal → chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ledger.canonical import readable
from ledger.config import Workspace
from ledger.errors import RefusedError
from ledger.record.draft import Draft, Recorded, as_recorded
from ledger.record.prepare import Prepared, Session, load_schema
from ledger.record.sealing import Fate, TooLargeError, files, sealed, stem, stored
from ledger.store.sealed import Sealed
from ledger.store.spool import Spool

__all__ = [
    "Draft",
    "Fate",
    "Recorded",
    "check",
    "load_schema",
    "record",
    "sealed",
    "stored",
]


def record(workspace: Workspace, drafts: Sequence[Draft]) -> list[Recorded]:
    """Record runs: all of them or, where one breaks a rule, none (each is then kept as a refused file).

    Raises RefusedError, InputError, ConfigError, StorageError.
    """
    session = Session(workspace, drafts)
    prepared = [session.prepare(draft) for draft in drafts]
    faulty = [item for item in prepared if item.faults]
    if faulty:
        raise _refusal(workspace, faulty, len(prepared))
    try:
        fate = stored(workspace, [item.record for item in prepared], [item.pack for item in prepared])
    except TooLargeError as error:
        faulty = [too_large(item, error) for item in prepared if item.record.run.record == error.record]
        raise _refusal(workspace, faulty, len(prepared)) from error
    return [_recorded(item, fate) for item in prepared]


def too_large(item: Prepared, error: TooLargeError) -> Prepared:
    return replace(item, faults=(error.message,), hint=error.hint)


def check(workspace: Workspace, drafts: Sequence[Draft]) -> tuple[str, ...]:
    """Everything that `record` would check, recording nothing. Raises RefusedError; returns the warnings."""
    session = Session(workspace, drafts)
    prepared = [_readable(session.prepare(draft)) for draft in drafts]
    faults = [fault for item in prepared for fault in item.faults]
    if faults:
        raise RefusedError(
            f"the run would be refused: {faults[0]}", details=tuple(faults) if len(faults) > 1 else ()
        )
    return tuple(warning for item in prepared for warning in item.warnings)


def _readable(item: Prepared) -> Prepared:
    try:
        sealed(item.record, item.pack)
    except TooLargeError as error:
        return too_large(item, error)
    return item


def _recorded(item: Prepared, fate: Fate) -> Recorded:
    warnings = (*item.warnings, *fate.warnings)
    return as_recorded(item.record, chained=item.record.run.record in fate.chained, warnings=warnings)


def _refusal(workspace: Workspace, faulty: Sequence[Prepared], total: int) -> RefusedError:
    """Keep refused runs as sealed files and say where."""
    spool = Spool.of(workspace.repository)
    details, paths = [], []
    for item in faulty:
        path = _kept(workspace, spool, item)
        paths.append(path)
        details += [*item.faults, f"kept: {path}"] if total > 1 else list(item.faults)
    hint = next((item.hint for item in faulty if item.hint), "") or "mend what is wrong"
    which = f"{len(faulty)} of {total} runs refused, none recorded" if total > 1 else "the run was refused"
    count = sum(len(item.faults) for item in faulty)
    first = faulty[0].faults[0] if count == 1 else f"{count} faults"
    return RefusedError(
        f"{which}: {first}",
        hint=f"{hint}; nothing is lost, finish it with: ledger record --refused {paths[0]}",
        details=tuple(details) if count > 1 else (),
    )


def _kept(workspace: Workspace, spool: Spool, item: Prepared) -> Path:
    """Keep a refused run: in place of the file that it comes from, which goes only when the new one is durable."""
    before = item.refused
    if before is not None and before.parent.resolve() == spool.refused.resolve():
        return spool.refuse(refused_record(item), name=before.stem)
    path = spool.refuse(refused_record(item), name=stem(workspace, item.record.run.record))
    if before is not None:
        before.unlink(missing_ok=True)
    return path


def refused_record(item: Prepared) -> Sealed:
    """A draft as a sealed file: it has no slug yet, and may have no experiment. Its message says what is wrong."""
    run = item.record.run
    return Sealed(
        record=run.record,
        run=run.id,
        slug="",
        author=run.author,
        seconds=0,
        message=readable("\n".join(item.faults)),
        code=(),
        files=files(item.record),
        pack=item.pack,
    )
