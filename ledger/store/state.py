"""The facts for `ledger status`: what is recorded, what waits and why, what was refused."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import FormatError
from ledger.git import refs
from ledger.git.process import Repository
from ledger.store import aftercare, lock
from ledger.store.index import INDEX_VERSION, Index
from ledger.store.sealed import Sealed, read
from ledger.store.slug import RUNS
from ledger.store.spool import Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    name: str
    ref: str
    runs: int
    records: int
    last: int | None
    """When the newest record was sealed: microseconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A sealed file that is not on a chain yet."""

    path: Path
    records: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A run that was refused, and is kept for `ledger record --refused`."""

    path: Path
    fault: str
    """The first thing that was wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    experiments: tuple[Experiment, ...]
    waiting: tuple[Waiting, ...]
    refused: tuple[Refused, ...]
    holder: lock.Holder | None
    index_bytes: int


def look(repository: Repository, index: Index) -> State:
    """Everything at once; changes nothing and takes no lock."""
    spool = Spool.of(repository)
    holder = lock.holder(repository.folder / "lock")
    return State(
        experiments=tuple(experiments(index)),
        waiting=tuple(_waiting(repository, spool, holder)),
        refused=tuple(_refused(spool)),
        holder=holder,
        index_bytes=_size(repository.folder / f"index-v{INDEX_VERSION}"),
    )


def experiments(index: Index) -> list[Experiment]:
    """What the index holds, by experiment, the newest first; records that no ref reaches don't count."""
    runs: dict[tuple[str, str], set[str]] = {}
    records: dict[tuple[str, str], int] = {}
    last: dict[tuple[str, str], int] = {}
    for part in index.segments:
        columns = [part.column(name) for name in ("experiment", "ref", "run_id", "record", "recorded")]
        for experiment, ref, run_id, record, recorded in zip(*columns, strict=True):
            if record not in index.dropped:
                key = (experiment, ref)
                runs.setdefault(key, set()).add(run_id)
                records[key] = records.get(key, 0) + 1
                last[key] = max(last.get(key, 0), recorded or 0)
    found = [
        Experiment(name=key[0], ref=key[1], runs=len(runs[key]), records=records[key], last=last[key] or None)
        for key in runs
    ]
    return sorted(found, key=lambda one: (-(one.last or 0), one.name))


def _waiting(repository: Repository, spool: Spool, holder: lock.Holder | None) -> Iterator[Waiting]:
    pending = spool.pending()
    tips = refs.tips(repository, RUNS) if pending else {}
    for path in pending:
        try:
            items = read(path)
        except FileNotFoundError:
            continue  # chained meanwhile
        except FormatError as error:
            yield Waiting(path=path, records=0, why=error.message)
            continue
        yield Waiting(path=path, records=len(items), why=_why(repository, tips, items, holder))


def _why(
    repository: Repository, tips: dict[str, refs.Tip], items: Sequence[Sealed], holder: lock.Holder | None
) -> str:
    for ref in dict.fromkeys(RUNS + item.slug for item in items):
        try:
            if ref in tips:
                aftercare.require_chain(ref, tips[ref])
        except FormatError as error:
            return error.message
    if holder is not None and holder.alive is not False:
        return f"process {holder.pid} on {holder.host} is writing"
    if not all(os.access(repository.common_dir / name, os.W_OK) for name in ("", "objects", "refs")):
        return f"{repository.common_dir} can't be written"
    return "the next `ledger record` or `ledger recover` puts it on its ref"


def _refused(spool: Spool) -> Iterator[Refused]:
    for path in spool.refused_files():
        try:
            fault = next(iter(read(path)[0].message.splitlines()), "")
        except FileNotFoundError:
            continue
        except (FormatError, IndexError) as error:
            fault = f"can't be read: {error}"
        yield Refused(path=path, fault=fault)


def _size(folder: Path) -> int:
    total = 0
    with suppress(OSError):
        for entry in os.scandir(folder):
            with suppress(OSError):
                total += entry.stat().st_size
    return total
