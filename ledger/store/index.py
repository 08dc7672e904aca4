"""The columnar cache of everything on the chains: brought up to date by readers, safe to delete at any time.

A manifest names the tips that were read and the immutable segments that hold their records. Readers that
update it at the same time each publish a whole truth; the last one stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ledger.errors import StorageError
from ledger.git import refs
from ledger.git.process import Repository
from ledger.model import StoreFault
from ledger.store import manifest as manifests
from ledger.store.manifest import Manifest
from ledger.store.segment import Segment
from ledger.store.slug import INBOX, RUNS
from ledger.store.spool import Spool

if TYPE_CHECKING:
    from ledger.store.unchained import Waiting

INDEX_VERSION = 3
"""1: the first (2026-11). 2: columns `merges` and `settles`. 3: seals. Another version is rebuilt, never migrated."""


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
    waiting, faults = _waiting(repository)
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
            broken = [
                StoreFault(ref=ref, commit=tips[ref], path="", what=what)
                for ref, what in manifest.broken.items()
            ]
            return _whole(waiting, segments, manifest, [*faults, *broken], folder)
        except OSError as error:
            problems.append(f"{folder}: {error.strerror or error}")
        except StorageError as error:
            problems.append(error.message)
    raise StorageError("no place for the index of the ledger", hint="make room", details=tuple(problems))


def _waiting(repository: Repository) -> tuple[list[Waiting], list[StoreFault]]:
    """What is sealed but not chained: most often nothing, and then nothing that reads it is imported."""
    if not Spool.of(repository).pending():
        return [], []
    from ledger.store import unchained

    return unchained.waiting(repository)


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
                from ledger.store import update

                manifest = update.updated(repository, folder, manifest, tips, told, parts)
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


def _whole(
    waiting: Sequence[Waiting],
    segments: Sequence[Segment],
    manifest: Manifest,
    faults: Sequence[StoreFault],
    folder: Path,
) -> Index:
    if not waiting:
        return Index(segments, dropped=manifest.dropped, faults=faults)
    from ledger.store import unchained

    late = unchained.indexed(waiting, segments, folder)
    return Index(
        [*segments, *([late.segment] if late.segment else [])],
        dropped=manifest.dropped,
        faults=[*faults, *late.faults],
        schemas=late.schemas,
    )


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
