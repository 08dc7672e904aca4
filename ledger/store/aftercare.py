"""What follows a write, and what a dead writer left: missing objects, stale locks, the second look."""

from __future__ import annotations

import errno
import os
import shlex
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ledger.durable import sync_folder
from ledger.errors import ContentionError, FormatError, GitError, LedgerError
from ledger.git import housekeeping, objects, refs
from ledger.git.objects import GitObject
from ledger.git.process import Repository
from ledger.store import together
from ledger.store.lock import Held
from ledger.store.sealed import Sealed, read
from ledger.store.slug import RUNS
from ledger.store.spool import PUBLISHED, SUFFIX, Spool, write_durably

RECORD_TRAILER = "Ledger-Record"
_HOUR = 3600
_LOOK_EVERY_SECONDS = 600
_LOOK_AT_MOST = 256
_LOOK_SECONDS = 0.3
_GO_ON_SECONDS = 30
_PACKS_AT_MOST = 8
_BYTES_AT_MOST = 64 << 20
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
    made = {found.id: found for item in records for found in item.objects(object_format)}
    return list(made.values()), {item.pack for item in records if item.pack}


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
    form = f"--format=%(trailers:key={RECORD_TRAILER},valueonly,unfold,separator=%x20)"
    newest = ("-n", str(limit)) if limit else ()
    try:
        return frozenset(
            repository.git("log", form, *newest, "--end-of-options", ref, "--")
            .decode("ascii", "replace")
            .split()
        )
    except GitError:
        if ref in refs.tips(repository, ref):
            raise
        return frozenset()


def chained_on(repository: Repository, slugs: Collection[str]) -> dict[str, frozenset[str] | GitError]:
    """`chained_records` of many experiments; why not, for a chain that can't be read."""
    form = f"%(trailers:key={RECORD_TRAILER},valueonly,unfold,separator=%x20)"
    known = refs.tips(repository, RUNS) if slugs else {}
    tips = {slug: known[RUNS + slug].id for slug in slugs if RUNS + slug in known}
    followed = together.grown(repository, tips, {}, form=form)
    return {slug: _named(followed[slug]) if slug in followed else _alone(repository, slug) for slug in slugs}


def _named(steps: Sequence[together.Step]) -> frozenset[str]:
    return frozenset(record for one in steps for record in one.told.split())


def _alone(repository: Repository, slug: str) -> frozenset[str] | GitError:
    try:
        return chained_records(repository, RUNS + slug)
    except GitError as error:
        return error


def require_chain(ref: str, tip: refs.Tip) -> None:
    """Raises FormatError when the ref holds something that ledger didn't make; nothing is ever put on top of it."""
    if tip.leads_nowhere:
        raise FormatError(
            f"{ref}: its file is empty or damaged; records for it stay in the spool", hint=_by_reflog(ref)
        )
    if tip.kind != "commit" or tip.symbolic or not tip.run:
        raise FormatError(
            f"{ref} holds something that is not a ledger; records for it stay in the spool",
            hint=f"move it away (`git update-ref -d {shlex.quote(ref)} {tip.id}`) and run `ledger recover`",
        )


def _by_reflog(ref: str) -> str:
    """By hand: git moves and deletes no such ref."""
    name = shlex.quote(ref)
    back = f"git update-ref {name} $(tail -n 1 logs/{name} | cut -d ' ' -f 2)"
    return f'cd "$(git rev-parse --git-common-dir)" && rm {name} && {back} && ledger recover'


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


def is_aside(spool: Spool, path: Path) -> bool:
    """Whether a sealed file was set aside since its records are chained."""
    return any(spool.chained.glob(f"*/{path.name}"))


def all_chained(repository: Repository, records: Sequence[Sealed]) -> bool:
    """Whether all records are on their chains; what can't be read is not known to be."""
    slugs = {item.slug for item in records}
    try:
        on_chain = {slug: chained_records(repository, RUNS + slug) for slug in slugs}
    except GitError:
        return False
    return all(item.record in on_chain[item.slug] for item in records)


def second_look(repository: Repository, spool: Spool, held: Held) -> None:
    """Delete sealed files that were chained an hour or more ago, if what they hold is still on its chain.

    What is not goes back into the spool. Bounded in time; the next look goes on where this one ended, so that
    neither a backlog nor files that can't be looked at hold up the rest. A failure leaves all to the next look.
    """
    stamp = spool.chained / ".looked"
    after = _look_after(stamp)
    if after is None:
        return
    end = time.monotonic() + _LOOK_SECONDS
    chains = _Chains(repository)
    with suppress(OSError, LedgerError):
        _remove_unfinished(spool)
        stamp.write_text(after, encoding="ascii")
        for part in _parts(_due(spool, after)):
            _look(chains, spool, part, held)
            if time.monotonic() > end:
                last = list(part)[-1]
                stamp.write_text(f"{last.parent.name}/{last.name}", encoding="utf-8", errors="replace")
                return
        stamp.write_text("", encoding="ascii")


