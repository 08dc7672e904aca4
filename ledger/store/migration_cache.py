"""What migration files came to when they were first read: one file below git's own folder, safe to delete at any time.

A file is known by the hash of its bytes. One that has a fault is not kept, so that it is told every time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.schema import packed
from ledger.schema.lowered import Loaded, Migration
from ledger.schema.packed import Packed
from ledger.store import cachefile

if TYPE_CHECKING:
    from ledger.schema.units import Unit

_MOST = 2_000
"""Migrations that are kept, those of the last command first."""


def load(folder: Path, files: Mapping[str, bytes], *, custom_units: Mapping[str, Unit]) -> Loaded:
    """What `migration.load` gives for these files, name → bytes; `folder` is ledger's own below git's."""
    path, key = folder / "cache" / "migrations.json", _key(custom_units)
    body = cachefile.read(path, key) or b""
    names = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    found = _kept(body, names) if body else {}
    new = {name: data for name, data in files.items() if name not in found}
    if not new:
        return Loaded(migrations=tuple(found.values()), faults=())
    from ledger.schema import migration

    loaded = migration.load(new, custom_units=custom_units)
    found |= {one.file: one for one in loaded.migrations}
    if loaded.migrations:
        whole = {names[name]: one for name, one in found.items()} | _older(body)
        cachefile.keep(path, key, packed.pack(dict(islice(whole.items(), _MOST))))
    return Loaded(migrations=tuple(found[name] for name in names if name in found), faults=loaded.faults)


_NOT_PACKED = (LedgerError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError)


def _kept(body: bytes, names: Mapping[str, str]) -> dict[str, Migration]:
    """By file name; nothing where the text is not what this ledger writes."""
    with suppress(*_NOT_PACKED):
        known = Packed(body)
        return {name: one for name, digest in names.items() if (one := known.migration(digest, name))}
    return {}


def _older(body: bytes) -> dict[str, Migration]:
    """All that was kept, by digest."""
    with suppress(*_NOT_PACKED):
        digests = Packed(body).keys()
        return _kept(body, {digest: digest for digest in digests})
    return {}


def _key(custom_units: Mapping[str, Unit]) -> str:
    """What a file comes to rests on the project's own units, and on the code that reads it."""
    units = repr(sorted(custom_units.items(), key=lambda item: item[0])) if custom_units else ""
    said = f"{units} {_code()}".encode("utf-8", "surrogatepass")
    return f"{packed.FORMAT} {hashlib.sha256(said).hexdigest()[:32]}"


def _code() -> list[tuple[str, int, int]]:
    """The files of the package that reads migrations, by size and time: an upgrade reads everything anew."""
    with os.scandir(Path(packed.__file__).parent) as entries:
        files = [entry for entry in entries if entry.name.endswith(".py")]
        stats = [(entry.name, entry.stat()) for entry in files]
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
