"""Sealed files: what is in them, written and read.

A sealed file is a stored zip: `manifest.json` (what git needs to chain each record, and the sha256 of every
file) and the files' bytes by their sha256, each once. One call seals one file, with one record or thousands:
all of them are recorded, or none.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ledger import canonical
from ledger.errors import FormatError
from ledger.frozen import frozen
from ledger.git import objects
from ledger.git.objects import GitObject
from ledger.ids import is_object_id
from ledger.model import Author
from ledger.store import codec, stored_zip
from ledger.store.slug import is_slug

SEAL_FORMAT = 1
"""Version of sealed files. 1: the first (2026-11)."""

_MANIFEST = "manifest.json"
_PACK = "snapshot.pack"
_NAMES = frozenset((codec.RUN, codec.PARAMS, codec.METRICS, codec.SCHEMA, codec.EVENTS, _PACK))


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
    made: tuple[GitObject, ...] = field(default=(), compare=False, repr=False)
    """What `objects` gives, where it was made already."""
    digests: Mapping[bytes, str] = field(default_factory=dict, compare=False, repr=False)
    """The sha256 of what is in the files, where it is known already."""

    def objects(self, object_format: str) -> tuple[GitObject, ...]:
        """The tree of its commit as git stores it, behind the files in it."""
        if self.made:
            return self.made
        blobs = {name: objects.make("blob", data, object_format) for name, data in self.files.items()}
        tree = objects.flat_tree({name: blob.id for name, blob in blobs.items()}, object_format)
        return (*blobs.values(), tree)


def packed(records: Sequence[Sealed]) -> bytes:
    """A sealed file as bytes."""
    files: dict[str, bytes] = {}
    entries = []
    for item in records:
        digests = {}
        for name, data in {**item.files, **({_PACK: item.pack} if item.pack else {})}.items():
            digests[name] = item.digests.get(data) or _digest(name, data)
            files[f"files/{digests[name]}"] = data
        entries.append(_manifest_entry(item, digests))
    manifest = json.dumps({"format": SEAL_FORMAT, "records": entries}, ensure_ascii=False)
    return stored_zip.written({**files, _MANIFEST: canonical.encode(manifest)})


def _digest(name: str, data: bytes) -> str:
    return _common(data) if name == codec.SCHEMA else hashlib.sha256(data).hexdigest()


@lru_cache(maxsize=8)
def _common(data: bytes) -> str:
    """The sha256 of what is the same in run after run."""
    return hashlib.sha256(data).hexdigest()


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


_BROKEN = (
    zipfile.BadZipFile,
    struct.error,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What reading bytes that are no sealed file, or have another shape, comes to."""


def read(path: Path) -> list[Sealed]:
    """The records of a sealed file, every byte checked. Raises FormatError, FileNotFoundError."""
    try:
        return _records(path.read_bytes(), str(path), json.loads)
    except FileNotFoundError:
        raise
    except _BROKEN as error:
        raise _no_sealed_file(str(path), error) from error


def read_bytes(data: bytes, *, what: str) -> list[Sealed]:
    """As `read`, of one of many: bytes from anywhere. Raises FormatError."""
    try:
        return _records(data, what, canonical.unchecked)
    except _BROKEN as error:
        raise _no_sealed_file(what, error) from error


def _no_sealed_file(what: str, error: Exception) -> FormatError:
    return FormatError(
        f"{what}: not a sealed record: {type(error).__name__}: {error}",
        hint="it is left as it is; nothing else is held up",
    )


def _records(data: bytes, what: str, loads: Callable[[bytes], Any]) -> list[Sealed]:
    files = stored_zip.read(data)
    manifest = loads(files[_MANIFEST])
    version = manifest["format"]
    if version > SEAL_FORMAT:
        raise FormatError(f"{what}: sealed by a newer ledger (format {version})", hint="upgrade ledger")
    stored = {name.removeprefix("files/"): body for name, body in files.items() if name != _MANIFEST}
    return [_sealed(entry, stored) for entry in manifest["records"]]


def contents(path: Path) -> list[tuple[str, str]]:
    """Record id and slug of each record of a sealed file; the files themselves are not read.

    Raises FormatError, FileNotFoundError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _require_plain(archive)
            return _listed(json.loads(archive.read(_MANIFEST)))
    except FileNotFoundError:
        raise
    except _BROKEN as error:
        raise _no_sealed_file(str(path), error) from error


def contents_of(data: bytes, *, what: str) -> list[tuple[str, str]]:
    """As `contents`, of bytes from anywhere. Raises FormatError."""
    try:
        return _listed(canonical.unchecked(stored_zip.read(data)[_MANIFEST]))
    except _BROKEN as error:
        raise _no_sealed_file(what, error) from error


def _listed(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(str(entry["record"]), str(entry["slug"])) for entry in manifest["records"]]


def _require_plain(archive: zipfile.ZipFile) -> None:
    """Damage can look like compression or encryption, at which zipfile fails in ways of its own."""
    if any(item.compress_type != zipfile.ZIP_STORED or item.flag_bits & 1 for item in archive.infolist()):
        raise ValueError("compressed or encrypted, which ledger never writes")


def _sealed(entry: Mapping[str, Any], stored: Mapping[str, bytes]) -> Sealed:
    _require_shape(entry)
    files = {}
    for name, digest in entry["files"].items():
        files[name] = stored[digest]
        if _digest(name, files[name]) != digest:
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
        digests={data: entry["files"][name] for name, data in files.items()},
    )


def _require_shape(entry: Mapping[str, Any]) -> None:
    """What goes to git as it is (a ref's name, names in a tree, ids, texts) is nothing that git could take amiss."""
    slug, code = entry["slug"], entry["code"]
    if not isinstance(slug, str) or (slug and not is_slug(slug)):  # a refused run has none yet
        raise ValueError(f"{slug!r} names no ref")
    if not isinstance(code, list) or not all(is_object_id(commit) for commit in code):
        raise ValueError("its code is not a list of commits")
    for name in entry["files"]:
        if not (name in _NAMES or codec.HISTORY.fullmatch(name)):
            raise ValueError(f"{name!r} is no file of a record")
    for text in (entry["message"], *entry["author"]):
        text.encode()
