"""Runs that are left in a shared place for `ledger ingest`: from a clone with all that it knows, or from anywhere."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger import config
from ledger.config import Workspace
from ledger.errors import RefusedError, RemoteError, RepositoryError, StorageError
from ledger.git.process import initialised
from ledger.record.draft import Draft, Recorded, as_recorded
from ledger.record.prepare import Prepared, Session
from ledger.record.run import refused_record, too_large
from ledger.record.sealing import TooLargeError, sealed, signed, stem
from ledger.store.depot import depot
from ledger.store.sealed import packed
from ledger.store.spool import SUFFIX, state_folder, write_durably

_Put = Callable[[str, bytes], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    workspace: Workspace
    inside: bool
    """Whether it is a clone: else an empty repository that lasts as long as the call, for the user's settings."""


@contextmanager
def workspace(here: Callable[[], Workspace], directory: Path, environ: Mapping[str, str]) -> Iterator[Place]:
    """The clone that `here` finds, or a stand-in. Raises RepositoryError where git refuses the one that is here."""
    try:
        found = here()
    except RepositoryError as error:
        if not error.message.startswith("not a git repository") or not directory.is_dir():
            raise
    else:
        yield Place(workspace=found, inside=True)
        return
    with tempfile.TemporaryDirectory(prefix="ledger-outside-") as folder:
        repository = initialised(Path(folder), environ)
        settings = config.load(repository, environ)
        yield Place(
            workspace=Workspace(repository=repository, config=settings, environ=environ), inside=False
        )


def leave(workspace: Workspace, draft: Draft, target: str, directory: Path) -> tuple[Recorded, str]:
    """Validate, seal, and put the sealed file there, whole or not at all; what was recorded, and where it lies.

    Raises RefusedError (the run is kept beside, in `refused/`), InputError; StorageError, RemoteError (it is kept here).
    """
    put = _way(workspace, target, directory)
    item = Session(workspace, [draft]).prepare(draft)
    name = stem(workspace, item.record.run.record) + SUFFIX
    if item.faults:
        raise _refusal(workspace, put, item, name)
    try:
        whole, unsigned = signed(workspace, [sealed(item.record, item.pack)])
    except TooLargeError as error:
        raise _refusal(workspace, put, too_large(item, error), name) from error
    where = _put(workspace, put, name, packed(whole))
    return as_recorded(item.record, chained=False, warnings=(*item.warnings, *unsigned)), where


def _way(workspace: Workspace, target: str, directory: Path) -> _Put:
    """How files get there; a store that is asked at once, and does not answer, is told of when the run is sealed."""
    try:
        return depot(target, within=directory, environ=workspace.environ).put
    except RemoteError as error:
        late = error

    def never(_name: str, _data: bytes) -> str:
        raise late

    return never


def _put(workspace: Workspace, put: _Put, name: str, data: bytes) -> str:
    try:
        return put(name, data)
    except (StorageError, RemoteError) as error:
        kept = write_durably(state_folder(workspace.environ) / "unsent" / Path(name).name, data)
        command = "record --refused" if name.startswith("refused/") else "ingest"
        raise type(error)(
            error.message,
            hint=f"nothing is lost, the run is in {kept}: in a clone: ledger {command} {kept}",
        ) from error


def _refusal(workspace: Workspace, put: _Put, item: Prepared, name: str) -> RefusedError:
    where = _put(workspace, put, f"refused/{name}", packed([refused_record(item)]))
    first = item.faults[0] if len(item.faults) == 1 else f"{len(item.faults)} faults"
    return RefusedError(
        f"the run was refused: {first}",
        hint=f"{item.hint or 'mend what is wrong'}; nothing is lost, finish it in a clone: ledger record --refused {where}",
        details=item.faults if len(item.faults) > 1 else (),
    )
