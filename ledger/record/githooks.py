"""ledger's part of git's hooks: a block beside what is there, which comes out again to the byte.

In a shell script the block stands right below the first line, so that no `exit` or `exec` of the script passes it by,
and leaves standard input as it was. Any other program is moved aside and called by a script that holds the block.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from ledger import resources
from ledger.errors import NotFoundError, StorageError
from ledger.frozen import frozen
from ledger.git.hooks import HookFolder

NAMES = ("post-commit", "post-rewrite")
READING = frozenset({"post-rewrite"})
"""Hooks that git writes to."""
_ASIDE = "before-ledger"
_SHELL = re.compile(rb"#![^\n]*\b(?:sh|bash|dash|ash|zsh|ksh)\b")
_BLOCK = re.compile(
    rb"(?P<joined>\n?)# >>> ledger (?P<how>made|beside|joined|around) >>>[^\n]*\n.*?\n# <<< ledger <<<\n",
    re.DOTALL,
)
_NOTE = b"`ledger hooks uninstall` takes out all from here to the end mark"


@frozen()
class Hook:
    """What stands where git looks for one hook."""

    name: str
    path: Path
    there: bool = False
    """Something is, whosever it is."""
    installed: bool = False
    current: bool = False
    """The block is the one that this version would put there."""
    aside: Path | None = None
    """A program that was moved aside for it."""


def look(folder: HookFolder, name: str) -> Hook:
    """What is there now. Raises StorageError."""
    path = folder.path / name
    data = _read(path)
    found = _BLOCK.search(data) if data is not None else None
    body = _body(name)
    return Hook(
        name=name,
        path=path,
        there=data is not None or path.is_symlink(),
        installed=found is not None,
        current=found is not None and body in found[0],
        aside=next((one for one in _asides(path) if os.path.lexists(one)), None),
    )


def install(folder: HookFolder, name: str) -> Hook:
    """Put the block there, once; one of another version is replaced. Raises StorageError."""
    hook = look(folder, name)
    if hook.current:
        return hook
    if hook.installed:
        uninstall(folder, name)
    path = hook.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path):
            _write(path, b"#!/bin/sh\n" + _block(name, b"made"), 0o755)
        elif _takes_a_block(path, sourced=folder.sourced):
            _write(path, _beside(_read(path) or b"", name), stat.S_IMODE(path.stat().st_mode))
        else:
            _around(path, name)
    except OSError as error:
        raise StorageError(f"{error.filename or path}: {error.strerror or error}") from error
    return look(folder, name)


def uninstall(folder: HookFolder, name: str) -> bool:
    """Take the block out: what was there before is there again. False where there was no block. Raises StorageError."""
    path = folder.path / name
    data = _read(path)
    found = _BLOCK.search(data) if data is not None else None
    if data is None or found is None:
        return False
    try:
        if found["how"] == b"around":
            _restore(path)
        elif found["how"] == b"made" and data == b"#!/bin/sh" + found[0]:
            path.unlink()
        else:
            start = found.start() if found["how"] == b"joined" else found.end("joined")
            _write(path, data[:start] + data[found.end() :], stat.S_IMODE(path.stat().st_mode))
    except OSError as error:
        raise StorageError(f"{error.filename or path}: {error.strerror or error}") from error
    return True


def require(name: str) -> str:
    """The name, if ledger has a part in that hook. Raises NotFoundError."""
    if name not in NAMES:
        raise NotFoundError(f"ledger has no {name} hook", hint=f"one of {', '.join(NAMES)}")
    return name


def _body(name: str) -> bytes:
    """The script that ships for a hook, without its first line."""
    return (resources.folder("hooks") / name).read_bytes().partition(b"\n")[2]


def _block(name: str, how: bytes) -> bytes:
    """Runs the script in a shell of its own, and hands on what git wrote."""
    body = b"(\n" + _body(name) + b") || :\n"
    if name in READING:
        body = (
            b"ledger_input=$(cat)\nprintf '%s\\n' \"$ledger_input\" | " + body
            + b"exec <<ledger_input\n$ledger_input\nledger_input\nunset ledger_input\n"
        )  # fmt: skip
    return b"# >>> ledger %s >>> %s\n%s# <<< ledger <<<\n" % (how, _NOTE, body)


def _beside(data: bytes, name: str) -> bytes:
    """A shell script with the block below its first line."""
    if not data.startswith(b"#!"):
        return _block(name, b"beside") + data
    first, newline, rest = data.partition(b"\n")
    if not newline:
        return first + b"\n" + _block(name, b"joined")
    return first + b"\n" + _block(name, b"beside") + rest


def _takes_a_block(path: Path, *, sourced: bool) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    data = path.read_bytes()
    if sourced:
        return True
    if not os.access(path, os.X_OK):  # git passes it by, and is not to begin to call it
        return False
    return bool(_SHELL.match(data)) if data.startswith(b"#!") else b"\0" not in data


def _around(path: Path, name: str) -> None:
    """Move what is there aside, and put a script there that calls it after the block."""
    aside = _asides(path)[1 if path.is_symlink() else 0]
    aside.parent.mkdir(exist_ok=True)
    if os.path.lexists(aside):
        raise StorageError(
            f"{aside} is in the way", hint="it was moved aside by an earlier install: look at it"
        )
    os.rename(path, aside)
    inner = aside.relative_to(path.parent).as_posix().encode()
    call = b'[ ! -x "${0%%/*}/%s" ] || exec "${0%%/*}/%s" "$@"\n' % (inner, inner)
    try:
        _write(path, b"#!/bin/sh\n" + _block(name, b"around") + call, 0o755)
    except OSError:
        os.rename(aside, path)
        raise


def _restore(path: Path) -> None:
    aside = next((one for one in _asides(path) if os.path.lexists(one)), None)
    if aside is None:
        path.unlink()
        return
    os.replace(aside, path)
    if aside.parent != path.parent and not any(aside.parent.iterdir()):
        aside.parent.rmdir()


def _asides(path: Path) -> tuple[Path, Path]:
    """Where a program is moved: in a folder, since some go by their name; a link beside, since it leads from there."""
    return path.parent / _ASIDE / path.name, path.with_name(f"{path.name}.{_ASIDE}")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}") from error


def _write(path: Path, data: bytes, mode: int) -> None:
    """All at once: git never calls half a hook. Raises OSError."""
    temporary = path.with_name(f".{path.name}.ledger-{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def folders(now: HookFolder, default: Path) -> Iterator[HookFolder]:
    """Where blocks may stand: where git looks now, and where it looked before the configuration changed."""
    yield now
    if now.path != default:
        yield HookFolder(path=default)
