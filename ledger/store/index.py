"""The columnar cache of everything on the chains: brought up to date by readers, safe to delete at any time.

A manifest names the tips that were read and the immutable segments that hold their records. Readers that
update it at the same time each publish a whole truth; the last one stands.
"""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Protocol

from ledger.errors import FormatError, LedgerError, StorageError
from ledger.git import refs
from ledger.git.process import Repository
from ledger.model import StoreFault, new_id
from ledger.store import codec, segment
from ledger.store import manifest as manifests
from ledger.store.arrivals import Commit, differences
from ledger.store.manifest import Manifest
from ledger.store.reading import CHUNK, Tree, parsed, read_ahead
from ledger.store.segment import Builder, Segment
from ledger.store.slug import INBOX, RUNS
from ledger.store.spool import Spool
from ledger.store.spool import read as read_sealed

INDEX_VERSION = 2
"""1: the first (2026-11). 2: columns `merges` and `settles`. Another version is rebuilt, never migrated."""

_MAX_ROWS = 1 << 16
"""Rows of a full segment; fuller ones are never merged again, which bounds what an update can cost."""
_TIER = 8


class Told(Protocol):
    """Hears how far a long update has come."""

    def __call__(self, done: int, total: int) -> None: ...


class Index:
    """All records of a repository, read-only: the chains' segments and, last, what is sealed but not chained."""

    def __init__(
        self,
        segments: Sequence[Segment],
        *,
        dropped: Sequence[str] = (),
        faults: Sequence[StoreFault] = (),
        schemas: Mapping[str, bytes] | None = None,
    ) -> None:
        self.segments = [part for part in segments if len(part)]
        self.dropped = frozenset(dropped)
        """Records that no ref reaches any more."""
        self.schemas = dict(schemas or {})
        """Schema documents of sealed records, by an id of their own: git does not hold them yet."""
        stored = [StoreFault(**fault) for part in segments for fault in part.facts["faults"]]
        self.faults = [*stored, *faults]
        """Records that can't be read: named, and nothing else is held up by them."""

    def __len__(self) -> int:
        return sum(map(len, self.segments))

    @property
    def has_edits(self) -> bool:
        """Whether any run has more than one record."""
        return any(part.facts["again"] for part in self.segments)

    def starts(self) -> Iterator[tuple[int, Segment]]:
        """Segments, each with the number of its first row."""
        start = 0
        for part in self.segments:
            yield start, part
            start += len(part)

    def names(self, group: str) -> list[str]:
        """Names of all metrics, params or tags, sorted."""
        return sorted({name for part in self.segments for name in part.names(group)})

    def find(self, which: str, prefix: str) -> list[int]:
        """Rows whose `record` or `run` id starts with a prefix."""
        return [start + row for start, part in self.starts() for row in part.find(which, prefix)]

    def exact(self, which: str, wanted: str) -> list[int]:
        """Rows whose `record` or `run` id is this one."""
        return [start + row for start, part in self.starts() for row in part.exact(which, wanted)]

    def ids(self, which: str, prefix: str) -> list[str]:
        """The `record` or `run` ids that start with a prefix, sorted."""
        return sorted(set().union(*(part.ids(which, prefix) for part in self.segments)))


def load(repository: Repository, *, told: Told | None = None) -> Index:
    """The index, up to date: reads only what came since the last time. Raises StorageError, RepositoryError."""
    # The spool first: what is chained while we look is then seen in at least one of the two.
    pending, faults = _pending(repository)
    found = refs.tips(repository, RUNS, INBOX)
    tips = {name: tip.id for name, tip in found.items() if not tip.symbolic and tip.kind == "commit"}
    faults += [
        StoreFault(ref=name, commit=tip.id, path="", what=f"not a chain of runs: {tip.nature}")
        for name, tip in found.items()
        if not tip.symbolic and tip.kind != "commit"
    ]
    problems = []
    for folder in _folders(repository):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            segments, manifest = _current(repository, folder, tips, told)
            faults += [
                StoreFault(ref=ref, commit=tips[ref], path="", what=what)
                for ref, what in manifest.broken.items()
            ]
            return _with_pending(segments, manifest, pending, faults, folder)
        except OSError as error:
            problems.append(f"{folder}: {error.strerror or error}")
        except StorageError as error:
            problems.append(error.message)
    raise StorageError("no place for the index of the ledger", hint="make room", details=tuple(problems))


