"""Migration files with which nothing is wrong, read in one pass. Whatever is in doubt is left to the careful reader.

`careful_reader` checks a file against its JSON Schema and has words for every fault. Nearly all files have none,
and most operations of a file differ from one another in names only, so each kind is worked out once. That both readers
agree is held by tests.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from json.encoder import encode_basestring
from typing import Any, NamedTuple, cast

from ledger import canonical
from ledger.errors import InputError
from ledger.schema.edges import Break, Edge, Hyper, Iso
from ledger.schema.lowered import Migration
from ledger.schema.migration_id import FORMAT, MAX_BYTES, MAX_OPERATIONS, by_target, lowered
from ledger.schema.operations import OPERATIONS, Conversion, Operation, OperationError, Side
from ledger.schema.outcome import EXACT_LIMIT

_MAX_LOCK_DEPTH = 8

_quote = encode_basestring
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
_MIGRATION = re.compile(r"m1:[0-9a-f]{64}", re.ASCII)


class _DoubtError(Exception):
    """Something is unusual; it may be wrong."""


_SURPRISES = (_DoubtError, InputError, OperationError, LookupError, TypeError, ValueError, AttributeError)
"""What a file of another form than expected runs into."""


class _Shape(NamedTuple):
    """All of a definition but its name."""

    number: int
    part: str
    head: str
    tail: str
    """The texts around a name that the definition's id is the hash of."""
    numeric: bool
    """Whether it holds a 0 or a 1, which Python takes for false and true."""


class _Known(NamedTuple):
    """A definition that was proven by its hash."""

    fields: Mapping[str, Any]
    name: str
    shape: _Shape


class _Pattern(NamedTuple):
    """An operation on definitions of two shapes, whatever their names: an edge, and its text in the migration's id."""

    edge: Iso | Break
    head: str
    middle: str
    tail: str

    def between(self, source: str, target: str) -> Iso | Break:
        one = self.edge
        if isinstance(one, Iso):
            return Iso(
                op=one.op,
                source=source,
                target=target,
                link=one.link,
                reason=one.reason,
                evidence=one.evidence,
            )
        return Break(op=one.op, source=source, target=target, reason=one.reason)


