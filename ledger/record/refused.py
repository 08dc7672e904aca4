"""Finishing a run that was refused: what is given now replaces or adds to what was given then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ledger import canonical
from ledger.errors import FormatError, InputError
from ledger.model import Run, utc_time
from ledger.record.code import Captured
from ledger.record.run import Draft
from ledger.store import codec
from ledger.store.spool import read


def corrected(path: Path, given: Draft) -> Draft:
    """The refused run at `path` with the corrections of `given`. Raises InputError, FormatError."""
    if not path.exists():
        raise InputError(
            f"{path}: no such file",
            hint="refused runs are in .git/ledger/spool/refused; `ledger status` lists them",
        )
    sealed = read(path)
    if len(sealed) != 1 or sealed[0].slug:
        raise FormatError(f"{path} is not a refused run")
    content = sealed[0].files
    run = _run(content[codec.RUN], str(path))
    params: dict[str, Any] = canonical.loads(content[codec.PARAMS], what=f"{path}: {codec.PARAMS}")
    metrics = codec.metrics(content[codec.METRICS], what=str(path))
    then = "the refused run"
    return replace(
        given,
        id=run.id,
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
        captured=Captured(code=run.code, pack=sealed[0].pack) if run.code and given.code is None else None,
    )


def _run(data: bytes, what: str) -> Run:
    """A refused run may lack an experiment: that can be why it was refused."""
    document = canonical.loads(data, what=what)
    run = codec.run_of({**document, "experiment": document.get("experiment") or "?"}, what=what)
    return replace(run, experiment="") if run.experiment == "?" else run
