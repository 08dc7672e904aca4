"""Expressions over metrics: a closed grammar with a parser of its own, nothing is ever run as Python.

    2*p*r/(p+r)        where(n > 0, hits/n, 0)        sqrt(mse)        # a comment ends the line

Numbers, names, `+ - * /`, unary signs, `**` with a whole exponent from 0 to 8, the functions of `FUNCTIONS`, and
one comparison as the first argument of `where`. Whatever else is in the text is refused when it is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from ledger import canonical
from ledger.errors import LedgerError
from ledger.schema.arithmetic import COMPARED, called
from ledger.schema.outcome import DIVISION_BY_ZERO, EXACT_LIMIT, PRECISION, Undefined

MAX_LENGTH = 500
MAX_NODES = 100
MAX_NESTING = 20
MAX_EXPONENT = 8

FUNCTIONS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "abs": (1, 1),
        "sqrt": (1, 1),
        "exp": (1, 1),
        "log": (1, 1),
        "log2": (1, 1),
        "log10": (1, 1),
        "min": (2, MAX_NODES),
        "max": (2, MAX_NODES),
        "clip": (3, 3),
        "where": (3, 3),
    }
)
"""Function → how many arguments it takes, at least and at most. `clip(x, low, high)`, `where(test, then, else)`."""

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
"""What the name of an input looks like."""


class ExpressionError(LedgerError):
    """An expression that is refused: `name` is the rule it breaks, `position` the offset in the text."""

    kind = "config"
    code = "LS409"

    def __init__(self, message: str, *, name: str, position: int) -> None:
        super().__init__(
            f"expression, column {position + 1}: {message}",
            hint="it may hold numbers, inputs, + - * / ** and " + " ".join(FUNCTIONS),
        )
        self.name = name
        self.position = position


@dataclass(frozen=True, slots=True)
class Constant:
    value: float


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """An operator, a comparison or a function at work; `neg` is the unary minus."""

    operation: str
    arguments: tuple[Node, ...]


Node: TypeAlias = "Constant | Name | Call"


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that has been read and found harmless."""

    root: Node

    @property
    def names(self) -> frozenset[str]:
        """The inputs that it reads."""
        return frozenset(names_in(self.root))

    @property
    def canonical(self) -> str:
        """S-expression to hash: equal for texts that differ just in spaces, brackets and comments."""
        return _canonical(self.root)

    def evaluate(self, values: Mapping[str, float], *, on_div0: float | None = None) -> float | Undefined:
        """The value where all of `names` have one.

        NaN comes through everything. The first thing that is undefined decides, though not in the branch that
        a `where` leaves out; where that is a division by zero, `on_div0` is the value of the whole expression.
        """
        result = value_of(self.root, values)
        return float(on_div0) if result == DIVISION_BY_ZERO and on_div0 is not None else result


def parse(text: str, names: Collection[str]) -> Expression:
    """Read an expression over the inputs `names`. Raises ExpressionError."""
    if len(text) > MAX_LENGTH:
        raise _error("TOO_LONG", f"{len(text):,} characters, the limit is {MAX_LENGTH}", MAX_LENGTH)
    return Expression(_Parser(text, frozenset(names)).whole())


def _error(rule: str, message: str, position: int) -> ExpressionError:
    return ExpressionError(message, name=f"EXPR_{rule}", position=position)


def names_in(node: Node) -> Iterator[str]:
    """The inputs that a part of an expression reads, each as often as it stands there."""
    if isinstance(node, Name):
        yield node.name
    elif isinstance(node, Call):
        for argument in node.arguments:
            yield from names_in(argument)


def _canonical(node: Node) -> str:
    if isinstance(node, Constant):
        return canonical.jcs(node.value).decode()
    if isinstance(node, Name):
        return node.name
    return f"({' '.join((node.operation, *map(_canonical, node.arguments)))})"


# Reading


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int

    def __str__(self) -> str:
        return f"`{self.text}`" if self.text else self.kind


_TOKEN = re.compile(
    r"(?P<number>(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    rf"|(?P<name>{NAME})"
    r"|(?P<comparison>[<>]=?|[=!]=)"
    r"|(?P<operator>\*\*|[-+*/(),])"
    r"|(?P<space>[ \t]+|\#.*)"
)
_END = "the end"
_SUM, _PRODUCT = frozenset("+-"), frozenset("*/")


def _check_characters(text: str) -> None:
    """A comment may hold any character that can be seen, and nothing may hold another."""
    for position, character in enumerate(text):
        if not (character.isprintable() or character == "\t"):
            raise _error("FORBIDDEN", f"{character!a} has no meaning here", position)


def _tokens(text: str) -> Iterator[_Token]:
    _check_characters(text)
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found:
            raise _error("FORBIDDEN", f"`{text[position]}` has no meaning here", position)
        if found.lastgroup != "space":
            yield _Token(found.lastgroup or "", found[0], position)
        position = found.end()
    yield _Token(_END, "", len(text))


