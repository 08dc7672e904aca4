"""Files of a depot, some at a time: read, checked, and made into what git stores, as bytes for another process."""

from __future__ import annotations

import marshal
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from ledger.errors import FormatError, LedgerError
from ledger.frozen import frozen
from ledger.git import objects, pack
from ledger.git.objects import GitObject
from ledger.git.pack import Deflated
from ledger.model import Author
from ledger.share.intake import Packs, faults
from ledger.store.depot import MAX_BYTES, Depot, Found
from ledger.store.sealed import Sealed, contents_of, read_bytes
from ledger.store.slug import is_slug

_SHOWN = 3
_LEVEL = 1
"""Of compression, as everywhere: runs are many and small."""


@frozen(kw_only=False)
class Arrived:
    """A record of a file, and the tree that it has on a chain."""

    record: str
    slug: str
    tree: str
    sealed: Sealed | None
    """None for one that was known before."""


@frozen(kw_only=False)
class Sifted:
    """A file: its records, or what is wrong with it."""

    records: tuple[Arrived, ...] = ()
    wrong: tuple[str, ...] = ()


@frozen(kw_only=False)
class _Made:
    """What git is to store: blobs by their bytes, trees by their ids."""

    blobs: dict[bytes, GitObject]
    trees: dict[str, GitObject]


class Sieve:
    """Lets pass what may be chained. `known` are records that need no look."""

    def __init__(self, depot: Depot, packs: Packs, known: Container[str], object_format: str) -> None:
        self._depot = depot
        self._packs = packs
        self._known = known
        self._format = object_format

    def sift(self, files: Sequence[Found]) -> bytes:
        """What `sifted` reads."""
        made = _Made({}, {})
        answers = [self._one(found, made) for found in files]
        stored = [*made.blobs.values(), *made.trees.values()]
        deflated = pack.deflated(stored, _LEVEL)
        forms = [
            (item.id, item.kind, item.body, form.base, form.head, form.data)
            for item, form in zip(stored, deflated, strict=True)
        ]
        return marshal.dumps((forms, answers))

    def _one(self, found: Found, made: _Made) -> tuple[Any, ...]:
        """Its records and what is wrong, of which one is empty."""
        try:
            records = opened(self._depot, found)
        except LedgerError as error:
            return (), (error.message.removeprefix(f"{found.name}: "),)
        known = all(item.record in self._known for item in records)
        wrong = () if known else self._wrong(records)
        return () if wrong else tuple(self._form(item, made, known=known) for item in records), wrong

    def _wrong(self, records: Sequence[Sealed]) -> tuple[str, ...]:
        found = [(item, said) for item in records if (said := self._fault(item))]
        more = (f"and {len(found) - _SHOWN:,} more records",) if len(found) > _SHOWN else ()
        return (*(f"{item.record[:12]}: {said}" for item, said in found[:_SHOWN]), *more)

    def _fault(self, item: Sealed) -> str:
        return next(faults(item), "") or self._packs.fault(item)

    def _form(self, item: Sealed, made: _Made, *, known: bool) -> tuple[Any, ...]:
        blobs = [(name, self._blob(data, made, known=known)) for name, data in item.files.items()]
        tree = objects.flat_tree({name: blob.id for name, blob in blobs}, self._format)
        if known:
            return item.record, item.slug, tree.id
        made.trees[tree.id] = tree
        author = (item.author.name, item.author.email)
        names = tuple((name, blob.id, item.digests[blob.body]) for name, blob in blobs)
        rest = (item.run, author, item.seconds, item.message, item.code, item.pack, names)
        return item.record, item.slug, tree.id, *rest

    def _blob(self, data: bytes, made: _Made, *, known: bool) -> GitObject:
        found = made.blobs.get(data)
        if found is None:
            found = objects.make("blob", data, self._format)
            if not known:
                made.blobs[data] = found
        return found


def sifted(data: bytes) -> Iterator[Sifted]:
    """What `Sieve.sift` made of each file, in order."""
    forms, answers = marshal.loads(data)  # noqa: S302 - of this very process, or of one that it forked
    made = {oid: GitObject(oid, kind, body, Deflated(*form)) for oid, kind, body, *form in forms}
    for records, wrong in answers:
        yield Sifted(tuple(_arrived(form, made) for form in records), wrong)


def _arrived(form: tuple[Any, ...], made: Mapping[str, GitObject]) -> Arrived:
    record, slug, tree, *rest = form
    if not rest:
        return Arrived(record, slug, tree, None)
    run, (name, email), seconds, message, code, snapshot, names = rest
    sealed = Sealed(
        record=record,
        run=run,
        slug=slug,
        author=Author(name=name, email=email),
        seconds=seconds,
        message=message,
        code=code,
        files={file: made[blob].body for file, blob, _ in names},
        pack=snapshot,
        made=(*(made[blob] for _, blob, _ in names), made[tree]),
        digests={made[blob].body: digest for _, blob, digest in names},
    )
    return Arrived(record, slug, tree, sealed)


def experiments(depot: Depot, found: Found) -> set[str]:
    """The slugs that a sealed file names; nothing else of it is checked. Raises LedgerError."""
    listed = contents_of(_read(depot, found), what=found.name)
    return {slug for _, slug in listed if is_slug(slug)}


def _read(depot: Depot, found: Found) -> bytes:
    if found.size > MAX_BYTES:
        raise FormatError(f"{found.size:,} bytes, the limit is {MAX_BYTES:,}")
    data = depot.read(found)
    if len(data) > MAX_BYTES:
        raise FormatError(f"more than {MAX_BYTES:,} bytes")
    return data


def opened(depot: Depot, found: Found) -> list[Sealed]:
    """Raises LedgerError for what is no sealed file, or none that may be chained."""
    records = read_bytes(_read(depot, found), what=found.name)
    if not records or not all(item.slug for item in records):
        raise FormatError("a refused run, or nothing at all", hint="ledger record --refused FILE finishes it")
    return records
