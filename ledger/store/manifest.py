"""What an index consists of: the tips that were read, and the segments that hold their records.

Segments are not fsynced, since they can be made again: after a power cut their pages may be zeros under an end
that is whole. So each has a checksum, which is looked at once after every start of the machine, and whenever a
file is not the one (by size and time) that was looked at then.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from ledger.frozen import frozen
from ledger.ids import is_id, is_object_id
from ledger.model import new_id
from ledger.store.boot import boot_id

NAME = "manifest.json"
_KINDS = ("rows", "values")
_BOOTS = 8
"""Machines that may share a repository without checking everything whenever another one wrote."""
_PIECE = 1 << 20
_FORGOTTEN = 3600.0
"""Seconds after which a file that no manifest names was left by a dead process: no update takes as long."""


@frozen()
class Seal:
    """What a segment is: checksum, and size and time of each of its files."""

    checksum: int
    stamps: tuple[tuple[int, int], ...]
    """Bytes and nanoseconds, as a file system gives them."""


@frozen()
class Manifest:
    tips: Mapping[str, str] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    """Records that a rewound ref no longer reaches."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """Refs that can't be followed to their beginning, and why. Not kept: they are tried again each time."""
    seals: Mapping[str, Seal] = field(default_factory=dict)
    """By segment."""
    boots: tuple[str, ...] = ()
    """Starts of machines since which the checksums were looked at."""


def read(folder: Path) -> Manifest:
    """The manifest of a folder; an empty one where there is none, or where a segment is not what was written."""
    try:
        found = _decoded(json.loads((folder / NAME).read_bytes()))
        known = boot_id() in found.boots
        doubted = [stem for stem in found.segments if not (known and _is_as_it_was(folder, stem, found))]
        return found if known and not doubted else _checked(folder, found, doubted)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return Manifest()


def _decoded(data: Mapping[str, Any]) -> Manifest:
    """Raises ValueError and others for what no ledger writes: names in it become names of files, and of commits."""
    seals = {
        stem: Seal(checksum=int(checksum), stamps=tuple((int(size), int(at)) for size, at in stamps))
        for stem, (checksum, stamps) in data["seals"].items()
    }
    found = Manifest(
        tips=dict(data["tips"]),
        segments=tuple(data["segments"]),
        dropped=tuple(data["dropped"]),
        seals=seals,
        boots=tuple(map(str, data["boots"])),
    )
    ids = all(map(is_id, (*found.segments, *found.dropped)))
    if (
        not ids
        or not all(map(is_object_id, found.tips.values()))
        or not found.seals.keys() >= set(found.segments)
    ):
        raise ValueError("not a manifest")
    return found


def _is_as_it_was(folder: Path, stem: str, found: Manifest) -> bool:
    """One that is gone is another matter: it was merged away, and whoever opens it reads the manifest again."""
    try:
        return found.seals[stem].stamps == _stamps(folder, stem)
    except FileNotFoundError:
        return True


def _checked(folder: Path, found: Manifest, doubted: Iterable[str]) -> Manifest:
    seals = {stem: _sealed(folder, stem) for stem in doubted}
    if any(seal.checksum != found.seals[stem].checksum for stem, seal in seals.items()):
        return Manifest()
    boots = found.boots if boot_id() in found.boots else (*found.boots, boot_id())[-_BOOTS:]
    checked = replace(found, boots=boots, seals={**found.seals, **seals})
    with suppress(OSError):
        _write(folder, checked)
    return checked


def _sealed(folder: Path, stem: str) -> Seal:
    """Of both files of a segment. Raises OSError."""
    stamps = _stamps(folder, stem)
    total = 0
    for kind in _KINDS:
        with path_of(folder, stem, kind).open("rb") as file:
            while piece := file.read(_PIECE):
                total = zlib.crc32(piece, total)
    return Seal(checksum=total, stamps=stamps)


def _stamps(folder: Path, stem: str) -> tuple[tuple[int, int], ...]:
    found = (path_of(folder, stem, kind).stat() for kind in _KINDS)
    return tuple((one.st_size, one.st_mtime_ns) for one in found)


def publish(folder: Path, manifest: Manifest) -> None:
    """Make a manifest the one that counts, with checksums of all segments. Raises OSError."""
    known = manifest.seals
    seals = {stem: known[stem] if stem in known else _sealed(folder, stem) for stem in manifest.segments}
    _write(folder, replace(manifest, seals=seals, boots=manifest.boots or (boot_id(),)))
    _sweep(folder, manifest.segments)


def _write(folder: Path, manifest: Manifest) -> None:
    temporary = folder / f".manifest-{new_id()}.tmp"
    content = {
        "tips": dict(manifest.tips),
        "segments": manifest.segments,
        "dropped": manifest.dropped,
        "seals": {stem: [seal.checksum, seal.stamps] for stem, seal in manifest.seals.items()},
        "boots": manifest.boots,
    }
    try:
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.rename(folder / NAME)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sweep(folder: Path, segments: Iterable[str]) -> None:
    """Delete what processes left that were killed between writing and publishing."""
    named = {path_of(folder, stem, kind) for stem in segments for kind in _KINDS}
    before = time.time() - _FORGOTTEN
    for path in (*folder.glob("*.arrow"), *folder.glob("*.tmp"), *folder.glob(".*.tmp")):
        with suppress(OSError):
            if path not in named and path.stat().st_mtime < before:
                path.unlink()


def path_of(folder: Path, stem: str, kind: str) -> Path:
    return folder / f"{stem}.{kind}.arrow"


def remove(folder: Path, stem: str) -> None:
    """Delete the files of a segment that no manifest names any more."""
    for kind in _KINDS:
        with suppress(OSError):
            path_of(folder, stem, kind).unlink()
