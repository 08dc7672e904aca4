"""References inside a schema document: they resolve here or not at all, and nothing is ever fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from ledger import canonical
from ledger.errors import ConfigError
from ledger.model import Fault

Pointer = tuple[str, ...]

_ONE = frozenset(
    {
        "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then",
        "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_IN_PLACE = frozenset({"allOf", "anyOf", "dependentSchemas", "else", "if", "not", "oneOf", "then"})
"""Keywords whose subschemas apply to the very same value: a circle through them never ends."""

_REFUSED = {
    "$dynamicRef": "use $ref",
    "$recursiveRef": "use $ref",
    "$id": "one document has one $id, at its top",
    "$schema": "one document has one $schema, at its top",
}


def resolve(body: Mapping[str, object], node: object) -> dict[str, object]:
    """Merge the local `$ref`s of a subschema into it: what stands beside a `$ref` wins, word by word in `x-ledger`.

    `true` is `{}`. Raises ConfigError where a reference leads nowhere or in a circle.
    """
    merged: dict[str, object] = {}
    seen: set[str] = set()
    while isinstance(node, Mapping):
        words = _both(node.get("x-ledger"), merged.get("x-ledger"))
        merged = {**node, **merged, **words}
        reference = merged.pop("$ref", None)
        if reference is None:
            return merged
        if not isinstance(reference, str) or reference in seen:
            raise ConfigError(f"$ref {canonical.compact(reference)} leads in a circle or is not text")
        seen.add(reference)
        node = _target(body, reference)
    if isinstance(node, bool):
        return merged
    raise ConfigError("a subschema should be an object")


def _both(far: object, near: object) -> dict[str, object]:
    if isinstance(far, Mapping) and isinstance(near, Mapping):
        return {"x-ledger": {**far, **near}}
    return {}


def pointer(reference: str) -> Pointer | None:
    """Split into the parts of `#/$defs/x`; None for anything that is not a pointer into the same document."""
    if reference == "#":
        return ()
    if not reference.startswith("#/"):
        return None
    return tuple(unquote(part).replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/"))


def _target(body: Mapping[str, object], reference: str) -> object:
    found: object = body
    parts = pointer(reference)
    for part in parts or ():
        found = _step(found, part)
    if parts is None or found is None:
        raise ConfigError(f"$ref {canonical.compact(reference)} leads nowhere in this document")
    return found


def _step(node: object, part: str) -> object:
    if isinstance(node, Mapping):
        return node.get(part)
    if isinstance(node, list) and part.isdecimal() and int(part) < len(node):
        return node[int(part)]
    return None


def faults(body: Mapping[str, object], *, file: str) -> tuple[Fault, ...]:
    """Find what a valid JSON Schema must not do here: refer elsewhere or in a circle, or hold a broken pattern."""
    nodes = dict(_walk((), body))
    found = [fault for place, node in nodes.items() for fault in _node_faults(place, node, nodes, file)]
    return tuple(found) or _circles(nodes, file)


def _walk(place: Pointer, node: object) -> Iterator[tuple[Pointer, Mapping[str, object]]]:
    if isinstance(node, bool):
        yield place, {}
    if not isinstance(node, Mapping):
        return
    yield place, node
    for keyword, value in node.items():
        for parts, child in _children(keyword, value):
            yield from _walk((*place, *parts), child)


def _children(keyword: str, value: object) -> Iterator[tuple[Pointer, object]]:
    if keyword in _ONE:
        yield (keyword,), value
    elif keyword in _LIST and isinstance(value, list):
        yield from (((keyword, str(index)), child) for index, child in enumerate(value))
    elif keyword in _MAP and isinstance(value, Mapping):
        yield from (((keyword, name), child) for name, child in value.items())


def _node_faults(
    place: Pointer, node: Mapping[str, object], nodes: Mapping[Pointer, object], file: str
) -> Iterator[Fault]:
    reference = node.get("$ref")
    if isinstance(reference, str) and pointer(reference) not in nodes:
        yield _reference_fault((*place, "$ref"), reference, file)
    for keyword, hint in _REFUSED.items():
        if keyword in node and (place or "Ref" in keyword):
            yield _fault(file, (*place, keyword), node[keyword], "not supported", hint)
    for part, pattern in _patterns(node):
        if problem := _pattern_problem(pattern):
            yield _fault(file, (*place, *part), pattern, f"not a regular expression: {problem}")


def _reference_fault(place: Pointer, reference: str, file: str) -> Fault:
    if pointer(reference) is None:
        return _fault(
            file,
            place,
            reference,
            "a reference must stay inside the document",
            "copy it into $defs: #/$defs/NAME",
        )
    return _fault(file, place, reference, "leads to no schema in this document")


def _patterns(node: Mapping[str, object]) -> Iterator[tuple[Pointer, str]]:
    if isinstance(pattern := node.get("pattern"), str):
        yield ("pattern",), pattern
    if isinstance(patterns := node.get("patternProperties"), Mapping):
        yield from ((("patternProperties", name), name) for name in patterns)


def _pattern_problem(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return str(error)
    return ""


def _circles(nodes: Mapping[Pointer, Mapping[str, object]], file: str) -> tuple[Fault, ...]:
    """Find a reference by which a value would be checked against one subschema for ever."""
    finished: set[Pointer] = set()
    for start in nodes:
        if circle := _circle_from(start, nodes, finished):
            rule = "leads back to itself without going into the value"
            return (_fault(file, circle, nodes[circle].get("$ref", ""), rule),)
    return ()


def _circle_from(
    start: Pointer, nodes: Mapping[Pointer, Mapping[str, object]], finished: set[Pointer]
) -> Pointer | None:
    """Depth first without recursion; returns the place whose step closes a circle."""
    stack = [(start, _same_value(start, nodes))]
    open_places = {start}
    while stack:
        place, following = stack[-1]
        after = next(following, None)
        if after is None:
            stack.pop()
            open_places.discard(place)
            finished.add(place)
        elif after in open_places:
            return place
        elif after not in finished:
            open_places.add(after)
            stack.append((after, _same_value(after, nodes)))
    return None


def _same_value(place: Pointer, nodes: Mapping[Pointer, Mapping[str, object]]) -> Iterator[Pointer]:
    node = nodes[place]
    target = pointer(reference) if isinstance(reference := node.get("$ref"), str) else None
    if target is not None and target in nodes:
        yield target
    for keyword in _IN_PLACE & node.keys():
        children = ((*place, *parts) for parts, _ in _children(keyword, node[keyword]))
        yield from (child for child in children if child in nodes)


def _fault(file: str, place: Pointer, value: object, rule: str, hint: str = "") -> Fault:
    from ledger.schema.explain import json_path

    return Fault(file=file, path=json_path(place), value=canonical.compact(value), rule=rule, hint=hint)
