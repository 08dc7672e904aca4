"""Filters on runs: a parsed text becomes an Arrow expression over columns that are named like its names.

The logic has three values (Kleene's): what compares with nothing is neither true nor false, so that such a run is
left out under `not` too, and is counted. NaN counts as nothing. Integers compare exactly with integers, all other
numbers as doubles; text compares by code points, which puts RFC 3339 times in UTC into their order.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ledger.errors import NotFoundError
from ledger.trace.grammar import (
    Comparison,
    Every,
    Expression,
    IsNull,
    Like,
    Membership,
    Name,
    Node,
    Not,
    Operand,
    Operator,
    Some,
    Truth,
    Value,
    parse,
)
from ledger.trace.names import names, renamed, resolve, resolved
from ledger.trace.tokens import fail, quoted

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Expression",
    "Selection",
    "all_of",
    "compiled",
    "matches",
    "names",
    "parse",
    "renamed",
    "resolve",
    "resolved",
    "select",
]

ArrowExpression: TypeAlias = Any
"""pyarrow.compute.Expression, which has no types."""

_OPERATORS: Mapping[Operator, Callable[[ArrowExpression, ArrowExpression], ArrowExpression]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EQUALITY: tuple[Operator, ...] = ("=", "!=")
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    table: pa.Table
    """The rows for which the filter is true, in their order."""
    unknown: int
    """How many rows were left out because the filter is neither true nor false for them."""


def all_of(texts: Sequence[str]) -> str | None:
    """One filter that is true where all are. Each is parsed alone: no bracket of one closes one of another."""
    for text in texts:
        parse(text)
    return " and ".join(f"({text})" for text in texts) if len(texts) > 1 else next(iter(texts), None)


def select(expression: Expression, table: pa.Table) -> Selection:
    """The rows of `table` that pass. Values that may not be compared must be null in it.

    Raises UsageError when a column is compared with a value of another kind.
    """
    mask = matches(expression, table)
    return Selection(table=table.filter(mask), unknown=mask.null_count)


def matches(expression: Expression, table: pa.Table) -> pa.ChunkedArray:
    """One answer a row: true, false or null."""
    from pyarrow.acero import Declaration, ProjectNodeOptions, TableSourceNodeOptions

    columns = table.select(sorted(names(expression)))
    steps = [
        Declaration("table_source", TableSourceNodeOptions(columns)),
        Declaration("project", ProjectNodeOptions([compiled(expression, columns.schema)], ["match"])),
    ]
    return Declaration.from_sequence(steps).to_table(use_threads=False)["match"]  # one thread keeps the order


def compiled(expression: Expression, schema: pa.Schema) -> ArrowExpression:
    """The `pyarrow.compute.Expression` of a filter over a table with this schema.

    Raises UsageError for a name that is no column, and for a comparison of different kinds of values.
    """
    return _Compiler(expression.text, schema).node(expression.node)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One side of a comparison: a column as an Arrow expression, or a constant."""

    kind: str
    """number, text, boolean, or `nothing` for a column without any value."""
    shown: str
    at: int
    column: ArrowExpression = None
    integer: bool = False
    constant: Value | None = None