def _look_after(stamp: Path) -> str | None:
    """`hour/name` of the file after which the next look begins; None while it is not time for one."""
    try:
        age, after = time.time() - stamp.stat().st_mtime, stamp.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    pause = _GO_ON_SECONDS if after else _LOOK_EVERY_SECONDS
    return None if 0 <= age < pause else after  # a clock that was set back must not end all looks


def _due(spool: Spool, after: str) -> Iterator[Path]:
    last = int(time.time() // _HOUR) - 1
    hours = [name for name in os.listdir(spool.chained) if name.isascii() and name.isdigit()]
    begin, _, name = after.partition("/")
    # In a clone that shares, what no remote has yet stays: a fetch of `+refs/*:refs/*` could take the refs.
    ending = PUBLISHED if spool.shares else SUFFIX
    for hour in sorted(hours, key=int):
        if int(hour) >= last or (begin.isdigit() and int(hour) < int(begin)):
            continue
        names = sorted(os.listdir(spool.chained / hour))
        if not names:
            (spool.chained / hour).rmdir()
        skipped = name if hour == begin else ""
        yield from (spool.chained / hour / one for one in names if one.endswith(ending) and one > skipped)


def _parts(paths: Iterable[Path]) -> Iterator[dict[Path, list[Sealed]]]:
    """Files that can be read, some at a time: each snapshot costs a git process, and all is held in memory."""
    part: dict[Path, list[Sealed]] = {}
    packs = size = 0
    for path in paths:
        try:
            part[path] = read(path)
            size += path.stat().st_size
        except (FormatError, FileNotFoundError):
            part.pop(path, None)
            continue  # never delete what can't be read
        packs += sum(bool(item.pack) for item in part[path])
        if len(part) >= _LOOK_AT_MOST or packs >= _PACKS_AT_MOST or size > _BYTES_AT_MOST:
            yield part
            part, packs, size = {}, 0, 0
    if part:
        yield part


class _Chains:
    """What is on the chains, each asked once in a look, and once more from its beginning where that is needed."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._near: dict[str, frozenset[str] | None] = {}
        self._whole: dict[str, frozenset[str] | None] = {}

    def lack(self, slug: str, records: Collection[str]) -> bool | None:
        """Whether one of the records is not on its chain; None where that can't be known."""
        near = self._asked(self._near, slug, _LOOK_AT_MOST * 40)
        if near is not None and near.issuperset(records):
            return False
        whole = self._asked(self._whole, slug, None) if near is not None else None
        return None if whole is None else not whole.issuperset(records)

    def _asked(
        self, known: dict[str, frozenset[str] | None], slug: str, limit: int | None
    ) -> frozenset[str] | None:
        if slug not in known:
            try:
                known[slug] = chained_records(self.repository, RUNS + slug, limit=limit)
            except GitError:
                known[slug] = None
        return known[slug]


def _look(chains: _Chains, spool: Spool, part: Mapping[Path, Sequence[Sealed]], held: Held) -> None:
    states = {path: _states(chains, records) for path, records in part.items()}
    back = [path for path, found in states.items() if True in found]
    sound = [path for path, found in states.items() if found == {False}]
    if back:
        held.doubt()  # others of their records may still be on their chains
        for path in back:
            with suppress(FileNotFoundError):
                path.rename(spool.folder / path.name)
        sync_folder(spool.folder)
    repository, records = chains.repository, [item for path in sound for item in part[path]]
    complete(repository, *_stored_by(records, repository.object_format), keep=(held.descriptor,))
    for path in sound:
        path.unlink(missing_ok=True)


def _states(chains: _Chains, records: Sequence[Sealed]) -> set[bool | None]:
    slugs = {item.slug for item in records}
    return {chains.lack(slug, {item.record for item in records if item.slug == slug}) for slug in slugs}


def _remove_unfinished(spool: Spool) -> None:
    """Files that a killed process was still writing an hour ago: never sealed, never acknowledged."""
    for folder in (spool.folder, spool.refused, spool.fallback, spool.fallback / spool.refused.name):
        for path in folder.glob(f".*{SUFFIX}.*.tmp"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _HOUR:
                    path.unlink()
