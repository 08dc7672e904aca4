"""Ledger's own formats, checked against the JSON Schemas that ship in `schemas/`."""

from __future__ import annotations

from functools import cache

from ledger import canonical, resources
from ledger.model import Fault
from ledger.schema.engine import Rules

NAMES = ("run", "schema", "config", "units", "migration")


def check(format_name: str, data: object, *, file: str = "") -> tuple[Fault, ...]:
    """List what is wrong with `data` as one of `NAMES`; `file` is the name that faults carry."""
    rules = _rules(format_name)
    if rules.accept(data):
        return ()
    return rules.faults(data, file=lambda _path: file or format_name, known={})


def load(format_name: str) -> bytes:
    """Read the shipped JSON Schema of a format."""
    return (resources.folder("schemas") / f"{format_name}.json").read_bytes()


@cache
def _rules(format_name: str) -> Rules:
    return Rules(canonical.loads(load(format_name), what=f"{format_name}.json"))
