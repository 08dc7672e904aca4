"""The public functions, as `ledger` exports them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.errors import InputError
from ledger.record import around, environment, texts
from ledger.record import run as recorder
from ledger.record.draft import check_times, status_of
from ledger.record.inputs import metrics_of, params_of
from ledger.record.named import AnyRun, full_id, id_of
from ledger.record.run import Draft, Recorded

if TYPE_CHECKING:
    import pyarrow as pa

    from ledger.trace.view import View

__all__ = ["Recorded", "history", "record", "record_many", "runs"]


def record(
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    *,
    history: Any = None,
    experiment: str | None = None,
    name: str | None = None,
    status: str = "finished",
    started: datetime | None = None,
    finished: datetime | None = None,
    tags: Mapping[str, str] | None = None,
    note: str | None = None,
    parent: AnyRun | None = None,
    code: str | None = None,
    schema: str | None = None,
    repository: str | os.PathLike[str] | None = None,
) -> Recorded:
    """Record one run that is over, and return what became of it; durable when this returns.

    Args:
        params: settings; nested mappings are allowed, NumPy scalars are taken as numbers.
        metrics: name → number. NaN and infinities are values, None means computed without a value.
        history: series: metric → list of values (or of (step, value) pairs), or a list of mappings with a
            `step` and one entry a metric, or a path to a JSONL, CSV or Parquet file.
        experiment: else LEDGER_EXPERIMENT, else the branch.
        status: finished, failed, killed or lost.
        name: what people call the run.
        started: when; a naive time is UTC.
        finished: when; else now.
        tags: name → text.
        note: text.
        parent: the run that this one belongs to, or its full id.
        code: a revision, for a run that was made elsewhere or before; else what the work tree holds now.
        schema: name of the schema to validate against; else the configured one, or the only one there is.
        repository: a folder inside the repository; else the current folder.

    Raises:
        RefusedError: the run breaks its schema, or no experiment is known; it is kept in a sealed file that the
            hint names.
        InputError: a value that can't be recorded (text as a metric).
        StorageError: no disk takes the run.

    """
    run = {
        "params": params, "metrics": metrics, "history": history, "experiment": experiment, "name": name,
        "status": status, "started": started, "finished": finished, "tags": tags, "note": note, "parent": parent,
        "code": code, "schema": schema,
    }  # fmt: skip
    return record_many([run], repository=repository)[0]


def record_many(
    runs: Iterable[Mapping[str, Any]], *, repository: str | os.PathLike[str] | None = None
) -> list[Recorded]:
    """Record many runs at once: all of them, or none. Each is a mapping with the arguments of `record`.

    One seal and one commit of the ref serve them all: thousands of runs a second.
    """
    workspace = around.workspace(repository, anyhow=True)
    facts = environment.capture(
        allow=workspace.config.environment, packages=workspace.config.packages, environ=workspace.environ
    )
    drafts = [_draft(run, facts) for run in runs]
    return recorder.record(workspace, drafts) if drafts else []


def runs(
    where: str | None = None,
    *,
    columns: Sequence[str] | None = None,
    sort: str | None = None,
    as_: str | None = None,
    at: str | None = None,
    approx: bool = False,
    repository: str | os.PathLike[str] | None = None,
) -> pa.Table:
    """Runs as a table: one row a run, `params.*`, `metrics.*`, `tags.*` and `grade.*` columns.

    Metrics stand under one definition each; `metrics.*` are null where a value does not compare under it, `grade.*`
    say why, and `recorded.*` what it was; `conflicts` names the columns on which edits disagree. Filter and order see what is shown.

    Args:
        where: a filter such as `metrics.f1 > 0.9 and params.lr < 0.01`; a value that does not compare never passes.
        columns: which params, metrics, tags and fields; else all.
        sort: a column, with `-` in front for descending; a metric that compares only among runs with equal params
            is sorted within each of their values.
        as_: show metrics under another definition: a version label, or the start of a definition's id.
        at: a revision whose definitions and migrations count; else those of the work tree.
        approx: count approximate values, too.
        repository: a folder inside the repository; else the current folder.

    Raises:
        UsageError: the filter or a column's name is wrong; the message says where.
        NotFoundError: there is no such revision.

    """
    from ledger.trace.listing import Listing, table

    order = texts.text(sort, "sort")
    view = _view(repository, as_=as_, at=at, approx=approx)
    return table(
        view,
        Listing(
            where=texts.text(where, "where"),
            columns=tuple(_names(columns) or ()) or None,
            sort=(order,) if order else (),
        ),
    )


def history(
    run: AnyRun,
    metrics: Sequence[str] | None = None,
    *,
    as_: str | None = None,
    at: str | None = None,
    approx: bool = False,
    all_attempts: bool = False,
    repository: str | os.PathLike[str] | None = None,
) -> pa.Table:
    """The series of one run as a table: one row a point, in the order of their source.

    Columns: `metric` (dictionary of string), `step` (int64), `time` (timestamp in microseconds, UTC), `value` (double),
    `grade` (dictionary of string), and where the run has them `context` (dictionary of string), `attempt` (int64; null
    is the first) and `recorded` (double).
    Where one step of a series was logged several times, the last point counts.
    A series is converted like the metric it belongs to, or computed from others of its step where a migration derives
    the metric; where a point does not compare, `value` is null, `grade` says why, and `recorded` is what it was.

    Args:
        run: a recorded run, its id, or four or more of the first digits of that.
        metrics: names of series, as they are now or as they were recorded; else all.
        as_: show series under another definition: a version label, or the start of a definition's id.
        at: a revision whose definitions and migrations count; else those of the work tree.
        approx: count approximate values, too.
        all_attempts: every point that was logged, those too that a later one of the same step took the place of.
        repository: a folder inside the repository; else the current folder.

    Raises:
        NotFoundError: no such run, series or revision; the hint names those that there are.
        AmbiguousError: several runs begin like that.
        UsageError: no definition has the version that `as_` names.

    """
    from ledger.trace import series
    from ledger.trace.find import one_run, row_of
    from ledger.trace.readings import graded

    view = _view(repository, as_=as_, at=at, approx=approx)
    row = row_of(view.runs, one_run(view.runs, id_of(run)))
    return graded(series.table(view, row, _names(metrics), all_attempts=all_attempts))


def _view(
    repository: str | os.PathLike[str] | None, *, as_: str | None, at: str | None, approx: bool
) -> View:
    from ledger.trace import targets
    from ledger.trace.view import open_view

    at, as_ = texts.text(at, "at"), texts.text(as_, "as_")
    view = open_view(around.workspace(repository), at=at, wanted=as_, approximate=approx)
    targets.require_any(view)
    return view


_KNOWN = frozenset(
    (
        "params", "metrics", "history", "experiment", "name", "status", "started", "finished", "tags", "note",
        "parent", "code", "schema",
    )
)  # fmt: skip


def _names(given: Sequence[str] | None) -> Sequence[str] | None:
    """Text is one name."""
    return (given,) if isinstance(given, str) else given


def _draft(run: Mapping[str, Any], facts: Mapping[str, Any]) -> Draft:
    if not isinstance(run, Mapping):
        raise InputError(f"a run is a mapping of the arguments of `record`, not {run!r:.60}")
    unknown = sorted(map(str, set(run) - _KNOWN))
    if unknown:
        raise InputError(
            f"not a part of a run: {', '.join(unknown)}", hint=f"known: {', '.join(sorted(_KNOWN))}"
        )
    params = params_of(run.get("params") or {})
    metrics = metrics_of(run.get("metrics") or {})
    history = _series(run.get("history"))
    if not (params.values or metrics.values or history):
        raise InputError("nothing to record: no params, metrics or history")
    started, finished = (_moment(run.get(name), name) for name in ("started", "finished"))
    check_times(started, finished, None)
    return Draft(
        params=params.values,
        metrics=metrics.metrics(),
        history=history,
        status=status_of(run.get("status", "finished")),
        tags=texts.tags(run.get("tags") or {}),
        environment=facts,
        experiment=texts.text(run.get("experiment"), "experiment"),
        name=texts.text(run.get("name"), "name"),
        started=started,
        finished=finished,
        note=texts.text(run.get("note"), "note"),
        parent=full_id(run["parent"], "parent") if run.get("parent") is not None else None,
        code=texts.text(run.get("code"), "code"),
        schema=texts.text(run.get("schema"), "schema"),
    )


def _moment(given: Any, what: str) -> datetime | None:
    if given is None:
        return None
    if not isinstance(given, datetime):
        raise InputError(f"{what} is {given!r:.60}, not a datetime")
    try:
        return given.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{what} is {given}, which is in no calendar in UTC") from error


def _series(given: Any) -> dict[str, bytes]:
    if given is None:
        return {}
    if not isinstance(given, (str, os.PathLike, Iterable)):
        raise InputError(f"history is {given!r:.60}, no series", hint="metric → values, rows, or a file")
    from ledger.store.history import encode, from_values, read

    return encode(read(Path(given)) if isinstance(given, (str, os.PathLike)) else from_values(given))