def _folders(repository: Repository) -> Iterator[Path]:
    """Beside the data; where that can't be written, the user's cache, then memory or the temporary folder."""
    name = f"index-v{INDEX_VERSION}"
    yield repository.folder / name
    key = hashlib.sha256(str(repository.common_dir).encode()).hexdigest()[:16]
    environ = repository.environ
    cache = environ.get("XDG_CACHE_HOME") or f"{environ.get('HOME', '/nonexistent')}/.cache"
    yield Path(cache) / "ledger" / key / name
    import tempfile

    for place in ("/dev/shm", tempfile.gettempdir()):  # noqa: S108 - a private folder is made in it
        with suppress(OSError), tempfile.TemporaryDirectory(prefix="ledger-index-", dir=place) as folder:
            yield Path(folder)


_Parts = Callable[[str], Segment]


def _current(
    repository: Repository, folder: Path, tips: Mapping[str, str], told: Told | None
) -> tuple[list[Segment], Manifest]:
    before = None
    for _ in range(4):
        manifest = manifests.read(folder)
        read = manifest
        parts = cache(partial(Segment, folder))  # each is opened once, however often an update looks at it
        try:
            if manifest.tips != tips:
                manifest = _update(repository, folder, manifest, tips, told, parts)
            segments = [parts(stem) for stem in manifest.segments]
            for part in segments:
                part.open()
        except (FileNotFoundError, ValueError, KeyError):
            # Merged away by another reader since the manifest was read; still so with the same manifest: damaged.
            if read == before:
                with suppress(OSError):
                    (folder / manifests.NAME).unlink()
            before = read
        else:
            return segments, manifest
    raise StorageError(f"the index in {folder} keeps changing", hint="delete that folder; it is made again")


def _update(
    repository: Repository,
    folder: Path,
    old: Manifest,
    tips: Mapping[str, str],
    told: Told | None,
    parts: _Parts,
) -> Manifest:
    new, went, broken = differences(repository, old.tips, tips)
    if new is None:
        return _anew(repository, folder, old, tips, told, parts)
    existing = [parts(stem) for stem in old.segments]
    stems = list(old.segments)
    gone = {*old.dropped, *_records_of(existing, went)}
    with _uncollected():
        for builder in _built(repository, new, existing, gone, told):
            stem = new_id()
            segment.write(builder, folder, stem)
            stems.append(stem)
    if len(tips) > 1 and not gone.issubset(old.dropped):
        # Another ref may hold what this one lost, on the same commits or as a copy on others: rare, and then surely right.
        for stem in stems[len(old.segments) :]:
            manifests.remove(folder, stem)
        return _anew(repository, folder, old, tips, told, parts)
    stems, merged = _merged(folder, stems, parts)
    whole = {ref: tip for ref, tip in tips.items() if ref not in broken}
    manifest = Manifest(
        tips=whole,
        segments=tuple(stems),
        dropped=tuple(sorted(gone)),
        broken=broken,
        checksums=old.checksums,
        boots=old.boots,
    )
    manifests.publish(folder, manifest)
    for stem in merged:
        manifests.remove(folder, stem)
    return manifest


def _anew(
    repository: Repository,
    folder: Path,
    old: Manifest,
    tips: Mapping[str, str],
    told: Told | None,
    parts: _Parts,
) -> Manifest:
    manifest = _update(repository, folder, Manifest(), tips, told, parts)
    for stem in old.segments:
        manifests.remove(folder, stem)
    return manifest


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for cycles: rows make none, and walking them again and again costs a fifth of an update."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _records_of(segments: Sequence[Segment], commits: Sequence[str]) -> set[str]:
    wanted = frozenset(commits)
    if not wanted:
        return set()
    return {
        record
        for part in segments
        for record, commit in zip(part.column("record"), part.column("commit"), strict=True)
        if commit in wanted
    }


def _built(
    repository: Repository,
    commits: Sequence[Commit],
    existing: Sequence[Segment],
    gone: set[str],
    told: Told | None,
) -> Iterator[Builder]:
    """Segments' worth of new records: git reads ahead in a thread while this one parses.

    A record that is read again, on a re-parented commit, is no longer `gone`.
    """
    builder, known = Builder(), _Known(existing, many=len(commits) >= _MANY)
    done = 0
    for chunk in read_ahead(repository, commits):
        for commit, tree in zip(chunk.commits, chunk.trees, strict=True):
            _add(builder, commit, tree, chunk.blobs, known, gone)
        done += len(chunk.commits)
        if told:
            told(done, len(commits))
        if len(builder) + CHUNK > _MAX_ROWS:
            yield builder
            builder = Builder()
    if len(builder) or builder.faults:
        yield builder


_MANY = 1_000
"""New records from which it is cheaper to look at all older ones at once."""