class _Compiler:
    def __init__(self, text: str, schema: pa.Schema) -> None:
        self._text = text
        self._schema = schema

    def node(self, node: Node) -> ArrowExpression:  # noqa: PLR0911 - one line a kind of node
        match node:
            case Comparison():
                return self._comparison(node)
            case Truth():
                return self._truth(node)
            case Membership():
                return self._membership(node)
            case Like():
                return self._like(node)
            case IsNull():
                column = self._column(node.name)
                return _literal(True) if column.kind == "nothing" else column.column.is_null()
            case Not():
                return ~self.node(node.node)
            case Every():
                return _balanced(operator.and_, [self.node(inner) for inner in node.nodes])
            case Some():
                return _balanced(operator.or_, [self.node(inner) for inner in node.nodes])

    def _comparison(self, node: Comparison) -> ArrowExpression:
        left, right = self._side(node.left), self._side(node.right)
        if "nothing" in (left.kind, right.kind):
            return _literal(None)
        self._same_kind(left, right)
        if left.kind == "boolean" and node.operator not in _EQUALITY:
            fail(self._text, node.at, "true and false have no order", hint="compare them with = or !=")
        return _OPERATORS[node.operator](*_aligned(left, right))

    def _truth(self, node: Truth) -> ArrowExpression:
        column = self._column(node.name)
        if column.kind == "nothing":
            return _literal(None)
        if column.kind != "boolean":
            example = "> 0" if column.kind == "number" else "= 'text'"
            fail(
                self._text,
                column.at,
                f"{column.shown} holds {_PLURALS[column.kind]}, which is no condition",
                hint=f"compare it: {column.shown} {example}",
            )
        return column.column

    def _membership(self, node: Membership) -> ArrowExpression:
        column = self._column(node.name)
        if column.kind == "nothing":
            return _literal(None)
        for constant in node.values:
            self._same_kind(column, self._side(constant))
        return _known(column.column, _is_in(column, [constant.value for constant in node.values]))

    def _like(self, node: Like) -> ArrowExpression:
        import pyarrow.compute as pc

        column = self._column(node.name)
        if column.kind == "nothing":
            return _literal(None)
        if column.kind != "text":
            fail(
                self._text, node.at, f"{column.shown} holds {_PLURALS[column.kind]}, which no pattern matches"
            )
        return pc.match_substring_regex(column.column, pattern=_regex(node.pattern))

    def _side(self, operand: Operand) -> _Side:
        if isinstance(operand, Name):
            return self._column(operand)
        value = operand.value
        return _Side(kind=_constant_kind(value), shown=_shown(value), at=operand.at, constant=value)

    def _column(self, name: Name) -> _Side:
        index = self._schema.get_field_index(name.name)
        if index < 0:
            fail(self._text, name.at, f"there is no {quoted(name.name)}", kind=NotFoundError)
        kind, integer, column = _typed(name.name, self._schema.field(index).type)
        if not kind:
            fail(self._text, name.at, f"{quoted(name.name)} can't be filtered by")
        return _Side(kind=kind, shown=quoted(name.name), at=name.at, column=column, integer=integer)

    def _same_kind(self, left: _Side, right: _Side) -> None:
        if left.kind != right.kind:
            fail(
                self._text,
                right.at,
                f"{_described(left)}, {_described(right)}",
                hint=_kind_hint(left, right),
            )


_PLURALS = {"number": "numbers", "text": "text", "boolean": "true or false", "nothing": "nothing"}


def _described(side: _Side) -> str:
    if side.constant is None:
        return f"{side.shown} holds {_PLURALS[side.kind]}"
    return f"{side.shown} is {side.kind if side.kind == 'text' else 'a ' + side.kind}"


def _kind_hint(left: _Side, right: _Side) -> str:
    column, constant = (left, right) if right.constant is not None else (right, left)
    if constant.constant is None:
        return "only columns of one kind compare"
    if column.kind == "text":
        return f"write it in quotes: '{constant.shown}'"
    if column.kind == "number" and _is_number(str(constant.constant)):
        return f"write it without quotes: {constant.constant}"
    return {"number": "compare it with a number", "boolean": "compare it with true or false"}[column.kind]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _constant_kind(value: Value) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def _typed(name: str, column_type: pa.DataType) -> tuple[str, bool, ArrowExpression]:
    """Kind, whether it holds integers, and the column in the one type of its kind; no kind for other types."""
    import pyarrow as pa
    import pyarrow.compute as pc

    field = pc.field(name)
    if pa.types.is_dictionary(column_type):
        column_type = column_type.value_type
        field = field.cast(column_type)
    if pa.types.is_null(column_type):
        return "nothing", False, field
    if pa.types.is_boolean(column_type):
        return "boolean", False, field
    if pa.types.is_integer(column_type) and column_type != pa.uint64():
        return "number", True, field.cast(pa.int64())
    if pa.types.is_floating(column_type) or column_type == pa.uint64():
        return "number", False, _without_nan(_double(field))
    if pa.types.is_string(column_type) or pa.types.is_large_string(column_type):
        return "text", False, field.cast(pa.large_string())
    return "", False, field


