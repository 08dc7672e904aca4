"""The words of a filter, and the one way to say where it goes wrong: the text with a caret under the place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from ledger.errors import LedgerError, UsageError

_EXCERPT = 60

_QUOTED = r"`(?:[^`]++|``)++`"
_PART = rf"(?:\w++|{_QUOTED})"
_TOKEN = re.compile(
    rf"""
    (?P<space>[ \t\r\n]++)
  | (?P<number>[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?(?![\w.]))
  | (?P<name>(?:[^\W\d]\w*+|{_QUOTED})(?:\.{_PART})*+)
  | (?P<text>'(?:[^']++|'')*+'|"(?:[^"]++|"")*+")
  | (?P<operator>==|!=|<=|>=|=|<|>)
  | (?P<mark>[(),])
    """,
    re.VERBOSE,
)

_PLAIN_NAME = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_KEYWORDS = frozenset({"and", "or", "not", "in", "like", "is", "null", "true", "false"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    kind: str
    """number, name, keyword, text, operator, mark or end."""
    text: str
    at: int

    def __str__(self) -> str:
        return _visible(self.text)[:_EXCERPT] if self.text else "the end"


def tokens(text: str) -> Iterator[Token]:
    """The words in order, then one of kind `end`. Raises UsageError at what is no word."""
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            _fail_at_character(text, at)
        kind, word = str(match.lastgroup), match.group()
        if kind == "name" and word.lower() in _KEYWORDS:
            yield Token(kind="keyword", text=word.lower(), at=at)
        elif kind != "space":
            yield Token(kind=kind, text=word, at=at)
        at = match.end()
    yield Token(kind="end", text="", at=len(text))


_OPEN_ENDED = {
    "'": "the text has no closing '",
    '"': 'the text has no closing "',
    "`": "the name has no closing `",
}
_MISTAKEN = {
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not', or '!=' between two values",
    "~": "write like 'pattern*'",
    "%": "use * in a pattern, and a number without a unit in a comparison",
    "[": "a list is written in ( )",
    ";": "write one filter; join conditions with 'and'",
}


def _fail_at_character(text: str, at: int) -> NoReturn:
    character = text[at]
    if character in _OPEN_ENDED:
        fail(text, at, _OPEN_ENDED[character], hint="double it to have one inside")
    if character.isdigit() or character == ".":
        fail(text, at, "not a number", hint="names that start with a digit need backticks: metrics.`5shot`")
    hint = _MISTAKEN.get(
        character, "names with other characters than letters, digits and _ need backticks: metrics.`val/f1@5`"
    )
    fail(text, at, f"unexpected {_visible(character)}", hint=hint)


def unquoted(token: str) -> str:
    quote = token[0]
    return token[1:-1].replace(quote * 2, quote)


def joined(token: str) -> str:
    """The parts of a name joined by dots; a quoted part may hold dots itself."""
    return "".join(unquoted(part) if part[0] == "`" else part for part in re.findall(rf"{_PART}|\.", token))


def quoted(name: str) -> str:
    """A full name as it is written in a filter: ``metrics.`val/f1@5` ``."""
    if _PLAIN_NAME.fullmatch(name) and name.lower() not in _KEYWORDS:
        return name
    group, dot, rest = name.partition(".")
    if not (dot and rest and _PLAIN_NAME.fullmatch(group)):
        group, dot, rest = "", "", name
    return f"{group}{dot}`{rest.replace('`', '``')}`"


def fail(
    text: str, at: int, message: str, *, hint: str = "", kind: type[LedgerError] = UsageError
) -> NoReturn:
    """Raise an error with two lines of details: the part of `text` around `at`, and a caret under it."""
    start = max(0, at - _EXCERPT)
    before = _visible(text[start:at])
    after = _visible(text[at : at + _EXCERPT])
    lead, trail = "..." if start else "", "..." if at + _EXCERPT < len(text) else ""
    caret = " " * (len(lead) + _columns(before)) + "^"
    raise kind(f"--where: {message}", hint=hint, details=(f"{lead}{before}{after}{trail}", caret))


def _visible(text: str) -> str:
    """One character for each, so that the caret stays in place."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _columns(text: str) -> int:
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(character) else 1 + (east_asian_width(character) in "WF") for character in text)
