"""Names and numbers as people write them: what params, metrics and histories have in common."""

from __future__ import annotations

import math
import re
import unicodedata
from functools import lru_cache

from ledger.canonical import compact
from ledger.errors import InputError

MAX_NAME = 250
"""Characters in a flat name."""
MAX_DIGITS = 300
"""Digits of an integer; a double has at most 309 before its point."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_WORDS = {
    "nan": math.nan,
    "inf": math.inf,
    "+inf": math.inf,
    "-inf": -math.inf,
    "infinity": math.inf,
    "+infinity": math.inf,
    "-infinity": -math.inf,
}


def clean_name(name: str, what: str) -> str:
    """Bring a name into NFC. Raises InputError that names `what` if it breaks a rule.

    A name is 1 to 250 characters without control characters, backticks (they quote names in `--where`) and
    white space at its ends. Everything else may be in it: `/`, `@`, `-`, `.`, blanks inside, an emoji.
    """
    normal, problem = _examine(name)
    if problem:
        raise InputError(f"{what}: the name {compact(name[:60])} {problem}", hint="give it another name")
    return normal


@lru_cache(maxsize=65536)
def _examine(name: str) -> tuple[str, str]:
    normal = unicodedata.normalize("NFC", name)
    return normal, next((problem for broken, problem in _name_rules(normal) if broken), "")


def _name_rules(name: str) -> tuple[tuple[bool, str], ...]:
    categories = {unicodedata.category(character) for character in name}
    return (
        (not name, "is empty"),
        (not name.strip(), "is only white space"),
        (name != name.strip(), "begins or ends with white space"),
        (len(name) > MAX_NAME, f"has {len(name)} characters, the limit is {MAX_NAME}"),
        ("`" in name, "has a backtick, which quotes names in --where"),
        ("Cs" in categories, "has half a character (a lone surrogate)"),
        (bool(categories & {"Cc", "Zl", "Zp"}), "has a control character"),
    )


def is_number(text: str) -> bool:
    """Recognise a decimal number as text, `NaN`, and `Infinity` or `inf` with or without a sign."""
    return _NUMBER.fullmatch(text) is not None or text.lower() in _WORDS


def parse_number(text: str) -> int | float:
    """Text for which `is_number` holds → a number; integers stay exact. Raises OverflowError on 1e400."""
    word = _WORDS.get(text.lower())
    if word is not None:
        return word
    digits = text.lstrip("+-")
    if digits.isdecimal():
        if len(digits) > MAX_DIGITS:
            raise OverflowError(text)
        return int(text)
    return finite(text)


def finite(text: str) -> float:
    """Read a decimal number as a double. Raises OverflowError where it would become infinite."""
    value = float(text)
    if math.isinf(value):
        raise OverflowError(text)
    return value


def too_large(what: str, text: str) -> InputError:
    """Make the error for a number that no double holds."""
    return InputError(
        f"{what}: the number {text[:40]} is too large for a double",
        hint='write "Infinity" if that is meant, and put quotes around it if it is text',
    )
