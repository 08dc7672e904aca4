"""Plans over columns: the same bits, grades and reasons as `Plan.apply` gives one run at a time.

Only where doubles stand beside whole numbers beyond 2^53 do they differ: a column has one type, and is undefined there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from ledger.model import Grade
from ledger.schema import expression, kernels
from ledger.schema.affine import Affine
from ledger.schema.instructions import Compute, Convert, Either, Instruction
from ledger.schema.plan import Plan, Read

if TYPE_CHECKING:
    from ledger.schema.kernels import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Values under a plan's target, with its grade wherever there is one.

    Where `values` is null: ambiguous if `ambiguous` says so, undefined if there is a reason, else missing.
    """

    values: Column
    reasons: Column | None = None
    """Text where the result is undefined, null elsewhere; None if nowhere."""
    ambiguous: Column | None = None
    """True where recorded values contradict one another; None if nowhere."""


def evaluate(plan: Plan, columns: Mapping[str, Column], length: int) -> Columns:
    """All rows at once. `columns` holds what was recorded under `plan.sources`, numeric, null where nothing was.

    A plan without a program gives nothing but nulls. Only metrics: raises TypeError for tables and casts.
    """
    import pyarrow as pa

    if not plan.program:
        return Columns(values=pa.nulls(length, pa.float64()))
    results: list[Columns] = []
    for instruction in plan.program:
        results.append(_run(instruction, results, columns, length))
    return results[-1]


def _run(
    instruction: Instruction, results: Sequence[Columns], columns: Mapping[str, Column], length: int
) -> Columns:
    import pyarrow as pa

    if isinstance(instruction, Read):
        column = columns.get(instruction.name)
        return Columns(values=pa.nulls(length, pa.float64()) if column is None else column)
    if isinstance(instruction, Convert):
        return _converted(instruction, results[instruction.source])
    if isinstance(instruction, Compute):
        return _computed(instruction, results)
    if isinstance(instruction, Either):
        return _either(instruction, [results[place] for place in instruction.sources])
    raise TypeError(f"{type(instruction).__name__} is for params, which are few: use Plan.apply")


def _converted(instruction: Convert, source: Columns) -> Columns:
    link = instruction.chain[0]
    if len(instruction.chain) > 1 or not isinstance(link, Affine):
        raise TypeError("a table is for params, which are few: use Plan.apply")
    done = kernels.apply_affine(link, source.values)
    return Columns(
        values=done.values, reasons=_first([source.reasons, done.reasons]), ambiguous=source.ambiguous
    )


def _computed(instruction: Compute, results: Sequence[Columns]) -> Columns:
    inputs = {alias: results[place] for alias, place, _ in instruction.inputs}
    function = instruction.function
    values = {alias: column.values for alias, column in inputs.items()}
    done = kernels.evaluate(function.expression, values, on_div0=function.on_div0)
    unread = [column for alias, column in values.items() if alias not in function.expression.names]
    sources = list(inputs.values())
    return Columns(
        values=_nulled(done.values, [_is_null(column) for column in unread]),
        reasons=_first([*(column.reasons for column in sources), done.reasons]),
        ambiguous=_any([column.ambiguous for column in sources]),
    )


def _either(instruction: Either, sources: Sequence[Columns]) -> Columns:
    import pyarrow as pa
    import pyarrow.compute as pc

    if len({str(source.values.type) for source in sources}) > 1:
        sources = [_as_doubles(source) for source in sources]
    first, *others = [source.values for source in sources]
    chosen = reduce(pc.coalesce, others, first)
    clash = _any([_differs(chosen, other) for other in others])
    reasons = _first([source.reasons for source in sources])
    ambiguous = _any([source.ambiguous for source in sources])
    if instruction.conflict.grade is Grade.UNDEFINED:
        told = pc.if_else(clash, pa.scalar(instruction.conflict.reason), pa.scalar(None, pa.string()))
        reasons = _first([reasons, told])
    else:
        ambiguous = _any([ambiguous, clash])
    broken = [mask for mask in (clash, _is_valid(reasons), ambiguous) if mask is not None]
    return Columns(values=_nulled(chosen, broken), reasons=reasons, ambiguous=ambiguous)


def _as_doubles(source: Columns) -> Columns:
    """Whole numbers beside doubles: those that a double does not hold are undefined, never rounded."""
    done = kernels.evaluate(_ITSELF, {"x": source.values})
    return Columns(
        values=done.values, reasons=_first([source.reasons, done.reasons]), ambiguous=source.ambiguous
    )


_ITSELF = expression.parse("x", ["x"])


def _differs(chosen: Column, other: Column) -> Any:
    """Where both have a value, and not the same one; NaN is NaN, -0 is 0."""
    import pyarrow.compute as pc

    unlike = pc.fill_null(pc.not_equal(chosen, other), False)
    nan = pc.fill_null(pc.and_(pc.is_nan(chosen), pc.is_nan(other)), False)
    return pc.and_not(unlike, nan)


def _first(columns: Sequence[Column | None]) -> Column | None:
    import pyarrow.compute as pc

    known = [column for column in columns if column is not None]
    return reduce(pc.coalesce, known) if known else None


def _any(masks: Sequence[Column | None]) -> Column | None:
    import pyarrow.compute as pc

    known = [mask for mask in masks if mask is not None]
    return reduce(pc.or_, known) if known else None


def _is_null(column: Column) -> Any:
    import pyarrow.compute as pc

    return pc.is_null(column)


def _is_valid(column: Column | None) -> Any:
    import pyarrow.compute as pc

    return None if column is None else pc.is_valid(column)


def _nulled(values: Column, masks: Sequence[Any]) -> Any:
    """Null wherever any of the masks says so."""
    import pyarrow as pa
    import pyarrow.compute as pc

    mask = _any(masks)
    return values if mask is None else pc.if_else(mask, pa.scalar(None, values.type), values)
