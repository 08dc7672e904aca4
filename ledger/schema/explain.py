"""Broken rules in words: each error of the reference validator becomes a fault with rule and hint."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger import canonical
from ledger.model import Fault

if TYPE_CHECKING:
    from jsonschema import ValidationError

Path = tuple[str | int, ...]
Known = Mapping[Path, Collection[str]]
"""Declared names by the path of the object that holds them, where its own subschema does not show them."""

_VALUE_LENGTH = 60
_MOST_CANDIDATES = 1000
_LIKENESS = 0.67
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PERCENT = 100


def json_path(parts: Iterable[str | int]) -> str:
    """`$.metrics.f1`, `$.metrics['val/f1@5']`, `$.params.layers[0]`."""
    return "$" + "".join(_step(part) for part in parts)


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if _PLAIN.fullmatch(part):
        return f".{part}"
    escaped = part.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"


def value_text(value: object) -> str:
    """JSON text on one line, cut to a readable length; non-finite numbers as ledger writes them."""
    try:
        text = canonical.compact(value)
    except (TypeError, ValueError):  # a date of TOML, an integer too long to print
        text = str(value) if not isinstance(value, int) else "a huge integer"
    return text if len(text) <= _VALUE_LENGTH else text[: _VALUE_LENGTH - 1] + "…"


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Find the candidate that a mistyped name most likely means."""
    folded = {candidate.casefold(): candidate for candidate in candidates}
    if len(folded) > _MOST_CANDIDATES:  # comparing thousands of names takes longer than reading them
        return folded.get(name.casefold())
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=_LIKENESS)
    return folded[found[0]] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Broken:
    """One error of the reference validator, with what its rule and hint are made of."""

    keyword: str
    expected: Any
    instance: Any
    schema: Mapping[str, Any]
    path: Path
    forms: tuple[_Broken, ...]
    """What each form of an anyOf or oneOf finds wrong."""


def _broken(error: ValidationError) -> _Broken:
    return _Broken(
        keyword=str(error.validator),
        expected=error.validator_value,
        instance=error.instance,
        schema=error.schema if isinstance(error.schema, Mapping) else {},
        path=tuple(error.absolute_path),
        forms=tuple(_broken(inner) for inner in error.context or ()),
    )


def fault(error: ValidationError, *, file: str, known: Known) -> Fault:
    """Put `error` into words; `known` helps to suggest names."""
    broken = _broken(error)
    return Fault(
        file=file,
        path=json_path(broken.path),
        value=_value(broken),
        rule=_rule(broken),
        hint=_hint(broken, known),
    )


def _value(broken: _Broken) -> str:
    if broken.keyword == "required":
        return ""
    if broken.keyword in _UNEXPECTED and isinstance(broken.instance, dict) and broken.path:
        return value_text(broken.instance.get(broken.path[-1], broken.instance))
    return value_text(broken.instance)


_UNEXPECTED = frozenset({"additionalProperties", "unevaluatedProperties"})


def _rule(broken: _Broken) -> str:
    """`keyword value`, unless there is a plainer way to say it."""
    if broken.forms:
        return " or ".join(dict.fromkeys(_rule(form) for form in broken.forms))
    say = _RULES.get(broken.keyword)
    return say(broken.expected) if say else f"{broken.keyword} {value_text(broken.expected)}"


def _types(value: Any) -> str:
    return "type " + (value if isinstance(value, str) else " or ".join(value))


def _one_of(values: Any) -> str:
    return "one of " + ", ".join(value_text(value) for value in values)


_RULES: Mapping[str, Callable[[Any], str]] = {
    "None": lambda _: "nothing is allowed here",
    "additionalProperties": lambda _: "no such name is declared",
    "unevaluatedProperties": lambda _: "no such name is declared",
    "const": lambda value: f"exactly {value_text(value)}",
    "enum": _one_of,
    "not": lambda value: f"not {value_text(value)}" if value else "nothing is allowed here",
    "oneOf": lambda _: "exactly one of the forms in oneOf, but it fits several",
    "required": lambda _: "required",
    "type": _types,
    "x-ledger": lambda _: "finite",
}


def _hint(broken: _Broken, known: Known) -> str:
    make = _HINTS.get(broken.keyword)
    if make:
        return make(broken, known)
    return next(filter(None, (_hint(form, known) for form in broken.forms)), "")


def _declared(broken: _Broken, known: Known) -> Collection[str]:
    return {*known.get(broken.path[:-1], ()), *broken.schema.get("properties", {})}


def _hint_missing(broken: _Broken, known: Known) -> str:
    near = nearest(str(broken.path[-1]), set(broken.instance) - set(_declared(broken, known)))
    return f"is {canonical.compact(near)} meant?" if near else ""


def _hint_unexpected(broken: _Broken, known: Known) -> str:
    """The near name that is still free, else one that is given already."""
    if not broken.path:
        return ""
    name, declared = str(broken.path[-1]), set(_declared(broken, known))
    near = nearest(name, declared - set(broken.instance)) or nearest(name, declared)
    return f"did you mean {canonical.compact(near)}?" if near else ""


def _hint_enum(broken: _Broken, _known: Known) -> str:
    texts = [value for value in broken.expected if isinstance(value, str)]
    near = nearest(broken.instance, texts) if isinstance(broken.instance, str) else None
    return f"did you mean {canonical.compact(near)}?" if near else ""


def _hint_type(broken: _Broken, _known: Known) -> str:
    wanted = {broken.expected} if isinstance(broken.expected, str) else set(broken.expected)
    return next((hint for fits, hint in _type_hints(wanted, broken.instance) if fits), "")


def _type_hints(wanted: set[str], value: Any) -> Iterator[tuple[bool, str]]:
    numeric = bool(wanted & {"number", "integer"})
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    yield numeric and _is_number(value), f"write it without quotes: {value}"
    yield numeric and value is None, 'leave it out, or let its type be ["number", "null"]'
    yield isinstance(value, float) and not math.isfinite(value), 'only type "number" holds NaN and Infinity'
    yield wanted == {"string"} and number, f'write it in quotes: "{value_text(value)}"'


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def _hint_maximum(broken: _Broken, _known: Known) -> str:
    words = broken.schema.get("x-ledger")
    fraction = isinstance(words, Mapping) and words.get("unit") == "1" and broken.expected == 1
    return "a percentage? the unit is 1" if fraction and broken.instance <= _PERCENT else ""


def _hint_finite(_broken: _Broken, _known: Known) -> str:
    return "the schema demands a finite number; null or leaving it out says that there is no value"


_HINTS: Mapping[str, Callable[[_Broken, Known], str]] = {
    "additionalProperties": _hint_unexpected,
    "unevaluatedProperties": _hint_unexpected,
    "required": _hint_missing,
    "enum": _hint_enum,
    "type": _hint_type,
    "maximum": _hint_maximum,
    "x-ledger": _hint_finite,
}
