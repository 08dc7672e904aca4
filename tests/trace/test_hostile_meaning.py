"""A stranger's repository, cloned: whatever it says, reading it runs nothing of it and sends nothing to the terminal."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from conftest import Ledger, Repo

RED = "\x1b[31m"
TITLE = "\x1b]0;owned\x07"
BIDI = "\N{RIGHT-TO-LEFT OVERRIDE}"
HOSTILE = f"{RED}{TITLE}{BIDI}\r\x9b2J"

EVIL = """import os
os.system("touch {canary}")


def f1(y, z=os.system("touch {canary}")):
    return y


class Meta(type):
    def __init__(cls, *_):
        os.system("touch {canary}")
"""

READING: Mapping[str, Sequence[str]] = {
    "log": ["--metric", "f1", "--runs"],
    "log all": ["--metric", "f1", "--metric", "loss", "--all", "--approx"],
    "runs": ["--columns", "f1,loss"],
    "runs where": ["--where", "metrics.f1 > 0.1"],
    "runs tree": ["--tree"],
    "show": ["RUN"],
    "show records": ["RUN", "--records"],
    "show series": ["RUN", "--history"],
    "show events": ["RUN", "--events"],
    "experiments": [],
    "compare": ["main", "other"],
    "diff": ["RUN", "OTHER"],
    "explain": ["RUN", "f1"],
    "drift": ["f1"],
    "export": ["FOLDER"],
    "status": [],
    "verify": [],
    "doctor": [],
    "recover": ["--index"],
    "hooks list": [],
    "schema show": [],
    "schema starters": [],
    "schema infer": ["--output", "-"],
    "schema check": [],
    "schema check for GitHub": ["--format", "github"],
    "schema show then": ["--at", "HEAD~1"],
    "schema migrate from a version": ["--from", "d1:", "--output", "-"],
    "schema diff": [],
    "schema matrix": ["f1"],
    "schema history": ["f1"],
    "schema migrate": ["--output", "-"],
}
"""Reading commands; the words of a second variant of a command stand behind its name."""
ASKED_FOR = {
    "init", "record", "run", "log-metric", "log-event", "tag", "note", "amend", "checkout", "link", "push", "pull", "fetch",
    "ingest", "redact", "server-check",
}  # fmt: skip
"""Commands that write, or are there to have something run or sent."""
WITHOUT_JSON = {
    "runs tree",
    "hooks list",
    "schema infer",
    "schema migrate",
    "schema migrate from a version",
    "schema check for GitHub",
    "export",
}


def schema(**words: Any) -> dict[str, Any]:
    on = {"dataset": HOSTILE, "digest": f"sha256:{HOSTILE}"}
    own = {"unit": "1", "on": on, "series": HOSTILE, "allow": [f"LS105: {HOSTILE}"], **words}
    f1 = {"type": "number", "description": HOSTILE, "x-ledger": own}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"metrics": {"type": "object", "properties": {"f1": f1}}},
    }


@pytest.fixture
def trap(
    make_repo: Callable[..., Repo],
    ledger: Ledger,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The folder of the clone and its canary, made once a process: its paths stand in what is hostile."""
    folder = tmp_path_factory.getbasetemp() / "trap"
    if not folder.exists():
        folder.mkdir()
        _set(folder, make_repo("stranger"), ledger, monkeypatch)
    return folder


@pytest.fixture
def canary(trap: Path) -> Path:
    return trap / "canary"


