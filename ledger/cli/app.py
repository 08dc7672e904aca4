"""What every command shares: the workspace, the streams, and the common options."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from ledger.cli import streams
from ledger.errors import UsageError, near

if TYPE_CHECKING:
    from ledger.config import Workspace
    from ledger.model import StoreFault
    from ledger.record.lost import Settled
    from ledger.render.progress import Progress
    from ledger.render.terminal import Terminal
    from ledger.schema.codes import Finding
    from ledger.trace.view import View

_FINDINGS = 3
_DRAFT = "TODO_UNRESOLVED"
_LINES_AT_ONCE = 1000

Command = TypeVar("Command", bound=Callable[..., Any])


class Group(click.Group):
    """Commands of which the nearest are named when one isn't there, among them those that are not loaded yet."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            found = " or ".join(map(repr, near(args[0], self.list_commands(ctx))))
            raise click.UsageError(
                error.message + (f" Did you mean {found}?" if found else ""), ctx
            ) from error


class App:
    """Made once for each call of the program; opens nothing before it is needed."""

    def __init__(self, *, words: tuple[str, ...], directory: str | None, paging: bool, color: str) -> None:
        self.words = words
        """The command line as it was typed: click takes the `--` before paths away."""
        self.directory = Path(directory).absolute() if directory else Path.cwd()
        self.keeping = False
        """Whether settings that can't be read must not stop the command: it has a run to keep."""
        self._paging = paging
        self._color = color

    @cached_property
    def workspace(self) -> Workspace:
        from ledger.config import open_workspace

        return open_workspace(self.directory, os.environ, anyhow=self.keeping)

    @cached_property
    def terminal(self) -> Terminal:
        from ledger.render.terminal import detect

        config = self.workspace.config
        return detect(
            sys.stdout,
            os.environ,
            color=self._color,
            color_ui=config.color,
            core_pager=config.pager,
            paging=self._paging,
        )

    def path(self, name: str) -> Path:
        """A path as the user wrote it, from the folder that they meant."""
        return self.directory / name

    def view(
        self,
        *,
        at: str | None = None,
        wanted: str | None = None,
        approximate: bool = False,
        warned: bool = True,
    ) -> View:
        """All runs, with a progress line while a long index update runs.

        Warns of schemas and migrations that can't be used, unless the caller reports them.
        """
        from ledger.trace.view import open_view

        self.settle()
        with self.progress("reading runs") as progress:
            view = open_view(
                self.workspace, at=at, wanted=wanted, approximate=approximate, told=progress.reach
            )
        if warned:
            self.warn_of_findings(view.meaning.faults)
        return view

    def progress(self, label: str) -> Progress:
        """A line that says how far a long task is, where somebody watches."""
        from ledger.render.progress import Progress

        return Progress(sys.stderr, enabled=sys.stderr.isatty(), label=label)

    def settle(self, *, aside: bool = False) -> Settled | None:
        """Record runs whose process died before they were, and what was logged after the end of others.

        One look into a folder where there is neither; None then. `aside`: see `lost.settle`.
        """
        from ledger.store.spool import Spool

        if not any(map(_holds_files, Spool.of(self.workspace.repository).journals)):
            return None
        from ledger.record import underway

        if not aside and underway.all_well(self.workspace):
            return None
        from ledger.record import lost

        settled = lost.settle(self.workspace, aside=aside)
        for one in settled.recorded:
            self.talk(f"run {one.id[:8]} of {one.experiment} died: recorded as {one.status}")
        for one in settled.added:
            self.talk(f"run {one.id[:8]} of {one.experiment}: what was logged after its end is recorded, too")
        self.warn(settled.problems)
        return settled

    @contextmanager
    def paged(self) -> Iterator[IO[str]]:
        """Where data for people goes: through the pager on a terminal."""
        from ledger.render.pager import paged

        with paged(sys.stdout, self.terminal.pager, os.environ) as stream:
            yield stream

    def lines(self, lines: Iterable[str]) -> None:
        """Print lines for people."""
        remaining = iter(lines)
        with self.paged() as stream:
            while block := list(islice(remaining, _LINES_AT_ONCE)):
                stream.write("\n".join(block) + "\n")

    def json(self, value: object) -> None:
        """Print one JSON document."""
        from ledger.render.document import json_chunks
        from ledger.render.terminal import holds_unicode

        for chunk in json_chunks(value, ascii_only=not holds_unicode(sys.stdout)):
            sys.stdout.write(chunk)

    def csv(self, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print CSV: as it is into files and pipes, with control characters made visible on a terminal."""
        from ledger.render.document import csv_document

        self.chunks(csv_document(headers, rows, escaped=sys.stdout.isatty()))

    def chunks(self, chunks: Iterable[str]) -> None:
        """Print text that carries its own line ends (CSV, Markdown)."""
        from ledger.render.terminal import holds_unicode

        encoding, whole = sys.stdout.encoding or "utf-8", holds_unicode(sys.stdout)
        for chunk in chunks:
            if whole:
                sys.stdout.write(chunk)
            else:  # what the stream can't hold is shown by its number
                sys.stdout.write(chunk.encode(encoding, "backslashreplace").decode(encoding))

    @contextmanager
    def telling(self, done: str) -> Iterator[None]:
        """Print what became of something that is done for good: output that fails is no failure of it."""
        try:
            yield
            sys.stdout.flush()
        except OSError as error:
            streams.give_up(sys.stdout)
            if not isinstance(error, BrokenPipeError):
                self.warn([f"{done}; that could not be printed: {error.strerror or error}"])

    def talk(self, text: str) -> None:
        """Say something to the person, not to the pipe."""
        from ledger.render.terminal import escape

        with suppress(OSError):  # that nobody can be told changes nothing of what is done
            sys.stderr.write("\n".join(escape(line) for line in text.split("\n")) + "\n")

    def warn(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.talk(f"warning: {text}")

    def warn_of_findings(self, findings: Sequence[Finding]) -> None:
        """The first few of what keeps schemas and migrations from being used."""
        drafts = dict.fromkeys(one.file for one in findings if one.name == _DRAFT)
        told = [
            *(
                f"{file}: an unfinished draft, not used yet (ledger schema check says what is to do)"
                for file in drafts
            ),
            *(one.headline for one in findings if one.name != _DRAFT),
        ]
        self.warn(told[:_FINDINGS])
        if len(told) > _FINDINGS:
            self.talk(f"warning: and {len(told) - _FINDINGS:,} more (ledger schema check lists them)")

    def warn_of_faults(self, faults: Iterable[StoreFault]) -> None:
        """One line for all that can't be read: `ledger verify` names each."""
        found = list(faults)
        if found:
            first = found[0]
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            self.talk(f"warning: unreadable: {first.where}: {first.what}{more} (ledger verify lists them)")


def _holds_files(folder: Path) -> bool:
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False


def one_output(**formats: bool) -> str:
    """Which of the output formats was asked for; `text` for none. Raises UsageError for two."""
    asked = [name for name, on in formats.items() if on]
    if len(asked) > 1:
        raise UsageError(f"--{asked[0]} and --{asked[1]} exclude each other")
    return asked[0] if asked else "text"


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
csv_option = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
md_option = click.option("--md", "as_md", is_flag=True, help="Print a Markdown table.")


def table_options(command: Command) -> Command:
    """--json, --csv and --md: every command that prints a table has them."""
    return json_option(csv_option(md_option(command)))


def pairs(words: Iterable[str], option: str) -> dict[str, str]:
    """`name=value` words as a dict. Raises UsageError for a word without `=` and for a name given twice."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} {word}: not of the form NAME=VALUE", hint=f"{option} stage=sweep")
        if found.get(name, value) != value:
            raise UsageError(f"{option} {name} is given two values", hint="keep one of them")
        found[name] = value
    return found
