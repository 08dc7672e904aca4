"""Writes the parts of the documentation that the program itself says: sessions, and the references.

README.md holds sessions between markers; docs/cli.md and docs/meaning.md are made whole.

python docs/generate.py           write them anew
python docs/generate.py --check   exit 1 and name what differs
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
CLI = ROOT / "docs" / "cli.md"
MEANING = ROOT / "docs" / "meaning.md"
BIN = Path(sys.executable).parent

_BLOCK = re.compile(r"(<!-- session: (?P<name>[a-z-]+) -->\n```console\n)(?P<body>.*?)(```\n)", re.DOTALL)
_ID = re.compile(r"(?<![.\w])(?=[a-f]*[0-9])[0-9a-f]{7,64}\b")

TRAIN = """\
import json, random
random.seed({seed})
f1 = {f1} + random.uniform(-0.01, 0.01)
json.dump({{"lr": {lr}, "depth": 3}}, open("params.json", "w"))
json.dump({{"f1": round(f1, 4), "loss": round(1 - f1, 4)}}, open("metrics.json", "w"))
"""

SESSIONS: dict[str, tuple[str, ...]] = {
    "first-run": (
        "ledger init --starter classification",
        "git add .ledger && git commit -qm 'Set up the ledger'",
        "python train.py && ledger record --params params.json --metrics metrics.json",
        "ledger log --metric f1",
    ),
    "trace": ("ledger log --metric f1 --metric loss",),
    "runs": ("ledger runs --where 'metrics.f1 > 0.8 and params.lr < 0.1' --sort -f1 --columns f1,lr,branch",),
    "plain-git": ("git log --format='%h %s' refs/runs/main",),
}
"""Commands by the name of the block that shows them; all run in one repository, in this order."""

_BETWEEN: dict[str, tuple[tuple[float, float, str], ...]] = {
    "first-run": (
        (0.84, 0.05, "Train longer"),
        (0.81, 0.2, "Try a larger learning rate"),
        (0.88, 0.02, "Normalise"),
    ),
}
"""After a session: further code commits, each trained and recorded (f1, learning rate, subject)."""


def main(words: list[str]) -> int:
    """Write or check; the exit code."""
    wanted = {README: _readme(README.read_text(encoding="utf-8")), CLI: _reference(), MEANING: _meaning()}
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


def _readme(text: str) -> str:
    outputs = _run_sessions()
    return _BLOCK.sub(lambda block: block[1] + outputs[block["name"]] + block[4], text)


def _run_sessions() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        project.mkdir()
        shell = _Shell(project)
        shell("git init -q -b main")
        shell.write_training(0.79, 0.1)
        (project / ".gitignore").write_text("params.json\nmetrics.json\n", encoding="utf-8")
        shell("git add . && git commit -qm 'First model'")
        outputs = {}
        for name, commands in SESSIONS.items():
            outputs[name] = "".join(f"$ {command}\n{shell(command)}" for command in commands)
            for f1, rate, subject in _BETWEEN.get(name, ()):
                shell.write_training(f1, rate)
                shell(f"git commit -qam '{subject}'")
                shell("python train.py && ledger record --params params.json --metrics metrics.json")
        return outputs


class _Shell:
    """Runs commands in one folder with a fixed identity and clock; what is random comes out the same each time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids: dict[str, str] = {}
        self._day = 0

    def write_training(self, f1: float, rate: float) -> None:
        self._day += 1
        (self._folder / "train.py").write_text(TRAIN.format(seed=self._day, f1=f1, lr=rate), encoding="utf-8")

    def __call__(self, command: str) -> str:
        date = f"2026-03-{self._day:02d}T12:00:00 +0000"
        people = {
            f"GIT_{who}_{what}": text
            for who in ("AUTHOR", "COMMITTER")
            for what, text in (("NAME", "Ada"), ("EMAIL", "ada@example.com"), ("DATE", date))
        }
        home = str(self._folder.parent)
        environ = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": home,
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            **people,
        }
        done = subprocess.run(
            command,
            shell=True,
            cwd=self._folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"$ {command}\n{done.stdout}")
        return _ID.sub(self._stable, done.stdout.replace(str(self._folder), "project"))

    def _stable(self, found: re.Match[str]) -> str:
        """Ids are random; here the n-th new one is always the same, as long as it was."""
        text = found[0]
        known = next((whole for whole in self._ids if whole.startswith(text) or text.startswith(whole)), None)
        if known is None or len(text) > len(known):
            import hashlib

            seed = self._ids.get(known or "") or hashlib.sha256(str(len(self._ids)).encode()).hexdigest()
            self._ids[text] = seed
            known = text
        return self._ids[known][: len(text)]


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
wherever an older definition is asked for.
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
        "`ledger schema check` reports these; a code is never used again for anything else.\n",
    ]
    lines += ["| code | name | severity | when |", "|---|---|---|---|"]
    lines += [f"| {code.code} | `{code.name}` | {code.severity} | {code.when} |" for code in CODES.values()]
    return "\n".join(lines) + "\n"


def _help(command: object, context: object) -> str:
    text: str = command.get_help(context)  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