class _Parser:
    """Recursive descent. Each level of nesting is counted, so that no text exhausts the stack."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self._tokens = list(_tokens(text))
        self._next = 0
        self._names = names
        self._nodes = 0

    def whole(self) -> Node:
        root = self._sum(0)
        self._expect(_END)
        return root

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _advance(self) -> _Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _expect(self, text: str) -> None:
        if text not in {self._token.text, self._token.kind}:
            wanted = text if text == _END else f"`{text}`"
            raise _error("SYNTAX", f"{self._token} where {wanted} should be", self._token.position)
        self._advance()

    def _counted(self, node: Node) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _error("TOO_COMPLEX", f"more than {MAX_NODES} parts", self._token.position)
        return node

    def _nested(self, nesting: int) -> int:
        if nesting >= MAX_NESTING:
            raise _error("TOO_COMPLEX", f"nested more than {MAX_NESTING} deep", self._token.position)
        return nesting + 1

    def _sum(self, nesting: int) -> Node:
        return self._chain(_SUM, self._product, nesting)

    def _product(self, nesting: int) -> Node:
        return self._chain(_PRODUCT, self._signed, nesting)

    def _chain(self, operators: frozenset[str], part: Callable[[int], Node], nesting: int) -> Node:
        result = part(nesting)
        while self._token.text in operators:
            operation = self._advance().text
            result = self._counted(Call(operation, (result, part(nesting))))
        return result

    def _signed(self, nesting: int) -> Node:
        if self._token.text not in _SUM:
            return self._power(nesting)
        sign = self._advance().text
        operand = self._signed(self._nested(nesting))
        return self._counted(Call("neg", (operand,))) if sign == "-" else operand

    def _power(self, nesting: int) -> Node:
        base = self._atom(nesting)
        if self._token.text != "**":
            return base
        self._advance()
        start = self._next
        exponent = self._atom(self._nested(nesting))
        literal = next(token for token in self._tokens[start:] if token.text != "(")
        whole = isinstance(exponent, Constant) and literal.text in _EXPONENTS
        if not whole or self._token.text == "**":
            message = f"the exponent of ** should be a whole number from 0 to {MAX_EXPONENT}"
            raise _error("FORBIDDEN", message, self._tokens[start].position)
        return self._counted(Call("**", (base, exponent)))

    def _atom(self, nesting: int) -> Node:
        token = self._advance()
        if token.kind == "number":
            return self._counted(Constant(_constant(token)))
        if token.kind == "name" and self._token.text == "(":
            return self._call(token, self._nested(nesting))
        if token.kind == "name":
            return self._counted(Name(self._known(token)))
        if token.text == "(":
            inner = self._sum(self._nested(nesting))
            self._expect(")")
            return inner
        raise _error("SYNTAX", f"{token} where a number or an input should be", token.position)

    def _known(self, token: _Token) -> str:
        if token.text not in self._names:
            inputs = ", ".join(sorted(self._names)) or "none"
            raise _error("UNKNOWN_NAME", f"{token.text} is not an input (inputs: {inputs})", token.position)
        return token.text

    def _call(self, function: _Token, nesting: int) -> Node:
        if function.text not in FUNCTIONS:
            raise _error("FORBIDDEN", f"{function.text} is not a function", function.position)
        self._expect("(")
        arguments = [self._test(nesting) if function.text == "where" else self._sum(nesting)]
        while self._token.text == ",":
            self._advance()
            arguments.append(self._sum(nesting))
        self._expect(")")
        least, most = FUNCTIONS[function.text]
        if not least <= len(arguments) <= most:
            wanted = "1 argument" if most == 1 else f"{least}{'' if least == most else ' or more'} arguments"
            message = f"{function.text} takes {wanted}, not {len(arguments)}"
            raise _error("ARITY", message, function.position)
        return self._counted(Call(function.text, tuple(arguments)))

    def _test(self, nesting: int) -> Node:
        left = self._sum(nesting)
        if self._token.kind != "comparison":
            raise _error("FORBIDDEN", "where should begin with a comparison", self._token.position)
        comparison = self._advance().text
        return self._counted(Call(comparison, (left, self._sum(nesting))))


_EXPONENTS = frozenset(map(str, range(MAX_EXPONENT + 1)))


def _constant(token: _Token) -> float:
    if token.text.isdigit() and (len(token.text) > len(str(EXACT_LIMIT)) or int(token.text) > EXACT_LIMIT):
        raise _error("FORBIDDEN", "a whole number beyond 2^53, which a double can't hold", token.position)
    value = float(token.text)
    if math.isinf(value):
        raise _error("FORBIDDEN", f"{token.text[:20]} is beyond the range of a double", token.position)
    return value


# Evaluating


def value_of(node: Node, values: Mapping[str, float]) -> float | Undefined:
    """The value of a part of an expression."""
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Name):
        value = values[node.name]
        return PRECISION if isinstance(value, int) and abs(value) > EXACT_LIMIT else float(value)
    if node.operation == "where":
        return _where(node.arguments, values)
    operands = _operands(node.arguments, values)
    return operands if isinstance(operands, Undefined) else called(node.operation, operands)


def _operands(nodes: tuple[Node, ...], values: Mapping[str, float]) -> tuple[float, ...] | Undefined:
    operands = []
    for node in nodes:
        value = value_of(node, values)
        if isinstance(value, Undefined):
            return value
        operands.append(value)
    return tuple(operands)


def _where(arguments: tuple[Node, ...], values: Mapping[str, float]) -> float | Undefined:
    test, then, otherwise = arguments
    assert isinstance(test, Call)  # noqa: S101 - the parser sees to it
    operands = _operands(test.arguments, values)
    if isinstance(operands, Undefined):
        return operands
    if any(map(math.isnan, operands)):
        return math.nan
    return value_of(then if COMPARED[test.operation](*operands) else otherwise, values)
