"""Expressions and affine maps over Arrow columns: the same bits as one value at a time, a million rows at once.

Missing is null and stays null. What is undefined becomes null too, with its reason beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from typing import TYPE_CHECKING, TypeAlias

from ledger.schema.affine import Affine
from ledger.schema.expression import Call, Constant, Expression, Name, Node, names_in, value_of
from ledger.schema.outcome import DIVISION_BY_ZERO, DOMAIN, EXACT_LIMIT, OVERFLOW, PRECISION, Undefined

if TYPE_CHECKING:
    import pyarrow as pa

    Column: TypeAlias = pa.Array | pa.ChunkedArray
    Datum: TypeAlias = Column | pa.Scalar

_REASONS = (OVERFLOW, PRECISION, DIVISION_BY_ZERO, DOMAIN)
_CODES: Mapping[Undefined, int] = {reason: code for code, reason in enumerate(_REASONS, 1)}
_WIDEST_EXACT = 32
"""Bits of the widest integers that a double holds exactly, all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A column, and why some of its rows have no value."""

    values: Column
    """Null where an input was missing or the result is undefined."""
    reasons: Column | None = None
    """Text where the result is undefined, null elsewhere; None if all rows are defined."""

    @property
    def undefined(self) -> int:
        """Number of rows whose result is undefined."""
        return 0 if self.reasons is None else len(self.reasons) - self.reasons.null_count


@dataclass(frozen=True, slots=True)
class _Part:
    """Values of a part of an expression, and what is undefined in them."""

    values: Datum
    codes: Datum | None = None
    """0, or the code of a reason; None where all is defined. Where it isn't 0 the value means nothing."""


def evaluate(
    expression: Expression, columns: Mapping[str, Column], *, on_div0: float | None = None
) -> Evaluated:
    """The expression in each row: null where any of its inputs is. See `Expression.evaluate`.

    `columns` are numeric, of equal length, and there is one at least; the result is double.
    """
    import pyarrow as pa

    inputs = {name: _doubles(columns[name]) for name in expression.names}
    part = _part(expression.root, inputs)
    if on_div0 is not None:
        part = _replaced(part, DIVISION_BY_ZERO, on_div0)
    length = len(next(iter(columns.values())))
    values = pa.repeat(part.values, length) if isinstance(part.values, pa.Scalar) else part.values
    codes = pa.repeat(part.codes, length) if isinstance(part.codes, pa.Scalar) else part.codes
    return _evaluated(values, codes, [column.values for column in inputs.values()])


def apply_affine(affine: Affine, column: Column) -> Evaluated:
    """The map in each row; the identity returns the column itself. See `Affine.apply`."""
    if affine.is_identity:
        return Evaluated(values=column)
    part = _doubles(column)
    kernels = _kernels()
    values = reduce(lambda value, step: kernels[_STEPS[step[0]]](value, step[1]), affine.steps, part.values)
    return _evaluated(values, _overflowing(part.codes, values, (part.values,)), [column])


_STEPS: Mapping[str, str] = {"multiply": "*", "divide": "/", "add": "+"}


def _evaluated(values: Column, codes: Column | None, inputs: list[Column]) -> Evaluated:
    """Null where an input is null, which a `where` may have passed over, and where the code isn't 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = [pc.is_null(column) for column in inputs if column.null_count]
    absent = reduce(pc.or_, missing) if missing else None
    if codes is not None and absent is not None:
        codes = pc.if_else(absent, pa.scalar(0, pa.int8()), codes)
    defined = None if codes is None else pc.equal(codes, 0)
    for kept in (defined, None if absent is None else pc.invert(absent)):
        values = values if kept is None else pc.if_else(kept, values, pa.scalar(None, pa.float64()))
    return Evaluated(values=values, reasons=_texts(codes))


def _texts(codes: Column | None) -> Column | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if codes is None or not _any(pc.not_equal(codes, 0)):
        return None
    return pc.take(pa.array([None, *(undefined.reason for undefined in _REASONS)], pa.string()), codes)


def _doubles(column: Column) -> _Part:
    """The column as doubles; whole numbers that would be rounded are undefined."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_float64(kind):
        return _Part(column)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise TypeError(f"no column of numbers: {kind}")
    values = pc.cast(column, pa.float64(), safe=False)
    if not pa.types.is_integer(kind) or kind.bit_width <= _WIDEST_EXACT:
        return _Part(values)
    rounded = pc.greater(column, EXACT_LIMIT)
    if pa.types.is_signed_integer(kind):
        rounded = pc.or_(rounded, pc.less(column, -EXACT_LIMIT))
    return _Part(values, _flagged(None, rounded, PRECISION))


def _part(node: Node, inputs: Mapping[str, _Part]) -> _Part:
    if isinstance(node, Name):
        return inputs[node.name]
    if isinstance(node, Constant) or not any(True for _ in names_in(node)):
        return _constant(node)
    if node.operation == "where":
        return _where(node, inputs)
    parts = [_part(argument, inputs) for argument in node.arguments]
    operands = [part.values for part in parts]
    codes = reduce(_first, (part.codes for part in parts))
    if fault := _FAULTS.get(node.operation):
        codes = _flagged(codes, fault[0](operands[-1]), fault[1])
    values = _kernels()[node.operation](*operands)
    return _Part(values, _overflowing(codes, values, operands))


