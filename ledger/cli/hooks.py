"""`ledger hooks`: git's hooks, with ledger's part in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, Group, json_option
from ledger.errors import ConfigError

if TYPE_CHECKING:
    from ledger.git.hooks import HookFolder
    from ledger.record.githooks import Hook

_EPILOG = """\b
Examples:
  ledger hooks install                    a block in post-commit and post-rewrite, beside what is there
  ledger hooks install post-rewrite       that one only
  ledger hooks list
  ledger hooks uninstall                  every byte as it was before

\b
post-rewrite  notes which commits an amend or a rebase replaced, so that their runs stay attached
post-commit   records, in the background, the runs of processes that died

core.hooksPath, work trees, husky and hooks in any language are respected. A hook never fails, waits for nothing, and
talks to nobody.
"""


@click.group(cls=Group, epilog=_EPILOG)
def hooks() -> None:
    """Put ledger's part into git's hooks, and take it out again."""


@hooks.command()
@click.argument("names", nargs=-1, metavar="[HOOK]...")
@click.option(
    "--everywhere", is_flag=True, help="Even where core.hooksPath is that of all your repositories."
)
@click.pass_obj
def install(app: App, /, *, names: tuple[str, ...], everywhere: bool) -> None:
    """Put a block into post-commit and post-rewrite, beside what is there."""
    from ledger.git.hooks import hook_folder
    from ledger.record import githooks

    wanted = [githooks.require(name) for name in names or githooks.NAMES]
    folder = hook_folder(app.workspace.repository)
    if folder.shared and not everywhere:
        raise ConfigError(
            f"{folder.path} holds the hooks of all your repositories (core.hooksPath)",
            hint="ledger hooks install --everywhere, or: git config core.hooksPath .git/hooks",
        )
    for name in wanted:
        before = githooks.look(folder, name)
        after = githooks.install(folder, name)
        beside = " (what was there is called, too)" if before.there and not before.installed else ""
        app.lines([f"{after.path}: {'as it was' if before.current else f'installed{beside}'}"])


@hooks.command()
@click.argument("names", nargs=-1, metavar="[HOOK]...")
@click.pass_obj
def uninstall(app: App, /, *, names: tuple[str, ...]) -> None:
    """Take the blocks out: what was there before is there again, to the byte."""
    from ledger.record import githooks

    wanted = [githooks.require(name) for name in names or githooks.NAMES]
    done = [
        str(folder.path / name)
        for folder in _folders(app)
        for name in wanted
        if githooks.uninstall(folder, name)
    ]
    app.lines([f"{path}: taken out" for path in done] or ["nothing is installed"])


@hooks.command("list")
@json_option
@click.pass_obj
def list_hooks(app: App, /, *, as_json: bool) -> None:
    """Say what stands where git looks for hooks."""
    from ledger.record import githooks

    found = [githooks.look(folder, name) for folder in _folders(app) for name in githooks.NAMES]
    here = found[: len(githooks.NAMES)]
    shown = here + [one for one in found[len(here) :] if one.installed]
    if as_json:
        app.json([_document(one) for one in shown])
    else:
        app.lines(f"{one.name}  {_state(one)}  {one.path}" for one in shown)


def _folders(app: App) -> Iterator[HookFolder]:
    from ledger.git.hooks import default_folder, hook_folder
    from ledger.record.githooks import folders

    repository = app.workspace.repository
    return folders(hook_folder(repository), default_folder(repository))


def _state(one: Hook) -> str:
    if one.installed:
        return "installed" if one.current else "installed by another version"
    return "not installed" + (", another's hook is there" if one.there else "")


def _document(one: Hook) -> dict[str, Any]:
    return {
        "hook": one.name,
        "path": str(one.path),
        "installed": one.installed,
        "current": one.current,
        "aside": str(one.aside) if one.aside else None,
    }
