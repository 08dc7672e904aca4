"""`ledger run`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, pairs
from ledger.cli.given import configured, param_words, parent, path_of, placed, run_options, series_table
from ledger.cli.headline import headline
from ledger.errors import LedgerError, UsageError
from ledger.ids import is_id

if TYPE_CHECKING:
    from ledger.record.fresh import Stamp
    from ledger.record.launch import Ended
    from ledger.record.live import Run
    from ledger.store.points import Series

_EPILOG = """\b
Examples:
  ledger run -- python train.py --lr 0.1
  ledger run --params conf.toml --metrics out/metrics.json --model out/model.pt -- ./train.sh
  ledger run -p lr=0.1 --history curves.csv --tag stage=sweep -- julia train.jl
  ledger run --grace 20 -- python train.py      20 s after SIGTERM it is killed, and recorded as such

The program finds the run's id in LEDGER_RUN: `ledger log-metric` and `ledger log-event` add to it, and so does
`ledger.start()` of a Python program. Params are read before it starts, metrics, series, models and outputs after its
end, where it wrote them; files that it left untouched are an earlier run's, and are left out.

The exit code is the program's. An end by a signal is recorded as killed, any other exit code but 0 as failed, with the
last lines of standard error (ledger show RUN --events), or of the terminal where that is where they went: on a
terminal the program sees a terminal, too, and its output and errors are one stream. A program that takes the whole
screen is better left alone: --no-tee.
"""


@click.command(epilog=_EPILOG, context_settings={"allow_interspersed_args": False})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[--] COMMAND [ARGUMENT]...")
@run_options
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="After a signal that ends it, kill it when so many seconds have passed; else wait.",
)
@click.option(
    "--no-tee", is_flag=True, help="Leave it the terminal: nothing of what it prints is kept, not on failure."
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.pass_obj
def run(
    app: App, /, *, words: tuple[str, ...], grace: float | None, no_tee: bool, quiet: bool, **given: Any
) -> int:
    """Run a program of any language and record it as a run, however it ends."""
    from ledger.record import launch, ranks

    if not words:
        raise UsageError("no program to run", hint="ledger run -- python train.py")
    program = launch.located(words[0], app.directory, app.workspace.environ)
    how = _How(words=(program, *words[1:]), grace=grace, tee=not no_tee)
    rank = ranks.detect(app.workspace.environ)
    if rank is not None and rank.number:
        return how.launch(app, {}).code
    app.settle()
    sources = _Sources.of(app, given)
    with _begun(app, words, given, sources, quiet=quiet) as live:
        talk = (lambda _: None) if quiet else app.talk
        talk(f"run {live.id[:8]} of {live.experiment}")
        ended = how.launch(app, _handed_down(live))
        for collect in (_metrics, _series, _artifacts):
            _attempted(app, live, collect, sources)
        _conclude(live, ended, talk)
    return ended.code


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    words: tuple[str, ...]
    grace: float | None
    tee: bool

    def launch(self, app: App, more: Mapping[str, str]) -> Ended:
        from ledger.record import launch

        environ = {**app.workspace.environ, **more}
        try:
            return launch.launch(
                self.words, directory=app.directory, environ=environ, tee=self.tee, grace=self.grace
            )
        except OSError as error:
            message = f"{self.words[0]}: {error.strerror or error}"
            raise launch.NotExecutableError(message) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sources:
    """Where values come from, and how it looked there before the program ran."""

    app: App
    given: Mapping[str, Any]
    params: tuple[str, ...]
    metrics: tuple[str, ...]
    """As they were given; empty where the configuration says where they are."""
    before: Mapping[Path, Stamp | None]

    @classmethod
    def of(cls, app: App, given: Mapping[str, Any]) -> _Sources:
        from ledger.record import fresh

        config = app.workspace.config
        files = (*given["param_files"], *given["metric_files"], *given["history"])
        if "-" in (source.rpartition("=")[2] for source in files):
            raise UsageError("standard input is the program's", hint="put it into a file")
        made = (*given["metric_files"], *given["history"], *given["model"], *given["output"])
        paths = [app.path(path_of(app, source)) for source in made]
        found = map(Path, configured(app, config.metrics))
        return cls(
            app=app,
            given=given,
            params=given["param_files"] or configured(app, config.params),
            metrics=given["metric_files"],
            before=fresh.stamps((*paths, *found)),
        )

    @property
    def own_files(self) -> tuple[str, ...]:
        """None of these makes the run dirty."""
        params = (str(self.app.path(path_of(self.app, source))) for source in self.params)
        return (*params, *map(str, self.before))

    def written(self, sources: Iterable[str]) -> list[str]:
        """Those that the program wrote; the others are told of."""
        from ledger.record import fresh

        found = []
        for source in sources:
            path = self.app.path(path_of(self.app, source))
            if "://" in source or fresh.is_fresh(path, self.before):
                found.append(source)
            elif path.exists():
                self.app.warn([f"{source} was not written by this run, and is left out"])
            else:
                self.app.warn([f"{source} is not there"])
        return found

    def metric_files(self) -> list[str]:
        """Those that were given, or that the configuration names; of these, old ones are no surprise."""
        from ledger.record import fresh

        if self.metrics:
            return self.written(self.metrics)
        found = configured(self.app, self.app.workspace.config.metrics)
        return [source for source in found if fresh.is_fresh(Path(source), self.before)]


def _begun(
    app: App, words: Sequence[str], given: Mapping[str, Any], sources: _Sources, *, quiet: bool
) -> Run:
    from ledger.record import inputs
    from ledger.record.begin import Begin, begin
    from ledger.record.live import Run

    params = inputs.read_params(placed(app, sources.params), param_words(given))
    metrics = inputs.read_metrics([], given["metric_words"])
    tags = pairs(given["tags"], "--tag")
    run_id, outer = _place(app)
    asked = Begin(
        id=run_id,
        experiment=given["experiment"],
        name=given["name"],
        params=params.values,
        tags=tags,
        note=given["note"],
        parent=parent(app, given["parent"]) or outer,
        schema=given["schema"],
        command=words,
        own_files=sources.own_files,
    )
    live = Run(begin(app.workspace, asked), ranges=app.workspace.config.on_range, quiet=quiet)
    live.summary.update(metrics.metrics())
    for spec in given["dataset"]:
        _add_artifact(app, live, "dataset", spec)
    return live


def _place(app: App) -> tuple[str | None, str | None]:
    """The id of the run and its parent, as LEDGER_RUN says: a run that is there is the parent, else it is the id."""
    from ledger.store import index, journal

    outer = app.workspace.environ.get("LEDGER_RUN")
    if not outer:
        return None, None
    if not is_id(outer):
        raise UsageError(f"LEDGER_RUN is {outer!r:.60}, no run's id", hint="unset LEDGER_RUN")
    repository = app.workspace.repository
    goes_on = any(name.run == outer for name in journal.listed(repository).values())
    there = goes_on or bool(index.load(repository).exact("run", outer))
    return (None, outer) if there else (outer, None)


def _handed_down(live: Run) -> dict[str, str]:
    """What the program is told by its environment."""
    return {"LEDGER_RUN": live.id, "LEDGER_JOURNAL": str(live.journal)}


def _attempted(app: App, live: Run, collect: Callable[[App, Run, _Sources], None], sources: _Sources) -> None:
    """What can't be read is told, and all else is recorded."""
    try:
        collect(app, live, sources)
    except (LedgerError, OSError) as error:
        lines = (*getattr(error, "details", ()), getattr(error, "hint", ""))
        app.warn([f"{error} is left out", *(line for line in lines if line)])
        live.event(f"left out: {error}", level="error")