def _constant(node: Node) -> _Part:
    import pyarrow as pa

    value = value_of(node, {})
    if isinstance(value, Undefined):
        return _Part(pa.scalar(float("nan")), pa.scalar(_CODES[value], pa.int8()))
    return _Part(pa.scalar(value, pa.float64()))


def _where(node: Call, inputs: Mapping[str, _Part]) -> _Part:
    """NaN where either side of the test is; what is undefined in the branch not taken doesn't count."""
    import pyarrow as pa
    import pyarrow.compute as pc

    test, *branches = node.arguments
    assert isinstance(test, Call)  # noqa: S101 - the parser sees to it
    left, right = (_part(side, inputs) for side in test.arguments)
    then, otherwise = (_part(branch, inputs) for branch in branches)
    holds = _kernels()[test.operation](left.values, right.values)
    unclear = pc.or_(pc.is_nan(left.values), pc.is_nan(right.values))
    values = pc.if_else(holds, then.values, otherwise.values)
    codes = None
    if then.codes is not None or otherwise.codes is not None:
        codes = pc.if_else(holds, _codes(then), _codes(otherwise))
    if _any(unclear):
        values = pc.if_else(unclear, pa.scalar(float("nan")), values)
        codes = None if codes is None else pc.if_else(unclear, pa.scalar(0, pa.int8()), codes)
    return _Part(values, _first(_first(left.codes, right.codes), codes))


def _codes(part: _Part) -> Datum:
    import pyarrow as pa

    return pa.scalar(0, pa.int8()) if part.codes is None else part.codes


def _first(earlier: Datum | None, later: Datum | None) -> Datum | None:
    import pyarrow.compute as pc

    if earlier is None or later is None:
        return later if earlier is None else earlier
    return pc.if_else(pc.not_equal(earlier, 0), earlier, later)


def _flagged(codes: Datum | None, mask: Datum, reason: Undefined) -> Datum | None:
    """`codes` with that of `reason` where the mask holds and nothing was undefined before."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not _any(mask):
        return codes
    code, fine = pa.scalar(_CODES[reason], pa.int8()), pa.scalar(0, pa.int8())
    return _first(codes, pc.if_else(pc.fill_null(mask, False), code, fine))


def _overflowing(
    codes: Datum | None, values: Datum, operands: tuple[Datum, ...] | list[Datum]
) -> Datum | None:
    import pyarrow.compute as pc

    finite = pc.is_finite(values)
    if pc.all(finite).as_py() is not False:
        return codes
    were_finite = reduce(pc.and_, (pc.is_finite(operand) for operand in operands))
    return _flagged(codes, pc.and_not(were_finite, finite), OVERFLOW)


def _replaced(part: _Part, reason: Undefined, value: float) -> _Part:
    import pyarrow as pa
    import pyarrow.compute as pc

    if part.codes is None:
        return part
    chosen = pc.equal(part.codes, _CODES[reason])
    return _Part(
        pc.if_else(chosen, pa.scalar(float(value)), part.values),
        pc.if_else(chosen, pa.scalar(0, pa.int8()), part.codes),
    )


def _any(mask: Datum) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    return (mask if isinstance(mask, pa.Scalar) else pc.any(mask)).as_py() is True


def _zero(values: Datum) -> Datum:
    import pyarrow.compute as pc

    return pc.equal(values, 0.0)


def _negative(values: Datum) -> Datum:
    import pyarrow.compute as pc

    return pc.less(values, 0.0)


def _not_positive(values: Datum) -> Datum:
    import pyarrow.compute as pc

    return pc.less_equal(values, 0.0)


_FAULTS: Mapping[str, tuple[Callable[[Datum], Datum], Undefined]] = {
    "/": (_zero, DIVISION_BY_ZERO),
    "sqrt": (_negative, DOMAIN),
    "log": (_not_positive, DOMAIN),
    "log2": (_not_positive, DOMAIN),
    "log10": (_not_positive, DOMAIN),
}
"""Operation → what its last operand must not be, and what the result is then."""


def _power(base: Datum, exponent: Datum) -> Datum:
    """By repeated multiplication, as one value at a time does it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    times = int(exponent.as_py())
    if not times:
        return pc.if_else(pc.is_nan(base), base, pa.scalar(1.0))
    return reduce(pc.multiply, [base] * times)


def _lower(left: Datum, right: Datum) -> Datum:
    import pyarrow.compute as pc

    return pc.if_else(pc.or_(pc.less(right, left), pc.is_nan(right)), right, left)


def _higher(left: Datum, right: Datum) -> Datum:
    import pyarrow.compute as pc

    return pc.if_else(pc.or_(pc.greater(right, left), pc.is_nan(right)), right, left)


@cache
def _kernels() -> Mapping[str, Callable[..., Datum]]:
    import pyarrow.compute as pc

    return {
        "+": pc.add,
        "-": pc.subtract,
        "*": pc.multiply,
        "/": pc.divide,
        "neg": pc.negate,
        "**": _power,
        "abs": pc.abs,
        "sqrt": pc.sqrt,
        "exp": pc.exp,
        "log": pc.ln,
        "log2": pc.log2,
        "log10": pc.log10,
        "min": lambda *values: reduce(_lower, values),
        "max": lambda *values: reduce(_higher, values),
        "clip": lambda value, low, high: _lower(_higher(value, low), high),
        "<": pc.less,
        "<=": pc.less_equal,
        ">": pc.greater,
        ">=": pc.greater_equal,
        "==": pc.equal,
        "!=": pc.not_equal,
    }
