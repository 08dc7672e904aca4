"""What follows a write, and what a dead writer left: missing objects, stale locks, the second look."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ledger.errors import ContentionError, FormatError, GitError
from ledger.git import housekeeping, objects, refs
from ledger.git.objects import GitObject
from ledger.git.process import Repository
from ledger.store.lock import Held
from ledger.store.slug import RUNS
from ledger.store.spool import SUFFIX, Sealed, Spool, read, sync_folder, write_durably

RECORD_TRAILER = "Ledger-Record"
_HOUR = 3600
_LOOK_EVERY_SECONDS = 600
_LOOK_AT_MOST = 256
_STALE_SECONDS = 600
_REWRITES = 20


def complete(
    repository: Repository,
    written: Sequence[GitObject],
    packs: Collection[bytes] = (),
    *,
    keep: tuple[int, ...],
) -> None:
    """See to it that objects which a ref now needs exist: a `gc --prune=now` may have taken them before it stood.

    `packs` hold snapshots. Raises ContentionError when objects keep vanishing.
    """
    objects.restore(repository, packs, keep=keep)
    by_id = {item.id: item for item in written}
    for attempt in range(_REWRITES):
        gone = objects.missing(repository, by_id, keep=keep) if by_id else []
        if not gone:
            return
        objects.write(repository, [by_id[name] for name in gone], keep=keep)
        time.sleep(0.005 * attempt)
    raise ContentionError(
        "objects vanish as fast as they are written", hint="is `git gc --prune=now` looping?"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What became of the pending records that a dead holder may have chained."""

    chained: frozenset[str] = frozenset()
    """Ids of those that are on a chain already."""
    unknown: frozenset[str] = frozenset()
    """Ids of those whose chain can't be read to its end: chained now they could be there twice."""


def mend(repository: Repository, spool: Spool, held: Held) -> Mended:
    """Finish or undo what the last holder left, and say which pending records are on a chain already."""
    before = held.predecessor
    if not (before.died or before.rebooted):
        return Mended()
    if not before.elsewhere:
        for ref in {ref for intent in before.intents for ref in (intent.ref, intent.code_ref) if ref}:
            _remove_left_lock(repository, ref)
        housekeeping.release_left(repository)
    if before.rebooted:
        _bring_back(spool)
    found = _pending_on_chains(repository, spool)
    if found.unknown:
        held.doubt()
    else:
        held.mended()
    return found


def _bring_back(spool: Spool) -> None:
    """After a power cut a ref may hold an older value than was read back: what was chained is pending once more."""
    for path in spool.chained.glob(f"*/*{SUFFIX}"):
        with suppress(FileNotFoundError):
            path.rename(spool.folder / path.name)


def _pending_on_chains(repository: Repository, spool: Spool) -> Mended:
    found: set[str] = set()
    unknown: set[str] = set()
    for slug, records in _records_by_slug(spool.pending()).items():
        try:
            on_chain = chained_records(repository, RUNS + slug)
        except GitError:
            unknown |= {item.record for item in records}
            continue
        already = [item for item in records if item.record in on_chain]
        # Their objects may be among what gc took: write again what is missing before the files are set aside.
        complete(repository, *_stored_by(already, repository.object_format), keep=())
        found |= {item.record for item in already}
    return Mended(chained=frozenset(found), unknown=frozenset(unknown))


def _stored_by(records: Sequence[Sealed], object_format: str) -> tuple[list[GitObject], set[bytes]]:
    """All objects of records but their commits, and the packs of their snapshots."""
    made = {found.id: found for item in records for found in _objects_of(item, object_format)}
    return list(made.values()), {item.pack for item in records if item.pack}


def _objects_of(item: Sealed, object_format: str) -> list[GitObject]:
    blobs = {name: objects.make("blob", data, object_format) for name, data in item.files.items()}
    tree = objects.flat_tree({name: blob.id for name, blob in blobs.items()}, object_format)
    return [*blobs.values(), tree]


def _records_by_slug(paths: Sequence[Path]) -> dict[str, list[Sealed]]:
    out: dict[str, list[Sealed]] = {}
    for path in paths:
        with suppress(FormatError, FileNotFoundError):
            for item in read(path):
                out.setdefault(item.slug, []).append(item)
    return out


