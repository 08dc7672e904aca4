"""`ledger.start`: a run that logs as it goes."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ledger.config import Workspace
from ledger.errors import ContentionError, InputError, NotFoundError
from ledger.ids import is_id
from ledger.model import new_id
from ledger.record import around, lost, ranks, texts, underway
from ledger.record.begin import Begin, Begun, attach_late, begin, inert
from ledger.record.begin import attach as attach_to
from ledger.record.late import LATER
from ledger.record.live import ON_ERROR, ON_RANGE, OnError, OnRange, Run
from ledger.record.named import AnyRun, full_id, id_of
from ledger.record.ranks import Rank
from ledger.record.retold import earlier
from ledger.record.voice import say

__all__ = ["Run", "start"]

ATTACH_SECONDS = 60.0
"""How long a rank waits for the run that rank 0 is to start."""
_POLL_SECONDS, _LOOK_SECONDS = 0.1, 2.0


def start(
    experiment: str | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    name: str | None = None,
    note: str | None = None,
    parent: AnyRun | None = None,
    resume: AnyRun | None = None,
    attach: AnyRun | None = None,
    schema: str | None = None,
    on_error: OnError = "warn",
    ranges: OnRange | None = None,
    repository: str | os.PathLike[str] | None = None,
) -> Run:
    """Start a run. Use it in a `with` block, or call its `finish`; else it ends with the program.

    Code, environment and schema are those of now. Of many processes (torchrun, Slurm, MPI) rank 0 records, and the
    others get an inert run, unless they attach: `LEDGER_RUN` in the environment, or `attach`, names the run that all
    log into, ranks above 0 with their rank as context. Where no such run goes on, rank 0 starts it, and the others wait
    for it; what they log when it is over is added to it once they have ended.

    Args:
        experiment: else LEDGER_EXPERIMENT, else the branch.
        params: settings; more may come later.
        tags: name → text.
        name: what people call the run.
        note: text.
        parent: the run that this one belongs to, or its full id; such a run never attaches to LEDGER_RUN.
        resume: a recorded run that goes on here, as a further attempt: it, its id, or the first digits of that.
        attach: the full id of a run that another process has started.
        schema: name of the schema to validate against; else the configured one, or the only one there is.
        on_error: what a full disk and the like do: `warn` once and keep the data in memory, or `raise`.
        ranges: what a value outside of the schema's `minimum` and `maximum` does while the run goes on:
            `warn` once, `stop` (the next `log` raises GateError), or `ignore`; else what the configuration says
            (`[live] on_range`).
        repository: a folder inside the repository; else the current folder.

    Raises:
        RefusedError: there is no commit, or nothing says which experiment it is.
        NotFoundError: no such run to resume or to attach to.
        ContentionError: the run to resume still goes on.
        RepositoryError, ConfigError, InputError, StorageError.

    """
    workspace = around.workspace(repository)
    for problem in lost.settle(workspace).problems:
        say(problem)
    asked = Begin(
        experiment=texts.text(experiment, "experiment"),
        params=params or {},
        tags=texts.tags(tags or {}),
        name=texts.text(name, "name"),
        note=texts.text(note, "note"),
        parent=full_id(parent, "parent") if parent is not None else None,
        schema=texts.text(schema, "schema"),
    )
    _require_known(on_error, ON_ERROR, "on_error")
    _require_known(ranges or "warn", ON_RANGE, "ranges")
    joined = id_of(attach) if attach is not None else None
    earlier_run = id_of(resume) if resume is not None else None
    begun = _begun(workspace, asked, joined, earlier_run, ranks.detect(workspace.environ))
    return Run(begun, on_error=on_error, ranges=ranges or workspace.config.on_range)


def _require_known(word: str, known: tuple[str, ...], what: str) -> None:
    if word not in known:
        raise InputError(f"{what} is {word!r:.60}", hint=f"one of {', '.join(known)}")


def _begun(
    workspace: Workspace, asked: Begin, attach: str | None, resume: str | None, rank: Rank | None
) -> Begun:
    alone = asked.parent is not None or resume is not None
    shared = attach if attach is not None else None if alone else workspace.environ.get("LEDGER_RUN") or None
    number = rank.number if rank else 0
    if shared is not None:
        return _shared(workspace, asked, shared, number, must_run=attach is not None)
    if number:
        return inert(workspace, new_id(), asked)
    return begin(workspace, asked if resume is None else _resumed(workspace, asked, resume))


def _shared(workspace: Workspace, asked: Begin, run_id: str, rank: int, *, must_run: bool) -> Begun:
    """Attach to a run; where it does not go on yet, rank 0 starts it and the others wait."""
    if not is_id(run_id):
        raise InputError(f"{run_id!r} is no full run id", hint="LEDGER_RUN and attach= take 32 hex digits")
    found = _attached(workspace, asked, run_id, rank)
    if found is None and rank:
        found = _awaited(workspace, asked, run_id, rank)
    if found is None and rank:
        found = attach_late(workspace, run_id, rank=rank, params=asked.params, tags=asked.tags)
    if found is not None:
        if found.late:
            say(f"run {run_id[:8]} is over, and this process goes on: {LATER}")
        return found
    if rank:
        say(f"no run {run_id[:8]} goes on here: what rank {rank} logs is not kept")
        return inert(workspace, run_id, asked)
    if must_run or _is_recorded(workspace, run_id):
        raise NotFoundError(f"no run {run_id[:8]} goes on", hint="ledger.start(resume=...) goes on with one")
    return begin(workspace, replace(asked, id=run_id))


def _awaited(workspace: Workspace, asked: Begin, run_id: str, rank: int) -> Begun | None:
    """The run once it goes on; None where it is over, or does not come."""
    began = looked = time.monotonic()
    if _is_recorded(workspace, run_id):
        return None
    while (now := time.monotonic()) - began < ATTACH_SECONDS:
        found = _attached(workspace, asked, run_id, rank)
        if found is not None:
            return found
        if now - looked > _LOOK_SECONDS:
            if _is_recorded(workspace, run_id):
                return None
            looked = now
        time.sleep(_POLL_SECONDS)
    return None


def _attached(workspace: Workspace, asked: Begin, run_id: str, rank: int) -> Begun | None:
    return attach_to(workspace, run_id, rank=rank, params=asked.params, tags=asked.tags)


def _is_recorded(workspace: Workspace, run_id: str) -> bool:
    from ledger.store import index

    return bool(index.load(workspace.repository).exact("run", run_id))


def _resumed(workspace: Workspace, asked: Begin, prefix: str) -> Begin:
    """A further attempt of a recorded run. Raises NotFoundError, AmbiguousError, ContentionError."""
    from ledger.store import history
    from ledger.store.history.live import last_attempt
    from ledger.trace.find import MIN_PREFIX, one_run
    from ledger.trace.tips import start_of
    from ledger.trace.view import open_view

    going_on = underway.journals(workspace) if len(prefix) >= MIN_PREFIX else ()
    live = [one for one in going_on if one.run.startswith(prefix.lower())]
    if live:
        raise ContentionError(
            f"run {live[0].run[:8]} still goes on (process {live[0].pid} on {live[0].host})",
            hint="log into it with LEDGER_RUN, or wait until it ends",
        )
    runs = open_view(workspace).runs
    run_id = one_run(runs, prefix)
    record = earlier(workspace, start_of(runs, run_id).place.record)
    attempt = last_attempt(history.decode(record.history)) + 1 if record.history else 2
    return replace(
        asked,
        id=run_id,
        base=record.run.record,
        attempt=attempt,
        experiment=record.run.experiment,
        name=asked.name or record.run.name,
    )
