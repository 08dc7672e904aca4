"""Schema documents: reading them, and checking a run's params and metrics against one.

A document is JSON Schema 2020-12. It describes `{"params": {...}, "metrics": {...}}`, and ledger's own words stand
under the key `x-ledger`: at the top `{"format": 1, "version": "3", "strict": false}` (all optional), in a property
the words of its definition. `strict` refuses names that the document does not declare (as if `params` and
`metrics` said `"unevaluatedProperties": false`); else they are kept without a definition.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from ledger import canonical
from ledger.errors import ConfigError, FormatError, InputError
from ledger.frozen import frozen
from ledger.model import Fault, Json, Metric
from ledger.schema import formats, references
from ledger.schema.definition import Definition, Role, from_property
from ledger.schema.engine import Rules

if TYPE_CHECKING:
    from ledger.schema.explain import Path

FORMAT = 1
"""Version of schema documents that this ledger reads. 1: the first (2026-11)."""

MAX_BYTES = 8 * 1024 * 1024
"""A larger file is refused unread; callers need not read more than this and one byte."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Origin = Callable[[str, str], str]
"""(`params` or `metrics`, top-level name) → the file that the value came from. Both are empty for the whole
document, the name is empty for all of a part, and a name may be one that no file gave."""

_PARTS: Mapping[str, Role] = {"params": "param", "metrics": "metric"}
_UPGRADE = "upgrade ledger"
_SHORT = len("s1:") + 12
_DIGITS = re.compile(r"[0-9a-f]{4,64}")
_MAX_INNER, _MAX_LEVELS = 5_000, 8
"""Params inside of params: a schema may refer to itself without end."""


@frozen()
class Schema:
    """A schema document. `data` is its canonical bytes, which each run carries as `schema.json`."""

    name: str
    version: str | None
    """A label for people; two schemas may share it."""
    data: bytes = field(repr=False)
    strict: bool
    body: Mapping[str, Any] = field(compare=False, repr=False)
    params: Mapping[str, Definition] = field(compare=False, repr=False)
    metrics: Mapping[str, Definition] = field(compare=False, repr=False)

    @property
    def id(self) -> str:
        """`s1:` and the hash of all its definitions: equal just for schemas under which everything means the same."""
        dids = sorted(one.did for part in (self.metrics, self.params) for one in part.values())
        return f"s1:{hashlib.sha256(canonical.jcs(dids)).hexdigest()}"

    @property
    def short(self) -> str:
        """`s1:` and the 12 digits shown to people; compare `id`."""
        return self.id[:_SHORT]

    @property
    def label(self) -> str:
        """How a version is named: `3@9a07d2c1e655`, since two branches may both have a version 3."""
        return f"{self.version or ''}@{self.short.removeprefix('s1:')}"

    def is_called(self, text: str) -> bool:
        """Whether a text names this version: `3`, `3@9a07d2c1`, `@9a07d2c1` or `s1:9a07d2c1`, with 4 digits or more."""
        if text == self.version:
            return True
        label, at, digits = text.rpartition("@")
        wanted = digits if at else digits.removeprefix("s1:")
        fits = label in ("", self.version) and (at or text.startswith("s1:"))
        return bool(fits and _DIGITS.fullmatch(wanted) and self.id[3:].startswith(wanted))


def parse(data: bytes, *, name: str, what: str) -> Schema:
    """Read a schema file that runs are to be checked against; `what` names the file in messages.

    Raises ConfigError that lists every fault.
    """
    if len(data) > MAX_BYTES:
        raise ConfigError(
            f"{what}: larger than {MAX_BYTES:,} bytes", hint="each run carries its schema: split it"
        )
    try:
        body = _body(data, what)
        canonical_data = canonical.dumps(body)
    except InputError as error:
        from ledger.schema.lines import conflict_line

        if line := conflict_line(data):
            said = f"{what}: a merge conflict is not resolved, at line {line}"
            raise ConfigError(said, hint="keep one side") from error
        raise ConfigError(error.message, hint=error.hint, details=error.details) from error
    if _newer(body):
        raise ConfigError(f"{what}: written for a newer ledger", hint=_UPGRADE)
    _refuse((*formats.check("schema", body, file=what), *references.faults(body, file=what)), what)
    _refuse(formats.check("schema", _resolved(body), file=what), what)
    schema = _schema(body, name=name, data=canonical_data)
    _usable(schema, what)
    return schema


def recorded(data: bytes, *, name: str = "") -> Schema:
    """Read the schema that a run carries: only its definitions count, and it never validates anything.

    Raises FormatError, whatever the bytes are.
    """
    try:
        body = _body(data, "schema.json")
        if _newer(body):
            raise FormatError("schema.json: written for a newer ledger", hint=_UPGRADE)
        return _schema(body, name=name, data=data)
    except (InputError, ConfigError) as error:
        raise FormatError(error.message, hint=error.hint) from error
    except UnicodeEncodeError as error:
        raise FormatError("schema.json: a name with half a character") from error


