"""`ledger record`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, json_option, pairs
from ledger.errors import InputError, UsageError
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
  ledger record --refused .git/ledger/spool/refused/....zip -m f1=0.91   finish a refused run

Once it has printed an id, the run is on disk for good; nothing that happens to git can lose it.
"""


@click.command(epilog=_EPILOG)
@click.option("-p", "--param", "param_words", multiple=True, metavar="NAME=VALUE", help="A param.")
@click.option("-m", "--metric", "metric_words", multiple=True, metavar="NAME=VALUE", help="A metric.")
@click.option(
    "--params",
    "param_files",
    multiple=True,
    metavar="[PREFIX=]FILE",
    help="Params: JSON, YAML, TOML or CSV; - is standard input.",
)
@click.option(
    "--metrics",
    "metric_files",
    multiple=True,
    metavar="[PREFIX=]FILE",
    help="Metrics: the same; PREFIX=FILE names them PREFIX/...",
)
@click.option(
    "--history", multiple=True, metavar="[PREFIX=]FILE", help="Series: JSONL, CSV or Parquet, long or wide."
)
@click.option("--dataset", multiple=True, metavar="[NAME=]PATH", help="A data set: a path or a URI.")
@click.option("--model", multiple=True, metavar="[NAME=]PATH", help="A model.")
@click.option("--output", multiple=True, metavar="[NAME=]PATH", help="Any other file that came out.")
@click.option(
    "-e", "--experiment", metavar="NAME", help="The experiment; else LEDGER_EXPERIMENT, else the branch."
)
@click.option("--name", help="A name for the run.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="A tag.")
@click.option("--note", help="A note.")
@click.option("--parent", metavar="RUN", help="The run that this one belongs to.")
@click.option("--seed", type=int, help="The random seed; the same as -p seed=N.")
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
@click.option("--schema", metavar="NAME", help="The schema to validate against (.ledger/schemas/NAME.json).")
@click.option(
    "--input-format", type=click.Choice(["json", "yaml", "toml", "csv"]), help="Format of standard input."
)
@click.option(
    "--refused",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Finish a refused run; what you give replaces or adds.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Check everything, record nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Print the run's full id only.")
@json_option
@click.pass_obj
def record(
    app: App, /, *, quiet: bool, as_json: bool, dry_run: bool, refused: Path | None, **given: Any
) -> None:
    """Record a run.

    Params, metrics and series are read from files or words, checked against the project's schema, sealed on disk
    and committed to refs/runs/EXPERIMENT, tied to the commit that is checked out (changes included).
    """
    from ledger.record import refused as earlier
    from ledger.record import run as recorder

    app.settle()
    draft = now = _draft(app, given)
    if refused is not None:
        draft = earlier.corrected(app.path(str(refused)), now)
    elif not (draft.params or draft.metrics or draft.history or draft.artifacts):
        raise UsageError(
            "nothing to record", hint="give -m NAME=VALUE or --metrics FILE; ledger record --help shows more"
        )
    if dry_run:
        recorder.check(app.workspace, [draft])
        app.talk("would be recorded")
        return
    if refused is not None:
        done = earlier.finish(app.workspace, app.path(str(refused)), now)
    else:
        done = recorder.record(app.workspace, [draft])[0]
    app.warn(done.warnings)
    with app.telling(f"recorded {done.id}"):
        if as_json:
            app.json(document(done))
        elif quiet:
            sys.stdout.write(f"{done.id}\n")
        else:
            app.lines([_said(done, draft)])


def _draft(app: App, given: dict[str, Any]) -> Draft:
    from ledger.record import environment, inputs
    from ledger.record.run import Draft

    config = app.workspace.config
    anything = any(
        given[key] for key in ("param_words", "metric_words", "param_files", "metric_files", "history")
    )
    param_files, metric_files = given["param_files"], given["metric_files"]
    if not anything and not given.get("refused"):
        param_files, metric_files = _configured(app, config.params), _configured(app, config.metrics)
    if sum(name.rpartition("=")[2] == "-" for name in (*param_files, *metric_files)) > 1:
        raise UsageError("standard input can be read once only", hint="put params or metrics into a file")
    words = [*given["param_words"], *([f"seed={given['seed']}"] if given["seed"] is not None else [])]
    stdin = sys.stdin.buffer
    params = inputs.read_params(_placed(app, param_files), words, stdin=stdin, syntax=given["input_format"])
    metrics = inputs.read_metrics(
        _placed(app, metric_files), given["metric_words"], stdin=stdin, syntax=given["input_format"]
    )
    files = [source for source in (*param_files, *metric_files, *given["history"]) if source != "-"]
    artifacts, outputs = _artifacts(app, given)
    return Draft(
        params=params.values,
        metrics=metrics.metrics(),
        origins={
            **{f"params.{name}": origin for name, origin in params.origins.items()},
            **{f"metrics.{name}": origin for name, origin in metrics.origins.items()},
        },
        history=_history(app, given["history"]),
        experiment=given["experiment"],
        name=given["name"],
        status=Status(given["status"]),
        started=_time(given["started"], "--started"),
        finished=_time(given["finished"], "--finished"),
        duration=given["duration"],
        parent=_parent(app, given["parent"]),
        note=given["note"],
        tags=pairs(given["tags"], "--tag"),
        command=_command(given["command_line"]),
        environment=environment.capture(
            allow=config.environment,
            packages=config.packages,
            environ=app.workspace.environ,
            prefix=app.workspace.environ.get("VIRTUAL_ENV") or app.workspace.environ.get("CONDA_PREFIX"),
        ),
        artifacts=artifacts,
        code=given["code"],
        own_files=tuple(str(app.path(_path_of(app, source))) for source in (*files, *outputs)),
        schema=given["schema"],
    )


def _configured(app: App, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Files that the configuration names, as patterns from the top of the work tree."""
    top = app.workspace.repository.work_tree
    return tuple(str(path) for pattern in patterns if top for path in sorted(top.glob(pattern)))


def _placed(app: App, sources: tuple[str, ...]) -> list[str]:
    """Sources with their paths taken from the folder that the user meant."""
    placed = []
    for source in sources:
        path = _path_of(app, source)
        prefix = source[: len(source) - len(path)]
        placed.append(
            source if path == "-" else prefix + str(app.path(path)) if app.directory != Path.cwd() else source
        )
    return placed


def _path_of(app: App, source: str) -> str:
    """The path in `[PREFIX=]FILE`; a `=` in the name of a file that exists is part of it."""
    from ledger.store.userfile import is_there

    if "=" not in source or is_there(app.path(source)):
        return source
    return source.partition("=")[2]


def _history(app: App, files: tuple[str, ...]) -> dict[str, bytes]:
    if not files:
        return {}
    from ledger.store import history

    paths = [_path_of(app, source) for source in files]
    prefixes = [
        source[: len(source) - len(path)].rstrip("=") for source, path in zip(files, paths, strict=True)
    ]
    tables = [
        history.read(app.path(path), prefix=prefix) for path, prefix in zip(paths, prefixes, strict=True)
    ]
    return history.encode(history.joined(tables))


def _artifacts(app: App, given: dict[str, Any]) -> tuple[tuple[Any, ...], list[str]]:
    """Artifacts, and the paths of what the run made: its outputs never make it dirty."""
    specs = [(role, spec) for role in ("dataset", "model", "output") for spec in given[role]]
    if not specs:
        return (), []
    from ledger.record.artifacts import artifact

    top = app.workspace.repository.work_tree
    made = tuple(artifact(role, spec, root=top, directory=app.directory) for role, spec in specs)
    return made, [_path_of(app, spec) for role, spec in specs if role != "dataset"]


def _time(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text}: not a time", hint="2026-11-21T14:30:00+01:00") from error
    return moment.astimezone() if moment.tzinfo is None else moment


def _parent(app: App, prefix: str | None) -> str | None:
    if prefix is None:
        return None
    from ledger.trace.find import one_run

    return one_run(app.view().runs, prefix)


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


def _said(done: Recorded, draft: Draft) -> str:
    from ledger.render.format import number
    from ledger.render.terminal import escape

    shown = " ".join(f"{name} {number(value)}" for name, value in list(draft.metrics.items())[:3])
    shown = shown or "no metrics"
    more = f" and {len(draft.metrics) - 3} more" if len(draft.metrics) > 3 else ""  # noqa: PLR2004
    code = ""
    if done.code:
        dirty = (
            " dirty" + (f", kept as {done.code.snapshot[:9]}" if done.code.snapshot else "")
            if done.code.dirty
            else ""
        )
        code = f"  code {done.code.commit[:9]}{dirty}"
    return escape(f"recorded {done.id[:8]} in {done.experiment}: {shown}{more}{code}".rstrip())
