"""Writes the parts of the documentation that the program itself says: sessions, and the references.

README.md holds sessions between markers; docs/cli.md and docs/meaning.md are made whole.

python docs/generate.py           write them anew
python docs/generate.py --check   exit 1 and name what differs

Pages may be named (docs/cli.md); without a name all are made.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import readme_sessions
import session
import tutorial_sessions

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
CLI = ROOT / "docs" / "cli.md"
TUTORIAL = ROOT / "docs" / "tutorial.md"
MEANING = ROOT / "docs" / "meaning.md"

_BLOCK = re.compile(r"(<!-- session: (?P<name>[a-z-]+) -->\n```console\n)(?P<body>.*?)(```\n)", re.DOTALL)


def main(words: list[str]) -> int:
    """Write or check; the exit code."""
    pages = {
        README: lambda: _with_sessions(README, session.run(readme_sessions.set_up, readme_sessions.SESSIONS)),
        TUTORIAL: lambda: _with_sessions(
            TUTORIAL, session.run(tutorial_sessions.set_up, tutorial_sessions.SESSIONS)
        ),
        CLI: _reference,
        MEANING: _meaning,
    }
    named = [ROOT / word for word in words if word != "--check"] or list(pages)
    wanted = {path: pages[path]() for path in named}
    stale = [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in words:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the program says now: run `make docs`")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


def _with_sessions(page: Path, sessions: Mapping[str, str]) -> str:
    """The page with the text of its sessions between their markers."""
    text = page.read_text(encoding="utf-8")
    return _BLOCK.sub(lambda block: block[1] + sessions[block["name"]] + block[4], text)


def _reference() -> str:
    return "\n".join(_pages()) + "\n"


def _pages() -> Iterator[str]:
    import click

    from ledger.cli.main import COMMANDS, cli

    yield "# Command reference\n\nMade from the program's own help (`make docs`).\n"
    yield f"## ledger\n\n```text\n{_help(cli, click.Context(cli, info_name='ledger'))}\n```\n"
    top = click.Context(cli, info_name="ledger")
    for name in COMMANDS:
        command = cli.get_command(top, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=top)
        yield f"## ledger {name}\n\n```text\n{_help(command, context)}\n```\n"
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                child = command.get_command(context, inner)
                assert child is not None
                page = _help(child, click.Context(child, info_name=inner, parent=context))
                yield f"### ledger {name} {inner}\n\n```text\n{page}\n```\n"


_MEANING_HEAD = """\
# Operations and lint codes

Made from the tables that the program itself works by (`make docs`). How they are used is in the
[tutorial](tutorial.md); the format of a migration file is `schemas/migration.json`.

A migration relates definitions of one version of a schema to those of another. Its operations are simultaneous:
names in `from` are those before, names in `to` those after. Operations that can be undone are, by the exact inverse,
wherever an older definition is asked for. A param inside of others is named as a JSON pointer (`/optimizer/lr`) or as
it is shown (`optimizer.lr`).
"""

_SIGNS = (
    ("identical", "=", "recorded under the very definition that is shown"),
    ("exact", "→", "converted by exact factors, applied once"),
    ("approximate", "≈", "computed from other values; counts only with `--approx`"),
    ("incomparable", "‖", "another definition without a conversion: shown in parentheses, never ranked"),
    ("missing", "∅", "nothing was recorded"),
    ("undefined", "⊘", "the value or its conversion has no result"),
    ("undeclared", "?", "recorded without a definition, or shown without one"),
    ("ambiguous", "⚠", "migrations contradict one another: neither is trusted"),
)


def _meaning() -> str:
    from ledger.schema.codes import CODES
    from ledger.schema.operations import OPERATIONS

    lines = [_MEANING_HEAD, "## Grades\n", "| grade | sign | |", "|---|---|---|"]
    lines += [f"| `{name}` | {sign} | {words} |" for name, sign, words in _SIGNS]
    lines += ["\n## Operations\n", "| operation | of | at best | undone | |", "|---|---|---|---|---|"]
    for name, kind in OPERATIONS.items():
        undone = "yes" if kind.inverse else "no"
        lines.append(f"| `{name}` | {', '.join(kind.parts)} | {kind.grade} | {undone} | {kind.about} |")
    lines += [
        "\n## Lint codes\n",
        "`ledger schema check` reports these; a code is never used again for anything else. A warning or a note that is",
        'known is silenced where it belongs, with a reason: `"allow": ["LS108: only its speed changed"]` under `x-ledger`',
        "of the metric.\n",
    ]
    lines += ["| code | name | severity | when |", "|---|---|---|---|"]
    lines += [f"| {code.code} | `{code.name}` | {code.severity} | {code.when} |" for code in CODES.values()]
    return "\n".join(lines) + "\n"


def _help(command: object, context: object) -> str:
    text: str = command.get_help(context)  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