def _metrics(app: App, live: Run, sources: _Sources) -> None:
    from ledger.record import inputs

    files = placed(app, sources.metric_files())
    live.summary.update(inputs.read_metrics(files, sources.given["metric_words"]).metrics())


def _series(app: App, live: Run, sources: _Sources) -> None:
    files = sources.written(sources.given["history"])
    if not files:
        return
    from ledger.store.history.live import to_series

    for (metric, context), one in to_series(series_table(app, files)).items():
        live.log_many(metric, one.steps, one.values, _seconds(one), context=context)


def _seconds(one: Series) -> list[float] | None:
    """When its points were made; None where the file does not say."""
    return [time / 1e6 for time in one.times] if any(one.times) else None


def _artifacts(app: App, live: Run, sources: _Sources) -> None:
    for role in ("model", "output"):
        for spec in sources.written(sources.given[role]):
            _add_artifact(app, live, role, spec)


def _add_artifact(app: App, live: Run, role: str, spec: str) -> None:
    from ledger.record.artifacts import split_spec

    name, target = split_spec(spec, app.directory)
    live.artifact(role, name, target if "://" in target else app.path(target))


def _conclude(live: Run, ended: Ended, talk: Callable[[str], None]) -> None:
    from ledger.model import Status
    from ledger.record.launch import last_lines, reason

    status = Status.KILLED if ended.killed else Status.FAILED if ended.code else Status.FINISHED
    live.tag("exit_code", str(ended.code))
    if status is not Status.FINISHED:
        tails = ended.tails
        for name, data in (
            ("standard error", tails.stderr),
            ("standard output", tails.stdout),
            ("the terminal", tails.terminal),
        ):
            lines = last_lines(data)
            if lines:
                live.event(f"the last lines of {name}", level="error", lines=lines)
    done = live.finish(status.value, reason=reason(ended))
    if done is not None:
        talk(headline(done))
