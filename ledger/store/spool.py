"""Sealed records on local disk: durable from the moment their name appears, whatever happens to git.

A sealed file is a stored zip: `manifest.json` (what git needs to chain each record, and the sha256 of every
file) and the files' bytes by their sha256, each once. One call seals one file, with one record or thousands:
all of them are recorded, or none.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger import canonical
from ledger.errors import FormatError, StorageError
from ledger.frozen import frozen
from ledger.git.process import Repository
from ledger.model import Author
from ledger.store import codec
from ledger.store.slug import is_slug

if TYPE_CHECKING:
    from zipfile import ZipFile

SEAL_FORMAT = 1
"""Version of sealed files. 1: the first (2026-11)."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_MANIFEST = "manifest.json"
_PACK = "snapshot.pack"
SUFFIX = ".zip"
PUBLISHED = f".published{SUFFIX}"
"""Ends the name of a sealed file whose records were all seen on the home remote."""
OWNER = "repository"
"""Beside a fallback folder: a file that holds the path of the repository whose records are in it."""
_NAMES = frozenset((codec.RUN, codec.PARAMS, codec.METRICS, codec.SCHEMA, codec.EVENTS, _PACK))
_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@frozen()
class Sealed:
    """One record as it is chained: everything that its commit needs, and nothing that has to be parsed."""

    record: str
    run: str
    slug: str
    author: Author
    seconds: int
    message: str
    code: tuple[str, ...]
    """Commits that must stay alive: the code commit, or the snapshot of a dirty work tree."""
    files: Mapping[str, bytes]
    pack: bytes = b""
    """The snapshot of a dirty work tree as a git pack: no ref holds it yet."""


class Spool:
    """The folder of sealed files of one repository (all its work trees), and the fallback beside it."""

    def __init__(self, folder: Path, fallback: Path, repository: Path | None = None) -> None:
        self.folder = folder
        self.fallback = fallback
        self._repository = repository

    @classmethod
    def of(cls, repository: Repository) -> Spool:
        environ = repository.environ
        state = environ.get("XDG_STATE_HOME") or os.path.join(environ.get("HOME", "/tmp"), ".local", "state")  # noqa: S108
        key = hashlib.sha256(str(repository.common_dir).encode()).hexdigest()[:16]
        return cls(repository.folder / "spool", Path(state) / "ledger" / key / "spool", repository.common_dir)

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

    def seal(self, records: Sequence[Sealed], *, name: str) -> Path:
        """Make records durable and return the file. Raises StorageError where no disk takes them."""
        return self._store(_zip(records), name + SUFFIX, "")

    def refuse(self, record: Sealed, *, name: str) -> Path:
        """Keep a record that can't be chained as it is; `ledger record --refused FILE` finishes it."""
        return self._store(_zip([record]), name + SUFFIX, "refused")

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
    write_durably(path, _zip(records))


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _zip(records: Sequence[Sealed]) -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        written: set[str] = set()
        entries = []
        for item in records:
            digests = {}
            for name, data in {**item.files, **({_PACK: item.pack} if item.pack else {})}.items():
                digest = hashlib.sha256(data).hexdigest()
                digests[name] = digest
                if digest not in written:
                    written.add(digest)
                    archive.writestr(zipfile.ZipInfo(f"files/{digest}", _EPOCH), data)
            entries.append(_manifest_entry(item, digests))
        manifest = json.dumps({"format": SEAL_FORMAT, "records": entries}, ensure_ascii=False)
        archive.writestr(zipfile.ZipInfo(_MANIFEST, _EPOCH), canonical.encode(manifest))
    return buffer.getvalue()


def _manifest_entry(item: Sealed, digests: Mapping[str, str]) -> dict[str, object]:
    return {
        "record": item.record,
        "run": item.run,
        "slug": item.slug,
        "author": [item.author.name, item.author.email],
        "seconds": item.seconds,
        "message": item.message,
        "code": list(item.code),
        "files": digests,
    }


