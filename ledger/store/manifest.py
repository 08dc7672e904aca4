"""What an index consists of: the tips that were read, and the segments that hold their records.

Segments are not fsynced, since they can be made again: after a power cut their pages may be zeros under an end
that is whole. So each has a checksum, which is looked at once after every start of the machine.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import field, replace
from pathlib import Path

from ledger.frozen import frozen
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
class Manifest:
    tips: Mapping[str, str] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    """Records that a rewound ref no longer reaches."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """Refs that can't be followed to their beginning, and why. Not kept: they are tried again each time."""
    checksums: Mapping[str, int] = field(default_factory=dict)
    """By segment."""
    boots: tuple[str, ...] = ()
    """Starts of machines since which the checksums were looked at."""


def read(folder: Path) -> Manifest:
    """The manifest of a folder; an empty one where there is none, or where a segment is not what was written."""
    try:
        data = json.loads((folder / NAME).read_bytes())
        found = Manifest(
            tips=data["tips"],
            segments=tuple(data["segments"]),
            dropped=tuple(data["dropped"]),
            checksums=dict(data["checksums"]),
            boots=tuple(data["boots"]),
        )
        return found if boot_id() in found.boots else _checked(folder, found)
    except (OSError, ValueError, KeyError, TypeError):
        return Manifest()


def _checked(folder: Path, found: Manifest) -> Manifest:
    if any(checksum(folder, stem) != found.checksums[stem] for stem in found.segments):
        return Manifest()
    checked = replace(found, boots=(*found.boots, boot_id())[-_BOOTS:])
    with suppress(OSError):
        _write(folder, checked)
    return checked


def checksum(folder: Path, stem: str) -> int:
    """Of both files of a segment. Raises OSError."""
    total = 0
    for kind in _KINDS:
        with path_of(folder, stem, kind).open("rb") as file:
            while piece := file.read(_PIECE):
                total = zlib.crc32(piece, total)
    return total


def publish(folder: Path, manifest: Manifest) -> None:
    """Make a manifest the one that counts, with checksums of all segments. Raises OSError."""
    known = manifest.checksums
    sums = {stem: known[stem] if stem in known else checksum(folder, stem) for stem in manifest.segments}
    _write(folder, replace(manifest, checksums=sums, boots=manifest.boots or (boot_id(),)))
    _sweep(folder, manifest.segments)


def _write(folder: Path, manifest: Manifest) -> None:
    temporary = folder / f".manifest-{new_id()}.tmp"
    content = {
        "tips": dict(manifest.tips),
        "segments": manifest.segments,
        "dropped": manifest.dropped,
        "checksums": dict(manifest.checksums),
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