class QuickReader:
    """Reads files one after the other; what one of them proved holds for the next."""

    def __init__(self, conversion: Conversion) -> None:
        self.conversion = conversion
        self._known: dict[str, _Known] = {}
        self._shapes: dict[str, _Shape] = {}
        self._patterns: dict[tuple[object, ...], _Pattern] = {}

    def read(self, data: bytes, what: str) -> Migration | None:
        """The migration, if nothing is wrong with the file; None also where something only looks like it."""
        if len(data) > MAX_BYTES or b"\\u" in data:  # half a character can be written as an escape
            return None
        try:
            return self._migration(_body(data, what), what)
        except (*_SURPRISES, RecursionError):
            return None

    def _migration(self, body: Any, what: str) -> Migration:
        before, after, defs = body["from"], body["to"], body["defs"]
        _sure(type(body) is dict and body.keys() <= _BODY and type(body["format"]) is int)
        _sure(
            body["format"] == FORMAT and _text(body.get("schema", "-")) and _any_text(body.get("summary", ""))
        )
        known = self._definitions(defs)
        _side(before, known)
        _side(after, known)
        edges, name = self._edges(body, known)
        _sure(body.get("id", name) == name)
        supersedes = body.get("supersedes", [])
        _sure(type(supersedes) is list and all(map(_MIGRATION.fullmatch, supersedes)))
        return Migration(
            id=name,
            file=what,
            summary=body.get("summary", ""),
            schema=body.get("schema", ""),
            labels=(before.get("version", ""), after.get("version", "")),
            supersedes=tuple(supersedes),
            edges=tuple(edges),
            defs=defs,
        )

    def _definitions(self, defs: Mapping[str, Mapping[str, Any]]) -> dict[str, _Known]:
        found = {}
        for did, fields in defs.items():
            known = self._known.get(did)
            if known is None or known.shape.numeric or known.fields != fields:
                known = self._known[did] = self._proven(did, fields)
            found[did] = known
        return found

    def _proven(self, did: str, fields: Mapping[str, Any]) -> _Known:
        rest = dict(fields)
        name = rest.pop("name")
        key = repr(rest)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = _shape(rest, len(self._shapes))
        digest = _sha256(f"{shape.head}{_quote(name)}{shape.tail}")
        if type(name) is not str or not name or did != f"d1:{digest}":
            raise _DoubtError
        return _Known(fields, name, shape)

    def _edges(self, body: Mapping[str, Any], known: Mapping[str, _Known]) -> tuple[list[Edge], str]:
        """What the operations come to, and the migration's id."""
        edges: list[Edge] = []
        texts: list[tuple[str, str]] = []
        for part in ("metrics", "params"):
            before, after = (Side(title, body[title].get(part, {}), body["defs"]) for title in ("from", "to"))
            targets: set[object] = set()
            listed = body.get(part, [])
            _sure(type(listed) is list)
            for words in listed:
                edge, order, text = self._edge(words, part, before, after, known)
                edges.append(edge)
                texts.append((order, text))
                targets.add(words.get("to", len(targets)))
            _sure(len(targets) == len(listed))
        _sure(len(edges) <= MAX_OPERATIONS)
        said = ",".join([text for _, text in sorted(texts)])
        digest = _sha256(f'["migration",{FORMAT},[{said}]]')
        return edges, f"m1:{digest}"

    def _edge(
        self, words: dict[str, Any], part: str, before: Side, after: Side, known: Mapping[str, _Known]
    ) -> tuple[Edge, str, str]:
        """The edge, what it is sorted by, and its text."""
        start = words.get("from")
        source = before.names.get(start) if type(start) is str else None
        target = after.names.get(words.get("to", ""))
        if source is None or target is None:  # of several or of none, a metric that ended, an unknown name
            return self._single(words, part, before, after)
        rest = "" if len(words) == 3 else repr({key: words[key] for key in words if key not in _ENDS})  # noqa: PLR2004
        key = (words["op"], rest, known[source].shape.number, known[target].shape.number)
        pattern = self._patterns.get(key)
        if pattern is None:
            edge, order, text = self._single(words, part, before, after)
            if isinstance(edge, Hyper):
                return edge, order, text
            head, _, others = text.partition(source)
            pattern = self._patterns[key] = _Pattern(edge, head, *others.partition(target)[::2])
        text = f"{pattern.head}{source}{pattern.middle}{target}{pattern.tail}"
        return pattern.between(source, target), f"{target} {source}", text

    def _single(self, words: dict[str, Any], part: str, before: Side, after: Side) -> tuple[Edge, str, str]:
        _sure(type(words) is dict and _plain(words, part))
        edge = OPERATIONS[words["op"]].lower(Operation(words, before, after, self.conversion))
        said = lowered(words, edge)
        return edge, by_target(said), _encode(said)


def _body(data: bytes, what: str) -> Any:
    with suppress(ValueError):
        return canonical.plain(data)
    return canonical.loads(data, what=what, max_depth=len(data))


def _sure(holds: object) -> None:
    if not holds:
        raise _DoubtError


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _side(side: dict[str, Any], known: Mapping[str, _Known]) -> None:
    """Every name of one side is that of the definition it stands for."""
    _sure(type(side) is dict and side.keys() <= _SIDE and _any_text(side.get("version", "")))
    for part in side.keys() - {"version"}:
        for name, did in side[part].items():
            one = known[did]
            if one.name != name or one.shape.part != part:
                raise _DoubtError


def _shape(rest: Mapping[str, Any], number: int) -> _Shape:
    _sure(
        all(_LOCK[key](value) for key, value in rest.items()) and not canonical.deeper(rest, _MAX_LOCK_DEPTH)
    )
    role = rest.get("role", "metric")
    projection = {key: value for key, value in rest.items() if key not in ("role", "direction")}
    said = _encode(projection)
    numeric = _ZERO_OR_ONE.search(said) is not None
    return _Shape(number, f"{role}s", f"[{_quote(role)},", f",{said}]", numeric)


