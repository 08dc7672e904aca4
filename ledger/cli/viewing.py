"""What values are shown under, and which of them count: the same options for every command that shows values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from ledger.errors import GateError
from ledger.frozen import frozen
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.cli.app import App, Command
    from ledger.trace.listing import Found
    from ledger.trace.view import View

_NAMED = 5


@frozen()
class Viewing:
    """--as, --at, --approx and --strict, as they were given."""

    wanted: str | None
    at: str | None
    approximate: bool
    strict: bool

    def open(self, app: App, *, tip: str | None = None) -> View:
        """All runs as these options want them; without --at as `tip` defines them, else the work tree."""
        return app.view(at=self.at or tip, wanted=self.wanted, approximate=self.approximate)

    def open_all(self, app: App) -> View:
        """For a command that shows every metric. Raises UsageError where none has the version that --as names."""
        from ledger.trace import targets

        view = self.open(app)
        targets.require_any(view)
        return view

    def tell(self, app: App, view: View, metrics: Iterable[str]) -> None:
        """Say which of the metrics shown have no definition that --as names."""
        from ledger.trace import targets

        names = targets.without(view, metrics)
        if names:
            app.talk(f"hint: --as {self.wanted}: as defined now: {listed(names)}")

    def require(self, apart: Callable[[], Collection[str]]) -> None:
        """Raises GateError if --strict was given and any of these metrics has a value that does not count."""
        names = sorted(apart()) if self.strict else []
        if names:
            raise GateError(
                f"not every value can be compared: {listed(names)}",
                hint="without --strict they are shown apart; ledger explain RUN METRIC says why",
            )


def listed(names: Sequence[str]) -> str:
    """The first few of some names."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def current(app: App, view: View, metric: str) -> str:
    """An old name as it is called now, with a hint."""
    from ledger.trace.targets import forward, forward_hint

    renamed = forward(view, metric)
    if renamed is None:
        return metric
    app.talk(forward_hint(metric, renamed))
    return renamed.name


def undecided(found: Found) -> str:
    """How many runs a filter has no answer for, and what they lack: only metrics are compared."""
    asked = [name.partition(".") for name in found.operands]
    metrics = [rest for group, _, rest in asked if group == "metrics"]
    others = [rest if group in ("params", "tags") else f"{group}{dot}{rest}" for group, dot, rest in asked]
    others = [name for name, (group, _, _) in zip(others, asked, strict=True) if group != "metrics"]
    why = "; ".join(
        (
            *([f"no comparable value of {' or '.join(metrics)}"] if metrics else []),
            *([f"no {' or '.join(others)}, or one of another kind"] if others else []),
        )
    )
    return f"{counted(found.left_out, 'run')} left out: {why}"


def _names() -> list[str]:
    return [field.name for field in fields(Viewing)]


def view_options(otherwise: str = "the work tree") -> Callable[[Command], Command]:
    """Give a command a `viewing`; `otherwise` says whose definitions count without --at."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def gathered(*args: Any, **given: Any) -> Any:
            words = {name: given.pop(name) for name in _names()}
            return command(*args, viewing=Viewing(**words), **given)

        decorated: Any = gathered
        for option in reversed(_options(otherwise)):
            decorated = option(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


def _options(otherwise: str) -> tuple[Callable[[Any], Any], ...]:
    return (
        click.option("--at", metavar="REV", help=f"Definitions and migrations of REV; else of {otherwise}."),
        click.option(
            "--as",
            "wanted",
            metavar="VERSION",
            help="Values under another definition: a version label, or the start of an id.",
        ),
        click.option("--approx", "approximate", is_flag=True, help="Count approximate values, too."),
        click.option(
            "--strict", is_flag=True, help="Exit 5 when a value is left out because it does not compare."
        ),
    )
