"""One recorded run, whole again: from its commit, or from the spool while it is not on its chain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ledger import canonical
from ledger.errors import FormatError, LedgerError, NotFoundError
from ledger.git import objects, refs
from ledger.git.process import Repository, lines
from ledger.model import Json, Metric, Record
from ledger.store import aftercare, codec
from ledger.store.newer import newer
from ledger.store.sealed import Sealed
from ledger.store.spool import Spool
from ledger.store.unreadable import Unreadable

_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a record is: the index says it. `commit` is empty for a record that was sealed but not chained."""

    record: str
    ref: str
    commit: str = ""


def record_at(repository: Repository, place: Place) -> Record:
    """The record at a place; one that was chained since the index was read is found as well.

    Raises FormatError that names the commit for what can't be read, NotFoundError for what isn't there.
    """
    if not place.commit:
        sealed = _sealed(repository, place.record)
        if sealed is not None:
            return codec.record(sealed.files, what=f"sealed record {place.record[:12]}")
    commit = place.commit or _commit_of(repository, place)
    return codec.record(files_at(repository, commit), what=commit[:12])


def files_at(repository: Repository, commit: str) -> dict[str, bytes]:
    """The files of a run commit by name; sizes are looked at before anything is read. Raises FormatError."""
    tree = objects.read(repository, [f"{commit}^{{tree}}"])[0]
    if tree is None or tree.kind != "tree":
        raise FormatError(f"{commit[:12]} can't be read", hint="`ledger verify` says what is wrong")
    entries = objects.parse_tree(tree.body, repository.object_format)
    wrong = codec.check_tree(entries) or _too_large(repository, entries)
    if wrong:
        raise newer(repository, [commit]).get(commit) or FormatError(f"{commit[:12]}: {wrong}")
    found = objects.read(repository, [entry.id for entry in entries])
    content = {entry.name: item.body for entry, item in zip(entries, found, strict=True) if item is not None}
    absent = next((entry.name for entry in entries if entry.name not in content), None)
    if absent:
        raise FormatError(f"{commit[:12]}: {absent} is missing from the repository")
    return content


def _too_large(repository: Repository, entries: Sequence[objects.TreeEntry]) -> str | None:
    sizes = objects.sizes(repository, [entry.id for entry in entries])
    for entry, size in zip(entries, sizes, strict=True):
        if size is not None and size > codec.max_bytes(entry.name):
            return f"{entry.name}: {size:,} bytes, the limit is {codec.max_bytes(entry.name):,}"
    return None


def _sealed(repository: Repository, record_id: str) -> Sealed | None:
    pending = Spool.of(repository).pending()
    sealed = Unreadable(repository.folder)
    # A sealed file of one record carries its id in its name: look there first.
    for path in sorted(pending, key=lambda path: record_id not in path.name):
        with suppress(FormatError, FileNotFoundError):
            for item in sealed.read(path):
                if item.record == record_id:
                    return item
    return None


def _commit_of(repository: Repository, place: Place) -> str:
    """The commit of a record that was sealed when the index was read, and is chained by now."""
    form = f"--format=%H %(trailers:key={aftercare.RECORD_TRAILER},valueonly,unfold,separator=%x20)"
    if refs.tips(repository, place.ref):
        for line in lines(repository.git("log", form, "--end-of-options", place.ref, "--")):
            commit, _, records = line.partition(" ")
            if place.record in records.split():
                return commit
    raise NotFoundError(
        f"the record {place.record[:12]} is neither in the spool nor on {place.ref}",
        hint="run the command again; `ledger verify` looks at everything",
    )


def samples(
    repository: Repository, places: Iterable[Place]
) -> Iterator[tuple[Mapping[str, Json], Mapping[str, Metric]]]:
    """Params (nested, as they were recorded) and metrics of many records; what can't be read is passed over."""
    chained: list[str] = []
    for place in places:
        if place.commit:
            chained.append(place.commit)
        else:
            with suppress(LedgerError):
                found = record_at(repository, place)
                yield found.params, found.metrics
    for start in range(0, len(chained), _AT_ONCE):
        yield from _values(repository, chained[start : start + _AT_ONCE])


def _values(
    repository: Repository, commits: Sequence[str]
) -> Iterator[tuple[Mapping[str, Json], Mapping[str, Metric]]]:
    names = [f"{commit}:{name}" for commit in commits for name in (codec.PARAMS, codec.METRICS)]
    limit = codec.MAX_BYTES[codec.PARAMS]
    with objects.reader(repository, max_bytes=limit) as bulk:
        found = bulk.read(names)
    for params, metrics in zip(found[::2], found[1::2], strict=True):
        if params is not None and metrics is not None:
            with suppress(LedgerError):
                values: Any = canonical.loads(params.body, what=codec.PARAMS)
                yield values, codec.metrics(metrics.body, what="")
