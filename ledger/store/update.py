"""Bringing the index up to date: what came to the chains is read and written as segments, what went is dropped."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import FormatError, GitError, StorageError
from ledger.frozen import frozen
from ledger.git.process import Repository
from ledger.model import new_id
from ledger.store import codec, segment
from ledger.store import manifest as manifests
from ledger.store.arrivals import Commit, differences, placed
from ledger.store.documents import WRONG, Document, all_parsed, said, sound
from ledger.store.manifest import Manifest
from ledger.store.newer import newer
from ledger.store.reading import Chunk, Tree, read_ahead
from ledger.store.rows import Builder
from ledger.store.segment import Segment
from ledger.uncollected import uncollected

if TYPE_CHECKING:
    from ledger.store.index import Told

_MAX_ROWS = 1 << 16
"""Rows of a full segment; fuller ones are never merged again, which bounds what an update can cost."""
_TIER = 8


_Parts = Callable[[str], Segment]


def updated(
    repository: Repository,
    folder: Path,
    old: Manifest,
    tips: Mapping[str, str],
    told: Told | None,
    parts: _Parts,
) -> Manifest:
    """The manifest of what the tips hold, and its segments written. Raises OSError, GitError."""
    update = _Update(repository, folder, tips, told, parts)
    found = update.onwards(old)
    if found is None:
        found = update.onwards(Manifest())
        if found is None:
            raise StorageError("the chains can't be followed", hint="ledger verify says where")
        for stem in old.segments:
            manifests.remove(folder, stem)
    return found


@frozen(kw_only=False)
class _Update:
    repository: Repository
    folder: Path
    tips: Mapping[str, str]
    told: Told | None
    parts: _Parts

    def onwards(self, old: Manifest) -> Manifest | None:
        """From an older manifest; None where only starting from nothing is surely right."""
        new, went, broken = differences(self.repository, old.tips, self.tips)
        if new is None:
            return None
        segments = {stem: self.parts(stem) for stem in old.segments}
        gone = {*old.dropped, *_records_of(list(segments.values()), went)}
        # Rows name commits: where some were replaced (re-parented, folded in), what is left beside them is read anew.
        stale = [stem for stem, part in segments.items() if _records_of([part], went)]
        try:
            left = placed(self.repository, _left([segments[stem] for stem in stale], went, gone))
        except GitError:
            return None
        kept = {stem: part for stem, part in segments.items() if stem not in stale}
        fresh = self._written([*left, *new], list(kept.values()), gone)
        if len(self.tips) > 1 and not gone.issubset(old.dropped):
            # Another ref may hold what this one lost, on the same commits or as a copy on others: rare.
            for stem in fresh:
                manifests.remove(self.folder, stem)
            return None
        stems, merged = _merged(self.folder, [*kept, *fresh], self.parts)
        manifest = replace(
            old,
            tips={ref: tip for ref, tip in self.tips.items() if ref not in broken},
            segments=tuple(stems),
            dropped=tuple(sorted(gone)),
            broken=broken,
        )
        manifests.publish(self.folder, manifest)
        for stem in (*merged, *stale):
            manifests.remove(self.folder, stem)
        return manifest

    def _written(self, commits: Sequence[Commit], existing: Sequence[Segment], gone: set[str]) -> list[str]:
        """Stems of the segments that hold the records of commits."""
        stems = []
        with uncollected():
            for builder in _built(self.repository, commits, existing, gone, self.told):
                stem = new_id()
                segment.write(builder, self.folder, stem)
                stems.append(stem)
        return stems


def _left(segments: Sequence[Segment], went: Sequence[str], gone: Collection[str]) -> dict[str, str]:
    """Commit → ref of what is still there of some segments, and of what could not be read there."""
    away = frozenset(went)
    found = {fault["commit"]: fault["ref"] for part in segments for fault in part.facts["faults"]}
    for part in segments:
        columns = (part.column(name) for name in ("commit", "ref", "record"))
        rows = zip(*columns, strict=True)
        found.update((commit, ref) for commit, ref, record in rows if record not in gone)
    return {commit: ref for commit, ref in found.items() if commit not in away}


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
    """Segments' worth of new records: git reads ahead while this one parses.

    A record that is read again, on a re-parented commit, is no longer `gone`.
    """
    builder, known = Builder(), _Known(existing, many=len(commits) >= _MANY)
    done = 0
    for chunk in read_ahead(repository, commits):
        if len(builder) + len(chunk.commits) > _MAX_ROWS:
            yield builder
            builder = Builder()
        _add_all(builder, _versioned(repository, chunk), known, gone)
        done += len(chunk.commits)
        if told:
            told(done, len(commits))
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
        return record in self._ids or self._stored("record", record)

    def has_run(self, run_id: str) -> bool:
        return run_id in self._runs or self._stored("run", run_id)

    def _stored(self, which: str, wanted: str) -> bool:
        return bool(self._segments) and any(part.exact(which, wanted) for part in self._segments)

    def add(self, record: str, run_id: str) -> None:
        self._ids.add(record)
        self._runs.add(run_id)


def _add_all(builder: Builder, chunk: Chunk, known: _Known, gone: set[str]) -> None:
    documents = tuple(_by_id(chunk, name) for name in codec.REQUIRED)
    for commit, tree in zip(chunk.commits, chunk.trees, strict=True):
        try:
            _add(builder, commit, tree, documents, known, gone)
        except WRONG as error:
            what = said(error)
            builder.faults.append({"ref": commit.ref, "commit": commit.id, "path": "", "what": what})


def _versioned(repository: Repository, chunk: Chunk) -> Chunk:
    """The chunk; what a newer ledger wrote is called that, not what its tree lacks by the rules of this one."""
    strange = [
        commit.id for commit, tree in zip(chunk.commits, chunk.trees, strict=True) if isinstance(tree, str)
    ]
    told = newer(repository, strange)
    if not told:
        return chunk
    trees = [
        told[commit.id].message if commit.id in told else tree
        for commit, tree in zip(chunk.commits, chunk.trees, strict=True)
    ]
    return Chunk(chunk.commits, trees, chunk.blobs)


def _by_id(chunk: Chunk, name: str) -> dict[str, Document]:
    """The files of one name, parsed: each distinct one once."""
    ids = list(dict.fromkeys(tree[name] for tree in chunk.trees if not isinstance(tree, str)))
    return dict(zip(ids, all_parsed([chunk.blobs[blob] for blob in ids], name), strict=True))


_WITHOUT_HISTORY = frozenset((*codec.REQUIRED, codec.SCHEMA, codec.EVENTS))


def _add(
    builder: Builder,
    commit: Commit,
    tree: Tree,
    documents: Sequence[Mapping[str, Document]],
    known: _Known,
    gone: set[str],
) -> None:
    if isinstance(tree, str):
        raise FormatError(tree)
    runs, params, metrics = documents
    run = sound(runs[tree[codec.RUN]])
    codec.check_version(run, what=commit.id[:12])
    if run["record"] in known:
        gone.discard(run["record"])
        return
    builder.add(
        ref=commit.ref,
        commit=commit.id,
        run=run,
        params=sound(params[tree[codec.PARAMS]]),
        metrics=sound(metrics[tree[codec.METRICS]]),
        schema=tree.get(codec.SCHEMA),
        history=not _WITHOUT_HISTORY.issuperset(tree),
        again=known.has_run(run["id"]),
    )
    known.add(run["record"], run["id"])
    gone.discard(run["record"])


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
