"""What `ledger record` and `ledger run` are both given about a run: the options, and what stands behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, Command

if TYPE_CHECKING:
    from ledger.model import Artifact

_OPTIONS = (
    click.option("-p", "--param", "param_words", multiple=True, metavar="NAME=VALUE", help="A param."),
    click.option("-m", "--metric", "metric_words", multiple=True, metavar="NAME=VALUE", help="A metric."),
    click.option(
        "--params",
        "param_files",
        multiple=True,
        metavar="[PREFIX=]FILE",
        help="Params: JSON, YAML, TOML or CSV; - is standard input.",
    ),
    click.option(
        "--metrics",
        "metric_files",
        multiple=True,
        metavar="[PREFIX=]FILE",
        help="Metrics: the same; PREFIX=FILE names them PREFIX/...",
    ),
    click.option(
        "--history",
        multiple=True,
        metavar="[PREFIX=]FILE",
        help="Series: JSONL, CSV or Parquet, long or wide.",
    ),
    click.option("--dataset", multiple=True, metavar="[NAME=]PATH", help="A data set: a path or a URI."),
    click.option("--model", multiple=True, metavar="[NAME=]PATH", help="A model."),
    click.option("--output", multiple=True, metavar="[NAME=]PATH", help="Any other file that came out."),
    click.option(
        "-e", "--experiment", metavar="NAME", help="The experiment; else LEDGER_EXPERIMENT, else the branch."
    ),
    click.option("--name", help="A name for the run."),
    click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="A tag."),
    click.option("--note", help="A note."),
    click.option("--parent", metavar="RUN", help="The run that this one belongs to."),
    click.option("--seed", type=int, help="The random seed; the same as -p seed=N."),
    click.option(
        "--schema", metavar="NAME", help="The schema to validate against (.ledger/schemas/NAME.json)."
    ),
)


def run_options(command: Command) -> Command:
    """Params, metrics, series, artifacts and words about a run."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def configured(app: App, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Files that the configuration names, as patterns from the top of the work tree."""
    top = app.workspace.repository.work_tree
    return tuple(str(path) for pattern in patterns if top for path in sorted(top.glob(pattern)))


def param_words(given: Mapping[str, Any]) -> list[str]:
    """The params that the command line names, the seed among them."""
    return [*given["param_words"], *([f"seed={given['seed']}"] if given["seed"] is not None else [])]


def placed(app: App, sources: Sequence[str]) -> list[str]:
    """Sources with their paths taken from the folder that the user meant."""
    found = []
    for source in sources:
        path = path_of(app, source)
        prefix = source[: len(source) - len(path)]
        found.append(
            source if path == "-" else prefix + str(app.path(path)) if app.directory != Path.cwd() else source
        )
    return found


def path_of(app: App, source: str) -> str:
    """The path in `[PREFIX=]FILE`; a `=` in the name of a file that exists is part of it."""
    from ledger.store.userfile import is_there

    if "=" not in source or is_there(app.path(source)):
        return source
    return source.partition("=")[2]


def series(app: App, files: Sequence[str]) -> dict[str, bytes]:
    """The files of a record that hold what files of the user's hold. Raises InputError."""
    if not files:
        return {}
    from ledger.store import history

    return history.encode(series_table(app, files))


def series_table(app: App, files: Sequence[str]) -> Any:
    """The series in files of the user's, as the one long table. Raises InputError."""
    from ledger.store import history

    paths = [path_of(app, source) for source in files]
    prefixes = [
        source[: len(source) - len(path)].rstrip("=") for source, path in zip(files, paths, strict=True)
    ]
    tables = [
        history.read(app.path(path), prefix=prefix) for path, prefix in zip(paths, prefixes, strict=True)
    ]
    return history.joined(tables)


def artifacts(app: App, given: Mapping[str, Any]) -> tuple[tuple[Artifact, ...], list[str]]:
    """Artifacts, and the paths of what the run made: its outputs never make it dirty."""
    specs = [(role, spec) for role in ("dataset", "model", "output") for spec in given[role]]
    if not specs:
        return (), []
    from ledger.record.artifacts import artifact

    top = app.workspace.repository.work_tree
    made = tuple(artifact(role, spec, root=top, directory=app.directory) for role, spec in specs)
    return made, [path_of(app, spec) for role, spec in specs if role != "dataset"]


def parent(app: App, prefix: str | None) -> str | None:
    """The full id of the run that a prefix names, recorded or going on. Raises NotFoundError, AmbiguousError."""
    if prefix is None:
        return None
    from ledger.store import journal
    from ledger.trace.find import MIN_PREFIX, one_run

    live = {name.run for name in journal.listed(app.workspace.repository).values()}
    found = [run for run in live if run.startswith(prefix.lower())]
    if len(found) == 1 and len(prefix) >= MIN_PREFIX:
        return found[0]
    return one_run(app.view().runs, prefix)
