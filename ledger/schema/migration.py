"""Migration files: reviewed steps from the definitions of one schema to those of another.

A file proves itself: `defs` holds every definition it names, under its id. It is refused whole if anything in it is
wrong or unknown, with every fault named, and never keeps others from being used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from ledger import canonical
from ledger.model import Json
from ledger.schema import units
from ledger.schema.codes import Finding, MigrationError
from ledger.schema.definition import Definition
from ledger.schema.locks import lock
from ledger.schema.lowered import Loaded, Migration
from ledger.schema.migration_id import FORMAT, MAX_BYTES
from ledger.schema.operations import Conversion
from ledger.schema.quick_reader import QuickReader
from ledger.schema.units import Unit
from ledger.uncollected import uncollected

__all__ = ["MAX_BYTES", "Loaded", "Migration", "MigrationError", "draft", "load", "parse"]

_NO_UNITS: Mapping[str, Unit] = {}


def load(files: Mapping[str, bytes], *, custom_units: Mapping[str, Unit] = _NO_UNITS) -> Loaded:
    """Read all files, name → bytes, in the order of their names; a broken one only adds faults."""
    reader = QuickReader(_conversions(custom_units))
    migrations: list[Migration] = []
    faults: list[Finding] = []
    with uncollected():
        for what, data in sorted(files.items()):
            try:
                migrations.append(_read(data, what, reader))
            except MigrationError as error:
                faults.extend(error.findings)
    return Loaded(migrations=tuple(migrations), faults=tuple(faults))


def parse(data: bytes, *, what: str, custom_units: Mapping[str, Unit] = _NO_UNITS) -> Migration:
    """Read one file; `what` names it in messages. Raises MigrationError with all that is wrong."""
    return _read(data, what, QuickReader(_conversions(custom_units)))


def _conversions(custom_units: Mapping[str, Unit]) -> Conversion:
    unit = partial(units.parse, custom=custom_units)
    return cache(lambda before, after, kind: units.conversion(unit(before), unit(after), kind=kind))


def _read(data: bytes, what: str, reader: QuickReader) -> Migration:
    """Nearly every file has no fault, so what finds faults is imported only for those that may have one."""
    if found := reader.read(data, what):
        return found
    from ledger.schema import careful_reader

    return careful_reader.read(data, what, reader.conversion)


Sides = Mapping[str, Mapping[str, Definition]]
"""`metrics` and `params`: definitions by name."""


def draft(
    *,
    schema: str,
    summary: str,
    before: Sides,
    after: Sides,
    operations: Mapping[str, Sequence[Mapping[str, Json]]],
    supersedes: Sequence[str] = (),
    labels: tuple[str | None, str | None] = (None, None),
) -> dict[str, Any]:
    """A migration document of the operations in `metrics` and `params`, with the definitions that they name.

    `id` is there only if the draft can be used as it is.
    """
    uses: Mapping[str, Callable[[Mapping[str, Any]], set[str]]] = {"from": _used_before, "to": _used_after}
    locks: dict[str, Json] = {}
    body: dict[str, Any] = {
        "format": FORMAT,
        "summary": summary,
        "schema": schema,
        "supersedes": [*supersedes],
    }
    for (side, used), sides, label in zip(uses.items(), (before, after), labels, strict=True):
        body[side] = {"version": label} if label else {}
        for part, listed in operations.items():
            wanted = {name for words in listed for name in used(words)}
            known = {name: sides.get(part, {})[name] for name in sorted(wanted & sides.get(part, {}).keys())}
            body[side][part] = {name: definition.did for name, definition in known.items()}
            locks |= {definition.did: lock(definition) for definition in known.values()}
    body |= {part: [dict(words) for words in listed] for part, listed in operations.items()} | {"defs": locks}
    try:
        return {"id": parse(canonical.dumps(body), what="draft").id, **body}
    except MigrationError:
        return body


def _used_before(words: Mapping[str, Any]) -> set[str]:
    named = words.get("from", [])
    inputs = words.get("inputs", {})
    return {*([named] if isinstance(named, str) else named), *inputs.values()}


def _used_after(words: Mapping[str, Any]) -> set[str]:
    return {words["to"]} if "to" in words else set()