@pytest.fixture
def clone(trap: Path, canary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A copy that nobody has read yet."""
    made = Repo(Path(shutil.copytree(trap / "clone", tmp_path / "clone", symlinks=True)))
    monkeypatch.chdir(made.path)
    canary.unlink(missing_ok=True)
    return made


def _set(folder: Path, stranger: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = folder / "canary"
    monkeypatch.chdir(stranger.path)
    stranger.write("evil.py", EVIL.format(canary=canary))
    stranger.write("conftest.py", EVIL.format(canary=canary))
    stranger.write("sitecustomize.py", EVIL.format(canary=canary))
    stranger.write("ledger/__init__.py", EVIL.format(canary=canary))
    stranger.write(".gitattributes", "* diff=evil merge=evil filter=evil\n*.py diff=evil\n")
    _record(stranger, ledger, schema(source="evil.py:f1", how={"fn": "old"}), 0.5)
    _record(stranger, ledger, schema(source="evil.py:f1", how={"fn": HOSTILE}), 0.6)
    _hostile_files(stranger, canary)
    stranger.git("add", "-A")
    stranger.git("commit", "-q", "-m", f"{HOSTILE}$(touch {canary})`touch {canary}`\n\nLedger-Run: ../../x")
    _record(stranger, ledger, None, 0.7)
    ledger("record", "-m", "f1=0.8", "-e", "other", "--tag", f"t={HOSTILE}")
    _signed(stranger)
    made = Repo(folder / "clone")
    stranger.git("clone", "-q", str(stranger.path), str(made.path))
    made.git("fetch", "-q", "origin", "refs/runs/*:refs/runs/*")
    _hostile_configuration(made, canary)


def _record(stranger: Repo, ledger: Ledger, body: dict[str, Any] | None, value: float) -> None:
    if body is not None:
        stranger.write(".ledger/schemas/main.json", json.dumps(body))
        stranger.git("add", "-A")
        stranger.git("commit", "-q", "-m", f"define {HOSTILE}", f"--author={RED}Mallory <m@example.com>")
    stranger.write("curves.csv", f"step,{BIDI}x\n1,2\n")
    ledger(
        "record", "-m", f"f1={value}", "-m", "loss=1", "-p", f"p={HOSTILE}", "--note", HOSTILE, "-e", "main",
        "--dataset", f"{BIDI}x=evil.py", "--history", "curves.csv",
    )  # fmt: skip


def _signed(stranger: Repo) -> None:
    """A commit with a signature: git would start a program to look at it."""
    body = stranger.git("cat-file", "commit", "HEAD")
    head, _, message = body.partition("\n\n")
    tree, _, rest = head.partition("\n")
    sealed = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----"
    text = f"{tree}\nparent {stranger.git('rev-parse', 'HEAD')}\n{rest.partition(chr(10))[2]}\n{sealed}\n\n{message}\n"
    path = stranger.path.parent / "signed"
    path.write_text(text, encoding="utf-8")
    commit = stranger.git("hash-object", "-t", "commit", "-w", str(path))
    stranger.git("update-ref", "refs/heads/main", commit)


def _hostile_files(stranger: Repo, canary: Path) -> None:
    """Beside what was recorded: schemas, migrations, units and settings that ask for more than data."""
    shell = f"$(touch {canary})"
    stranger.write(".ledger/schemas/remote.json", json.dumps({"$ref": "http://127.0.0.1:9/evil.json"}))
    stranger.write(".ledger/schemas/local.json", json.dumps({"$ref": "file:///etc/passwd"}))
    stranger.write(".ledger/schemas/code.json", f"__import__('os').system('touch {canary}')")
    stranger.write(f".ledger/schemas/{RED}name.json", json.dumps(schema(source=f"../../evil.py:{shell}")))
    stranger.write(".ledger/schemas/option.json", json.dumps(schema(source=f"--output={canary}:f1")))
    derive = {
        "op": "derive",
        "to": "f1",
        "inputs": {"p": "loss"},
        "expr": f"__import__('os').system('touch {canary}')",
        "reason": HOSTILE,
    }
    body = {
        "format": 1, "schema": "main", "summary": HOSTILE, "from": {"metrics": {}}, "to": {"metrics": {}},
        "metrics": [derive, {"op": "exec", "to": "f1", "run": f"touch {canary}"}], "defs": {},
    }  # fmt: skip
    stranger.write(".ledger/migrations/main/0001.json", json.dumps(body))
    stranger.write(".ledger/migrations/main/0002.json", f"!!python/object/apply:os.system ['touch {canary}']")
    stranger.write(f".ledger/migrations/main/{RED}.json", "{")
    stranger.write(".ledger/units.json", json.dumps({"format": 1, "units": {RED: shell}}))


def _hostile_configuration(made: Repo, canary: Path) -> None:
    """What a clone never carries, but an archive or a shared folder with its `.git` does.

    Filters (`filter.*.clean`, as of Git LFS) are not among it: without them git can't tell which files changed.
    """
    program = made.path.parent / "program"
    program.write_text(f"#!/bin/sh\ntouch {canary}\ncat >/dev/null 2>&1 </dev/null\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    settings = (
        "core.fsmonitor", "core.pager", "core.editor", "core.askPass", "core.sshCommand", "pager.log",
        "diff.external", "diff.evil.command", "diff.evil.textconv", "merge.evil.driver", "gpg.program",
        "interactive.diffFilter", "credential.helper", "sequence.editor", "core.alternateRefsCommand", "core.gitProxy",
        "uploadpack.packObjectsHook", "gc.recentObjectsHook", "trailer.ledger-run.command", "trailer.ledger-run.cmd",
        "remote.origin.uploadpack", "remote.origin.receivepack", "pager.ledger-x", "man.viewer", "browser.x.cmd",
        "mergetool.x.cmd", "difftool.x.cmd", "gpg.ssh.program", "gpg.ssh.defaultKeyCommand", "pack.packObjectsHook",
    )  # fmt: skip
    included = ("config", "--file", str(made.path / ".git" / "evil.conf"))
    for name in settings:
        made.git(*included, name, str(program))
    made.git(*included, "log.showSignature", "true")
    made.git(*included, "alias.log", f"!touch {canary}")
    made.git(*included, "alias.cat-file", f"!touch {canary}")
    made.git("config", "include.path", "evil.conf")
    made.git("config", "includeIf.gitdir:/.path", "evil.conf")
    hooks = made.path / ".git" / "evil-hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "post-checkout", "pre-auto-gc", "post-index-change", "pre-commit"):
        for folder in (hooks, made.path / ".git" / "hooks"):
            folder.mkdir(exist_ok=True)
            (folder / name).write_bytes(program.read_bytes())
            (folder / name).chmod(0o755)
    made.git(*included, "core.hooksPath", str(hooks))
    made.write(
        "evil.py", EVIL.format(canary=canary) + "\n# changed\n"
    )  # a dirty work tree asks the attributes


@pytest.mark.slow
def test_the_trap_is_set(clone: Repo, canary: Path) -> None:
    """Plain git runs what the configuration says: without that the other tests would prove nothing."""
    clone.git("status", check=False)
    assert canary.exists()
    canary.unlink()
    clone.git("diff", check=False)
    assert canary.exists()
    canary.unlink()
    clone.git("-c", "core.fsmonitor=false", "log", check=False)
    assert canary.exists(), "it looks at signatures"


@pytest.mark.parametrize("name", READING)
def test_reading_runs_nothing_of_a_clone(
    clone: Repo, canary: Path, ledger: Ledger, tmp_path: Path, name: str
) -> None:
    from ledger.cli.main import run

    ids = clone.git(
        "-c", "core.fsmonitor=false", "log", "--format=%(trailers:key=Ledger-Run,valueonly)", "refs/runs/main"
    ).split()
    canary.unlink(missing_ok=True)
    words = {"RUN": ids[0], "OTHER": ids[-1], "FOLDER": str(tmp_path / "exported")}
    command = [
        *name.split()[: 2 if name.startswith(("schema", "hooks")) else 1],
        *(words.get(w, w) for w in READING[name]),
    ]
    for form in ([], ["--json"]) if name not in WITHOUT_JSON else ([],):
        code = run([*command, *form])
        out, err = ledger._capsys.readouterr()
        assert not canary.exists(), f"ledger {' '.join(command)} ran something"
        assert code in (0, 1, 5), err  # answers, and files that can't be used: no bug, no wrong use
        assert "Traceback" not in err
        printed = out + err
        assert not {"\x1b", "\x07", "\r", "\x9b", BIDI} & set(printed), repr(printed)
    assert os.environ.get("PAGER") is None


def test_every_command_is_tried_or_asked_for() -> None:
    """A command that is new has to be put on one of both sides."""
    from ledger.cli.main import COMMANDS
    from ledger.cli.schema import schema as group

    assert {name.split()[0] for name in READING} | ASKED_FOR == set(COMMANDS)
    parts = {name.split()[1] for name in READING if name.startswith("schema")}
    assert parts == set(group.list_commands(click.Context(group)))
