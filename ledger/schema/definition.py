"""What one metric or param means, and the hash that identifies exactly that."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import Literal

from ledger import canonical
from ledger.errors import ConfigError
from ledger.frozen import frozen
from ledger.model import Json

Role = Literal["metric", "param"]

IDENTITY: Mapping[Role, tuple[str, ...]] = {
    "metric": ("type", "values", "unit", "kind", "how", "on", "summary", "epoch"),
    "param": ("type", "values", "unit"),
}
"""The fields that identify a definition, beside its role and name."""

_NOTHING: Mapping[str, Json] = MappingProxyType({})
_DEFAULTS: Mapping[str, object] = {
    "type": (),
    "values": None,
    "unit": None,
    "kind": "point",
    "how": {},
    "on": {},
    "summary": "last",
    "epoch": 1,
}
_BEST = {"higher": "max", "lower": "min"}
_PARTITION = "param:"
_SHORT = 12


@frozen()
class Definition:
    """What a name means. `did` is `d1:` and 64 hex digits: equal ids mean that values are comparable as they are.

    Outside the identity: direction, description, minimum, maximum, open, source and series.
    """

    name: str
    role: Role = "metric"
    type: tuple[str, ...] = ()
    """JSON Schema types without `null`, sorted; empty where nothing is said."""
    unit: str | None = None
    kind: str = "point"
    """`point`, or `delta` for differences, errors and widths, to which the offset of a unit does not apply."""
    how: Mapping[str, Json] = field(default_factory=lambda: _NOTHING, hash=False)
    """How it is computed; every key counts."""
    on: Mapping[str, Json] = field(default_factory=lambda: _NOTHING, hash=False)
    """What it is computed on; `param:NAME` as a value makes a partition."""
    summary: str = "last"
    """How a series becomes one value; `best` is resolved to `max` or `min`."""
    epoch: int = 1
    """Counted up when the same words come to mean something else."""
    values: tuple[Json, ...] | None = field(default=None, hash=False)
    """The only values allowed (`enum`)."""
    direction: str | None = None
    """`higher` or `lower` is better; None: nobody said."""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    open: tuple[str, ...] = ()
    """Of `minimum` and `maximum` those that are not allowed themselves."""
    source: str | None = None
    """Where the metric is implemented, as `path:function`."""
    series: str | None = None
    """The series of a history that this metric sums up."""
    did: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        projected = canonical.jcs([self.role, self.name, self.projection])
        object.__setattr__(self, "did", f"d1:{hashlib.sha256(projected).hexdigest()}")

    @property
    def projection(self) -> dict[str, object]:
        """The identifying fields that differ from their defaults."""
        fields = {key: getattr(self, key) for key in IDENTITY[self.role]}
        if len(self.type) == 1:
            fields["type"] = self.type[0]
        return {key: value for key, value in fields.items() if value != _DEFAULTS[key]}

    @property
    def declared(self) -> bool:
        """Whether anything but the name is said; a bare name means what an undeclared one means."""
        return bool(self.projection)

    @property
    def short(self) -> str:
        """The 12 digits shown to people; compare `did`."""
        return self.did.removeprefix("d1:")[:_SHORT]

    @property
    def partition(self) -> tuple[str, ...]:
        """Names of the params within whose values this metric is comparable, sorted."""
        named = (
            value for value in self.on.values() if isinstance(value, str) and value.startswith(_PARTITION)
        )
        return tuple(sorted({value.removeprefix(_PARTITION) for value in named}))


def undeclared(name: str, role: Role = "metric") -> Definition:
    """Implicit definition of a name that no schema declares."""
    return Definition(name=name, role=role)


def from_property(name: str, subschema: object, role: Role) -> Definition:
    """Definition in a property's subschema, its `$ref` already resolved. Raises ConfigError."""
    node = _object(name, "the subschema", {} if isinstance(subschema, bool) else subschema)
    words = _object(name, "x-ledger", node.get("x-ledger", {}))
    direction = _text(name, "direction", words.get("direction"))
    summary = _text(name, "summary", words.get("summary")) or "last"
    return Definition(
        name=name,
        role=role,
        type=_types(name, node.get("type", [])),
        unit=_text(name, "unit", words.get("unit")),
        kind=_text(name, "kind", words.get("kind")) or "point",
        how=_object(name, "how", words.get("how", {})),
        on=_object(name, "on", words.get("on", {})),
        summary=_BEST.get(direction or "", summary) if summary == "best" else summary,
        epoch=_epoch(name, words.get("epoch", 1)),
        values=_values(name, node.get("enum")),
        direction=direction,
        description=_text(name, "description", node.get("description")) or "",
        minimum=_bound(node, "minimum", "exclusiveMinimum"),
        maximum=_bound(node, "maximum", "exclusiveMaximum"),
        open=_open(node),
        source=_text(name, "source", words.get("source")),
        series=_text(name, "series", words.get("series")),
    )


def _open(node: Mapping[str, Json]) -> tuple[str, ...]:
    """The sides whose narrower bound is an exclusive one."""
    found = []
    for side, exclusive, sign in (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1)):
        closed, narrower = _bound(node, side), _bound(node, exclusive)
        if narrower is not None and (closed is None or sign * narrower >= sign * closed):
            found.append(side)
    return tuple(found)


def _wrong(name: str, word: str, expected: str) -> ConfigError:
    return ConfigError(f"definition of {canonical.compact(name)}: {word} should be {expected}")


def _object(name: str, word: str, value: object) -> Mapping[str, Json]:
    if isinstance(value, Mapping):
        return value
    raise _wrong(name, word, "an object")


def _text(name: str, word: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise _wrong(name, word, "text")


def _types(name: str, value: object) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if isinstance(listed, list) and all(isinstance(item, str) for item in listed):
        return tuple(sorted(set(listed) - {"null"}))
    raise _wrong(name, "type", "a type or a list of types")


def _epoch(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _wrong(name, "epoch", "a whole number")


def _values(name: str, value: object) -> tuple[Json, ...] | None:
    if value is None:
        return None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(value)
    raise _wrong(name, "enum", "a list")


def _bound(node: Mapping[str, Json], *keywords: str) -> float | None:
    values = (node.get(keyword) for keyword in keywords)
    return next(
        (value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)), None
    )
