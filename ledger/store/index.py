"""The columnar cache of everything on the chains: brought up to date by readers, safe to delete at any time.

A manifest names the tips that were read and the immutable segments that hold their records. Readers that
update it at the same time each publish a whole truth; the last one stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ledger.errors import StorageError
from ledger.git import refs
from ledger.git.process import Repository
from ledger.model import StoreFault
from ledger.store import unchained, update
from ledger.store.segment import Segment
from ledger.store.slug import INBOX, RUNS
from ledger.store.update import Told

__all__ = ["INDEX_VERSION", "Index", "Told", "load"]

INDEX_VERSION = 2
"""1: the first (2026-11). 2: columns `merges` and `settles`. Another version is rebuilt, never migrated."""


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
    waiting, faults = unchained.waiting(repository)
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
            segments, manifest = update.current(repository, folder, tips, told)
            broken = [
                StoreFault(ref=ref, commit=tips[ref], path="", what=what)
                for ref, what in manifest.broken.items()
            ]
            late = unchained.indexed(waiting, segments, folder)
            return Index(
                [*segments, *([late.segment] if late.segment else [])],
                dropped=manifest.dropped,
                faults=[*faults, *broken, *late.faults],
                schemas=late.schemas,
            )
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
