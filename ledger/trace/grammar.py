"""The filter language of `--where`: text → a frozen tree. A closed grammar; nothing in it is ever evaluated.

    filter     = and-list { "or" and-list }
    and-list   = negation { "and" negation }
    negation   = "not" negation | "(" filter ")" | condition
    condition  = operand [ operator operand | ["not"] "in" "(" literal { "," literal } ")"
                         | ["not"] "like" text | "is" ["not"] "null" ]
    operator   = "=" | "==" | "!=" | "<" | "<=" | ">" | ">="
    operand    = name | literal
    literal    = number | 'text' | "text" | true | false
    name       = part { "." part }        a part with other characters than letters, digits, _ in `backticks`

A name alone is true where a boolean column is. In `like`, `*` stands for any text and `?` for one character; a
backslash makes the next character stand for itself. A quote or a backtick inside itself is doubled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal as OneOf
from typing import NoReturn, TypeAlias, cast

from ledger.errors import UsageError
from ledger.trace.tokens import Token, fail, joined, tokens, unquoted

MAX_TEXT = 16_384
MAX_DEPTH = 50
MAX_CONDITIONS = 500

Operator: TypeAlias = OneOf["=", "!=", "<", "<=", ">", ">="]
Value: TypeAlias = str | int | float | bool

_SPELLED: dict[str, Operator] = {"==": "="}
_INT64_DIGITS = 20  # with the sign; a longer whole number is larger than any column's and may be a float


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    name: str
    """Parts joined by dots, without backticks."""
    at: int
    """Where it stands in the text, for messages; so in all nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    value: Value
    at: int


Operand: TypeAlias = Name | Constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    operator: Operator
    left: Operand
    right: Operand
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A boolean column by itself."""

    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    name: Name
    values: tuple[Constant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Like:
    name: Name
    pattern: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IsNull:
    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """All of two or more nodes (`and`)."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Some:
    """At least one of two or more nodes (`or`)."""

    nodes: tuple[Node, ...]


Node: TypeAlias = Comparison | Truth | Membership | Like | IsNull | Not | Every | Some


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    text: str
    """As it was written, for messages."""
    node: Node