class _Known:
    """Ids of records and runs that are indexed: of older segments by bisection where few are asked for, else in a set."""

    def __init__(self, segments: Sequence[Segment], *, many: bool) -> None:
        self._segments = () if many else segments
        self._ids = {record for part in segments for record in part.column("record")} if many else set()
        self._runs = {run_id for part in segments for run_id in part.column("run_id")} if many else set()

    def __contains__(self, record: str) -> bool:
        return record in self._ids or any(part.exact("record", record) for part in self._segments)

    def has_run(self, run_id: str) -> bool:
        return run_id in self._runs or any(part.exact("run", run_id) for part in self._segments)

    def add(self, record: str, run_id: str) -> None:
        self._ids.add(record)
        self._runs.add(run_id)


def _add(
    builder: Builder,
    commit: Commit,
    tree: Tree,
    blobs: Mapping[str, bytes | None],
    known: _Known,
    gone: set[str],
) -> None:
    try:
        if isinstance(tree, str):
            raise FormatError(tree)
        run = parsed(blobs[tree[codec.RUN]], codec.RUN)
        codec.check_version(run, what=commit.id[:12])
        if run["record"] in known:
            gone.discard(run["record"])
            return
        builder.add(
            ref=commit.ref,
            commit=commit.id,
            run=run,
            params=parsed(blobs[tree[codec.PARAMS]], codec.PARAMS),
            metrics=parsed(blobs[tree[codec.METRICS]], codec.METRICS),
            schema=tree.get(codec.SCHEMA),
            history=any(name.startswith("history") for name in tree),
            again=known.has_run(run["id"]),
        )
        known.add(run["record"], run["id"])
    except _WRONG as error:
        what = _said(error)
        builder.faults.append({"ref": commit.ref, "commit": commit.id, "path": "", "what": what})


_WRONG = (LedgerError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What reading something else than a run can end in."""


def _said(error: Exception) -> str:
    return error.message if isinstance(error, LedgerError) else f"not a run: {type(error).__name__}: {error}"


def _merged(folder: Path, stems: list[str], parts: _Parts) -> tuple[list[str], list[str]]:
    """Merge segments of like size, so that their number grows with the logarithm of the records since a full one."""
    obsolete: list[str] = []
    while True:
        sizes = {stem: len(parts(stem)) for stem in stems}
        tiers: dict[int, list[str]] = {}
        for stem in stems:
            if sizes[stem] < _MAX_ROWS // 2:
                tiers.setdefault(max(sizes[stem], 1).bit_length() // 3, []).append(stem)
        crowded = next((part for part in tiers.values() if len(part) >= _TIER), None)
        if crowded is None:
            return stems, obsolete
        stem = new_id()
        segment.merge([parts(part) for part in crowded], folder, stem)
        obsolete += crowded
        stems = [*(part for part in stems if part not in crowded), stem]


_Pending = tuple[Path, str, dict[str, bytes]]
"""The sealed file, the ref that it is for, and the files of one record."""


def _pending(repository: Repository) -> tuple[list[_Pending], list[StoreFault]]:
    """Sealed records that are not chained yet, and sealed files that can't be read."""
    found: list[_Pending] = []
    faults: list[StoreFault] = []
    for path in Spool.of(repository).pending():
        try:
            found += [(path, RUNS + item.slug, dict(item.files)) for item in read_sealed(path)]
        except FileNotFoundError:
            continue  # chained meanwhile
        except FormatError as error:
            faults.append(StoreFault(ref="", commit="", path=str(path), what=error.message))
    return found, faults


def _with_pending(
    segments: list[Segment],
    manifest: Manifest,
    pending: list[_Pending],
    faults: list[StoreFault],
    folder: Path,
) -> Index:
    builder = Builder()
    schemas: dict[str, bytes] = {}
    for path, ref, content in pending:
        try:
            run = parsed(content[codec.RUN], codec.RUN)
            if run["record"] in builder.ids or any(part.exact("record", run["record"]) for part in segments):
                continue
            builder.add(
                ref=ref,
                commit="",
                run=run,
                params=parsed(content[codec.PARAMS], codec.PARAMS),
                metrics=parsed(content[codec.METRICS], codec.METRICS),
                schema=_sealed_schema(content, schemas),
                history=any(name.startswith("history") for name in content),
                again=any(part.exact("run", run["id"]) for part in segments),
            )
        except _WRONG as error:
            faults.append(StoreFault(ref=ref, commit="", path=str(path), what=_said(error)))
    if len(builder):
        stem = f"pending-{os.getpid()}-{new_id()}"
        segment.write(builder, folder, stem)
        part = Segment(folder, stem)
        part.open()  # mapped now: the files may go
        manifests.remove(folder, stem)
        segments = [*segments, part]
    return Index(segments, dropped=manifest.dropped, faults=faults, schemas=schemas)


def _sealed_schema(content: Mapping[str, bytes], schemas: dict[str, bytes]) -> str | None:
    data = content.get(codec.SCHEMA)
    if data is None:
        return None
    key = f"sealed:{hashlib.sha256(data).hexdigest()}"
    schemas[key] = data
    return key
