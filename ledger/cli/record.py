"""`ledger record`."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, json_option, pairs
from ledger.cli.given import artifacts, configured, param_words, parent, path_of, placed, run_options, series
from ledger.cli.headline import headline
from ledger.errors import UsageError, words_of_the_call
from ledger.model import Status

if TYPE_CHECKING:
    from ledger.record.run import Draft, Recorded

_EPILOG = """\b
Examples:
  ledger record --params params.yaml --metrics metrics.json
  ledger record -p lr=0.1 -p depth=3 -m f1=0.91 -m loss=0.31
  ledger record --metrics eval=eval.json --metrics train=train.json      names: eval/f1, train/f1
  ledger record --metrics m.json --history curves.csv --model best=out/model.pt --tag stage=sweep
  python eval.py | ledger record --metrics - --experiment nightly
  ledger record --spool s3://bucket/runs -e sweep -m f1=0.91             for ledger ingest, from any machine
  ledger record --refused .git/ledger/spool/refused/....zip -m f1=0.91   finish a refused run

Once it has printed an id, the run is on disk for good; nothing that happens to git can lose it.
"""


@click.command(epilog=_EPILOG)
@run_options
@click.option(
    "--status",
    type=click.Choice([s.value for s in Status if s is not Status.RUNNING]),
    default="finished",
    show_default=True,
)
@click.option("--started", metavar="TIME", help="When it started, ISO 8601.")
@click.option("--finished", metavar="TIME", help="When it finished; else now.")
@click.option("--duration", type=float, metavar="SECONDS", help="How long it took.")
@click.option("--command", "command_line", help="The command that made it, as you would type it.")
@click.option(
    "--code", metavar="REV", help="The code commit, for a run made elsewhere or before; else the work tree."
)
@click.option(
    "--input-format", type=click.Choice(["json", "yaml", "toml", "csv"]), help="Format of standard input."
)
@click.option(
    "--refused",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Finish a refused run; what you give replaces or adds.",
)
@click.option(
    "--spool",
    metavar="PLACE",
    help="Leave the run in a shared folder, s3:// or gs:// for `ledger ingest`; outside of a clone, too.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Check everything, record nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Print the run's full id only.")
@json_option
@click.pass_obj
def record(
    app: App,
    /,
    *,
    quiet: bool,
    as_json: bool,
    dry_run: bool,
    refused: Path | None,
    spool: str | None,
    **given: Any,
) -> None:
    """Record a run.

    Params, metrics and series are read from files or words, checked against the project's schema, sealed on disk
    and committed to refs/runs/EXPERIMENT, tied to the commit that is checked out (changes included).
    """
    from ledger.record import refused as earlier
    from ledger.record import run as recorder

    app.keeping = True
    if spool is not None:
        _leave(app, spool, given, dry_run=dry_run, refused=refused, shown=(as_json, quiet))
        return
    app.settle()
    draft = _draft(app, given)
    path = app.path(str(refused)) if refused is not None else None
    if path is None:
        _require_something(draft)
    if dry_run:
        whole = draft if path is None else earlier.to_finish(app.workspace, path, draft)
        app.warn(recorder.check(app.workspace, [whole]))
        if as_json:
            app.json({"dry_run": True})
        else:
            app.talk("would be recorded")
        return
    if path is not None:
        done = earlier.finish(app.workspace, path, draft)
    else:
        done = recorder.record(app.workspace, [draft])[0]
    _told(app, done, shown=(as_json, quiet))


def _require_something(draft: Draft) -> None:
    if not (draft.params or draft.metrics or draft.history or draft.artifacts):
        raise UsageError(
            "nothing to record", hint="give -m NAME=VALUE or --metrics FILE; ledger record --help shows more"
        )


def _told(app: App, done: Recorded, *, shown: tuple[bool, bool]) -> None:
    as_json, quiet = shown
    app.warn(done.warnings)
    with app.telling(f"recorded {done.id}"):
        if as_json:
            app.json(document(done))
        elif quiet:
            sys.stdout.write(f"{done.id}\n")
        else:
            app.lines([headline(done)])


def _leave(
    app: App,
    place: str,
    given: dict[str, Any],
    *,
    dry_run: bool,
    refused: Path | None,
    shown: tuple[bool, bool],
) -> None:
    """Record into a place that others ingest from."""
    from dataclasses import replace

    from ledger.record import outside

    if dry_run or refused is not None:
        raise UsageError("--spool takes neither --dry-run nor --refused")
    with outside.workspace(lambda: app.workspace, app.directory, os.environ) as found:
        app.workspace = found.workspace
        if not found.inside and given["schema"]:
            raise UsageError("--schema is a file of a clone, and this is none")
        draft = replace(_draft(app, given), outside=not found.inside)
        _require_something(draft)
        done, where = outside.leave(found.workspace, draft, place, app.directory)
        _told(app, done, shown=shown)
        if not any(shown):
            app.talk(f"left in {where}, for `ledger ingest`")


def _draft(app: App, given: dict[str, Any]) -> Draft:
    from ledger.record import environment, inputs
    from ledger.record.draft import Draft, check_times

    config = app.workspace.config
    anything = any(
        given[key] for key in ("param_words", "metric_words", "param_files", "metric_files", "history")
    )
    param_files, metric_files = given["param_files"], given["metric_files"]
    if not anything and not given.get("refused"):
        param_files, metric_files = configured(app, config.params), configured(app, config.metrics)
    if sum(name.rpartition("=")[2] == "-" for name in (*param_files, *metric_files)) > 1:
        raise UsageError("standard input can be read once only", hint="put params or metrics into a file")
    words = param_words(given)
    stdin = sys.stdin.buffer
    params = inputs.read_params(placed(app, param_files), words, stdin=stdin, syntax=given["input_format"])
    metrics = inputs.read_metrics(
        placed(app, metric_files), given["metric_words"], stdin=stdin, syntax=given["input_format"]
    )
    files = [source for source in (*param_files, *metric_files, *given["history"]) if source != "-"]
    made, outputs = artifacts(app, given)
    if given["experiment"] == "":
        raise UsageError("--experiment is empty", hint="leave it out: the branch is the experiment")
    started, finished = _time(given["started"], "--started"), _time(given["finished"], "--finished")
    with words_of_the_call():
        check_times(started, finished, given["duration"])
    return Draft(
        params=params.values,
        metrics=metrics.metrics(),
        origins={
            **{f"params.{name}": origin for name, origin in params.origins.items()},
            **{f"metrics.{name}": origin for name, origin in metrics.origins.items()},
        },
        history=series(app, given["history"]),
        experiment=given["experiment"],
        name=given["name"],
        status=Status(given["status"]),
        started=started,
        finished=finished,
        duration=given["duration"],
        parent=parent(app, given["parent"]),
        note=given["note"],
        tags=pairs(given["tags"], "--tag"),
        command=_command(given["command_line"]),
        environment=environment.capture(
            allow=config.environment,
            packages=config.packages,
            environ=app.workspace.environ,
            prefix=app.workspace.environ.get("VIRTUAL_ENV") or app.workspace.environ.get("CONDA_PREFIX"),
        ),
        artifacts=made,
        code=given["code"],
        own_files=tuple(str(app.path(path_of(app, source))) for source in (*files, *outputs)),
        schema=given["schema"],
    )


def _time(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: not a time", hint="2026-11-21T14:30:00+01:00") from error
    return moment.astimezone() if moment.tzinfo is None else moment


def _command(line: str | None) -> tuple[str, ...]:
    import shlex

    try:
        return tuple(shlex.split(line)) if line else ()
    except ValueError:
        return (line,) if line else ()


def document(done: Recorded) -> dict[str, Any]:
    """What `--json` prints: the contract of docs/json.md."""
    return {
        "id": done.id,
        "record": done.record,
        "experiment": done.experiment,
        "ref": done.ref,
        "code": done.code.commit if done.code else None,
        "status": done.status.value,
        "chained": done.chained,
    }
