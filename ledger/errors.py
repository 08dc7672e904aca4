"""The one family of errors: each keeps its data, a hint and a fixed exit code.

An error is data where it is born and becomes text in one place, the command line's boundary.
Exit codes: 1 the user can fix it, 2 usage, 3 a bug in ledger, 4 contention or remote trouble that is safe
to retry, 5 a gate failed, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar

_NOTED = 20
"""Details that a traceback shows."""


class LedgerError(Exception):
    """Something that went wrong and can be said in one line.

    `message` is that line, `hint` says what to do next, `details` are further lines (one fault each).
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details
        for line in (*details[:_NOTED], *([f"hint: {hint}"] if hint else [])):
            self.add_note(line)  # so that a traceback tells what the command line would


def near(name: str, known: Iterable[str]) -> list[str]:
    """The few known names that are most like one that isn't there; those of the same letters first, as keys get swapped."""
    from difflib import get_close_matches

    letters = sorted(name)
    return sorted(get_close_matches(name, list(known), n=3), key=lambda one: sorted(one) != letters)


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """The hint for a name that isn't there; `otherwise` where nothing is like it."""
    found = near(name, known)
    return f"did you mean {' or '.join(found)}?" if found else otherwise


class UsageError(LedgerError):
    """The words of the call are off: a bad expression, options that exclude each other, an id that is none."""

    kind = "usage"
    exit_code = 2


class InputError(LedgerError):
    """A file or a value that was handed in can't be used."""

    kind = "input"


@contextmanager
def words_of_the_call() -> Iterator[None]:
    """A value that can't be used is a fault of the call where the call itself brings it: an InputError is usage then."""
    try:
        yield
    except InputError as error:
        raise UsageError(error.message, hint=error.hint, details=error.details) from error


class RefusedError(LedgerError):
    """A run breaks its schema or lacks what it needs; it is kept as a sealed file that the hint names."""

    kind = "refused"


class ConfigError(LedgerError):
    """The project's configuration or a schema file is not what it should be."""

    kind = "config"


class NotFoundError(LedgerError):
    """What the call names isn't there: a run, a revision, a metric, a column, an experiment, a schema, a version."""

    kind = "not-found"


class AmbiguousError(LedgerError):
    """A prefix that more than one run answers to."""

    kind = "ambiguous"


class RepositoryError(LedgerError):
    """No git repository here, one that git refuses to use, or one that lacks what is needed."""

    kind = "repository"


class GitError(RepositoryError):
    """A git process failed: the words it was given, its exit code and what it said."""

    kind = "git"

    def __init__(self, argv: tuple[str, ...], code: int, stderr: str) -> None:
        said = stderr.strip() or f"exit code {code}"
        super().__init__(
            f"git {' '.join(argv[:2])} failed: {said.splitlines()[0]}", details=tuple(said.splitlines()[1:])
        )
        self.argv = argv
        self.code = code
        self.stderr = stderr


class RefMovedError(GitError):
    """A ref no longer holds the value that a write meant to replace; the write did nothing."""

    kind = "contention"
    exit_code = 4


class ContentionError(LedgerError):
    """Others hold what this needs for longer than it may wait; nothing is lost, try again."""

    kind = "contention"
    exit_code = 4


class RemoteError(LedgerError):
    """A remote can't be reached, refuses, or is not what it was; nothing is lost, it is safe to try again."""

    kind = "remote"
    exit_code = 4


class NotAllowedError(RemoteError):
    """A remote's owner has to allow it first: trying again does not help."""

    exit_code = 1


class FormatError(LedgerError):
    """Recorded data that can't be read: written by a newer ledger, or damaged. Names ref, commit and path."""

    kind = "format"


class StorageError(LedgerError):
    """The disk is full or read-only."""

    kind = "storage"


class GateError(LedgerError):
    """A gate, or `--strict`, found what it was told to fail on."""

    kind = "gate"
    exit_code = 5