def parse(text: str) -> Expression:
    """The tree of a filter. Raises UsageError whose details show the text and a caret where it goes wrong."""
    if len(text) > MAX_TEXT:
        raise UsageError(
            f"--where: {len(text):,} characters, the limit is {MAX_TEXT:,}", hint="filter an export instead"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        fail(text, error.start, "half a character, which is in no recorded text")
    return Expression(text=text, node=_Parser(text).whole())


class _Parser:
    """Recursive descent, one method a rule of the grammar; depth and size are bounded."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ahead = tokens(text)
        self._token = next(self._ahead)
        self._depth = 0
        self._conditions = 0

    def whole(self) -> Node:
        node = self._filter()
        if self._token.kind != "end":
            self._expected("'and', 'or' or the end")
        return node

    def _filter(self) -> Node:
        nodes = self._list(self._and_list, "or")
        return nodes[0] if len(nodes) == 1 else Some(nodes=nodes)

    def _and_list(self) -> Node:
        nodes = self._list(self._negation, "and")
        return nodes[0] if len(nodes) == 1 else Every(nodes=nodes)

    def _list(self, rule: Callable[[], Node], word: str) -> tuple[Node, ...]:
        nodes = [rule()]
        while self._took("keyword", word):
            nodes.append(rule())
        return tuple(nodes)

    def _negation(self) -> Node:
        at = self._token.at
        self._depth += 1
        if self._depth > MAX_DEPTH:
            fail(self._text, at, f"nested more than {MAX_DEPTH} levels deep")
        try:
            if self._took("keyword", "not"):
                return Not(node=self._negation())
            if self._took("mark", "("):
                node = self._filter()
                self._need("mark", ")")
                return node
            return self._condition()
        finally:
            self._depth -= 1

    def _condition(self) -> Node:
        self._count()
        left = self._operand()
        if self._token.kind == "operator":
            return self._comparison(left)
        return self._about_name(self._name_only(left))

    def _comparison(self, left: Operand) -> Comparison:
        token = self._advance()
        right = self._operand()
        if isinstance(left, Constant) and isinstance(right, Constant):
            fail(
                self._text,
                left.at,
                "a comparison of two constants",
                hint="one side should be a name such as metrics.f1",
            )
        if self._token.kind == "operator":
            fail(self._text, self._token.at, "two comparisons in one", hint="write 'a < b and b < c'")
        operator = _SPELLED.get(token.text) or cast("Operator", token.text)
        return Comparison(operator=operator, left=left, right=right, at=token.at)

    def _about_name(self, name: Name) -> Node:
        """What follows a name when it is no operator."""
        if self._took("keyword", "is"):
            negated = self._took("keyword", "not")
            self._need("keyword", "null")
            return _negated(IsNull(name=name), negated)
        negated = self._took("keyword", "not")
        if self._took("keyword", "in"):
            return _negated(Membership(name=name, values=self._values()), negated)
        if self._took("keyword", "like"):
            return _negated(self._pattern(name), negated)
        if negated:
            self._expected("'in' or 'like'")
        if self._token.text not in ("", "and", "or", ")"):
            self._expected(f"a comparison of {name.name}")
        return Truth(name=name)

    def _pattern(self, name: Name) -> Like:
        at = self._token.at
        if self._token.kind != "text":
            self._expected("a pattern in quotes")
        return Like(name=name, pattern=unquoted(self._advance().text), at=at)

    def _values(self) -> tuple[Constant, ...]:
        self._need("mark", "(")
        values = [self._constant()]
        while self._took("mark", ","):
            self._count()
            values.append(self._constant())
        self._need("mark", ")")
        return tuple(values)

    def _operand(self) -> Operand:
        if self._token.kind == "name":
            token = self._advance()
            return Name(name=joined(token.text), at=token.at)
        return self._constant("a name or a value")

    def _constant(self, expected: str = "a value") -> Constant:
        token = self._token
        if token.kind == "keyword" and token.text == "null":
            fail(self._text, token.at, "nothing compares with null", hint="write 'is null' or 'is not null'")
        value = self._value(token)
        if value is None:
            self._expected(expected)
        self._advance()
        return Constant(value=value, at=token.at)

    def _value(self, token: Token) -> Value | None:
        if token.kind == "number":
            return self._number(token)
        if token.kind == "text":
            return unquoted(token.text)
        return {"true": True, "false": False}.get(token.text) if token.kind == "keyword" else None

    def _number(self, token: Token) -> int | float:
        whole = token.text.lstrip("+-").isdigit() and len(token.text) <= _INT64_DIGITS
        value = int(token.text) if whole else float(token.text)
        if math.isinf(value):
            fail(self._text, token.at, "the number is too large")
        return value

    def _name_only(self, operand: Operand) -> Name:
        if isinstance(operand, Constant):
            self._expected("a comparison")
        return operand

    def _count(self) -> None:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            fail(self._text, self._token.at, f"more than {MAX_CONDITIONS} conditions and values")

    def _advance(self) -> Token:
        token = self._token
        self._token = next(self._ahead)
        return token

    def _took(self, kind: str, text: str) -> bool:
        found = self._token.kind == kind and self._token.text == text
        if found:
            self._advance()
        return found

    def _need(self, kind: str, text: str) -> None:
        if not self._took(kind, text):
            self._expected(f"'{text}'")

    def _expected(self, what: str) -> NoReturn:
        fail(self._text, self._token.at, f"expected {what}, found {self._token}")


def _negated(node: Node, negated: bool) -> Node:  # noqa: FBT001 - private, and plain where it is called
    return Not(node=node) if negated else node