_ZERO_OR_ONE = re.compile(r"[:,\[](?:-?[01](?:[.,}\]eE]|$)|true|false)")
"""In JSON without spaces; within a text it may be found in error, which costs time only."""


def _plain(words: Mapping[str, Any], part: str) -> bool:
    """Whether an operation has the form that `schemas/migration.json` wants."""
    op = words["op"]
    wanted, allowed = _OPERATIONS[op]
    return (
        part in OPERATIONS[op].parts
        and wanted <= words.keys() <= wanted | allowed | {"op", "reason", "note", "see"}
        and all(_WORDS[key](value) for key, value in words.items())
        and (type(words.get("from")) is list) == (op == "coalesce")
    )


def _text(value: object) -> bool:
    return type(value) is str and value != ""


def _any_text(value: object) -> bool:
    return type(value) is str


def _said(value: object) -> bool:
    """Words for people: on one line, since engines differ in which characters are space."""
    return type(value) is str and value.isprintable() and value.strip() != ""


def _texts(value: object) -> bool:
    return type(value) is list and all(type(item) is str for item in value)


def _one_of(*allowed: str) -> Callable[[object], bool]:
    return lambda value: type(value) is str and value in allowed


def _number(value: object) -> bool:
    return type(value) in (int, float) and abs(cast("float", value)) <= EXACT_LIMIT


def _from(value: object) -> bool:
    """A name, or the names of a `coalesce`."""
    if type(value) is not list:
        return _text(value)
    return 2 <= len(value) <= 20 and all(map(_text, value)) and len(set(value)) == len(value)  # noqa: PLR2004


_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def _inputs(value: object) -> bool:
    return (
        type(value) is dict
        and 1 <= len(value) <= 20  # noqa: PLR2004
        and all(map(_ALIAS.fullmatch, value))
        and all(map(_text, value.values()))
    )


_BODY = frozenset(
    {"format", "id", "summary", "schema", "from", "to", "supersedes", "metrics", "params", "defs"}
)
_SIDE = frozenset({"version", "metrics", "params"})
_ENDS = frozenset({"from", "to"})
_LOCK: Mapping[str, Callable[[object], bool]] = {
    "role": _one_of("metric", "param"),
    "type": lambda value: type(value) is str or _texts(value),
    "values": lambda value: type(value) is list,
    "unit": _text,
    "kind": _one_of("point", "delta"),
    "how": lambda value: type(value) is dict,
    "on": lambda value: type(value) is dict,
    "summary": _any_text,
    "epoch": lambda value: type(value) is int and value >= 1,
    "direction": _one_of("higher", "lower"),
}
_WORDS: Mapping[str, Callable[[object], bool]] = {
    "op": _text,
    "from": _from,
    "to": _text,
    "reason": _said,
    "note": _any_text,
    "see": _any_text,
    "scale": _text,
    "offset": _text,
    "evidence": _said,
    "cause": _one_of("method", "data", "bug", "range"),
    "inputs": _inputs,
    "expr": _text,
    "exactness": _one_of("exact", "approximate"),
    "on_div0": lambda value: value == "undefined" or _number(value),
    "error": lambda value: (
        type(value) is dict and value.keys() == {"abs"} and _number(value["abs"]) and value["abs"] >= 0
    ),
}
_OPERATIONS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "rename": (_ENDS, frozenset()),
    "convert": (_ENDS, frozenset()),
    "affine": (_ENDS, frozenset({"scale", "offset"})),
    "same": (_ENDS | {"reason"}, frozenset({"evidence"})),
    "derive": (frozenset({"to", "inputs", "expr"}), frozenset({"exactness", "on_div0", "error"})),
    "coalesce": (_ENDS, frozenset()),
    "redefine": (_ENDS | {"reason"}, frozenset({"cause"})),
    "drop": (frozenset({"from", "reason"}), frozenset()),
}
"""Words that an operation must have, and those that it may have; what maps params is left to the careful reader."""
