"""Schemas to start from, with units, directions and definitions of the usual metrics of a field."""

from __future__ import annotations

from ledger import canonical, resources
from ledger.errors import NotFoundError
from ledger.schema.explain import nearest

_NAMES = ("classification", "regression", "ranking", "language-model")


def names() -> tuple[str, ...]:
    return _NAMES


def load(name: str) -> bytes:
    """Read the document of a starter. Raises NotFoundError, with a near name as its hint."""
    if name not in _NAMES:
        near = nearest(name, _NAMES)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(_NAMES)}"
        raise NotFoundError(f"no starter schema {canonical.compact(name)}", hint=hint)
    return (resources.folder("schemas") / "starters" / f"{name}.json").read_bytes()


def describe(name: str) -> str:
    """Say what a starter is for, in one line."""
    return str(canonical.loads(load(name), what=f"{name}.json")["description"])
