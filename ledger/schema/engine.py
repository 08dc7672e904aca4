"""Two JSON Schema engines: a compiled one that says yes, and the reference one that says what is wrong.

Nearly every run is valid, so `jsonschema` is imported only for those that are not. Where the two disagree on
what is wrong (dialects of regular expressions), the reference decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from ledger.errors import ConfigError
from ledger.model import Fault
from ledger.schema import patterns

if TYPE_CHECKING:
    from fractions import Fraction

    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema_rs import Draft202012Validator as CompiledValidator

    from ledger.schema import explain

Keyword = Callable[[Any, Any, Any, Any], "Iterator[ValidationError] | None"]


class Rules:
    """One compiled schema. Raises ConfigError if it can't be compiled."""

    __slots__ = ("_body", "_compiled")

    def __init__(self, body: Mapping[str, object]) -> None:
        self._body = body
        self._compiled = _compile(body)

    def accept(self, instance: object) -> bool:
        """Whether the compiled engine finds nothing; it takes NaN and Infinity for null."""
        try:
            return self._compiled.is_valid(instance)
        except ValueError:  # not JSON: half a character, a date, a key that is not text
            return False

    def faults(
        self, instance: object, *, file: Callable[[explain.Path], str], known: explain.Known
    ) -> tuple[Fault, ...]:
        """Everything that is wrong, in the order of JSON paths; `file` names where a path's value came from."""
        from ledger.schema import explain

        errors = _dialect()(self._body, registry=_registry()).iter_errors(instance)
        found = {explain.fault(error, file=file(tuple(error.absolute_path)), known=known) for error in errors}
        return tuple(sorted(found, key=lambda fault: (fault.path, fault.rule)))


def _compile(body: Mapping[str, object]) -> CompiledValidator:
    import jsonschema_rs

    try:
        return jsonschema_rs.Draft202012Validator(
            dict(body), retriever=_never, pattern_options=patterns.options()
        )
    except ValueError as error:
        raise ConfigError(f"not a usable JSON Schema: {str(error).splitlines()[0]}") from error


def _never(uri: str) -> NoReturn:
    raise ValueError(f"{uri} lies outside the document")


@cache
def _registry() -> Any:
    """Hold the specification's own metaschemas, and retrieve nothing."""
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

    return REGISTRY


@cache
def _dialect() -> type[Draft202012Validator]:
    """Draft 2020-12, with one error for each name and numbers as ledger means them."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    inherited: Mapping[str, Keyword] = Draft202012Validator.VALIDATORS
    dialect: type[Draft202012Validator] = extend(  # type: ignore[no-untyped-call]
        Draft202012Validator,
        {
            **{word: _of_finite(inherited[word]) for word in _FINITE_ONLY},
            **patterns.KEYWORDS,
            "multipleOf": _of_finite(_multiple_of),
            "properties": _properties,
            "required": _required,
            "x-ledger": _words,
        },
    )
    return dialect


_FINITE_ONLY = ("const", "enum", "exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum")


def non_finite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _error(message: str, path: tuple[str, ...] = ()) -> ValidationError:
    from jsonschema import ValidationError

    return ValidationError(message, path=path)


def _of_finite(keyword: Keyword) -> Keyword:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if not non_finite(instance):
            yield from keyword(validator, value, instance, schema) or ()

    return check


def _properties(validator: Any, properties: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """As specified; jsonschema 4.26 loses the path of a value whose subschema is `false`."""
    if validator.is_type(instance, "object"):
        for name in properties.keys() & instance.keys():
            subschema = {"not": {}} if properties[name] is False else properties[name]
            yield from validator.descend(instance[name], subschema, path=name, schema_path=name)


def _required(validator: Any, names: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        yield from (_error("required", (name,)) for name in names if name not in instance)


def _multiple_of(validator: Any, step: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """In decimals, as written: 0.3 is a multiple of 0.1."""
    if validator.is_type(instance, "number") and (_decimal(instance) / _decimal(step)).denominator != 1:
        yield _error("not a multiple")


def _decimal(value: float) -> Fraction:
    from fractions import Fraction

    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def _words(_validator: Any, words: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(words, dict) and words.get("finite") is True and non_finite(instance):
        yield _error("not finite")