def _double(column: ArrowExpression) -> ArrowExpression:
    """As doubles, rounded where an integer has more than 53 bits."""
    return column.cast("float64", safe=False)


def _without_nan(column: ArrowExpression) -> ArrowExpression:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)


def _literal(value: bool | None) -> ArrowExpression:  # noqa: FBT001 - a constant answer
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.scalar(pa.scalar(value, pa.bool_()))


def _known(column: ArrowExpression, answer: ArrowExpression) -> ArrowExpression:
    """`answer`, but null where the column is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(column.is_valid(), answer, pa.scalar(None, pa.bool_()))


def _aligned(left: _Side, right: _Side) -> tuple[ArrowExpression, ArrowExpression]:
    """Both sides in one Arrow type."""
    if left.kind == "number" and not (_is_integer(left) and _is_integer(right)):
        return _as_double(left, right), _as_double(right, left)
    return _as_is(left), _as_is(right)


def _is_integer(side: _Side) -> bool:
    if side.constant is None:
        return side.integer
    return _int64(side.constant) is not None


def _int64(value: Value) -> int | None:
    """The 64-bit integer that a constant equals, if there is one."""
    if isinstance(value, str) or not math.isfinite(value) or value != int(value):
        return None
    return int(value) if int(value) in _INT64 else None


def _as_double(side: _Side, other: _Side) -> ArrowExpression:
    """A constant beyond all 64-bit integers stands beyond them after rounding, too."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if side.constant is None:
        return _double(side.column) if side.integer else side.column
    value = float(side.constant)
    beyond = other.integer and int(value) not in _INT64
    return pc.scalar(pa.scalar(math.copysign(math.inf, value) if beyond else value, pa.float64()))


def _as_is(side: _Side) -> ArrowExpression:
    import pyarrow as pa
    import pyarrow.compute as pc

    if side.constant is None:
        return side.column
    whole = _int64(side.constant) if side.kind == "number" else None
    return pc.scalar(pa.scalar(side.constant if whole is None else whole, _arrow_type(side.kind)))


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    return {"number": pa.int64(), "text": pa.large_string(), "boolean": pa.bool_()}[kind]


def _is_in(column: _Side, values: Sequence[Value]) -> ArrowExpression:
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.kind == "number" and not column.integer:
        members = pa.array([float(value) + 0.0 for value in values], pa.float64())
        return pc.is_in(
            column.column + pa.scalar(0.0), value_set=members
        )  # -0.0 hashes unlike 0.0, but is equal
    if column.kind == "number":
        members = pa.array([whole for whole in map(_int64, values) if whole is not None], pa.int64())
    else:
        members = pa.array(values, _arrow_type(column.kind))
    return pc.is_in(column.column, value_set=members)


_WILDCARDS = {"*": ".*", "?": "."}


def _regex(pattern: str) -> str:
    """The whole text must match; RE2 takes time in proportion to the text whatever the pattern."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    escaped = (_WILDCARDS.get(part) or re.escape(part[-1]) for part in parts)
    return rf"(?s)\A{''.join(escaped)}\z"


def _balanced(
    join: Callable[[ArrowExpression, ArrowExpression], ArrowExpression], parts: list[ArrowExpression]
) -> ArrowExpression:
    """Joined as a flat tree, since Arrow walks expressions recursively."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return join(_balanced(join, parts[:middle]), _balanced(join, parts[middle:]))