def validate(
    schema: Schema,
    params: Mapping[str, Json],
    metrics: Mapping[str, Metric],
    *,
    origin: Origin,
    partial: bool = False,
) -> tuple[Fault, ...]:
    """Everything that is wrong with a run's params and metrics; nothing means that they fit.

    NaN and Infinity count as numbers, to which bounds, `enum`, `const` and `multipleOf` do not apply;
    `"x-ledger": {"finite": true}` refuses them. A `partial` run, one that was cut short, may lack what is required.
    """
    if _too_deep(params):
        rule = f"at most {canonical.MAX_DEPTH} levels deep"
        return (Fault(file=origin("params", ""), path="$.params", value="", rule=rule, hint="flatten it"),)
    instance = {"params": dict(params), "metrics": dict(metrics)}
    rules = _rules(schema.data, schema.strict)
    floats = [value for value in metrics.values() if isinstance(value, float)]
    if rules.accept(instance) and all(map(math.isfinite, floats)):
        return ()
    known: Mapping[Path, Mapping[str, Definition]] = {
        ("params",): schema.params,
        ("metrics",): schema.metrics,
    }
    faults = rules.faults(instance, file=lambda path: _origin(path, origin), known=known)
    return tuple(fault for fault in faults if not (partial and fault.rule == "required"))


def _too_deep(params: Mapping[str, Json]) -> bool:
    """Both engines recurse, and the compiled one ends the process when its stack is full."""
    level: list[Any] = [params]
    for _ in range(canonical.MAX_DEPTH):
        parts = (part.values() if isinstance(part, Mapping) else part for part in level)
        level = [value for values in parts for value in values if type(value) in _CONTAINERS]
        if not level:
            return False
    return True


_CONTAINERS = frozenset({dict, list, tuple})


def _origin(path: Path, origin: Origin) -> str:
    part, name = (*map(str, path[:2]), "", "")[:2]
    return origin(part, name)


def _body(data: bytes, what: str) -> dict[str, Any]:
    body = canonical.loads(data, what=what)
    if not isinstance(body, dict):
        raise InputError(f"{what}: a schema is a JSON object", hint=f'such as {{"$schema": "{DIALECT}"}}')
    return body


def _newer(body: Mapping[str, Any]) -> bool:
    version = _top(body).get("format", FORMAT)
    return isinstance(version, int) and version > FORMAT


def _top(body: Mapping[str, Any]) -> Mapping[str, Any]:
    words = body.get("x-ledger")
    return words if isinstance(words, Mapping) else {}


def _refuse(faults: tuple[Fault, ...], what: str) -> None:
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ConfigError(f"{what}: not a schema, {count}", details=tuple(map(str, faults)))


def _schema(body: Mapping[str, Any], *, name: str, data: bytes) -> Schema:
    version = _top(body).get("version")
    resolved = _resolved(body)["properties"]
    nodes = {part: resolved[part]["properties"] for part in _PARTS}
    inner = islice(_nested(body, nodes["params"]), _MAX_INNER)
    nodes["params"] = {**nodes["params"], **dict(inner)}
    definitions = {
        part: {key: from_property(key, node, role) for key, node in nodes[part].items()}
        for part, role in _PARTS.items()
    }
    return Schema(
        name=name,
        version=version if isinstance(version, str) else None,
        data=data,
        strict=_top(body).get("strict") is True,
        body=body,
        params=definitions["params"],
        metrics=definitions["metrics"],
    )


def _resolved(body: Mapping[str, Any]) -> dict[str, Any]:
    """Merge every `$ref` into the properties of `params` and `metrics`."""
    parts = _properties(references.resolve(body, body))
    return {"properties": {part: {"properties": _members(body, parts.get(part, {}))} for part in _PARTS}}


def _nested(body: Mapping[str, Any], members: Mapping[str, Any], depth: int = 1) -> Iterator[tuple[str, Any]]:
    """Params inside of params, by the dotted names that they are shown under: `optimizer.lr`."""
    for name, node in members.items():
        if depth < _MAX_LEVELS and isinstance(node, Mapping) and "properties" in node:
            inner = _members(body, node)
            yield from ((f"{name}.{key}", member) for key, member in inner.items())
            yield from ((f"{name}.{key}", member) for key, member in _nested(body, inner, depth + 1))


def _members(body: Mapping[str, Any], node: object) -> dict[str, Any]:
    members = _properties(references.resolve(body, node))
    return {name: references.resolve(body, member) for name, member in members.items()}


def _properties(node: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = node.get("properties", {})
    if isinstance(properties, Mapping):
        return properties
    raise ConfigError("properties should be an object")


@lru_cache(maxsize=32)
def _rules(data: bytes, strict: bool) -> Rules:  # noqa: FBT001 - a key of the cache
    body = canonical.loads(data, what="schema")
    return Rules(_closed(body) if strict else body)


def _closed(body: Mapping[str, Any]) -> dict[str, Any]:
    properties = body.get("properties", {})
    closed = {part: _no_others(properties.get(part, True)) for part in _PARTS}
    return {**body, "properties": {**properties, **closed}}


def _no_others(node: object) -> object:
    if node is False:
        return False
    return {"unevaluatedProperties": False, **(node if isinstance(node, Mapping) else {})}


def _usable(schema: Schema, what: str) -> None:
    """Compile now, so that a schema which can't be used is refused before any run needs it."""
    try:
        _rules(schema.data, schema.strict)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error.message}") from error
