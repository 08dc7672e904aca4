"""Definitions inside a migration: as plain fields, each under its own id, so that the file proves itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring

from ledger import canonical
from ledger.model import Json
from ledger.schema.definition import Definition

Lock = Mapping[str, Json]
"""The fields of a definition as `defs` of a migration holds them."""


def lock(definition: Definition) -> dict[str, Json]:
    """The fields of a definition that make its identity, and its direction."""
    projection = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in definition.projection.items()
    }
    fields = {
        "name": definition.name,
        "role": definition.role if definition.role != "metric" else None,
        "direction": definition.direction,
        **projection,
    }
    return {key: value for key, value in fields.items() if value is not None}  # type: ignore[misc]


def unlock(fields: Lock) -> Definition:
    """The definition that `lock` was made of. The fields are of the format (`schemas/migration.json`)."""
    types = fields.get("type", [])
    words = {key: fields[key] for key in _WORDS if key in fields}
    values = fields.get("values")
    return Definition(
        **words,  # type: ignore[arg-type]
        type=(types,) if isinstance(types, str) else tuple(sorted(set(types) - {"null"})),  # type: ignore[arg-type]
        values=tuple(values) if isinstance(values, list) else None,
    )


_WORDS = ("name", "role", "unit", "kind", "how", "on", "summary", "epoch", "direction")


def proves(did: str, fields: Lock) -> bool:
    """Whether `fields` are those of the definition with this id."""
    projection = dict(fields)
    role, name = projection.pop("role", "metric"), projection.pop("name")
    projection.pop("direction", None)
    try:
        said = _of_plain(tuple(projection.items()))
    except TypeError:  # a list or an object among them
        said = _encode(projection)
    text = f"[{_quote(role)},{_quote(name)},{said}]"  # type: ignore[arg-type]
    return _sha256(text) == did.removeprefix("d1:") or unlock(fields).did == did


@lru_cache(maxsize=1024)
def _of_plain(items: tuple[tuple[str, Json], ...]) -> str:
    """Metrics that change together differ in their names only."""
    return _encode(dict(items))


def is_hash(stated: str, value: Json) -> bool:
    """Whether an id (`d1:...`, `m1:...`) is the hash of a value's RFC 8785 bytes.

    The interpreter's own encoder is four times faster and writes the same bytes for nearly all values; where it
    does not, its hash is not the stated one, and the slow form decides.
    """
    prefix, _, digits = stated.partition(":")
    return _sha256(_encode(value)) == digits or hash_of(prefix, value) == stated


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


_quote = encode_basestring
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def hash_of(prefix: str, value: Json) -> str:
    """`prefix:` and the sha256 of the RFC 8785 bytes of a value. Raises InputError for half a character."""
    canonical.encode(_encode(value))
    return f"{prefix}:{hashlib.sha256(canonical.jcs(value)).hexdigest()}"
