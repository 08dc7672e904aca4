"""Sealed records on local disk: durable from the moment their name appears, whatever happens to git."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.durable import sync_folder
from ledger.errors import StorageError
from ledger.git.process import Repository

if TYPE_CHECKING:
    from ledger.store.sealed import Sealed

SUFFIX = ".zip"
PUBLISHED = f".published{SUFFIX}"
"""Ends the name of a sealed file whose records were all seen on the home remote."""
OWNER = "repository"
"""Beside a fallback folder: a file that holds the path of the repository whose records are in it."""


class Spool:
    """The folder of sealed files of one repository (all its work trees), and the fallback beside it."""

    def __init__(self, folder: Path, fallback: Path, repository: Path | None = None) -> None:
        self.folder = folder
        self.fallback = fallback
        self._repository = repository

    @classmethod
    def of(cls, repository: Repository) -> Spool:
        environ = repository.environ
        key = hashlib.sha256(str(repository.common_dir).encode()).hexdigest()[:16]
        return cls(repository.folder / "spool", state_folder(environ) / key / "spool", repository.common_dir)

    @property
    def refused(self) -> Path:
        return self.folder / "refused"

    @property
    def chained(self) -> Path:
        """Sealed files whose records are on a chain, by hour: kept for a second look."""
        return self.folder.parent / "chained"

    @property
    def writer(self) -> Path:
        """The file that holds the name of this clone on remotes; it is made when the clone first shares."""
        return self.folder.parent / "writer"

    @property
    def shares(self) -> bool:
        """Whether this clone ever fetched or pushed runs."""
        return self.writer.exists()

    @property
    def journals(self) -> tuple[Path, Path]:
        """Where journals of live runs are, and where they are when that can't be written."""
        return self.folder.parent / "journal", self.fallback.parent / "journal"

    def refused_files(self) -> list[Path]:
        """Of runs that were refused."""
        folders = (self.refused, self.fallback / "refused")
        return [path for one in folders if one.is_dir() for path in sorted(one.glob(f"*{SUFFIX}"))]

    def seal(self, records: Sequence[Sealed], *, name: str) -> Path:
        """Make records durable and return the file. Raises StorageError where no disk takes them."""
        return self._store(_packed(records), name + SUFFIX, "")

    def refuse(self, record: Sealed, *, name: str) -> Path:
        """Keep a record that can't be chained as it is; `ledger record --refused FILE` finishes it."""
        return self._store(_packed([record]), name + SUFFIX, "refused")

    def _store(self, data: bytes, name: str, inner: str) -> Path:
        problems = []
        for folder in (self.folder, self.fallback):
            try:
                path = write_durably(folder / inner / name, data)
            except OSError as error:
                problems.append(f"{folder}: {error.strerror or error}")
            else:
                if folder == self.fallback:
                    self._note_owner()
                return path
        raise StorageError(
            "the run could not be stored anywhere",
            hint="make room or mend the permissions, then record again: the files you gave are untouched",
            details=tuple(problems),
        )

    def _note_owner(self) -> None:
        """Whose records the fallback folder holds: its name doesn't tell, should the repository be moved away."""
        note = self.fallback.with_name(OWNER)
        if self._repository is not None and not note.exists():
            with suppress(OSError):
                write_durably(note, f"{self._repository}\n".encode(errors="surrogateescape"))

    def pending(self) -> list[Path]:
        """Sealed files that are not known to be chained, oldest first."""
        return sorted(
            (path for folder in (self.folder, self.fallback) for path in _listed(folder)),
            key=lambda path: path.name,
        )


def _listed(folder: Path) -> Iterator[Path]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    yield from (folder / name for name in names if name.endswith(SUFFIX) and not name.startswith("."))


def _packed(records: Sequence[Sealed]) -> bytes:
    # Readers look for what waits, most often find nothing, and need no zip for that.
    from ledger.store.sealed import packed

    return packed(records)


def state_folder(environ: Mapping[str, str]) -> Path:
    """Ledger's own folder outside of all repositories (XDG Base Directory Specification)."""
    state = environ.get("XDG_STATE_HOME") or os.path.join(environ.get("HOME", "/tmp"), ".local", "state")  # noqa: S108
    return Path(state) / "ledger"


def write_durably(path: Path, data: bytes) -> Path:
    """Write beside the final name, fsync, rename, fsync the folder: after it returns, a power cut changes nothing."""
    _make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(path.parent)
    return path


def rewrite(path: Path, records: Sequence[Sealed]) -> None:
    """Replace a sealed file: for values that were taken out of its records, and nothing else."""
    write_durably(path, _packed(records))


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
        sync_folder(folder.parent)
