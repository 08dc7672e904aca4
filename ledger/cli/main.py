"""Wires the commands, and is the one place where errors become text and exit codes."""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any, NoReturn, cast

import click

from ledger.cli import streams
from ledger.cli.app import App, Group
from ledger.errors import LedgerError, StorageError, UsageError

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("ledger.cli.init", "Set a repository up: settings and a first schema."),
    "record": (
        "ledger.cli.record",
        "Record a run: params, metrics, series, artifacts, and the code that made it.",
    ),
    "run": ("ledger.cli.run", "Run a program and record it as a run, however it ends."),
    "log-metric": ("ledger.cli.log_metric", "Add values to the run that goes on, from a shell script."),
    "log-event": ("ledger.cli.log_event", "Say in the run that goes on what happened."),
    "log": ("ledger.cli.log", "Trace metrics along the history of the code."),
    "runs": ("ledger.cli.runs", "List, filter and sort runs."),
    "show": ("ledger.cli.show", "Show one run whole."),
    "diff": ("ledger.cli.diff", "Compare two runs: params, metrics, code."),
    "explain": ("ledger.cli.explain", "Explain one value: every step from what was recorded."),
    "drift": ("ledger.cli.drift", "Where the code that computes a metric changed."),
    "tag": ("ledger.cli.tag", "Set or remove tags of a run."),
    "note": ("ledger.cli.note", "Write a note on a run."),
    "amend": ("ledger.cli.amend", "Correct a run, with a reason; both values stay readable."),
    "compare": ("ledger.cli.compare", "Compare experiments: what each gained over where it left the first."),
    "experiments": (
        "ledger.cli.experiments",
        "List experiments: what became of them, and how good they got.",
    ),
    "checkout": ("ledger.cli.checkout", "Put the exact code of a run into a new work tree."),
    "link": ("ledger.cli.link", "Say which commit a run belongs to, or what rewritten history became."),
    "export": ("ledger.cli.export", "Write runs and series as Parquet, CSV or JSON."),
    "schema": ("ledger.cli.schema", "Look at schemas, and draft one from recorded runs."),
    "push": ("ledger.cli.push", "Publish runs to a remote."),
    "pull": ("ledger.cli.pull", "Bring runs of the home remote here."),
    "fetch": ("ledger.cli.fetch", "Fetch runs without touching your own."),
    "ingest": ("ledger.cli.ingest", "Take in runs that others left in a folder or an object store."),
    "redact": ("ledger.cli.redact", "Take a leaked value out of a run, here and on the remote."),
    "status": ("ledger.cli.status", "What is recorded, what waits, what is in the way."),
    "doctor": ("ledger.cli.doctor", "What endangers runs in this clone, and what to do."),
    "server-check": ("ledger.cli.server_check", "Judge a push on the server: what its hooks call."),
    "hooks": ("ledger.cli.hooks", "Put ledger's part into git's hooks, or take it out."),
    "verify": ("ledger.cli.verify", "Read everything back and report every fault."),
    "recover": ("ledger.cli.recover", "Finish what killed processes left."),
}
"""Name → (module with a command of the same name, its line in the overview). Modules load when they are called."""


class _Commands(Group):
    """Shows the overview without importing a single command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(
            importlib.import_module(COMMANDS[cmd_name][0]), cmd_name.replace("-", "_")
        )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


_EPILOG = """\b
Examples:
  ledger init
  python train.py && ledger record --params params.yaml --metrics metrics.json
  ledger log --metric f1
  ledger runs --where 'metrics.f1 > 0.9 and params.lr < 0.01' --sort -f1
  ledger COMMAND --help

