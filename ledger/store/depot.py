"""Where a fleet leaves its sealed files: a shared folder, or an object store by URI.

A file appears whole or not at all: renamed into place in a folder, one PUT in an object store. Nothing is overwritten.
Credentials come from the environment as each store's own tools read it, and are never printed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from ledger.errors import InputError, RemoteError, StorageError
from ledger.frozen import frozen
from ledger.store.spool import SUFFIX, write_durably

MAX_BYTES = 256 << 20
"""Of one sealed file that is read back."""
_PIECE = 64 << 10
_STORES = ("s3", "gs", "gcs")
_SCHEMES = ("file", *_STORES)
_KEYS = re.compile(r"(//)[^/@]*@|((?:key|token|secret|password|credential)[^=&]*=)[^&]*", re.IGNORECASE)
_SECRETS = re.compile(r"SECRET|TOKEN|PASSWORD|ACCESS_KEY")


@frozen()
class Found:
    """A sealed file as it lies there."""

    name: str
    size: int
    stamp: float
    """When it was written, as far as the store says."""


class Depot(Protocol):
    """One place."""

    label: str
    """Its name without credentials."""

    def put(self, name: str, data: bytes) -> str:
        """Store a new file; where it is. Raises StorageError, RemoteError."""

    def files(self) -> Iterator[Found]:
        """Sealed files, by name. Raises RemoteError, InputError."""

    def read(self, found: Found) -> bytes:
        """Raises StorageError, RemoteError."""

    def delete(self, found: Found) -> bool:
        """Whether it is gone; a file that changed since is left."""


def depot(target: str, *, within: Path, environ: Mapping[str, str]) -> Depot:
    """A folder (a path from `within`, or file://), s3:// or gs://. Raises InputError."""
    scheme, colon, rest = target.partition(":")
    if not (colon and (rest.startswith("//") or scheme in _SCHEMES)):
        return Folder(within / target)
    if rest.startswith("//") and scheme in _STORES:
        return Store(target, environ)
    if rest.startswith("//") and scheme == "file":
        return Folder(_path(target))
    raise InputError(
        f"{public(target)}: not a place for sealed files", hint="a folder, file:///, s3:// or gs://"
    )


def _path(target: str) -> Path:
    """Of a file:// URI; one that names a machine, or is cut by `?` or `#`, would lead to another folder."""
    parts = urlsplit(target)
    if parts.netloc not in ("", "localhost") or not parts.path or parts.query or parts.fragment:
        raise InputError(
            f"{public(target)}: not a folder of this machine",
            hint="file:///PATH with three slashes; ? is %3F in it, and # is %23",
        )
    return Path(unquote(parts.path))


def public(target: str) -> str:
    """A URI without what must not be printed."""
    return _KEYS.sub(lambda found: f"{found[1] or found[2]}***@" if found[1] else f"{found[2]}***", target)


class Folder:
    """A folder that many machines may share."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_file = path.is_file()
        self.label = str(path)

    def put(self, name: str, data: bytes) -> str:
        path = self._path / name
        try:
            if path.exists():
                raise StorageError(f"{path} is there already", hint="nothing was overwritten")
            return str(write_durably(path, data))
        except OSError as error:
            raise StorageError(
                f"{path.parent} can't be written: {error.strerror or error}",
                hint="mend the folder or its permissions, and record again",
            ) from error

    def files(self) -> Iterator[Found]:
        self._is_file = self._path.is_file()
        if self._is_file:
            yield from self._one(self._path.name)
            return
        try:
            names = sorted(os.listdir(self._path))
        except OSError as error:
            raise InputError(
                f"{self._path}: {error.strerror or error}", hint="a folder of sealed files"
            ) from error
        for name in names:
            if name.endswith(SUFFIX) and not name.startswith("."):
                yield from self._one(name)

    def _one(self, name: str) -> Iterator[Found]:
        with suppress(OSError):  # taken away meanwhile
            seen = os.stat(self._of_name(name))
            yield Found(name=name, size=seen.st_size, stamp=seen.st_mtime)

    def read(self, found: Found) -> bytes:
        try:
            return _bounded(self._of(found), found.size)
        except OSError as error:
            raise StorageError(f"{self._of(found)}: {error.strerror or error}") from error

    def delete(self, found: Found) -> bool:
        with suppress(OSError):
            seen = os.stat(self._of(found))
            if (seen.st_size, seen.st_mtime) == (found.size, found.stamp):
                os.unlink(self._of(found))
                return True
        return False

    def _of(self, found: Found) -> str:
        return self._of_name(found.name)

    def _of_name(self, name: str) -> str:
        return self.label if self._is_file else f"{self.label}/{name}"


def _bounded(path: str, size: int) -> bytes:
    """What a regular file of about this size holds, and at most a byte more than may be read back. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        parts, left, wanted = [], MAX_BYTES + 1, size + 1
        while left and (part := os.read(descriptor, min(wanted, left))):
            parts.append(part)
            left -= len(part)
            wanted = _PIECE  # its end, or what was written since it was listed
    finally:
        os.close(descriptor)
    return b"".join(parts) if len(parts) != 1 else parts[0]


class Store:
    """An object store, through pyarrow."""

    def __init__(self, uri: str, environ: Mapping[str, str]) -> None:
        self.label = public(uri)
        self._secrets = [v for k, v in environ.items() if v and _SECRETS.search(k)]
        password = urlsplit(uri).password
        self._secrets += [unquote(password), password] if password else []
        with self._reached():
            self._system, self._base = _opened(uri)

    def put(self, name: str, data: bytes) -> str:
        path = f"{self._base}/{name}"
        with self._reached():
            if self._info([path])[0].type.name != "NotFound":
                raise StorageError(f"{self.label}/{name} is there already", hint="nothing was overwritten")
            with self._system.open_output_stream(path) as stream:
                stream.write(data)
        return f"{self.label}/{name}"

    def files(self) -> Iterator[Found]:
        from pyarrow import fs

        with self._reached():
            one, bucket = self._info([self._base, self._base.partition("/")[0]])
            selector = fs.FileSelector(self._base, recursive=False, allow_not_found=True)
            listed = [one] if one.type.name == "File" else self._info(selector)
        if bucket.type.name == "NotFound":
            raise InputError(f"{self.label}: no such bucket")
        for info in sorted(listed, key=lambda info: info.path):
            name = PurePosixPath(info.path).name
            if info.type.name == "File" and name.endswith(SUFFIX):
                stamp = info.mtime.timestamp() if info.mtime else 0.0
                yield Found(name=name, size=info.size, stamp=stamp)

    def read(self, found: Found) -> bytes:
        with self._reached(), self._system.open_input_file(self._of(found)) as file:
            return bytes(file.read(MAX_BYTES + 1))

    def delete(self, found: Found) -> bool:
        with self._reached():
            info = self._info([self._of(found)])[0]
            stamp = info.mtime.timestamp() if info.mtime else 0.0
            if (info.size, stamp) != (found.size, found.stamp):
                return False
            self._system.delete_file(self._of(found))
        return True

    def _info(self, what: Any) -> list[Any]:
        return list(self._system.get_file_info(what))

    def _of(self, found: Found) -> str:
        is_file = PurePosixPath(self._base).name == found.name
        return self._base if is_file else f"{self._base}/{found.name}"

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, NotImplementedError) as error:
            said = str(error)
            for secret in self._secrets:
                said = said.replace(secret, "***")
            raise RemoteError(
                f"{self.label}: {public(said).splitlines()[0]}",
                hint="is it reachable, and do the credentials in the environment hold for it?",
            ) from error


def _opened(uri: str) -> tuple[Any, str]:
    from pyarrow import fs

    if uri.startswith("s3://") and "allow_delayed_open" not in uri:
        uri += ("&" if "?" in uri else "?") + "allow_delayed_open=true"  # a small file is then one PUT
    system, path = fs.FileSystem.from_uri(uri)
    return system, path.rstrip("/")
