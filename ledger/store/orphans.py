"""Fallback spools whose repository is gone, or is elsewhere now: sealed records that nobody would look for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import FormatError, NotFoundError
from ledger.git.process import Repository
from ledger.model import StoreFault
from ledger.store.sealed import read
from ledger.store.spool import OWNER, SUFFIX, Spool, write_durably


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A folder of sealed files of a repository that isn't there any more."""

    folder: Path
    repository: str
    """Where it was when they were sealed."""
    files: int
    """Sealed files, those of refused runs among them."""


def orphans(repository: Repository) -> list[Orphan]:
    """Those beside this repository's own fallback spool, by folder; changes nothing."""
    own = Spool.of(repository).fallback
    return sorted(_found(own), key=lambda one: one.folder)


def _found(own: Path) -> Iterator[Orphan]:
    for note in own.parent.parent.glob(f"*/{OWNER}"):
        folder = note.with_name(own.name)
        with suppress(OSError):
            owner = note.read_text(encoding="utf-8", errors="surrogateescape").rstrip("\n")
            files = len(list(_sealed(folder)))
            if files and folder != own and not Path(owner, "objects").is_dir():
                yield Orphan(folder=folder, repository=owner, files=files)


def _sealed(folder: Path) -> Iterator[Path]:
    """Sealed files of a spool, then those of refused runs."""
    for place in (folder, folder / "refused"):
        yield from (path for path in sorted(place.glob(f"*{SUFFIX}")) if not path.name.startswith("."))


def take_in(repository: Repository, folder: Path) -> tuple[int, list[StoreFault]]:
    """Move the sealed files of another spool into this repository's: how many, and which can't be read.

    A file is deleted there when it is durable here. Raises NotFoundError where there are none, StorageError, OSError.
    """
    spool = Spool.of(repository)
    paths = list(_sealed(folder))
    if not paths:
        raise NotFoundError(
            f"no sealed files in {folder}", hint="`ledger status` names folders that have some"
        )
    taken, faults = 0, []
    for path in paths:
        try:
            read(path)
        except FormatError as error:
            faults.append(StoreFault(ref="", commit="", path=str(path), what=error.message))
            continue
        home = spool.refused if path.parent != folder else spool.folder
        if path.parent.resolve() != home.resolve():
            write_durably(home / path.name, path.read_bytes())
            path.unlink()
        taken += 1
    return taken, faults