def _broken() -> tuple[type[Exception], ...]:
    """What reading bytes that are no sealed file, or have another shape, comes to."""
    import zipfile

    return (
        zipfile.BadZipFile,
        AttributeError,
        EOFError,
        LookupError,
        OSError,
        OverflowError,
        RuntimeError,
        TypeError,
        ValueError,
    )


def read(path: Path) -> list[Sealed]:
    """The records of a sealed file, every byte checked. Raises FormatError, FileNotFoundError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _records(archive, str(path))
    except FileNotFoundError:
        raise
    except _BROKEN as error:
        raise _no_sealed_file(str(path), error) from error


def read_bytes(data: bytes, *, what: str) -> list[Sealed]:
    """As `read`, of bytes from anywhere: what is in them takes no more room than they do. Raises FormatError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(item.file_size for item in archive.infolist()) > len(data):
                raise ValueError("files that lie on top of one another")
            return _records(archive, what)
    except _BROKEN as error:
        raise _no_sealed_file(what, error) from error


def sealed_bytes(records: Sequence[Sealed]) -> bytes:
    """A sealed file as bytes, to be put elsewhere."""
    return _zip(records)


def _no_sealed_file(what: str, error: Exception) -> FormatError:
    return FormatError(
        f"{what}: not a sealed record: {type(error).__name__}: {error}",
        hint="it is left as it is; nothing else is held up",
    )


def _records(archive: zipfile.ZipFile, what: str) -> list[Sealed]:
    _require_plain(archive)
    manifest = json.loads(archive.read(_MANIFEST))
    version = manifest["format"]
    if version > SEAL_FORMAT:
        raise FormatError(f"{what}: sealed by a newer ledger (format {version})", hint="upgrade ledger")
    names = (name for name in archive.namelist() if name != _MANIFEST)
    stored = {name.removeprefix("files/"): archive.read(name) for name in names}
    return [_sealed(entry, stored) for entry in manifest["records"]]


def contents(path: Path) -> list[tuple[str, str]]:
    """Record id and slug of each record of a sealed file; the files themselves are not read.

    Raises FormatError, FileNotFoundError.
    """
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            _require_plain(archive)
            manifest = json.loads(archive.read(_MANIFEST))
            return [(str(entry["record"]), str(entry["slug"])) for entry in manifest["records"]]
    except FileNotFoundError:
        raise
    except _broken() as error:
        raise FormatError(f"{path}: not a sealed record: {type(error).__name__}: {error}") from error


def _require_plain(archive: ZipFile) -> None:
    """Damage can look like compression or encryption, at which zipfile fails in ways of its own."""
    from zipfile import ZIP_STORED

    if any(item.compress_type != ZIP_STORED or item.flag_bits & 1 for item in archive.infolist()):
        raise ValueError("compressed or encrypted, which ledger never writes")


def _sealed(entry: Mapping[str, Any], stored: Mapping[str, bytes]) -> Sealed:
    _require_shape(entry)
    files = {}
    for name, digest in entry["files"].items():
        files[name] = stored[digest]
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise ValueError(f"{name} does not have its checksum")
    pack = files.pop(_PACK, b"")
    return Sealed(
        record=str(entry["record"]),
        run=str(entry["run"]),
        slug=entry["slug"],
        author=Author(name=entry["author"][0], email=entry["author"][1]),
        seconds=int(entry["seconds"]),
        message=entry["message"],
        code=tuple(entry["code"]),
        files=files,
        pack=pack,
    )


def _require_shape(entry: Mapping[str, Any]) -> None:
    """What goes to git as it is (a ref's name, names in a tree, ids, texts) is nothing that git could take amiss."""
    slug, code = entry["slug"], entry["code"]
    if slug and not is_slug(slug):  # a refused run has none yet
        raise ValueError(f"{slug!r} names no ref")
    if not isinstance(code, list) or not all(_ID.fullmatch(commit) for commit in code):
        raise ValueError("its code is not a list of commits")
    for name in entry["files"]:
        if not (name in _NAMES or codec.HISTORY.fullmatch(name)):
            raise ValueError(f"{name!r} is no file of a record")
    for text in (entry["message"], *entry["author"]):
        text.encode()
