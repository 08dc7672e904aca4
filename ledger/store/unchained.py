"""What is sealed but not on a chain yet, as a segment of the index that lasts as long as the process."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ledger.errors import FormatError
from ledger.frozen import frozen
from ledger.git.process import Repository
from ledger.model import StoreFault, new_id
from ledger.store import codec, segment
from ledger.store import manifest as manifests
from ledger.store.documents import WRONG, parsed, said
from ledger.store.rows import Builder
from ledger.store.segment import Segment
from ledger.store.slug import RUNS
from ledger.store.spool import Spool
from ledger.store.unreadable import Unreadable


@frozen()
class Waiting:
    """One sealed record: its file, the ref that it is for, and what it holds."""

    path: Path
    ref: str
    files: Mapping[str, bytes]


@dataclass(slots=True)
class Unchained:
    """Rows for what waits."""

    segment: Segment | None = None
    schemas: dict[str, bytes] = field(default_factory=dict)
    """Schema documents by an id of their own: git does not hold them yet."""
    faults: list[StoreFault] = field(default_factory=list)


def waiting(repository: Repository) -> tuple[list[Waiting], list[StoreFault]]:
    """Sealed records that are not chained yet, and sealed files that can't be read."""
    found: list[Waiting] = []
    faults: list[StoreFault] = []
    sealed = Unreadable(repository.folder)
    for path in Spool.of(repository).pending():
        try:
            found += [
                Waiting(path=path, ref=RUNS + item.slug, files=item.files) for item in sealed.read(path)
            ]
        except FileNotFoundError:
            continue  # chained meanwhile
        except FormatError as error:
            faults.append(StoreFault(ref="", commit="", path=str(path), what=error.message))
    return found, faults


def indexed(found: Sequence[Waiting], segments: Sequence[Segment], folder: Path) -> Unchained:
    """Those that the index does not hold already; the folder is used for a moment. Raises OSError."""
    out, builder = Unchained(), Builder()
    for item in found:
        try:
            _add(builder, item, segments, out.schemas)
        except WRONG as error:
            out.faults.append(StoreFault(ref=item.ref, commit="", path=str(item.path), what=said(error)))
    if len(builder):
        out.segment = _mapped(builder, folder)
    return out


def _add(builder: Builder, item: Waiting, segments: Sequence[Segment], schemas: dict[str, bytes]) -> None:
    run = parsed(item.files[codec.RUN], codec.RUN)
    if run["record"] in builder.ids or any(part.exact("record", run["record"]) for part in segments):
        return
    builder.add(
        ref=item.ref,
        commit="",
        run=run,
        params=parsed(item.files[codec.PARAMS], codec.PARAMS),
        metrics=parsed(item.files[codec.METRICS], codec.METRICS),
        schema=_schema(item.files, schemas),
        history=any(name.startswith("history") for name in item.files),
        again=any(part.exact("run", run["id"]) for part in segments),
    )


def _schema(files: Mapping[str, bytes], schemas: dict[str, bytes]) -> str | None:
    data = files.get(codec.SCHEMA)
    if data is None:
        return None
    key = f"sealed:{hashlib.sha256(data).hexdigest()}"
    schemas[key] = data
    return key


def _mapped(builder: Builder, folder: Path) -> Segment:
    stem = f"pending-{os.getpid()}-{new_id()}"
    segment.write(builder, folder, stem)
    part = Segment(folder, stem)
    part.open()  # mapped now: the files may go
    manifests.remove(folder, stem)
    return part