def chained_records(repository: Repository, ref: str, *, limit: int | None = None) -> frozenset[str]:
    """Record ids on a chain, from its commits' trailers; `limit` counts from the tip.

    Raises GitError for a chain that can't be read that far: what is on it is not known then.
    """
    form = f"--format=%(trailers:key={RECORD_TRAILER},valueonly,separator=%x20)"
    newest = ("-n", str(limit)) if limit else ()
    try:
        return frozenset(repository.git("log", form, *newest, "--end-of-options", ref, "--").decode().split())
    except GitError:
        if ref in refs.tips(repository, ref):
            raise
        return frozenset()


def require_chain(ref: str, tip: refs.Tip) -> None:
    """Raises FormatError when the ref holds something that ledger didn't make; nothing is ever put on top of it."""
    if tip.kind != "commit" or tip.symbolic or not tip.run:
        raise FormatError(
            f"{ref} holds something that is not a ledger; records for it stay in the spool",
            hint=f"move it away (`git update-ref -d {ref} {tip.id[:12]}...`) and run `ledger recover`",
        )


def remove_stale(repository: Repository, path: Path) -> bool:
    """Remove a ref's lock file that nobody can hold any more: old, and of ledger's own refs. Whether it is gone."""
    own = any(
        str(path).startswith(f"{repository.common_dir}/{folder}") for folder in ("refs/runs/", "refs/ledger/")
    )
    try:
        if own and time.time() - path.stat().st_mtime > _STALE_SECONDS:
            path.unlink()
    except OSError:
        pass
    return not path.exists()


def _remove_left_lock(repository: Repository, ref: str) -> None:
    """The lock of a ref that a dead holder of the chain lock was about to write.

    git's own `pack-refs` also takes such locks, for moments: one that changes while we look is not ours.
    """
    path = repository.common_dir / f"{ref}.lock"
    with suppress(OSError):
        seen = path.stat()
        time.sleep(0.05)
        again = path.stat()
        if (seen.st_ino, seen.st_mtime_ns) == (again.st_ino, again.st_mtime_ns):
            path.unlink()


def set_aside(spool: Spool, path: Path) -> None:
    """A sealed file whose records are chained: kept for a second look before it is deleted."""
    folder = spool.chained / str(int(time.time() // _HOUR))
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        try:
            path.rename(folder / path.name)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            write_durably(folder / path.name, path.read_bytes())  # the fallback spool is on another disk
            path.unlink()


def second_look(repository: Repository, spool: Spool, held: Held) -> None:
    """Delete sealed files that were chained an hour or more ago, if what they hold is still on its chain.

    What is not goes back into the spool. A bounded number a call, a call every ten minutes: amortised to nothing.
    """
    for path in islice(_due(spool), _LOOK_AT_MOST):
        with suppress(FileNotFoundError):
            _look(repository, spool, path, held)


def _due(spool: Spool) -> list[Path]:
    stamp = spool.chained / ".looked"
    with suppress(OSError):
        if time.time() - stamp.stat().st_mtime < _LOOK_EVERY_SECONDS:
            return []
    _remove_unfinished(spool)
    now_hour = int(time.time() // _HOUR)
    try:
        hours = sorted(
            name for name in os.listdir(spool.chained) if name.isdigit() and int(name) < now_hour - 1
        )
        stamp.touch()
    except OSError:
        return []
    for hour in hours:
        files = [
            path for path in islice((spool.chained / hour).iterdir(), _LOOK_AT_MOST) if path.suffix == SUFFIX
        ]
        if files:
            return files
        with suppress(OSError):
            (spool.chained / hour).rmdir()
    return []


def _remove_unfinished(spool: Spool) -> None:
    """Files that a killed process was still writing an hour ago: never sealed, never acknowledged."""
    for folder in (spool.folder, spool.refused, spool.fallback, spool.fallback / spool.refused.name):
        for path in folder.glob(f".*{SUFFIX}.*.tmp"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _HOUR:
                    path.unlink()


def _look(repository: Repository, spool: Spool, path: Path, held: Held) -> None:
    try:
        records = read(path)
    except FormatError:
        return  # never delete what can't be read
    keep = (held.descriptor,)
    for slug in {item.slug for item in records}:
        mine = {item.record for item in records if item.slug == slug}
        try:
            near = chained_records(repository, RUNS + slug, limit=_LOOK_AT_MOST * 40)
            gone = not mine <= near and not mine <= chained_records(repository, RUNS + slug)
        except GitError:
            return  # it may be there all the same
        if gone:
            path.rename(spool.folder / path.name)
            sync_folder(spool.folder)
            held.doubt()  # others of its records may still be on their chains
            return
    complete(repository, *_stored_by(records, repository.object_format), keep=keep)
    path.unlink()