Exit codes: 0 ok, 1 you can fix it (what you name isn't there, too), 2 the words of the call are off,
3 a bug in ledger, 4 try again, 5 a gate failed.
"""


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-C", "directory", metavar="DIR", help="Work as if started in DIR.")
@click.option("--no-pager", is_flag=True, help="Don't page the output.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    metavar="WHEN",
    help="auto, always or never.",
)
@click.version_option(package_name="git-ledger", prog_name="ledger")
@click.pass_context
def cli(ctx: click.Context, /, *, directory: str | None, no_pager: bool, color: str) -> None:
    """A ledger of experiments inside your git repository.

    Every run is a commit on refs/runs/<experiment>, validated against a schema and tied to the exact code that
    made it. There is no server: the repository is the database.
    """
    ctx.obj = App(words=ctx.obj or (), directory=directory, paging=not no_pager, color=color)


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    # One short command: looking for cycles among what pyarrow and NumPy load costs more than it can ever free,
    # on the way and once more at the end.
    gc.disable()
    # pyarrow takes NumPy along where it is installed, which costs as much as all the rest; no command needs it.
    sys.modules.setdefault("numpy", cast("ModuleType", None))
    words = sys.argv[1:] if argv is None else argv
    streams.open_missing()
    code = run(words)
    streams.settle()
    gc.freeze()
    sys.exit(code)


def run(words: list[str]) -> int:
    """Run one command line; the exit code."""
    try:
        result = _called(words)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError as error:
        return _broken_pipe(error, words)
    except Exception as error:  # noqa: BLE001 - the boundary: nothing leaves as a traceback
        return _failed(error, as_json="--json" in words)
    return result if isinstance(result, int) else 0


def _called(words: list[str]) -> Any:
    """What `cli.main` does, but for closed pipes, at which that exits with 1."""
    if "_LEDGER_COMPLETE" in os.environ:  # set by a shell that completes a word
        return cli.main(args=words, prog_name="ledger", obj=tuple(words), standalone_mode=False)
    try:
        with cli.make_context("ledger", list(words), obj=tuple(words)) as context:
            return cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code


def _failed(error: Exception, *, as_json: bool) -> int:
    if isinstance(error, click.ClickException):
        return _usage(error, as_json=as_json)
    if isinstance(error, LedgerError):
        return _say(error, as_json=as_json)
    return (
        _say(_of_system(error), as_json=as_json)
        if isinstance(error, OSError)
        else _bug(error, as_json=as_json)
    )


def _broken_pipe(error: BrokenPipeError, words: list[str]) -> int:
    """The reader went away: not an error. A pipe to another program that broke is one."""
    if not streams.reader_gone():
        return _failed(error, as_json="--json" in words)
    streams.give_up(sys.stdout)
    return 0


def _of_system(error: OSError) -> LedgerError:
    where = f": {error.filename}" if error.filename else ""
    hint = {
        errno.ENOSPC: "make room and run the command again",
        errno.EDQUOT: "make room and run the command again",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "the file or folder isn't yours to use",
    }.get(error.errno or 0, "")
    return StorageError(f"{error.strerror or error}{where}", hint=hint)


def _say(error: LedgerError, *, as_json: bool) -> int:
    with suppress(OSError):  # where nobody can be told, the exit code still says it
        sys.stderr.write(_json_error(error) if as_json else _text_error(error))
    return error.exit_code


def _json_error(error: LedgerError) -> str:
    from ledger.render.document import json_document

    fields = {
        "kind": error.kind,
        "message": error.message,
        "hint": error.hint,
        "details": list(error.details),
    }
    return json_document({"error": fields})


def _text_error(error: LedgerError) -> str:
    from ledger.render.terminal import escape

    lines = [f"error: {escape(error.message)}", *(f"  {escape(line)}" for line in error.details)]
    return "".join(f"{line}\n" for line in [*lines, *([f"hint: {escape(error.hint)}"] if error.hint else [])])


def _usage(error: click.ClickException, *, as_json: bool) -> int:
    if as_json:
        return _say(UsageError(error.format_message(), hint="ledger COMMAND --help"), as_json=True)
    with suppress(OSError):
        error.show(sys.stderr)
    return 2


def _bug(error: Exception, *, as_json: bool) -> int:
    if os.environ.get("LEDGER_DEBUG"):
        import traceback

        traceback.print_exception(error)
    report = LedgerError(
        f"a bug in ledger: {type(error).__name__}: {error}",
        hint="LEDGER_DEBUG=1 shows where; please report it. What was recorded is safe.",
    )
    _say(report, as_json=as_json)
    return 3
