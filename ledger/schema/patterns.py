"""Regular expressions of a schema, in time that the text can't stretch.

A schema may come with somebody else's run, and `(a+)+$` keeps Python's own engine busy for years over 40 letters.
The compiled engine gives up after so many steps, and what it gives up on does not match. So the keywords of the
reference that would ask Python stand here anew, as JSON Schema 2020-12 has them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema_rs import Draft202012Validator, FancyRegexOptions

MAX_STEPS = 50_000
"""Backtracking steps for one expression and one text: about a millisecond."""


def options() -> FancyRegexOptions:
    """What the compiled engine is told about expressions."""
    import jsonschema_rs

    return jsonschema_rs.FancyRegexOptions(backtrack_limit=MAX_STEPS)


def matches(expression: str, text: str) -> bool:
    """Whether an expression is found in a text; half a character is in no text that matches."""
    try:
        return _compiled(expression).is_valid(text)
    except ValueError:
        return False


@lru_cache(1024)
def _compiled(expression: str) -> Draft202012Validator:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator({"pattern": expression}, pattern_options=options())


def _error(message: str, path: tuple[str, ...] = ()) -> ValidationError:
    from jsonschema import ValidationError

    return ValidationError(message, path=path)


def pattern(_validator: Any, expression: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """`pattern`."""
    if isinstance(instance, str) and not matches(expression, instance):
        yield _error(f"{instance!r} does not match {expression!r}")


def pattern_properties(
    validator: Any, expressions: Mapping[str, Any], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    """`patternProperties`."""
    if isinstance(instance, dict):
        for expression, subschema in expressions.items():
            for name in _matching((expression,), instance):
                yield from validator.descend(instance[name], subschema, path=name, schema_path=expression)


def additional_properties(
    validator: Any, subschema: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """`additionalProperties`."""
    if isinstance(instance, dict):
        known = {*schema.get("properties", ()), *_matching(schema.get("patternProperties", ()), instance)}
        yield from _others(validator, subschema, instance, known)


def unevaluated_properties(
    validator: Any, subschema: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """`unevaluatedProperties`."""
    if isinstance(instance, dict):
        known = _evaluated(validator, instance, {**schema, "unevaluatedProperties": False})
        yield from _others(validator, subschema, instance, known)


def _others(
    validator: Any, subschema: Any, instance: Mapping[str, Any], known: Collection[str]
) -> Iterator[ValidationError]:
    """One error at each name that should not be there, where the reference gives one for all of them."""
    for name in instance:
        if name not in known:
            if subschema is False:
                yield _error("not declared", (name,))
            else:
                yield from validator.descend(instance[name], subschema, path=name)


def _matching(expressions: Iterable[str], names: Iterable[str]) -> list[str]:
    return [name for name in names if any(matches(expression, name) for expression in expressions)]


def _evaluated(validator: Any, instance: Mapping[str, Any], schema: Any) -> set[str]:
    """Names that a schema and those applied in its place have looked at."""
    if not isinstance(schema, Mapping):
        return set()
    found = {*schema.get("properties", ()), *_matching(schema.get("patternProperties", ()), instance)}
    for keyword in ("additionalProperties", "unevaluatedProperties"):
        if keyword in schema:
            found |= {name for name, value in instance.items() if _fits(validator, value, schema[keyword])}
    for inner, subschema in _in_place(validator, instance, schema):
        found |= _evaluated(inner, instance, subschema)
    return found


def _in_place(
    validator: Any, instance: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[tuple[Any, Any]]:
    """Schemas that a schema applies to the same instance, each with a validator that resolves its references."""
    for keyword in ("$ref", "$dynamicRef"):
        if keyword in schema:
            resolved = validator._resolver.lookup(schema[keyword])  # noqa: SLF001 - as the reference's own keywords do
            yield validator.evolve(schema=resolved.contents, _resolver=resolved.resolver), resolved.contents
    for name, subschema in schema.get("dependentSchemas", {}).items():
        if name in instance:
            yield validator, subschema
    for keyword in ("allOf", "oneOf", "anyOf"):
        for subschema in schema.get(keyword, ()):
            if _fits(validator, instance, subschema):
                yield validator, subschema
    if "if" in schema:
        fits = _fits(validator, instance, schema["if"])
        if fits:
            yield validator, schema["if"]
        yield validator, schema.get("then" if fits else "else", True)


def _fits(validator: Any, value: Any, subschema: Any) -> bool:
    return next(validator.descend(value, subschema), None) is None


KEYWORDS: Mapping[str, Callable[[Any, Any, Any, Any], Iterator[ValidationError]]] = {
    "pattern": pattern,
    "patternProperties": pattern_properties,
    "additionalProperties": additional_properties,
    "unevaluatedProperties": unevaluated_properties,
}
