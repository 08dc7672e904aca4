"""Runs git: the only module that starts it, with a C locale, a scrubbed environment and typed errors.

Short verbs run git directly, since importing GitPython costs as much as a whole `ledger record`; long
conversations (bulk reads) go through GitPython's command interface. See docs/design/dependencies.md.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from pathlib import Path
from typing import IO, Protocol, cast

from ledger.errors import (
    ContentionError,
    GitError,
    LedgerError,
    RefMovedError,
    RepositoryError,
    StorageError,
    UsageError,
)
from ledger.frozen import frozen

LOCAL_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",  # another file for `git config` alone
    "GIT_DIR",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
)
"""What `git rev-parse --local-env-vars` lists, and friends: set inside hooks, and meant for another command.

GIT_CONFIG_PARAMETERS and GIT_CONFIG_COUNT stay: they are how `git -c name=value ledger` reaches us.
"""

_FIXED = {
    "LC_ALL": "C",
    "LANGUAGE": "C",
    "GIT_NO_REPLACE_OBJECTS": "1",  # `git replace` could show other metrics than were recorded
    "GIT_GRAFT_FILE": "/dev/null/none",  # nor could grafts, which git reads in silence, show another history
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",  # reading must not write the user's index
}

_OPTIONS = (
    "--no-pager",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "gc.auto=0",
    "-c",
    "core.splitIndex=false",
    "-c",
    "log.showSignature=false",  # `git log` would start the program that the configuration names
    # What a setting of the user's can make of trailers: records that nobody finds, and chains a second time.
    "-c",
    "trailer.separators=:",
    "-c",
    "trailer.ledger-run.key=Ledger-Run",
    "-c",
    "trailer.ledger-record.key=Ledger-Record",
    "-c",
    "core.commentChar=#",
    "-c",
    "i18n.logOutputEncoding=UTF-8",
)

_MOVED = re.compile(
    r"cannot lock ref .*(is at [0-9a-f]+ but expected|reference already exists|unable to resolve)"
)
_LOCKED = re.compile(r"Unable to create '(?P<path>[^']+\.lock)': File exists")
_DISK = re.compile(r"No space left on device|Disk quota exceeded|File too large", re.IGNORECASE)
_READ_ONLY = re.compile(r"Read-only file system|Permission denied|insufficient permission", re.IGNORECASE)


class LockedError(ContentionError):
    """git found a `*.lock` file where it wanted to make one: `path` is held, or left by a dead process."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is held by another process", hint="try again in a moment")
        self.path = path


class Process(Protocol):
    """A running git: what a bulk reader needs of it."""

    stdin: IO[bytes]
    stdout: IO[bytes]

    def wait(self) -> int: ...


@frozen()
class Outcome:
    """How a git process ended, and all that it said."""

    code: int
    stdout: bytes
    stderr: str

    def error(self, words: tuple[str, ...]) -> LedgerError:
        """What `Repository.git` would have raised for it."""
        return _typed(words, self.code, self.stderr)


