"""What each operation of an expression does to numbers: a double, or why there is none.

`ledger.schema.kernels` holds the same table for columns; both give the same bits.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from functools import reduce
from types import MappingProxyType

from ledger.schema.outcome import DIVISION_BY_ZERO, DOMAIN, OVERFLOW, Undefined


def called(operation: str, operands: tuple[float, ...]) -> float | Undefined:
    """The result of one operation. Finite operands with a result that isn't finite are an overflow."""
    result = _CALLED[operation](*operands)
    if isinstance(result, Undefined) or math.isfinite(result):
        return result
    return OVERFLOW if all(map(math.isfinite, operands)) else result


def _divided(dividend: float, divisor: float) -> float | Undefined:
    return dividend / divisor if divisor else DIVISION_BY_ZERO


def _power(base: float, exponent: float) -> float:
    """By repeated multiplication, as columns do it: the result doesn't depend on a library's `pow`."""
    if not exponent:
        return base if math.isnan(base) else 1.0
    return reduce(operator.mul, [base] * int(exponent))


def _exp(exponent: float) -> float | Undefined:
    try:
        return math.exp(exponent)
    except OverflowError:
        return OVERFLOW


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float | Undefined]:
    return lambda value: DOMAIN if value <= 0 else function(value)


def _lower(left: float, right: float) -> float:
    return right if right < left or math.isnan(right) else left


def _higher(left: float, right: float) -> float:
    return right if right > left or math.isnan(right) else left


COMPARED: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
    }
)
_CALLED: Mapping[str, Callable[..., float | Undefined]] = MappingProxyType(
    {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": _divided,
        "neg": operator.neg,
        "**": _power,
        "abs": abs,
        "sqrt": lambda value: DOMAIN if value < 0 else math.sqrt(value),
        "exp": _exp,
        "log": _logarithm(math.log),
        "log2": _logarithm(math.log2),
        "log10": _logarithm(math.log10),
        "min": lambda *values: reduce(_lower, values),
        "max": lambda *values: reduce(_higher, values),
        "clip": lambda value, low, high: _lower(_higher(value, low), high),
    }
)