@frozen()
class Repository:
    """A git repository that was found and that git agreed to use."""

    git_dir: Path
    """Of this work tree; a linked work tree has its own."""
    common_dir: Path
    """Shared by all work trees: refs, objects, and ledger's own folder."""
    work_tree: Path | None
    object_format: str = "sha1"
    shallow: bool = False
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def folder(self) -> Path:
        """Where ledger keeps its own files: never a work tree's private folder."""
        return self.common_dir / "ledger"

    @property
    def zeros(self) -> str:
        """The id that means "does not exist"."""
        return "0" * (40 if self.object_format == "sha1" else 64)

    def git(
        self,
        *words: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (0,),
        keep: tuple[int, ...] = (),
    ) -> bytes:
        """Run git to its end and return its standard output.

        `keep` are file descriptors that the child inherits: a lock held through one of them outlives us
        exactly as long as the child does. Raises GitError and its relatives for an exit code not in `accept`.
        """
        environ = {**self.environ, **(env or {})}
        try:
            return _run((*self._argv(), *words), words, stdin, environ, accept, keep, self._cwd())
        except GitError as error:
            if "commit-graph" not in error.stderr:
                raise
            # A damaged commit-graph, which is only a cache of git's (2.39 writes such ones when `gc` runs in a loop).
            without = (*self._argv(), "-c", "core.commitGraph=false", *words)
            return _run(without, words, stdin, environ, accept, keep, self._cwd())

    @contextmanager
    def ahead(self, *words: str) -> Iterator[Callable[[], bytes]]:
        """Start git now; what is yielded waits for its end and returns its output, as `git` does.

        Until then git goes on as far as a pipe holds: a megabyte, where the system allows it.
        """
        try:
            process = subprocess.Popen(
                (*self._argv(), *words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, env=dict(self.environ), cwd=self._cwd(),
            )  # fmt: skip
        except (OSError, ValueError):
            yield lambda: self.git(*words)  # which says what is wrong
            return
        with process:
            widen(cast("IO[bytes]", process.stdout), 1 << 20)

            def output() -> bytes:
                found, _ = process.communicate()
                return found if process.returncode == 0 else self.git(*words)

            try:
                yield output
            finally:
                if process.poll() is None:
                    process.kill()

    def outcome(
        self,
        *words: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        keep: tuple[int, ...] = (),
    ) -> Outcome:
        """Run git to its end and return all of it: for verbs whose failures are answers of another machine."""
        environ = {**self.environ, **(env or {})}
        done = _completed((*self._argv(), *words), stdin, environ, keep, self._cwd())
        return Outcome(
            code=done.returncode, stdout=done.stdout, stderr=done.stderr.decode("utf-8", "replace")
        )

    def blob(self, object_id: str, size: int) -> bytes:
        """A large blob of known size, read in one go and never copied. Raises GitError if it is not that."""
        words = ("cat-file", "blob", object_id)
        with subprocess.Popen(
            (*self._argv(), *words),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(self.environ), cwd=self._cwd(),
        ) as process:  # fmt: skip
            stream = cast("IO[bytes]", process.stdout)
            body, rest = stream.read(size), stream.read(1)
        if process.returncode or len(body) != size or rest:
            raise GitError(words, process.returncode, f"not the blob of {size:,} bytes that it should be")
        return body

    def piped(self, first: tuple[str, ...], second: tuple[str, ...], *, stdin: bytes) -> bytes:
        """What the second git prints of what the first prints, however much that is. Raises GitError."""
        import tempfile

        with tempfile.TemporaryFile() as asked:
            asked.write(stdin)
            asked.seek(0)
            with subprocess.Popen(
                (*self._argv(), *first),
                stdin=asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(self.environ), cwd=self._cwd(),
            ) as source:  # fmt: skip
                done = subprocess.run(
                    (*self._argv(), *second),
                    stdin=source.stdout, capture_output=True, env=dict(self.environ), cwd=self._cwd(), check=False,
                )  # fmt: skip
        for words, code in ((first, source.returncode), (second, done.returncode)):
            if code:
                raise _typed(words, code, done.stderr.decode("utf-8", "replace"))
        return done.stdout

    @contextmanager
    def conversation(self, *words: str) -> Iterator[Process]:
        """A git process to talk to (`cat-file --batch`); it is gone when the block ends, whatever happens."""
        import git

        foreign = (set(os.environ) & set(LOCAL_VARIABLES)) - set(self.environ)
        unset = [word for name in sorted(foreign) for word in ("-u", name)]
        own = {name: self.environ[name] for name in LOCAL_VARIABLES if name in self.environ}
        argv = [*(["env", *unset] if unset else []), *self._argv(), *words]
        process = git.Git(str(self._cwd())).execute(
            argv, as_process=True, istream=subprocess.PIPE, env={**_FIXED, **own}, universal_newlines=False
        )
        try:
            yield cast("Process", process)
        finally:
            process.stdin.close()
            process.stdout.close()
            process.__del__()  # GitPython's guard: ends the child if it still runs, and reaps it

    @contextmanager
    def brief_conversation(self, *words: str) -> Iterator[Process]:
        """The same for a few questions, which cost less than importing GitPython does. Raises GitError."""
        with subprocess.Popen(
            (*self._argv(), *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=dict(self.environ), cwd=self._cwd(),
        ) as process:  # fmt: skip
            talk = cast("Process", process)
            try:
                yield talk
            except BrokenPipeError as error:
                raise GitError(words, process.wait(), "it ended before it was asked all") from error
            finally:
                with suppress(OSError):
                    talk.stdin.close()
                talk.stdout.close()  # whatever git still wants to say ends it

    def _cwd(self) -> Path:
        return self.work_tree or self.git_dir

    def _argv(self) -> tuple[str, ...]:
        tree = (f"--work-tree={self.work_tree}",) if self.work_tree else ()
        return ("git", *_OPTIONS, f"--git-dir={self.git_dir}", *tree)


def lines(output: bytes) -> list[str]:
    """What git printed, line by line. Only line feeds end one: messages and names of refs may hold U+2028 and others.

    Bytes that are no UTF-8 become surrogates, and go back to git as they were.
    """
    return output.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n") if output else []


def widen(stream: IO[bytes], size: int) -> None:
    """A pipe that holds many questions or answers, so that nobody waits for the other. As far as the system lets us."""
    set_size = getattr(fcntl, "F_SETPIPE_SZ", None)
    if set_size is not None:
        with suppress(OSError):
            fcntl.fcntl(stream.fileno(), set_size, size)


def discover(start: Path, environ: Mapping[str, str]) -> Repository:
    """The repository that `git` itself would use from `start` (GIT_DIR and GIT_WORK_TREE are respected here).

    Raises RepositoryError with git's own message when there is none, or when git refuses it.
    """
    clean = scrubbed(environ)
    asked = {name: environ[name] for name in ("GIT_DIR", "GIT_WORK_TREE") if name in environ}
    what = "--git-dir --git-common-dir --show-object-format --is-shallow-repository --is-inside-work-tree --show-cdup"
    words = ("rev-parse", "--path-format=absolute", *what.split())
    try:
        output = _run(("git", *_OPTIONS, *words), words, None, {**clean, **asked}, (0,), (), start)
    except GitError as error:
        raise _refused(error, start) from error
    git_dir, common_dir, object_format, shallow, inside, up = [*lines(output), ""][:6]
    return Repository(
        git_dir=Path(git_dir),
        common_dir=Path(common_dir),
        # git counts the way up from where the folder really is, not from where a symbolic link stands
        work_tree=Path(os.path.realpath(start) + os.sep + up).resolve() if inside == "true" else None,
        object_format=object_format,
        shallow=shallow == "true",
        environ=clean,
    )


def initialised(folder: Path, environ: Mapping[str, str]) -> Repository:
    """A new bare repository in an empty folder: for settings and objects of somebody who is outside of any."""
    clean = scrubbed(environ)
    words = ("init", "--quiet", "--bare", "--template=", ".")
    _run(("git", *_OPTIONS, *words), words, None, clean, (0,), (), folder)
    return discover(folder, clean)


def quarantined(repository: Repository, environ: Mapping[str, str]) -> Repository:
    """The repository as a pre-receive hook sees it: with the objects of the push, which git keeps apart until then.

    Only where git itself says so, and only these two variables: everywhere else they are meant for another command.
    """
    apart = environ.get("GIT_QUARANTINE_PATH")
    if not apart or environ.get("GIT_OBJECT_DIRECTORY") != apart:
        return repository
    names = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")
    seen = {name: environ[name] for name in names if name in environ}
    return replace(repository, environ={**repository.environ, **seen})


def _refused(error: GitError, start: Path) -> RepositoryError:
    if "not a git repository" in error.stderr:
        return RepositoryError(
            f"not a git repository: {start}", hint="run ledger inside one, or make one with `git init`"
        )
    # Dubious ownership and the like: git says best what to do about it, unless it was killed.
    said = error.stderr.strip().splitlines() or [f"it ended with code {error.code}"]
    return RepositoryError(f"git refuses this repository: {said[0]}", details=tuple(said[1:]))


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """A copy without the variables that are meant for another command, and with those that make git predictable."""
    clean = {**{k: v for k, v in environ.items() if k not in LOCAL_VARIABLES}, **_FIXED}
    if "GIT_ALLOW_PROTOCOL" in clean:  # git then looks at no `protocol.*.allow`, ours included
        allowed = clean["GIT_ALLOW_PROTOCOL"].split(":")
        clean["GIT_ALLOW_PROTOCOL"] = ":".join(name for name in allowed if name not in ("ext", "fd"))
    return clean


def _run(
    argv: tuple[str, ...],
    words: tuple[str, ...],
    stdin: bytes | None,
    env: Mapping[str, str],
    accept: tuple[int, ...],
    keep: tuple[int, ...],
    cwd: Path,
) -> bytes:
    done = _completed(argv, stdin, env, keep, cwd)
    if done.returncode in accept:
        return done.stdout
    raise _typed(words, done.returncode, done.stderr.decode("utf-8", "replace"))


def _completed(
    argv: tuple[str, ...],
    stdin: bytes | None,
    env: Mapping[str, str],
    keep: tuple[int, ...],
    cwd: Path,
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            argv,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=env,
            cwd=cwd,
            pass_fds=keep,
            check=False,
        )
    except ValueError as error:  # Python refuses it before git is started
        raise UsageError("a NUL character where a name is wanted") from error
    except FileNotFoundError as error:
        if not cwd.is_dir():
            raise RepositoryError(f"no such folder: {cwd}") from error
        said = "git is not installed"
        raise RepositoryError(said, hint="ledger needs git 2.36 or later on the PATH") from error


def _typed(words: tuple[str, ...], code: int, stderr: str) -> LedgerError:
    locked = _LOCKED.search(stderr)
    if locked:
        return LockedError(Path(locked["path"]))
    if _MOVED.search(stderr):
        return RefMovedError(words, code, stderr)
    if _DISK.search(stderr):
        return StorageError(
            "the disk is full", hint="make room and run the command again", details=(stderr.strip(),)
        )
    if _READ_ONLY.search(stderr):
        return StorageError("the repository can't be written", details=(stderr.strip(),))
    return GitError(words, code, stderr)
